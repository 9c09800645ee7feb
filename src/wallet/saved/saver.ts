import type { Network } from '../../bitcoin/network.ts';
import { type Bytes, toHex, utf8 } from '../../crypto/index.ts';
import {
  authEvent,
  type ConnectionOptions,
  createRelays,
  type Log,
  normalizeRelayUrl,
  type OpenSocket,
  PLAINTEXT_LIMIT,
  plaintextLimit,
  xOnlyOf,
} from '../../nostr/index.ts';
import type { SeedKeyStore } from '../../shell/keystore-core.ts';
import type { WalletStore } from '../../store/wallet-store.ts';
import { WalletError } from '../api.ts';
import type { WalletState } from '../state.ts';
import type { SavedView } from './api.ts';
import { choose, type Finding, HOLDS, type Shown } from './choose.ts';
import { deliver, discard, isBy, sealer } from './delivering.ts';
import { type Kept, keep, nothingKept, readKept } from './kept.ts';
import { type Manifest, manifestText, type Stop, stopOf, type Writing } from './manifest.ts';
import { pack, unpack } from './pack.ts';
import { askManifests, askState, IDLE_MS, type LendState, labelsOf, type Reach } from './reach.ts';
import { idOf, itemsOf, recordOf, type SavedItem, type SavedRecord } from './record.ts';
import { chunkLabel, MANIFEST, tagOf } from './seal.ts';

export interface SaverParts {
  network: Network;
  /** The wallet's own relays, not those of its cohorts: who is in which cohort is not shown to strangers. */
  relays: readonly string[];
  /** Null where the keys have no seed: then nothing could be read back. */
  keys: SeedKeyStore | null;
  store: Pick<WalletStore, 'commit' | 'meta' | 'whenStored'>;
  state: () => WalletState;
  openSocket: OpenSocket;
  fetchLimits?: ConnectionOptions['fetchLimits'];
  random: (length: number) => Bytes;
  /** Unix seconds. */
  now: () => number;
  log: Log;
  /** Whether the wallet saves by itself. */
  on: boolean;
  /** Relays hold a later state by this very folder, made at that Unix second: its database is an old copy. */
  onOldCopy: (madeAt: number) => void;
  /** Milliseconds until a relay that says nothing is given up. */
  idleMs?: number;
}

/** What relays together hold, put together again. */
export interface ReadBack {
  record: SavedRecord;
  items: SavedItem[];
  manifest: Manifest;
  findings: Finding[];
}

export interface Saver {
  save(options?: { takeOver?: boolean; audit?: boolean }): Promise<SavedView>;
  forget(): Promise<{ relays: { url: string; emptied: boolean }[] }>;
  /** Null for a wallet that neither saves nor has saved. */
  view(): SavedView | null;
  inspect(): Promise<SavedView & { found: Finding[] }>;
  /** Rejects with WalletError `refused` where relays hold no whole state. */
  read(): Promise<ReadBack>;
  /**
   * Goes on from a state that was put back, if all of it is here now; says whether it does. Proofs that do not verify, or are
   * of no DID that is here, are worth nothing and do not count.
   */
  follow(back: ReadBack): Promise<boolean>;
  /** What is to be done by itself now: something is not saved yet, or relays were not asked for every piece for a day. */
  due(): 'save' | 'audit' | null;
}

/** Relays that have to show a state again before it counts as saved. */
const NEEDED = 2;
/** How long to wait for what relays say about themselves. */
const INTRODUCED_MS = 2_000;
/** Relays are asked for every piece once a day: some forget. */
const AUDIT_SECONDS = 86_400;

const NEWER =
  'a relay shows a state of these words that this version cannot read: a newer one wrote it, and nothing is written over it';
const TOO_LARGE = 'the state is too large for relays (20 MB): keep what `recovery` and `sidecar` write instead';

/** Writes and reads the wallet's state on relays, over connections of its own, one thing at a time. */
export function createSaver(parts: SaverParts): Saver {
  const { network, store, random, now, log } = parts;
  const needed = Math.min(NEEDED, parts.relays.length);
  let queue: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(run: () => Promise<T>): Promise<T> => {
    const turn = queue.then(run);
    queue = turn.catch(() => {});
    return turn;
  };

  function lender(): LendState {
    const { keys } = parts;
    if (!keys) throw new WalletError('refused', 'these keys have no seed: what relays hold could never be read back');
    return use => keys.lendState(use);
  }

  const kept = (): Kept => readKept(store) ?? nothingKept(toHex(random(16)));
  const items = (): SavedItem[] => itemsOf(parts.state(), network);

  /** Runs with connections that authenticate, where asked to, as the state key and nobody else. */
  async function connected<T>(run: (reach: Reach) => Promise<T>): Promise<T> {
    const lend = lender();
    if (parts.relays.length === 0) throw new WalletError('refused', 'this wallet uses no relays');
    const relays = createRelays(parts.relays, {
      openSocket: parts.openSocket,
      log,
      ...(parts.fetchLimits === undefined ? {} : { fetchLimits: parts.fetchLimits }),
      auth: (challenge, relayUrl) => [
        lend(secret => authEvent({ challenge, relayUrl, createdAt: now() }, secret, random(32))),
      ],
    });
    try {
      // What they want of an event they say before the first one is made.
      await relays.introduced(INTRODUCED_MS);
      return await run({ relays, lend, author: lend(xOnlyOf), idleMs: parts.idleMs ?? IDLE_MS });
    } finally {
      await relays.close();
    }
  }

  async function stopWriting(own: Kept, stop: Stop, shown: readonly Pick<Shown, 'manifest'>[]): Promise<never> {
    if (!own.stop) {
      await keep(store, { ...own, stop });
      log('error', textOf(stop), { counter: stop.counter });
      const later = shown.flatMap(({ manifest }) => (manifest?.writer === own.writer ? [manifest.made_at] : []));
      if (stop.why === 'old_copy') parts.onOldCopy(Math.max(...later));
    }
    throw new WalletError('refused', textOf(stop));
  }

  /** From here on this folder writes, under another name, on top of all that relays show. */
  function tookOver(own: Kept, shown: readonly Writing[], manifests: readonly Manifest[], lend: LendState): Kept {
    const others = own.stop ? [own.stop, ...shown] : shown;
    const highest = others.reduce((a, b) => (b.counter > a.counter ? b : a));
    const labels = manifests.flatMap(labelsOf);
    const old = lend(secret => labels.map(label => tagOf(label, secret)));
    const follows = { writer: highest.writer, counter: highest.counter };
    return { ...nothingKept(toHex(random(16))), counter: highest.counter, follows, stamp: own.stamp, old };
  }

  const save: Saver['save'] = ({ takeOver = false, audit = false } = {}) =>
    inTurn(() =>
      connected(async reach => {
        const { relays, lend } = reach;
        const shown = await askManifests(reach);
        const reached = shown.filter(({ answered, manifest }) => answered || manifest);
        if (reached.length === 0) throw new WalletError('timeout', 'no relay answered: the state is not saved');
        if (reached.some(({ unreadable }) => unreadable > 0) && !takeOver) throw new WalletError('refused', NEWER);
        const manifests = reached.flatMap(({ manifest }) => (manifest ? [manifest] : []));
        let own = kept();
        const stop = own.stop ?? stopOf(own, manifests);
        if (stop && !takeOver) return stopWriting(own, stop, shown);
        if (stop) own = tookOver(own, [...manifests, stop], manifests, lend);
        const before = own;
        // A relay that takes less than the others may not be asked to take what is packed already.
        const limit = plaintextLimit(relays.maxMessageBytes() ?? Number.MAX_SAFE_INTEGER);
        const packed = pack(items(), own, limit);
        const isNew = packed.changed || own.counter === 0 || stop !== null || own.forgotten;
        const freed = lend(secret => packed.freed.map(slot => tagOf(chunkLabel(own.writer, slot), secret)));
        own = {
          ...own,
          counter: Math.max(own.counter, own.follows?.counter ?? 0) + (isNew ? 1 : 0),
          stamp: laterThan(own, manifests),
          chunks: packed.chunks,
          next: packed.next,
          limit,
          old: [...own.old, ...freed],
          stop: null,
          forgotten: false,
          ...(audit ? { audited_at: now() } : {}),
        };
        const manifest = manifestOf(own);
        if (utf8(manifestText(manifest)).length > PLAINTEXT_LIMIT) throw new WalletError('refused', TOO_LARGE);
        await keep(store, own);
        const seal = sealer({ packed, own, manifest, reach, random });
        const held = await Promise.all(
          reached.map(async ({ relay, manifest: there }) => {
            const wasWhole = !audit && before.acks[relay] === before.counter && isBy(there, before);
            const known = { before: wasWhole ? before : null, isThere: isBy(there, own) };
            return { relay, text: await deliver({ reach, relay, own, seal, ...known }) };
          }),
        );
        for (const { relay, text } of held)
          if (text !== null) log('warn', 'a relay does not hold the state of this wallet', { relay, text });
        // A relay that was not reached may still hold what it held.
        const acks = { ...own.acks };
        for (const { relay, text } of held) {
          delete acks[relay];
          if (text === null) acks[relay] = own.counter;
        }
        own = { ...own, acks };
        const isWhole = relays.urls.every(url => own.acks[url] === own.counter);
        if (isWhole && own.old.length > 0) {
          await discard(reach, own.old, { stamp: own.stamp + 1, random });
          own = { ...own, old: [] };
        }
        await keep(store, own);
        // Another wallet may have written in the same moment.
        const after = await askManifests(reach);
        const late = stopOf(
          own,
          after.flatMap(({ manifest: there }) => there ?? []),
        );
        if (late) return stopWriting(own, late, after);
        const view = viewOf(own);
        // What changed meanwhile is the next save's.
        if (holdersOf(view).length < needed) throw new WalletError('timeout', notSaved(view, held));
        return view;
      }),
    );

  /** Relays keep the event with the larger `created_at`, whoever's clock was ahead. */
  const laterThan = (own: Kept, manifests: readonly Manifest[]): number =>
    Math.max(now(), own.stamp + 1, ...manifests.map(({ made_at }) => made_at + 1));

  const manifestOf = ({ writer, counter, follows, chunks, stamp }: Kept): Manifest => ({
    writer,
    counter,
    network,
    made_at: stamp,
    follows,
    chunks: chunks.map(({ slot, sha256 }) => ({ slot, sha256 })),
  });

  function viewOf(own: Kept): SavedView {
    const { changed } = pack(items(), own, own.limit || plaintextLimit(Number.MAX_SAFE_INTEGER));
    const urls = relayNames();
    const relays = urls.map(url => ({ url, counter: own.acks[url] ?? null }));
    const holding = holdersOf({ relays, counter: own.counter }).length;
    return {
      on: parts.on,
      saved: !changed && !own.stop && !own.forgotten && own.counter > 0 && holding >= needed,
      needed,
      counter: own.counter,
      chunks: own.chunks.length,
      bytes: own.chunks.reduce((sum, { bytes }) => sum + bytes, 0),
      relays,
      stopped: own.stop && { ...own.stop, text: textOf(own.stop) },
      forgotten: own.forgotten,
    };
  }

  const relayNames = (): string[] => [...new Set(parts.relays.map(normalizeRelayUrl))];

  return {
    save,
    view: () => {
      const own = readKept(store);
      return own || parts.on ? viewOf(own ?? nothingKept('')) : null;
    },
    due() {
      if (!parts.on || !parts.keys || parts.relays.length === 0) return null;
      const own = readKept(store);
      if (own?.stop || own?.forgotten) return null;
      const { saved, relays, counter } = viewOf(own ?? nothingKept(''));
      // A new wallet would only tell relays that it exists.
      if (counter === 0 && items().length === 0) return null;
      if (!saved || relays.some(relay => relay.counter !== counter)) return 'save';
      return now() - (own?.audited_at ?? 0) > AUDIT_SECONDS ? 'audit' : null;
    },
    inspect: () =>
      inTurn(() =>
        connected(async reach => {
          const { findings } = choose(await askState(reach));
          return { ...viewOf(kept()), found: findings };
        }),
      ),
    read: () =>
      inTurn(() =>
        connected(async reach => {
          const { chosen, findings } = choose(await askState(reach));
          if (!chosen)
            throw new WalletError('refused', `the relays hold no whole state of these words: ${told(findings)}`);
          const { manifest } = chosen;
          if (manifest.network !== network)
            throw new WalletError('refused', `the state is of ${manifest.network}, this wallet of ${network}`);
          const unpacked = unpack(chosen.texts);
          if (!unpacked.ok)
            throw new WalletError('refused', `the state on the relays cannot be read: ${unpacked.text}`);
          const record = recordOf(unpacked.items, manifest);
          if (!record.ok) throw new WalletError('refused', `the state on the relays cannot be read: ${record.text}`);
          return { record: record.record, items: unpacked.items, manifest, findings };
        }),
      ),
    follow: ({ manifest, items: theirs }) =>
      inTurn(async () => {
        const own = kept();
        if (manifest.writer === own.writer) return true;
        const here = new Set(items().map(idOf));
        if (!theirs.every(item => item.t === 'proof' || item.t === 'map' || here.has(idOf(item)))) return false;
        await keep(store, tookOver(own, [manifest], [manifest], lender()));
        return true;
      }),
    forget: () =>
      inTurn(() =>
        connected(async reach => {
          const { lend } = reach;
          const shown = await askManifests(reach);
          const own = kept();
          const stamp = laterThan(
            own,
            shown.flatMap(({ manifest }) => manifest ?? []),
          );
          // Nothing is saved any more, from before the first deletion on.
          await keep(store, { ...own, stamp, forgotten: true, chunks: [], acks: {}, stop: null });
          const labels = [
            MANIFEST,
            ...shown.flatMap(({ manifest }) => (manifest ? labelsOf(manifest) : [])),
            ...labelsOf(own),
            ...[-1, -2].map(slot => chunkLabel(own.writer, slot)),
          ];
          const ds = lend(secret => [...new Set([...labels.map(label => tagOf(label, secret)), ...own.old])]);
          await discard(reach, ds, { stamp, random });
          const after = await askState(reach);
          await keep(store, { ...kept(), old: [] });
          return {
            relays: after.map(({ relay, answered, manifest, unreadable }) => ({
              url: relay,
              emptied: answered && !manifest && unreadable === 0,
            })),
          };
        }),
      ),
  };
}

/** Relays that showed the last state again. */
const holdersOf = ({ relays, counter }: Pick<SavedView, 'relays' | 'counter'>): string[] =>
  relays.flatMap(relay => (counter > 0 && relay.counter === counter ? [relay.url] : []));

const told = (findings: readonly Finding[]): string =>
  findings.map(({ relay, holds }) => `${relay} ${HOLDS[holds]}`).join('; ');

function textOf({ why, counter }: Stop): string {
  const what =
    why === 'old_copy'
      ? `relays hold state ${counter} by this very wallet, which is newer than what it knows: its database is an old copy, or another copy is at work`
      : `another wallet of these words wrote state ${counter}`;
  return `${what}. Nothing is saved any more, so that neither overwrites the other: see btcr2-wallet state push --help`;
}

function notSaved(
  { relays, counter, needed }: SavedView,
  held: readonly { relay: string; text: string | null }[],
): string {
  const holding = holdersOf({ relays, counter }).length;
  const why = held.flatMap(({ relay, text }) => (text === null ? [] : [`${relay}: ${text}`]));
  return `${holding} of ${needed} relays hold the state of this wallet${why.length > 0 ? `: ${why.join('; ')}` : ''}`;
}

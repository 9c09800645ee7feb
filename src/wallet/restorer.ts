import { addressToScript } from '../bitcoin/address.ts';
import type { Network } from '../bitcoin/network.ts';
import type { Chain } from '../chain/types.ts';
import { fromBase64url, fromHex, toHex } from '../crypto/index.ts';
import {
  announcementOf,
  type DidDocument,
  DidError,
  decodeDid,
  didOfGenesis,
  documentOfGenesis,
  encodeDid,
  initialDocument,
  parseUpdate,
  type Resolution,
  readSidecar,
  singletonAddresses,
} from '../did/index.ts';
import { readAdvert } from '../nostr/advert.ts';
import type { Log } from '../nostr/log.ts';
import type { KeyStore, SeedKeyStore } from '../shell/keystore.ts';
import type { Actor } from './actor.ts';
import { type RecoveryCohort, type RestoreApi, type Restored, type RestoreRequest, WalletError } from './api.ts';
import type { Heir } from './companion/pair.ts';
import { provenBeaconOf, type WalletDid } from './core.ts';
import { keysOf, type Recovery, readRecovery, recoveryOf, versionsOf } from './recovery.ts';
import { restoreKeys } from './restore-keys.ts';
import type { ReadBack, Saver } from './saved/saver.ts';
import { missingProofs } from './views.ts';

export interface RestorerParts {
  network: Network;
  chain: Chain | null;
  keys: KeyStore;
  actor: Actor;
  /** Unix seconds. */
  now: () => number;
  /** Connects, to the relays of what was put back too. */
  reachRelays: () => Promise<void>;
  resolveOwn: (own: WalletDid) => Promise<Resolution>;
  /** Reads what relays hold. */
  saver: Pick<Saver, 'read' | 'follow'>;
  log: Log;
}

export interface Restorer extends RestoreApi {
  /** Puts back the DIDs that a companion keeps and the record lacked; returns them. One whose key is not here is left out. */
  putKept(): Promise<string[]>;
}

/** How long proofs are waited for. */
const PROOFS_MS = 60_000;
/** Keys of the seed that are looked through for the one of a DID. */
const SEARCHED = 1_000;

/** Whether the words of a seed make the keys of this store again. */
export const isSeeded = (keys: KeyStore): keys is SeedKeyStore =>
  'isSeeded' in keys && (keys as SeedKeyStore).isSeeded();

/** What was put back, and of what relays held. */
interface Put {
  dids: string[];
  cohorts: string[];
  /** A DID that was here already got updates that it lacked: its proofs can be fetched now. */
  completes?: boolean;
  saved?: NonNullable<Restored['saved']>;
  /** The companion that is asked what it keeps. */
  companion?: string;
}

const CAN = [
  'resolve its DIDs and write their sidecars',
  'update its DIDs by their own SingletonBeacon, and through cohorts that it joins from now on',
  'fetch proofs of the old cohorts while their aggregators live',
];
const CAN_BY_COMPANION = [
  'go on in the cohorts of its companion, which has their keys still: register and update there, once it has answered',
];
const CANNOT = [
  'sign a round of an old cohort of its own: that cohort key was random, in one place, and nothing makes it again; that beacon can never signal again, so tell its other members',
  'know what the lost wallet signed after the file, or the state on relays, was made: an update of a restored DID asks for a word about it first',
];

/** Puts a wallet back whose keys were made from a seed. */
export function createRestorer({
  network,
  chain,
  keys,
  actor,
  now,
  reachRelays,
  resolveOwn,
  saver,
  log,
}: RestorerParts): Restorer {
  const refuse = (text: string): never => {
    throw new WalletError('refused', text);
  };

  /** What is wrong with a file is a refusal, not a fault. */
  function orRefuse<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof DidError) return refuse(`${error.code}: ${error.reason}`);
      throw error;
    }
  }

  function seeded(): SeedKeyStore {
    if (!isSeeded(keys)) throw new WalletError('refused', 'these keys have no seed: make the wallet by init --restore');
    return keys;
  }

  /** The key of this wallet that a document names; one of the seed that is not here yet is put here. */
  function ownKeyOf(did: string, document: DidDocument): string {
    const named = new Set(keysOf(document));
    for (const key of named) if (keys.has(key)) return key;
    if (isSeeded(keys))
      for (let counter = 0; counter < SEARCHED; counter++) {
        const key = keys.peek('did', counter);
        if (!named.has(key)) continue;
        keys.restore('did', counter + 1);
        return key;
      }
    return refuse(`no key of this seed on ${network} controls ${did}`);
  }

  /** Whether a transport key is here, or is put here from the seed. */
  function hasTransport(transport: string): boolean {
    if (keys.has(transport) || !isSeeded(keys)) return keys.has(transport);
    for (let counter = 0; counter < SEARCHED; counter++)
      if (keys.peek('transport', counter).slice(2) === transport) {
        keys.restore('transport', counter + 1);
        return true;
      }
    return false;
  }

  async function putDid(did: string, name: string | null, sidecar: unknown): Promise<string> {
    const { genesisDocument, updates } = orRefuse(() => readSidecar(sidecar));
    const { kind, network: of } = orRefuse(() => decodeDid(did));
    if (of !== network) refuse(`${did} is of ${of}, this wallet of ${network}`);
    const held = actor.state().dids.get(did);
    if (kind === 'external' && genesisDocument === undefined && !held?.genesis)
      refuse(`${did} is made of its genesis document, and the sidecar has none`);
    const genesis = kind === 'key' ? null : (held?.genesis ?? (genesisDocument as DidDocument));
    const first = orRefuse(() => (genesis ? documentOfGenesis(did, genesis) : initialDocument(did)));
    // With what is here: the later ones are made on top of those.
    const known = new Set(held?.updates.map(({ announcement }) => announcement));
    const lacking = orRefuse(() =>
      [...updates.values()].filter(update => !known.has(toHex(announcementOf(parseUpdate(update))))),
    );
    const all = [...(held?.updates.map(({ update }) => update) ?? []), ...lacking];
    const made = orRefuse(() => versionsOf(did, first, all));
    const public_key = ownKeyOf(did, first);
    const drop = await actor.feed({ type: 'restore_did', did, name, network, public_key, genesis, ...made });
    if (drop !== null) refuse(drop);
    return did;
  }

  async function putCohort(part: RecoveryCohort): Promise<string> {
    const read = readAdvert(part.advert_event);
    if (!read.ok) return refuse(`cohorts.advert_event: ${read.reason}`);
    const { cohort, terms, terms_hash, identity, event, relays } = read.advert;
    if (terms.btc_network !== network) refuse(`advert ${terms.id} is for ${terms.btc_network}`);
    const { transport, scheme, participant_pk, beacon_address, participant_pubkeys, dids, companion } = part;
    if (!hasTransport(transport)) refuse(`the transport key of cohort ${terms.id} is not of this seed`);
    if (companion?.heir) hasTransport(companion.heir.transport_key);
    let script_hex: string;
    try {
      script_hex = addressToScript(beacon_address, network);
    } catch {
      return refuse(`cohorts.beacon_address: ${beacon_address} is no address on ${network}`);
    }
    const drop = await actor.feed({
      type: 'restore_cohort',
      cohort,
      advert_event: event,
      terms,
      terms_hash,
      identity,
      relays: companion?.relays ?? relays,
      transport,
      scheme,
      ...(companion ? { companion: companion.companion } : {}),
      participant_pk,
      beacon: { participant_pubkeys, beacon_address, script_hex },
      dids,
    });
    if (drop !== null) refuse(drop);
    return cohort;
  }

  const keyDid = (publicKey: string): string =>
    encodeDid({ version: 1, network, kind: 'key', genesisBytes: fromHex(publicKey, 33) });

  /** Singleton beacons of a `k` identifier are addresses of its key: one that was ever paid was used. */
  async function usedKeys(): Promise<string[]> {
    if (!chain) throw new WalletError('no_chain', 'a scan needs a view of the chain');
    const used = new Set<string>();
    await restoreKeys(seeded(), 'did', async key => {
      for (const address of Object.values(singletonAddresses(fromHex(key, 33), network)))
        if ((await chain.history(address)).length > 0) {
          used.add(key);
          return true;
        }
      return false;
    });
    return [...used];
  }

  /** Proofs that were saved: an aggregator that is gone serves none any more. */
  async function putEvidence(saved: ReadBack['record']['evidence']): Promise<void> {
    for (const { cohort, phase } of [...actor.state().cohorts.values()]) {
      const at = 'beacon' in phase ? phase.beacon.beacon_address : null;
      const kept = saved.filter(({ beacon_address }) => beacon_address === at);
      if (kept.length === 0) continue;
      const drop = await actor.feed({ type: 'restore_evidence', cohort, kept });
      if (drop !== null) refuse(drop);
    }
  }

  async function putRecovery({ dids, cohorts }: Recovery): Promise<Put> {
    const known = actor.state();
    // What was put back before an interruption stays.
    const newDids = dids.filter(part => !known.dids.has(part.did));
    for (const part of newDids) await putDid(part.did, part.name, part.sidecar);
    const put: string[] = [];
    const heirs: Record<string, Heir> = {};
    for (const part of cohorts) {
      const at = [...actor.state().cohorts.values()].find(
        ({ transport, participant_pk }) => transport === part.transport && participant_pk === part.participant_pk,
      );
      const cohort = at?.cohort ?? (await putCohort(part));
      put.push(cohort);
      if (part.companion?.heir) heirs[cohort] = part.companion.heir;
    }
    const done = { dids: dids.map(part => part.did), cohorts: put };
    // Of several, one after the other, the last is the one that is not given up.
    const last = cohorts.findLast(part => part.companion);
    if (!last?.companion) return done;
    const { companion, pairing, relays } = last.companion;
    if (actor.state().companionship === null) {
      const asked = { type: 'companion_restore' as const, key: last.transport, companion, pairing, relays, heirs };
      const drop = await actor.feed(asked);
      if (drop !== null) refuse(drop);
    }
    return { ...done, companion };
  }

  const keptDids = () => {
    const { companionship } = actor.state();
    return companionship?.role === 'owner' ? (companionship.restored?.kept ?? null) : null;
  };

  /** One after the other: what a companion keeps is put back when it comes, whoever waits for it. */
  let putting: Promise<unknown> = Promise.resolve();
  function putKept(): Promise<string[]> {
    const turn = putting.then(async () => {
      const put: string[] = [];
      for (const { did, sidecar } of keptDids() ?? []) {
        if (actor.state().dids.has(did)) continue;
        try {
          put.push(await putDid(did, null, sidecar));
        } catch (error) {
          if (!(error instanceof WalletError)) throw error;
          log('warn', 'a DID that the companion keeps is not put back', { did, text: error.message });
        }
      }
      return put;
    });
    putting = turn.catch(() => {});
    return turn;
  }

  async function put(request: RestoreRequest): Promise<Put> {
    const { recovery, sidecar, did, name = null, index, scan, fromRelays } = request;
    const given = [
      recovery !== undefined,
      sidecar !== undefined || did !== undefined,
      index !== undefined,
      scan === true,
      fromRelays === true,
    ];
    if (given.filter(Boolean).length !== 1)
      refuse(
        'one of these is to be put back: a recovery file, a DID with its sidecar, an index, what a scan finds, or what relays hold',
      );
    if (fromRelays) {
      seeded();
      const back = await saver.read();
      const done = await putRecovery(back.record.recovery);
      await putEvidence(back.record.evidence);
      // At once: what the wallet saves by itself from now on is written on top of this.
      const follows = await saver.follow(back);
      const { manifest, findings } = back;
      const saved = { counter: manifest.counter, made_at: manifest.made_at, follows, relays: findings };
      return { ...done, saved };
    }
    if (recovery !== undefined) {
      const read = readRecovery(recovery);
      if (!read.ok) return refuse(`not a recovery file: ${read.text}`);
      if (read.recovery.network !== network)
        refuse(`the file is of ${read.recovery.network}, this wallet of ${network}`);
      return putRecovery(read.recovery);
    }
    if (scan) {
      const found = (await usedKeys()).map(keyDid).filter(k => !actor.state().dids.has(k));
      for (const k of found) await putDid(k, null, {});
      return { dids: found, cohorts: [] };
    }
    if (index !== undefined)
      return { dids: [await putDid(keyDid(seeded().peek('did', index)), name, {})], cohorts: [] };
    const genesis = orRefuse(() => readSidecar(sidecar ?? {}).genesisDocument);
    const subject = did ?? (genesis === undefined ? undefined : orRefuse(() => didOfGenesis(genesis, network)));
    if (subject === undefined) return refuse('this sidecar has no genesis document: say of which DID it is');
    const completes = actor.state().dids.has(subject);
    return { dids: [await putDid(subject, name, sidecar ?? {})], cohorts: [], completes };
  }

  const missing = (did: string): number =>
    [...actor.state().cohorts.values()].reduce((sum, membership) => {
      const beacon = provenBeaconOf(membership);
      const concerns =
        beacon?.registrations.has(did) ||
        actor
          .state()
          .dids.get(did)
          ?.named.has(beacon?.beacon_address ?? '');
      return beacon && concerns ? sum + missingProofs(beacon, did) : sum;
    }, 0);

  async function outcome(did: string): Promise<Restored['dids'][number]> {
    try {
      const { versionId, deactivated, updates } = await resolveOwn(actor.state().dids.get(did)!);
      const announcements = updates.map(({ updateHash }) => toHex(fromBase64url(updateHash, 32)));
      await actor.feed({ type: 'restored_final', did, announcements });
      return { did, version: versionId, deactivated, missing_proofs: missing(did), text: null };
    } catch (error) {
      const text =
        error instanceof DidError
          ? `${error.code}: ${error.reason}`
          : error instanceof Error
            ? error.message
            : String(error);
      return { did, version: null, deactivated: false, missing_proofs: missing(did), text };
    }
  }

  return {
    recovery: () => recoveryOf(actor.state(), network, now()),
    async restore(request) {
      const done = await put(request);
      const { companion } = done;
      if (done.cohorts.length > 0 || done.completes) {
        await reachRelays();
        if (companion) {
          await actor.until(() => keptDids() ?? undefined, PROOFS_MS);
          await putKept();
          done.dids = [...new Set([...done.dids, ...(keptDids() ?? []).map(({ did }) => did)])].filter(did =>
            actor.state().dids.has(did),
          );
        }
        await actor.lookAll();
        await actor.until(
          ({ asked }) => done.dids.every(did => missing(did) === 0) || asked.size === 0 || undefined,
          PROOFS_MS,
        );
      }
      const dids: Restored['dids'] = [];
      for (const did of done.dids) dids.push(await outcome(did));
      const cohorts = done.cohorts.map(cohort => {
        const membership = actor.state().cohorts.get(cohort)!;
        const beacon_address = provenBeaconOf(membership)?.beacon_address ?? '';
        const by_companion = membership.companion !== undefined;
        return { cohort, advert_id: membership.terms.id, beacon_address, by_companion };
      });
      return {
        dids,
        cohorts,
        can: companion ? [...CAN_BY_COMPANION, ...CAN] : CAN,
        cannot: CANNOT,
        ...(done.saved ? { saved: done.saved } : {}),
        ...(companion ? { companion: { companion, answered: keptDids() !== null } } : {}),
      };
    },
    putKept,
  };
}

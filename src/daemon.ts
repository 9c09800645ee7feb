import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as nip19 from 'nostr-tools/nip19';
import { curve } from '#curve';
import { bitcoindChain, type Chain, esploraChain, requireNetwork } from './chain/index.ts';
import { type CohortState, draftRecovery } from './cohort/index.ts';
import { readSecretFile } from './config/files.ts';
import { DEFAULT_LIMITS } from './config/limits.ts';
import type { Config } from './config.ts';
import { createPublisher, kuboStore } from './content/index.ts';
import { type Bytes, isHex, sha256, toHex, utf8 } from './crypto/index.ts';
import { didOfIdentity } from './nostr/advert.ts';
import { verifyAdvertDocument } from './nostr/advert-document.ts';
import { encodeAdvertLink } from './nostr/advert-link.ts';
import {
  authEvent,
  type ConnectionOptions,
  createInbox,
  createOutbox,
  createRelays,
  DIRECTED_KIND,
  INBOX_TIMING,
  type Log,
  MAIL_KINDS,
  MAX_SKEW,
  type NostrEvent,
  type OpenSocket,
  schemeOfKind,
} from './nostr/index.ts';
import { isNcryptsec, openNcryptsec, parseSecretKey } from './nostr/keys.ts';
import { nodeSocket } from './nostr/websocket-node.ts';
import { type AggregatorApi, OperatorError } from './operator/api.ts';
import { exportArchive } from './operator/archive.ts';
import { createEnding } from './operator/ending.ts';
import { RESTORED } from './operator/restore.ts';
import {
  ADVERT_LIFE,
  certifyTerms,
  completeTerms,
  firstAdvert,
  type Identity,
  introduction,
  nextAdvert,
} from './shell/adverts.ts';
import { createDoor } from './shell/door.ts';
import { createDrops } from './shell/drops.ts';
import { evidenceSummaries, exportedTranscript } from './shell/evidence.ts';
import { createEye } from './shell/eye.ts';
import { keepHearing } from './shell/hearing.ts';
import { createHost } from './shell/host.ts';
import { copyKeys, keysBeside } from './shell/key-copies.ts';
import { KeyFileError, type KeyStore, openKeyFile } from './shell/keystore.ts';
import { createMail } from './shell/mail.ts';
import { mapKey, publishableMaps } from './shell/maps.ts';
import { createTreeBuilder, type TreeBuilder } from './shell/trees.ts';
import {
  advertSummary,
  cohortDetail,
  cohortSummary,
  roundDetails,
  roundSummaries,
  spendSummaries,
} from './shell/views.ts';
import { isStoreFault, openStore, type Store, tellingFaults } from './store/index.ts';
import { version } from './version.ts';

export interface Daemon {
  api: AggregatorApi;
  stop(): Promise<void>;
  /** Rejects when the daemon cannot go on, as when the disk is full. */
  failed: Promise<never>;
}

/** What a daemon is put together from: files and sockets of this machine, or those of a test. */
export interface DaemonParts {
  identity: Identity;
  store: Store;
  keys: KeyStore;
  chain: Chain;
  openSocket: OpenSocket;
  /** Asks for a relay's limits (NIP-11): over HTTP if left out; null to go without. */
  fetchLimits?: ConnectionOptions['fetchLimits'];
  random: (length: number) => Bytes;
  /** Unix seconds. */
  now: () => number;
  log: Log;
  /** Hashes large trees elsewhere; the daemon closes it. All are hashed in line if left out. */
  trees?: TreeBuilder;
  timing?: Partial<DaemonTiming>;
}

/** All in milliseconds. */
export interface DaemonTiming {
  readonly tickMs: number;
  /** How often the mempool is looked at while a round or a deposit is waited for. */
  readonly lookMs: number;
  /** How often relays are asked for what they may have kept to themselves. */
  readonly resyncMs: number;
}

const TIMING: DaemonTiming = { tickMs: 1_000, lookMs: 5_000, resyncMs: INBOX_TIMING.resyncMs };
/** How long an advert waits for what relays say about themselves. */
const INTRODUCED_MS = 2_000;
const PRUNE_MS = 3_600_000;
/** Seen ids outlive whatever a relay may still replay: gift wraps, which no cursor covers, live for 32 days there. */
const KEEP_SEEN = 45 * 86_400;
const RECONCILED = 'reconciled';
const RESTORED_TEXT =
  'this database is a backup: what happened since is not in it, and sessions of that time may be open at the members';

const random = (length: number): Uint8Array => Uint8Array.from(randomBytes(length));
const now = (): number => Math.floor(Date.now() / 1000);

export const chainOf = (config: Config['chain']): Chain =>
  config.backend === 'bitcoind' ? bitcoindChain(config) : esploraChain(config);

/** The passphrase of the daemon's keys; undefined if none is configured. */
function readPassphrase(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const read = readSecretFile('identity.passphrase_file', path);
  if (!read.ok) throw new KeyFileError(read.problems.map(({ text }) => text).join('; '), 'locked');
  return read.value;
}

function readIdentity(path: string, passphrase: string | undefined): Identity {
  const text = readFileSync(path, 'utf8');
  // A plain key is read again whenever it is lent; one under a passphrase takes too long, and stays in memory.
  const opened = isNcryptsec(text) && passphrase !== undefined ? openNcryptsec(text, passphrase) : null;
  if (isNcryptsec(text) && opened === null)
    throw new KeyFileError(
      `the passphrase does not open ${path}`,
      passphrase === undefined ? 'locked' : 'wrong_passphrase',
    );
  const secretOf = (): Uint8Array => {
    const secret = opened?.slice() ?? parseSecretKey(readFileSync(path, 'utf8'));
    if (secret === null) throw new KeyFileError(`${path} does not hold one secret key`);
    return secret;
  };
  const lend: Identity['lend'] = use => {
    const secret = secretOf();
    try {
      return use(secret);
    } finally {
      secret.fill(0);
    }
  };
  return { lend, key: lend(secret => toHex(curve.publicKey(secret).subarray(1))) };
}

/** Keys are touched only by whoever holds the database; a database is left by whoever cannot open the keys. */
function orClose<T>(store: { close(): void }, open: () => T): T {
  try {
    return open();
  } catch (error) {
    store.close();
    throw error;
  }
}

/** Puts the parts together and starts them. Throws before anything is sent if chain, database or keys are not as configured. */
export async function startDaemon(config: Config, { log }: { log: Log }): Promise<Daemon> {
  mkdirSync(config.state_dir, { recursive: true, mode: 0o700 });
  const passphrase = readPassphrase(config.identity.passphrase_file);
  const identity = readIdentity(config.identity.key_file, passphrase);
  const store = openStore(join(config.state_dir, 'aggregator.db'), { application: 'aggregator' });
  const keys = orClose(store, () => openKeyFile(join(config.state_dir, 'keys.json'), random, now, { passphrase }));
  const chain = chainOf(config.chain);
  try {
    await requireNetwork(chain, config.network);
  } catch (error) {
    store.close();
    await chain.close();
    throw error;
  }
  return assembleDaemon(config, {
    identity,
    store,
    keys,
    chain,
    openSocket: nodeSocket,
    random,
    now,
    log,
    trees: createTreeBuilder(log),
  });
}

/** Runs a daemon on parts that are open already; it closes store and chain when it stops. */
export function assembleDaemon(config: Config, parts: DaemonParts): Daemon {
  const { identity, keys, chain, openSocket, random, now, log } = parts;
  const timing = { ...TIMING, ...parts.timing };
  const startedAt = now();
  let fail: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  const store = tellingFaults(parts.store, fail);
  /** Nothing is acted on that could not be stored: the process ends, and the log has everything up to here. */
  const orFail = <T>(run: () => T): T | undefined => {
    try {
      return run();
    } catch (error) {
      fail(error);
      return undefined;
    }
  };

  const relays = createRelays(config.relays, {
    openSocket,
    log,
    ...(parts.fetchLimits === undefined ? {} : { fetchLimits: parts.fetchLimits }),
    // Gift wraps are served to whom they are for: where an advert takes them, its transport key authenticates too.
    auth: (challenge, relayUrl) => {
      const answer = (secret: Uint8Array): NostrEvent =>
        authEvent({ challenge, relayUrl, createdAt: now() }, secret, random(32));
      return [identity.lend(answer), ...host.recipients('nip59').map(transport => keys.lend(transport, answer))];
    },
  });
  const mail = createMail({
    lend: keys.lend,
    random,
    maxMessageBytes: relays.maxMessageBytes,
    workBits: relays.workBits,
  });
  const eye = createEye(chain, { pollMs: config.chain.poll_ms, network: config.network, now, log });
  const signing = { identity, relays: relays.urls, workBits: relays.workBits, random };
  const outbox = createOutbox({ relays, store: store.outbox, now, log });
  const hearing = keepHearing({
    store,
    now,
    log,
    onHearing: seconds => {
      for (const { id } of host.states()) orFail(() => host.feed(id, { type: 'was_deaf', seconds }));
      orFail(host.tick);
    },
  });
  const drops = createDrops(log);
  const host = createHost({
    trees: parts.trees,
    door: createDoor(config.limits ?? DEFAULT_LIMITS, now),
    drops,
    store,
    mail,
    chain,
    eye,
    random,
    now,
    log,
    admission: () => config.admission,
    signAdvert: (state, status) => nextAdvert(signing, state, status, now()),
    isHearing: hearing.isHearing,
    onStored: () => outbox.wake(),
    onRecipients: () => inbox.refresh(),
  });
  const isPublished = (signalBytes: string): boolean => store.meta(mapKey(signalBytes)) !== null;
  const kuboUrl = config.cas?.kubo_url;
  const publisher =
    kuboUrl === undefined
      ? null
      : createPublisher({
          store: kuboStore({ url: kuboUrl }),
          pending: () => publishableMaps(host.states()).filter(({ key }) => store.meta(key) === null),
          done: (key, cid) => void orFail(() => store.commit({ meta: [{ key, value: cid }] })),
          now,
          log,
        });
  /** Where all messages are carried by hand nobody is deaf: deadlines are the operator's to choose, and they run. */
  const isByHand = relays.urls.length === 0;
  const canHear = (): boolean => isByHand || (relays.connectedCount() > 0 && inbox.caughtUp().length > 0);
  const listen = (): void => orFail(() => hearing.update(canHear()));
  const inbox = createInbox({
    relays,
    kinds: MAIL_KINDS,
    recipients: kind => [
      ...host.recipients(schemeOfKind(kind) ?? 'nip44_v2'),
      ...(kind === DIRECTED_KIND ? [identity.key] : []),
    ],
    cursors: {
      get: store.cursors.get,
      set(...cursor) {
        // A cursor never moves past what only the memory holds.
        host.flush();
        store.cursors.set(...cursor);
      },
    },
    seen: host.hasSeen,
    isWelcome: host.isWelcome,
    now,
    maxSkew: MAX_SKEW,
    deliver: (event: NostrEvent, relay: string) => orFail(() => host.deliver(event, relay)),
    onRest: () => orFail(host.flush),
    // What carries no event was signed by nobody: it is the relay's doing.
    onDrop: (reason, event, relay) => drops.count(reason, event?.pubkey ?? relay, { relay, event: event?.id ?? null }),
    onCaughtUp: listen,
    timing: { resyncMs: timing.resyncMs },
    log,
  });
  const stopListening = relays.onState(listen);
  // Before anything is heard: what is put back may be behind its members, and opens no round by itself.
  const restoredAt = store.meta(RESTORED);
  if (restoredAt !== null && store.meta(RECONCILED) !== restoredAt)
    orFail(() => {
      for (const { id } of host.states()) host.feed(id, { type: 'restored', text: RESTORED_TEXT });
      store.commit({ meta: [{ key: RECONCILED, value: restoredAt }] });
    });
  if (isByHand) listen();

  introduce();
  function introduce(): void {
    const about = { ...config.profile, network: config.network, now: now() };
    const facts = toHex(sha256(utf8(JSON.stringify([about.name, about.about, relays.urls, identity.key]))));
    if (store.meta('introduced') === facts) return;
    const events = introduction(signing, about);
    store.commit({
      outbox: events.map(event => ({
        id: event.id,
        to: '',
        event,
        createdAt: about.now,
        expiresAt: about.now + ADVERT_LIFE,
        kind: event.kind,
      })),
      meta: [{ key: 'introduced', value: facts }],
    });
    outbox.wake();
  }

  function refreshAdverts(): void {
    for (const { id, advert, phase } of host.states()) {
      const isOffer = phase.name === 'recruiting' || phase.name === 'confirming';
      if (isOffer && now() > advert.published_at + ADVERT_LIFE / 2) orFail(() => host.feed(id, { type: 'refresh' }));
    }
  }

  const stopTips = eye.onTip(() => {
    void host
      .lookAll()
      .then(() => host.rebroadcast())
      .catch(fail);
  });
  let lastLook = 0;
  const timer = setInterval(() => {
    listen();
    orFail(host.tick);
    refreshAdverts();
    publisher?.tick();
    if (Date.now() - lastLook < timing.lookMs) return;
    lastLook = Date.now();
    void host.lookAll().catch(fail);
  }, timing.tickMs);

  const prune = (): void => void orFail(() => store.prune(now(), now() - KEEP_SEEN));
  prune();
  const pruning = setInterval(prune, PRUNE_MS);

  const find = (name: string): CohortState => {
    const known = host.states();
    const found = known.filter(({ id, advert }) => id === name || advert.terms.id === name);
    const matches = found.length > 0 ? found : known.filter(({ id }) => name.length >= 4 && id.startsWith(name));
    if (matches.length === 1) return matches[0]!;
    throw new OperatorError(
      matches.length === 0 ? 'not_found' : 'ambiguous',
      matches.length === 0 ? `there is no cohort or advert ${name}` : `${name} could be several cohorts`,
    );
  };
  /** Nothing is acknowledged that could not be stored. */
  const orReject = <T>(work: Promise<T>): Promise<T> =>
    work.catch(error => {
      if (isStoreFault(error)) fail(error);
      throw error;
    });

  /** The transport key of a member that is named by it, by its cohort key, or by a beginning of either. */
  function transportOf(state: CohortState, name: string): string {
    const members = [...state.transports];
    const named = members.filter(keys => keys.includes(name));
    const isShort = named.length > 0 || name.length < 4;
    const found = isShort ? named : members.filter(keys => keys.some(key => key.startsWith(name)));
    if (found.length === 1) return found[0]![0];
    // Who was refused a seat has an answer to take home too.
    if (found.length === 0 && isHex(name, 32)) return name;
    const isNone = found.length === 0;
    throw new OperatorError(
      isNone ? 'not_found' : 'ambiguous',
      isNone ? `there is no member ${name} in ${state.advert.terms.id}` : `${name} could be several members`,
    );
  }

  const summary = (state: CohortState) => cohortSummary(state, host.env(state.id));

  /** Asked before a key is made, and again after the terms are signed: another request may have come in between. */
  function refuseTaken(advertId: string): void {
    if (host.states().some(({ advert }) => advert.terms.id === advertId))
      throw new OperatorError('exists', `there is an advert ${advertId} already`);
  }

  const api: AggregatorApi = {
    async status() {
      const backlog = new Map(store.backlog().map(waiting => [waiting.relay, waiting]));
      const tip = await chain.tip().catch(() => null);
      return {
        version,
        pid: process.pid,
        uptime_seconds: now() - startedAt,
        network: config.network,
        identity: identity.key,
        npub: nip19.npubEncode(identity.key),
        did: didOfIdentity(identity.key, config.network),
        relays: relays.urls.map(url => ({
          url,
          connected: relays.isConnected(url),
          pending: backlog.get(url)?.pending ?? 0,
          error: backlog.get(url)?.error ?? null,
        })),
        hearing: hearing.isHearing(),
        chain: { kind: chain.kind, height: tip?.height ?? null, reachable: tip !== null },
        dropped: drops.counts(),
        cohorts: host.states().map(summary),
      };
    },
    async advertCreate({ id, expires_in, ...chosen }) {
      const { expires_in: standard, ...defaults } = config.advert;
      const advertId = id ?? `${config.network}-${toHex(random(4))}`;
      refuseTaken(advertId);
      const transport = keys.create('transport').slice(2);
      const terms = completeTerms(
        { ...defaults, ...chosen },
        { id: advertId, network: config.network, transport, identity: identity.key, relays: relays.urls },
      );
      if (!terms.ok) throw new OperatorError('invalid_terms', `${terms.field}: ${terms.text}`);
      const certified = await certifyTerms(signing, terms.terms);
      await relays.introduced(INTRODUCED_MS);
      refuseTaken(advertId);
      const at = now();
      const expires_at = at + (expires_in ?? standard);
      const event = firstAdvert(signing, { ...certified, expires_at, now: at });
      const { terms: parsed, terms_hash } = certified;
      host.create(
        { type: 'create', cohort: event.id, terms: parsed, terms_hash, identity: identity.key, expires_at },
        event,
      );
      return advertSummary(find(event.id));
    },
    advertList: async () => host.states().map(advertSummary),
    async advertClose({ advert, status }) {
      const { id, phase } = find(advert);
      if (phase.name === 'formed' || phase.name === 'ended')
        throw new OperatorError('wrong_phase', `the cohort of this advert is ${phase.name}`);
      host.feed(id, { type: 'set_status', status });
      return advertSummary(find(id));
    },
    async advertExport({ advert }) {
      const { id } = find(advert);
      // Adverts of an earlier version were not kept: publishing one again keeps it.
      if (host.advertEvent(id) === null) host.feed(id, { type: 'refresh' });
      const event = host.advertEvent(id);
      if (event === null) throw new OperatorError('not_found', 'the event of this advert was not kept');
      const document = verifyAdvertDocument(JSON.parse(event.content));
      return {
        event,
        document: document.ok ? document.terms : null,
        link: encodeAdvertLink(event, relays.urls),
        short_link: encodeAdvertLink(event, relays.urls, { maxChars: 0 }),
      };
    },
    async compose({ cohort, member, ...request }) {
      const state = find(cohort);
      const to = member === undefined ? undefined : transportOf(state, member);
      return host.compose(state.id, { ...request, toAll: isByHand, ...(to === undefined ? {} : { member: to }) });
    },
    async composed({ events }) {
      host.composed(events);
      return { events: events.length };
    },
    deliver: ({ text }) => orReject(host.deliverByHand(text)),
    cohortList: async () => host.states().map(summary),
    async cohortShow({ cohort }) {
      const state = find(cohort);
      return cohortDetail(state, host.env(state.id));
    },
    async roundList({ cohort }) {
      const state = find(cohort);
      return roundSummaries(state, host.env(state.id));
    },
    async roundShow({ cohort, round }) {
      const state = find(cohort);
      const found = roundDetails(state, host.env(state.id), publisher && isPublished).find(
        detail => detail.round === round,
      );
      if (!found) throw new OperatorError('not_found', `there is no round ${round}`);
      return found;
    },
    evidenceList: async ({ cohort }) => evidenceSummaries(store, cohort === undefined ? undefined : find(cohort).id),
    evidenceExport: async ({ id }) => exportedTranscript(store, id, host.view),
    async spendStart({ cohort, purpose, to, outpoint }) {
      const { id } = find(cohort);
      const drop = host.feed(id, {
        type: 'start_spend',
        purpose,
        ...(to === undefined ? {} : { to }),
        ...(outpoint === undefined ? {} : { outpoint }),
      });
      if (drop) throw new OperatorError('refused', drop);
      return spendSummaries(find(id)).at(-1)!;
    },
    spendList: async ({ cohort }) => spendSummaries(find(cohort)),
    async recoveryOffer({ cohort, to }) {
      const state = find(cohort);
      if (state.phase.name !== 'formed') throw new OperatorError('refused', 'no cohort is formed');
      const { beacon } = state.phase;
      const draft = draftRecovery(state, beacon, to, host.env(state.id));
      if (typeof draft === 'string') throw new OperatorError('refused', draft);
      const { participant_pubkeys, policy } = beacon;
      return { network: state.advert.terms.btc_network, participant_pubkeys, policy, ...draft };
    },
    async recoverySend({ cohort, hex }) {
      const { id } = find(cohort);
      const drop = host.feed(id, { type: 'recover', hex });
      if (drop) throw new OperatorError('refused', drop);
      log('warn', 'a recovery spend was sent by the operator', { cohort: id });
      const { phase } = find(id);
      const sent = phase.name === 'formed' ? phase.beacon.recoveries.at(-1) : undefined;
      if (!sent) throw new Error('a recovery was taken, and is not there');
      const { isFinal: _, ...summary } = sent;
      return summary;
    },
    ...createEnding({ host, find, transportOf, linkOf: event => encodeAdvertLink(event, relays.urls), now, log }),
    async archiveExport({ cohort, folder }) {
      const states = cohort === undefined ? host.states() : [find(cohort)];
      if (cohort !== undefined && states[0]!.phase.name !== 'formed')
        throw new OperatorError('wrong_phase', `the cohort is ${states[0]!.phase.name}: it has no signals to prove`);
      const eventOf = (id: string) => {
        const event = host.advertEvent(id);
        return event && { ...event };
      };
      const cohorts = states.map(state => ({ state, advert_event: eventOf(state.id) }));
      return exportArchive(folder, cohorts, now());
    },
    async alarmClear({ cohort, alarm }) {
      const { id, phase } = find(cohort);
      const alarms = phase.name === 'formed' ? [...phase.beacon.alarms].filter(([, { dismissed }]) => !dismissed) : [];
      const exact = alarms.filter(([key]) => key === alarm);
      const matches =
        exact.length > 0 ? exact : alarms.filter(([key, { code }]) => code === alarm || key.startsWith(alarm));
      if (matches.length !== 1)
        throw new OperatorError(
          matches.length === 0 ? 'not_found' : 'ambiguous',
          matches.length === 0 ? `there is no alarm ${alarm}` : `${alarm} could be several alarms: name its key`,
        );
      const [key, { text }] = matches[0]!;
      const drop = host.feed(id, { type: 'dismiss_alarm', key });
      if (drop) throw new OperatorError('not_found', drop);
      log('warn', 'an alarm was cleared by the operator', { cohort: id, alarm: key, text });
      return cohortDetail(find(id), host.env(id));
    },
    async backup({ file }) {
      const keysFile = keysBeside(file);
      if (existsSync(file) || existsSync(keysFile))
        throw new OperatorError('exists', `${existsSync(file) ? file : keysFile} exists already`);
      await store.backup(file);
      copyKeys(join(config.state_dir, 'keys.json'), keysFile);
      return { database: file, keys: keysFile, keep: [config.identity.key_file] };
    },
    async roundOpen({ cohort }) {
      const { id } = find(cohort);
      const drop = host.feed(id, { type: 'open_round' });
      if (drop) throw new OperatorError('wrong_phase', drop);
      const after = find(id);
      const opened = after.phase.name === 'formed' && after.phase.beacon.round !== null;
      return { opened, waiting_for: opened ? null : summary(after).round };
    },
  };

  return {
    api,
    failed,
    async stop() {
      clearInterval(timer);
      clearInterval(pruning);
      stopTips();
      stopListening();
      eye.stop();
      await inbox.close();
      orFail(host.flush);
      host.stop();
      await Promise.race([outbox.idle(), new Promise(resolve => setTimeout(resolve, 2_000))]);
      await outbox.close();
      await relays.close();
      hearing.stop();
      await chain.close();
      publisher?.stop();
      await parts.trees?.close();
      store.close();
    },
  };
}

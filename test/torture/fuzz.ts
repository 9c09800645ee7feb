import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type WebSocket, WebSocketServer } from 'ws';
import { esploraChain } from '../../src/chain/index.ts';
import { type CohortEvent, type CohortState, evolve } from '../../src/cohort/index.ts';
import { DEFAULT_LIMITS } from '../../src/config/limits.ts';
import { type Bytes, toHex } from '../../src/crypto/index.ts';
import { type Daemon, startDaemon } from '../../src/daemon.ts';
import { BODIES, type EnvelopeDraft, type Message, type MessageType, signEnvelope } from '../../src/messages/index.ts';
import { conversationKey, encrypt, type NostrEvent, signEvent, wrapMessage } from '../../src/nostr/index.ts';
import { openStore } from '../../src/store/index.ts';
import { startTestRelay } from '../../src/testing/relay.ts';
import { openWallet, type Wallet } from '../../src/wallet/client.ts';
import { configOf, log, until } from '../e2e/harness.ts';
import { advertOf, formCohort, openRawMember, publicKeyOf, randomSecret, stolenKeys } from '../e2e/raw-member.ts';
import { SAMPLES } from '../messages/samples.ts';
import { startFakeEsplora } from '../operator/fake-esplora.ts';
import { seeded } from './processes.ts';

const LIARS = 6;
const now = (): number => Math.floor(Date.now() / 1000);

type Filter = { kinds?: number[]; '#p'?: string[] };

function isAskedFor(event: unknown, filter: Filter): boolean {
  const { kind, tags } = (event ?? {}) as { kind?: number; tags?: unknown };
  const recipient = Array.isArray(tags) ? (tags[0] as unknown[] | undefined)?.[1] : undefined;
  return filter.kinds?.includes(kind ?? -1) === true && filter['#p']?.includes(String(recipient)) === true;
}

const isTo = (event: unknown, clients: ReadonlyMap<unknown, ReadonlyMap<string, Filter>>): boolean =>
  [...clients.values()].some(subs => [...subs.values()].some(filter => isAskedFor(event, filter)));

/** A relay that says whatever it is told to, to whoever subscribed. */
async function startLiar() {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: 64 * 1_048_576 });
  await once(server, 'listening');
  const address = server.address();
  const clients = new Map<WebSocket, Map<string, Filter>>();
  server.on('connection', socket => {
    clients.set(socket, new Map());
    socket.on('close', () => clients.delete(socket));
    socket.on('error', () => socket.terminate());
    socket.on('message', data => {
      const [verb, first, filter] = JSON.parse(String(data)) as [string, { id: string } | string, Filter];
      if (verb === 'REQ') {
        clients.get(socket)?.set(first as string, filter);
        socket.send(JSON.stringify(['EOSE', first]));
      }
      if (verb === 'EVENT') socket.send(JSON.stringify(['OK', (first as { id: string }).id, true, '']));
    });
  });
  /** To whom asked for it; an event that nobody asked for goes to the first subscription there is. */
  function event(sent: unknown): void {
    for (const [socket, subs] of clients) {
      const asked = [...subs].find(([, filter]) => isAskedFor(sent, filter));
      const [sub] = asked ?? [...subs][0] ?? [];
      if (sub !== undefined && (asked || clients.size === 1 || !isTo(sent, clients)))
        socket.send(JSON.stringify(['EVENT', sub, sent]));
    }
  }
  return {
    url: `ws://127.0.0.1:${typeof address === 'object' ? address!.port : 0}`,
    isHeard: () => [...clients.values()].some(subs => subs.size > 0),
    event,
    frame: (text: string) => {
      for (const socket of clients.keys()) socket.send(text);
    },
    /** Resolves when every client has read all that was sent. */
    async read() {
      await Promise.all(
        [...clients.keys()].map(
          socket =>
            new Promise<void>(resolve => {
              const done = (): void => {
                socket.off('pong', done);
                socket.off('close', done);
                resolve();
              };
              socket.once('pong', done);
              socket.once('close', done);
              socket.ping();
            }),
        ),
      );
      await new Promise(resolve => setTimeout(resolve, 2));
    },
    async stop() {
      for (const socket of clients.keys()) socket.terminate();
      server.close();
    },
  };
}

type Random = () => number;
const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)]!;

const JUNK: readonly ((random: Random) => unknown)[] = [
  () => null,
  () => true,
  () => -1,
  () => 0.5,
  () => 1e308,
  () => Number.MAX_SAFE_INTEGER + 2,
  () => '',
  () => '\ud800',
  () => '\u0000\u202e',
  () => 'ab'.repeat(32),
  () => 'AB'.repeat(32),
  () => '02'.padEnd(66, '0'),
  () => 'z'.repeat(100_000 % 9_000),
  () => [],
  () => [[[[]]]],
  () => ({}),
  () => JSON.parse('{"__proto__":{"polluted":true}}'),
  () => JSON.parse('{"constructor":{"prototype":{"polluted":true}}}'),
  random => Array.from({ length: 200 }, () => Math.floor(random() * 1e9)),
  random => nested(Math.floor(random() * 60)),
];

const nested = (depth: number): unknown => {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = i % 2 ? { a: value } : [value];
  return value;
};

/** A copy with one place in it removed, replaced, or added to. */
function mutated(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random() < 0.15) return pick(random, JUNK)(random);
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value) ? [...value] : { ...value };
  const keys = Object.keys(copy);
  const key = keys.length === 0 ? 'x' : pick(random, keys);
  const at = copy as Record<string, unknown>;
  const how = random();
  if (how < 0.25) delete at[key];
  else if (how < 0.35) at[pick(random, ['extra', '__proto__x', 'toString', 'size', key])] = pick(random, JUNK)(random);
  else at[key] = mutated(at[key], random);
  return copy;
}

const PARTICIPANT = new Set<MessageType>([
  'opt_in',
  'cohort_set_ack',
  'did_registration',
  'did_update',
  'update_response',
  'presence_ack',
  'nonce',
  'veto',
  'nonce_lost',
  'signal_authorization',
  'proof_request',
  'rebind',
  'leave',
  'key_deleted',
  'fallback_signature',
]);

/** What its sender may say at any time, with words of its own: it is thrown as if it were about another beacon. */
const FREE = new Set<MessageType>(['leave', 'key_deleted', 'cohort_status']);

/** Every type that one side sends, with the address and the key of the cohort that it is thrown at. */
function samplesOf(isParticipant: boolean, address: string, pk: string): Message[] {
  const types = (Object.keys(BODIES) as MessageType[]).filter(type => PARTICIPANT.has(type) === isParticipant);
  return types.map(type => {
    const text = JSON.stringify({ type, body: SAMPLES[type] });
    if (FREE.has(type)) return JSON.parse(text) as Message;
    const { beacon_address } = SAMPLES.presence;
    const { participant_pk } = SAMPLES.leave;
    return JSON.parse(text.replaceAll(beacon_address, address).replaceAll(participant_pk, pk)) as Message;
  });
}

interface Writer {
  secret: Bytes;
  key: string;
}

const writer = (secret = randomSecret()): Writer => ({ secret, key: publicKeyOf(secret).slice(2) });

/** Random bytes that tell nothing secret: from the seed, so that a run can be told again. */
const bytesOf =
  (random: Random) =>
  (length: number): Bytes =>
    Uint8Array.from({ length }, () => Math.floor(random() * 256));

export interface FuzzTarget {
  to: string;
  cohort: string;
  /** Messages that are well-formed, to be spoiled. */
  messages: readonly Message[];
  writers: { strangers: readonly Writer[]; seated: readonly Writer[] };
}

/** One thing to throw at a reader: an event, or a frame. */
export function throwOne(target: FuzzTarget, random: Random): { kind: string; event?: unknown; frame?: string } {
  const bytes = bytesOf(random);
  const dice = random();
  const from = dice < 0.2 ? pick(random, target.writers.seated) : pick(random, target.writers.strangers);
  const { to, cohort } = target;
  const plain = (content: string, over: Partial<NostrEvent> = {}) => ({
    kind: 8252,
    created_at: now() - Math.floor(random() * 100),
    tags: [['p', to]],
    content,
    ...over,
  });
  const signed = (content: string, over: Partial<NostrEvent> = {}) =>
    signEvent(plain(content, over), from.secret, bytes(32));
  const sealed = (text: string): NostrEvent =>
    wrapMessage({
      plaintext: text,
      from: from.secret,
      to,
      contextId: cohort,
      createdAt: now(),
      expiration: now() + 3_600,
      random: bytes,
    })[0]!;

  if (dice < 0.5) {
    // Schema-aware: right in everything but what the seed spoils, and signed by whoever sends it.
    const message = pick(random, target.messages);
    const body = mutated(structuredClone(message.body), random);
    const letter = { from: from.key, to, cohort, seq: 1, created_at: now(), type: message.type, body };
    let text: string;
    try {
      const header = random() < 0.2 ? (mutated(letter, random) as object) : letter;
      text = JSON.stringify(signEnvelope(header as EnvelopeDraft, from.secret, bytes(32)));
    } catch {
      // What JCS refuses cannot be signed, and goes out unsigned.
      text = JSON.stringify({ v: 1, id: 'ab'.repeat(32), ...letter, sig: 'cd'.repeat(64) });
    }
    if (random() < 0.1) text = JSON.stringify(mutated(JSON.parse(text), random)) ?? 'null';
    return { kind: 'schema', event: sealed(text) };
  }
  if (dice < 0.6) {
    const text = pick(random, [
      () => '{',
      () => '['.repeat(20_000),
      () => `{"a":${'1'.repeat(5_000)}}`,
      () => '{"__proto__":{"x":1}}',
      () =>
        JSON.stringify({ chunk: { set: toHex(bytes(16)), i: 0, n: 1_024, sha256: toHex(bytes(32)) }, data: 'AAAA' }),
      () => JSON.stringify({ chunk: { set: toHex(bytes(16)), i: 5, n: 2, sha256: 'x' }, data: 7 }),
      () => '\u0000'.repeat(100),
    ])();
    return { kind: 'plaintext', event: sealed(text) };
  }
  if (dice < 0.95) {
    const broken = pick(random, [
      () => signed(''),
      () => signed('not base64!'),
      () => signed(Buffer.from(bytes(120)).toString('base64')),
      () => signed('#future'),
      () => signed('x?iv=y', { kind: 4 }),
      () => signed(Buffer.from(bytes(400)).toString('base64'), { kind: 1059 }),
      () => {
        const content = encrypt('{}', conversationKey(from.secret, to), bytes(32));
        return signed(`${content.slice(0, -4)}AAAA`);
      },
    ])();
    return { kind: 'ciphertext', event: broken };
  }
  if (dice < 0.99) {
    const event: Record<string, unknown> = {
      ...plain('x'),
      pubkey: from.key,
      id: 'ab'.repeat(32),
      sig: 'cd'.repeat(64),
    };
    return { kind: 'event', event: mutated(event, random) };
  }
  return {
    kind: 'frame',
    frame: pick(random, [
      () => '',
      () => '[]',
      () => '["EVENT"]',
      () => '["EVENT",{},{}]',
      () => '{"__proto__":1}',
      () => '['.repeat(20_000),
      () => `["NOTICE","${'x'.repeat(5_000)}"]`,
      () => '["OK","\ud800",true,""]',
      () => '["CLOSED",5,null]',
      () => String.fromCharCode(...bytes(200)),
    ])(),
  };
}

export interface FuzzReport {
  seed: number;
  thrown: Record<string, number>;
  seconds: number;
  heapMb: number;
  diskMb: number;
  dropped: Readonly<Record<string, number>>;
}

/** What of a cohort must not move: all but the registrations of members that are being checked, and advert events. */
const essence = (state: CohortState): string =>
  JSON.stringify(
    {
      seats: state.seats,
      transports: state.transports,
      status: state.advert.status,
      phase: state.phase.name === 'formed' ? { ...state.phase.beacon, checks: 0 } : state.phase,
    },
    (_, value: unknown) => (value instanceof Map ? [...value] : value instanceof Set ? [...value] : value),
  );

function foldAll(path: string): Map<string, string> {
  const store = openStore(path, { application: 'aggregator', readonly: true });
  try {
    return new Map(
      store.streams().map(stream => {
        let state: CohortState | null = null;
        for (const row of store.read(stream)) state = evolve(state, { ...(row.body as CohortEvent), at: row.at });
        return [stream, essence(state!)];
      }),
    );
  } finally {
    store.close();
  }
}

const MB = 1_048_576;
const sizeOf = (path: string): number =>
  [path, `${path}-wal`].reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
const heap = (): number => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
};

/**
 * Throws `count` malformed things at a real daemon with a formed cohort and one that recruits, and at a wallet that is a
 * member: through a relay of their own, their inbox, decryption, schemas and cohorts, into their databases.
 */
export async function fuzz(count: number, seed: number): Promise<FuzzReport> {
  const dir = mkdtempSync(join(tmpdir(), 'btcr2-fuzz-'));
  const random = seeded(seed);
  const honest = await startTestRelay();
  // A relay that sends endless junk is cut off for a minute: the junk comes from several.
  const liars = await Promise.all(Array.from({ length: LIARS }, startLiar));
  const esplora = await startFakeEsplora();
  const undo: (() => Promise<unknown> | unknown)[] = [
    () => rmSync(dir, { recursive: true, force: true }),
    () => esplora.stop(),
    () => Promise.all(liars.map(liar => liar.stop())),
    () => honest.stop(),
  ];
  try {
    const base = configOf({
      dir,
      node: { rpcUrl: '', cookieFile: '' } as never,
      relays: [honest.url, ...liars.map(({ url }) => url)],
    });
    const config = {
      ...base,
      chain: { backend: 'esplora' as const, url: esplora.url, poll_ms: 60_000 },
      // Strangers come as fast as they can: what is thrown should be opened, and not wait at the door.
      limits: { ...DEFAULT_LIMITS, strangers_per_minute: 100_000, strangers_per_relay: 100_000 },
    };
    const daemon: Daemon = await startDaemon(config, { log: log('fuzzed') });
    let isStopped = false;
    const stop = async (): Promise<void> => {
      if (!isStopped) await daemon.stop();
      isStopped = true;
    };
    undo.push(stop);
    let failure: unknown = null;
    daemon.failed.catch(error => {
      failure = error;
    });

    const offer = await daemon.api.advertCreate({ cohort_size: { min: 3, max: 3 } });
    const recruiting = await daemon.api.advertCreate({ cohort_size: { min: 2, max: 5 } });
    const advert = await until('the advert', () => honest.events().length >= 6 && advertOf(honest, offer.cohort));
    const members = [openRawMember(advert, [honest.url]), openRawMember(advert, [honest.url])];
    undo.push(() => Promise.all(members.map(member => member.close())));
    const home = join(dir, 'wallet');
    const wallet: Wallet = await openWallet({
      home,
      network: 'regtest',
      relays: [honest.url, ...liars.map(({ url }) => url)],
      chain: esploraChain({ url: esplora.url }),
      log: log('fuzzed wallet'),
    });
    undo.push(() => wallet.stop());
    let walletFailure: unknown = null;
    wallet.failed.catch(error => {
      walletFailure = error;
    });
    const joined = await wallet.join({ advert });
    await Promise.all([formCohort(members), wallet.ready(joined.cohort)]);
    await until('the liars are listened to', () => liars.every(liar => liar.isHeard()));

    const db = join(config.state_dir, 'aggregator.db');
    const before = foldAll(db);
    const walletState = (): string =>
      // What the aggregator last said of a round is what it last said.
      JSON.stringify(wallet.status().cohorts.map(cohort => ({ ...cohort, last_abort: null })));
    const walletBefore = walletState();
    const keys = stolenKeys(config.state_dir);
    const walletKeys = stolenKeys(home);
    const transportOf = (map: typeof keys, key: string): Writer => {
      const found = [...map].find(([publicKey]) => publicKey.endsWith(key))!;
      return writer(found[1].secret);
    };
    const strangers = Array.from({ length: 50 }, () => writer());
    const seated = members.map(({ transportSecret }) => writer(transportSecret));
    const { beacon_address } = members[0]!.ready();
    const toAggregator = samplesOf(true, beacon_address, members[0]!.pk);
    const toWallet = samplesOf(false, beacon_address, joined.participant_pk);
    const walletTransport = [...walletKeys].find(([, { kind }]) => kind === 'transport')![0].slice(2);
    const aggregator = transportOf(keys, advert.terms.transport_key);
    const other = advertOf(honest, recruiting.cohort);
    const targets: FuzzTarget[] = [
      { to: advert.terms.transport_key, cohort: offer.cohort, messages: toAggregator, writers: { strangers, seated } },
      {
        to: other.terms.transport_key,
        cohort: recruiting.cohort,
        messages: toAggregator,
        writers: { strangers, seated: strangers },
      },
      {
        to: walletTransport,
        cohort: offer.cohort,
        messages: toWallet,
        writers: { strangers, seated: [aggregator] },
      },
    ];

    const startedAt = Date.now();
    const heapBefore = heap();
    let heapPeak = heapBefore;
    const diskBefore = sizeOf(db) + sizeOf(join(home, 'wallet.db'));
    const thrown: Record<string, number> = {};
    for (let i = 0; i < count; i++) {
      const one = throwOne(pick(random, targets), random);
      thrown[one.kind] = (thrown[one.kind] ?? 0) + 1;
      const liar = pick(random, liars);
      if (one.frame !== undefined) liar.frame(one.frame);
      else liar.event(one.event);
      if (i % 100 === 99) await Promise.all(liars.map(each => each.read()));
      if (i % 2_000 === 1_999) heapPeak = Math.max(heapPeak, heap());
    }
    await Promise.all(liars.map(each => each.read()));
    await daemon.api.status();
    heapPeak = Math.max(heapPeak, heap());
    const { dropped } = await daemon.api.status();
    const report: FuzzReport = {
      seed,
      thrown,
      seconds: Math.round((Date.now() - startedAt) / 1000),
      heapMb: Math.round((heapPeak - heapBefore) / MB),
      diskMb: Math.round((sizeOf(db) + sizeOf(join(home, 'wallet.db')) - diskBefore) / MB),
      dropped,
    };
    if (failure !== null) throw failure;
    if (walletFailure !== null) throw walletFailure;
    if (({} as Record<string, unknown>).polluted !== undefined) throw new Error('a prototype was changed');
    // A member's message still gets through: nothing is wedged.
    const answer = await members[0]!.ask({
      type: 'proof_request',
      body: { beacon_address: members[0]!.ready().beacon_address, did: 'did:btcr2:unknown' },
    });
    if (answer.type !== 'proofs') throw new Error(`a member is answered by ${JSON.stringify(answer.body)}`);
    const after = foldAll(db);
    for (const [stream, state] of before)
      if (after.get(stream) !== state) throw new Error(`a cohort changed:\n${state}\n${after.get(stream)}`);
    if (after.size !== before.size) throw new Error('a cohort came or went');
    if (walletState() !== walletBefore) throw new Error(`the wallet changed:\n${walletBefore}\n${walletState()}`);
    return report;
  } finally {
    for (const stop of undo.reverse()) await stop();
  }
}

/** The report as a table. */
export const fuzzTable = ({ seed, thrown, seconds, heapMb, diskMb, dropped }: FuzzReport): string =>
  [
    `fuzz: seed ${seed}, ${Object.values(thrown).reduce((a, b) => a + b, 0)} thrown in ${seconds} s`,
    ...Object.entries(thrown).map(([kind, n]) => `  ${kind.padEnd(20)} ${String(n).padStart(8)}`),
    ...Object.entries(dropped).map(([reason, n]) => `  dropped ${reason.padEnd(20)} ${String(n).padStart(8)}`),
    `  heap grew by at most ${heapMb} MB, disk by ${diskMb} MB; no cohort and no wallet changed`,
  ].join('\n');

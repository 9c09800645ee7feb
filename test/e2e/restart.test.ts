import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Daemon } from '../../src/daemon.ts';
import { type Envelope, readEnvelope } from '../../src/messages/index.ts';
import { DIRECTED_KIND, type NostrEvent, tagValue, unwrapMessage } from '../../src/nostr/index.ts';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import type { Wallet } from '../../src/wallet/client.ts';
import { removeDir, startAggregator, startWallet, tempDir, until } from './harness.ts';
import { addService } from './raw-did.ts';
import { adverted, stolenKeys } from './raw-member.ts';

let node: Regtest;
let relay: TestRelay;
let aggregator: Daemon;
const dir = tempDir();
const wallets = new Map<string, Wallet>();
let world: { dir: string; node: Regtest; relays: string[] };

/** Transport keys that the relay delivers to; everybody else's mail stays in it until they ask again. */
let served: Set<string> | 'all' = 'all';

beforeAll(async () => {
  node = await startRegtest();
}, 180_000);
afterEach(async () => {
  await Promise.all([...wallets.values()].map(wallet => wallet.stop()));
  wallets.clear();
  await aggregator?.stop();
  await relay?.stop();
  served = 'all';
});
afterAll(async () => {
  await node?.stop();
  removeDir(dir);
});

const latency = { cohort_set: 60, presence: 60, nonce: 60, signature: 60 };
const start = (over: object = {}) =>
  startAggregator(world, { cohort_size: { min: 2, max: 2 }, latency: { ...latency, ...over } });

async function begin(name: string, over: object = {}) {
  relay = await startTestRelay();
  relay.faults.drop = event =>
    event.kind === DIRECTED_KIND && served !== 'all' && !served.has(tagValue(event, 'p') ?? '');
  world = { dir: join(dir, name), node, relays: [relay.url] };
  aggregator = await start(over);
  const { cohort } = await aggregator.api.advertCreate({});
  const advert = await adverted(relay, cohort);
  for (const who of ['alexis', 'hal']) wallets.set(who, await startWallet(world, who));
  return { cohort, advert };
}

const wallet = (who: string): Wallet => wallets.get(who)!;
const transportsOf = (who: string): string[] =>
  [...stolenKeys(join(world.dir, who))].filter(([, { kind }]) => kind === 'transport').map(([key]) => key.slice(2));
const show = (cohort: string) => aggregator.api.cohortShow({ cohort });
const answerLater = (request: Promise<unknown>): void => void request.catch(() => {});

/** Nothing new has reached the relay for a while. */
async function quiet(): Promise<void> {
  for (let before = -1; before !== relay.events().length; ) {
    before = relay.events().length;
    await new Promise(resolve => setTimeout(resolve, 400));
  }
}

async function restartDaemon(): Promise<void> {
  await aggregator.stop();
  served = new Set(transportsOf('aggregator'));
  aggregator = await start();
  await until('the daemon hears', async () => (await aggregator.api.status()).hearing);
  await quiet();
  served = new Set();
}

async function restartWallet(who: string): Promise<void> {
  await wallet(who).stop();
  served = new Set(transportsOf(who));
  wallets.set(who, await startWallet(world, who));
  await quiet();
  served = new Set();
}

/** Lets some read their mail, without a restart. */
async function read(...who: string[]): Promise<void> {
  served = new Set(who.flatMap(transportsOf));
  relay.replay();
  await quiet();
  served = new Set();
}

/** Every envelope that ever was in the relay, one entry an event. */
function letters(): Envelope[] {
  const secrets = new Map(
    ['aggregator', 'alexis', 'hal'].flatMap(who =>
      [...stolenKeys(join(world.dir, who))].map(([key, { secret }]) => [key.slice(2), secret] as const),
    ),
  );
  return relay.events().flatMap(event => {
    const secret = event.kind === DIRECTED_KIND ? secrets.get(tagValue(event, 'p') ?? '') : undefined;
    const opened = secret && unwrapMessage(event, secret);
    const envelope = opened?.ok ? readEnvelope(opened.text) : null;
    return envelope?.ok ? [envelope.envelope] : [];
  });
}

/** A cohort of both wallets, funded, with a DID of each. */
async function ready(name: string, over: object = {}) {
  const { cohort, advert } = await begin(name, over);
  await Promise.all([...wallets.values()].map(each => each.join({ advert })));
  await Promise.all([...wallets.values()].map(each => each.ready(cohort)));
  const { did } = await wallet('alexis').createDid({ kind: 'x', cohort });
  await wallet('alexis').register({ did, cohort });
  const { beacon_address } = await show(cohort);
  await node.fund(beacon_address!, 100_000);
  await node.mine(6);
  await until('the deposit', async () => (await show(cohort)).balance_sats === 100_000);
  return { cohort, did };
}

const stage = async (cohort: string): Promise<string | undefined> => (await show(cohort)).rounds.at(-1)?.stage;

/** Restarts them one after the other, until it is so: between any two messages, everybody was restarted. */
async function restartUntil(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  for (let i = 0; i < 8; i++) {
    for (const turn of [() => restartDaemon(), () => restartWallet('alexis'), () => restartWallet('hal')]) {
      if (await isSo()) return;
      await turn();
    }
  }
  throw new Error(`restarted over and over, and never: ${what}`);
}

// fault 44
test('formation, registration and update: everybody restarts between any two messages', {
  timeout: 60_000,
}, async () => {
  const { cohort, advert } = await begin('steps');
  served = new Set();
  for (const each of wallets.values()) answerLater(each.join({ advert }));
  await quiet();
  const phases = () => [...wallets.values()].map(each => each.status().cohorts[0]?.phase);
  await restartUntil('the cohort stands', async () => phases().every(phase => phase === 'ready'));
  expect(await show(cohort)).toMatchObject({ phase: 'formed', seats: { taken: 2 } });
  const { beacon_address } = await show(cohort);

  const { did } = await wallet('alexis').createDid({ kind: 'x', cohort });
  answerLater(wallet('alexis').register({ did, cohort }));
  const view = () =>
    wallet('alexis')
      .status()
      .dids.find(each => each.did === did)!;
  await restartUntil('the DID is registered', () => view().beacons[0]?.state === 'listed');
  expect((await show(cohort)).registered).toMatchObject([{ did, proven: true, version: 1, pending: null }]);

  answerLater(wallet('alexis').update({ did, patch: addService('one') }));
  await until('the update is signed', () => view().updates.length === 1);
  await restartUntil('the update is queued', () => view().updates[0]!.state === 'acked');
  expect((await show(cohort)).registered).toMatchObject([{ did, pending: 2 }]);
  expect(await show(cohort)).toMatchObject({ pending_updates: 1, rounds: [] });

  // Presence, request, nonces, aggregated nonce, authorizations: the daemon restarts at each; the wallets may not, or
  // they would lose their secret nonces.
  await node.fund(beacon_address!, 100_000);
  await node.mine(6);
  for (let i = 0; i < 12 && (await show(cohort)).signals === 0; i++) {
    await restartDaemon();
    await read('alexis', 'hal');
  }
  const [round] = (await show(cohort)).rounds;
  expect(round).toMatchObject({ round: 1, attempt: 1 });
  await restartDaemon();
  await node.mine(1);
  await restartUntil('the wallets see it', () => view().updates[0]!.state === 'broadcast');
  await node.mine(5);
  await restartUntil('final', async () => (await show(cohort)).rounds[0]?.stage === 'closed');
  const detail = await aggregator.api.roundShow({ cohort, round: 1 });
  expect(detail).toMatchObject({ txid: round!.txid, announcements: [{ did, version: 2 }] });
  await until('version 2', async () => (await wallet('alexis').resolve({ did })).versionId === '2');
  expect(await show(cohort)).toMatchObject({ pending_updates: 0, signals: 1, alarms: [] });

  // Nothing was sealed twice, no request answered twice, no session asked for twice.
  const sent = letters();
  expect(new Set(sent.map(({ id }) => id)).size).toBe(sent.length);
  const answers = sent.filter(({ type }) => type === 'ack' || type === 'rejection').map(each => each.in_reply_to);
  expect(new Set(answers).size).toBe(answers.length);
  const sessions = sent.flatMap(each => (each.type === 'aggregated_nonce' ? [each.body.session_id] : []));
  expect(new Set(sessions)).toEqual(new Set([round!.session_id]));
  expect(sent.filter(({ type }) => type === 'rejection' || type === 'round_aborted' || type === 'veto')).toEqual([]);
});

test('a wallet that restarts with nonces out: another attempt, in an open session with the same bytes', {
  timeout: 60_000,
}, async () => {
  const { cohort, did } = await ready('nonces');
  served = new Set();
  answerLater(wallet('alexis').update({ did, patch: addService('one') }));
  await quiet();
  const turns = async (until_: string) => {
    for (let i = 0; i < 10; i++) {
      await read('aggregator');
      if ((await stage(cohort)) === until_) return;
      await read('alexis', 'hal');
    }
    throw new Error(`the round did not come to ${until_}`);
  };
  await turns('nonces');
  // The nonce of alexis is on its way, and worth nothing any more.
  await read('alexis');
  await restartWallet('alexis');
  await read('aggregator');
  const aborts = () => letters().filter((letter): letter is AbortLetter => letter.type === 'round_aborted');
  expect(aborts().map(({ body }) => body)).toMatchObject([
    { reason: 'nonce_lost', open: false, blame: [], not_heard: [] },
    { reason: 'nonce_lost', open: false },
  ]);
  expect((await show(cohort)).pending_updates).toBe(1);

  await turns('signatures');
  const opened = await aggregator.api.roundShow({ cohort, round: 2 });
  expect(opened).toMatchObject({ round: 2, attempt: 1 });
  await restartWallet('hal');
  await read('aggregator');
  expect(aborts().at(-1)!.body).toMatchObject({ reason: 'nonce_lost', open: true, session_id: opened.session_id });
  served = 'all';
  relay.replay();
  await until('the signal', async () => (await show(cohort)).signals === 1);
  await node.mine(6);
  await until('final', async () => (await stage(cohort)) === 'closed');
  const done = await aggregator.api.roundShow({ cohort, round: 2 });
  const { signal_bytes, outpoint, announcements } = opened;
  expect(done).toMatchObject({ signal_bytes, outpoint, announcements });
  expect(done.session_id).not.toBe(opened.session_id);
  await until('version 2', async () => (await wallet('alexis').resolve({ did })).versionId === '2');
});

// fault 55a
test('a daemon that was away longer than a deadline drops nobody and blames nobody', { timeout: 60_000 }, async () => {
  const short = { cohort_set: 3, presence: 3, nonce: 3, signature: 3 };
  const away = async () => {
    await aggregator.stop();
    await new Promise(resolve => setTimeout(resolve, 3_500));
    served = new Set(transportsOf('aggregator'));
    aggregator = await start();
    await until('the daemon hears', async () => (await aggregator.api.status()).hearing);
    served = 'all';
    relay.replay();
  };
  const { cohort, advert } = await begin('deaf', short);
  served = new Set(transportsOf('aggregator'));
  for (const each of wallets.values()) answerLater(each.join({ advert }));
  await until('the set', async () => (await show(cohort)).phase === 'confirming');
  await away();
  await until('the cohort stands', async () => (await show(cohort)).phase === 'formed');
  await Promise.all([...wallets.values()].map(each => each.ready(cohort)));
  expect(
    letters()
      .filter(({ type }) => type === 'cohort_set')
      .map(({ body }) => body),
  ).toMatchObject([{ attempt: 1 }, { attempt: 1 }]);

  const { did } = await wallet('hal').createDid({ kind: 'x', cohort });
  await wallet('hal').register({ did, cohort });
  await node.fund((await show(cohort)).beacon_address!, 100_000);
  await node.mine(6);
  await until('the deposit', async () => (await show(cohort)).balance_sats === 100_000);
  // The request is out, and nobody reads it before the daemon is gone.
  const cut = relay.faults.drop as (event: NostrEvent) => boolean;
  relay.faults.drop = event => cut(event) || (event.pubkey === advert.terms.transport_key && isRequest(event));
  await wallet('hal').update({ did, patch: addService('one') });
  await until('the request', async () => (await stage(cohort)) === 'nonces');
  relay.faults.drop = cut;
  await away();
  await until('the signal', async () => (await show(cohort)).signals === 1);
  expect(await show(cohort)).toMatchObject({ rounds: [{ round: 1, attempt: 1 }], alarms: [] });
  expect(letters().filter(({ type }) => type === 'round_aborted')).toEqual([]);
});

test('whoever waits for an answer learns at once that the wallet was stopped; what was asked stays asked', async () => {
  const { cohort, advert } = await begin('stopped');
  served = new Set();
  const joining = wallet('alexis').join({ advert });
  const waiting = wallet('alexis').ready(cohort);
  const both = Promise.allSettled([joining, waiting]);
  const { transport_key } = advert.terms;
  await until('the opt-in is out', () => relay.events().some(event => tagValue(event, 'p') === transport_key));
  await wallet('alexis').stop();
  expect(await both).toMatchObject([
    { status: 'rejected', reason: { code: 'timeout' } },
    { status: 'rejected', reason: { code: 'timeout' } },
  ]);
  wallets.set('alexis', await startWallet(world, 'alexis'));
  served = 'all';
  relay.replay();
  await until('the seat', () => wallet('alexis').status().cohorts[0]?.phase === 'seated');
  expect((await show(cohort)).seats.taken).toBe(1);
});

type AbortLetter = Extract<Envelope, { type: 'round_aborted' }>;

function isRequest(event: NostrEvent): boolean {
  const to = tagValue(event, 'p');
  const found = ['alexis', 'hal']
    .flatMap(who => [...stolenKeys(join(world.dir, who))])
    .find(([key]) => key.slice(2) === to);
  const opened = found && unwrapMessage(event, found[1].secret);
  return opened?.ok === true && opened.text.includes('"authorize_beacon_signal_request"');
}

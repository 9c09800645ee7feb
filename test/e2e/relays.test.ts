import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { AdvertTerms } from '../../src/operator/api.ts';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay, type TestRelayOptions } from '../../src/testing/relay.ts';
import type { Wallet } from '../../src/wallet/client.ts';
import { newDid, removeDir, startAggregator, startWallet, tempDir, until } from './harness.ts';
import { addService } from './raw-did.ts';

let node: Regtest;
const dir = tempDir();
const relays: TestRelay[] = [];
let stops: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  node = await startRegtest();
}, 180_000);
afterEach(async () => {
  await Promise.all(stops.map(stop => stop()));
  stops = [];
  await Promise.all(relays.splice(0).map(relay => relay.stop()));
});
afterAll(async () => {
  await node?.stop();
  removeDir(dir);
});

async function relay(options: TestRelayOptions = {}): Promise<TestRelay> {
  const made = await startTestRelay(options);
  relays.push(made);
  return made;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise(resolve => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

async function begin(name: string, urls: string[], over: Partial<AdvertTerms> = {}) {
  const world = { dir: join(dir, name), node, relays: urls };
  const aggregator = await startAggregator(world, { cohort_size: { min: 2, max: 2 }, ...over });
  const wallets = await Promise.all(['alexis', 'hal'].map(who => startWallet(world, who)));
  stops.push(() => Promise.all([...wallets.map(wallet => wallet.stop()), aggregator.stop()]));
  const { cohort } = await aggregator.api.advertCreate({});
  const show = () => aggregator.api.cohortShow({ cohort });
  return { aggregator, wallets: wallets as [Wallet, Wallet], cohort, show };
}

type World = Awaited<ReturnType<typeof begin>>;

async function form({ wallets, cohort }: World): Promise<void> {
  await Promise.all(
    wallets.map(async wallet => {
      const advert = await until('the advert', async () => (await wallet.discover({ seconds: 1 }))[0]?.advert);
      await wallet.join({ advert });
      await wallet.ready(cohort);
    }),
  );
}

async function fund({ show }: World): Promise<void> {
  await node.fund((await show()).beacon_address!, 100_000);
  await node.mine(6);
  await until('the deposit', async () => (await show()).balance_sats === 100_000);
}

async function finished({ show, wallets }: World, did: string, attempts = 1): Promise<void> {
  await until('the signal', async () => (await show()).signals === 1);
  expect((await show()).rounds).toMatchObject([{ attempt: attempts }]);
  await node.mine(6);
  await until('final', async () => (await show()).rounds[0]?.stage === 'closed');
  await until('version 2', async () => (await wallets[0].resolve({ did })).versionId === '2');
}

// fault 36
test('one relay down at the start and up later, another dying in the middle of a round: time, and nothing else', async () => {
  const port = await freePort();
  const first = await relay();
  const world = await begin('down', [first.url, `ws://127.0.0.1:${port}`]);
  const { wallets, cohort, aggregator, show } = world;
  await form(world);
  const did = await newDid(wallets[0], cohort);
  expect((await aggregator.api.status()).relays).toMatchObject([{ connected: true }, { connected: false }]);
  await fund(world);
  const second = await relay({ port });
  await until('both are connected', async () =>
    (await aggregator.api.status()).relays.every(({ connected }) => connected),
  );
  await until('both wallets are, too', () => wallets.every(({ status }) => status().relays.every(r => r.connected)));
  // It gets the past, too: the outbox kept it.
  await until('the late relay has the advert', () => second.events().some(({ kind }) => kind === 38252));

  // The first one dies as soon as the second carries the question who is there.
  await wallets[0].update({ did, patch: addService('one') });
  await until('the round', async () => (await show()).rounds.length === 1);
  await first.stop();
  await finished(world, did);
  expect((await aggregator.api.status()).relays).toMatchObject([{ connected: false }, { connected: true }]);
  expect(await show()).toMatchObject({ alarms: [] });
});

// fault 41
test('all relays down for longer than a deadline: nobody is late, and the round goes on', async () => {
  const both = [await relay(), await relay()];
  const world = await begin(
    'outage',
    both.map(({ url }) => url),
    {
      latency: { cohort_set: 20, presence: 3, nonce: 3, signature: 3 },
    },
  );
  const { wallets, cohort, show } = world;
  await form(world);
  const did = await newDid(wallets[0], cohort);
  await fund(world);
  // The question who is there reaches nobody before the outage.
  for (const each of both) each.faults.drop = event => event.kind === 8252 && event.pubkey === key;
  const { transport_key: key } = (await show()).terms;
  const asked = wallets[0].update({ did, patch: addService('one') });
  await until('the round', async () => (await show()).rounds.length === 1);
  await Promise.all(both.map(each => each.stop()));
  await new Promise(resolve => setTimeout(resolve, 4_000));
  expect((await show()).rounds).toMatchObject([{ stage: 'presence', attempt: 1 }]);
  for (const each of both) each.faults.drop = false;
  await Promise.all(both.map(each => each.restart()));
  await asked;
  await finished(world, did);
  expect(wallets.map(wallet => wallet.status().cohorts[0]!.last_abort)).toEqual([null, null]);
});

// faults 36, 39
test('a relay that says OK and stores nothing, beside an honest one, and for a while alone', {
  timeout: 40_000,
}, async () => {
  const liar = await relay({ faults: { okButNotStored: true } });
  const honest = await relay();
  const world = await begin('liar', [liar.url, honest.url]);
  const { wallets, cohort } = world;
  await form(world);
  const did = await newDid(wallets[0], cohort);
  expect(liar.events()).toEqual([]);
  // Now both lie: the request for the update is lost, and sent again until it is answered.
  honest.faults.okButNotStored = true;
  const asked = wallets[0].update({ did, patch: addService('one') });
  await until('the update went out', () => wallets[0].status().dids[0]!.updates.length === 1);
  await new Promise(resolve => setTimeout(resolve, 500));
  honest.faults.okButNotStored = false;
  expect(await asked).toMatchObject({ state: 'acked' });
  await fund(world);
  await finished(world, did);
});

// fault 39
test('cohort_ready lost by a relay that lied: the wallet asks again', { timeout: 40_000 }, async () => {
  const only = await relay();
  const world = await begin('forgetful', [only.url]);
  const { aggregator, wallets, cohort, show } = world;
  const { transport_key } = (await show()).terms;
  // Both acknowledge the set, and the aggregator hears of it only when the relay begins to lie.
  const acks = () => only.events().filter(event => event.kind === 8252 && event.pubkey !== transport_key).length;
  only.faults.drop = event => event.pubkey !== transport_key && acks() > 2;
  for (const wallet of wallets) {
    const advert = await until('the advert', async () => (await wallet.discover({ seconds: 1 }))[0]?.advert);
    await wallet.join({ advert });
  }
  await until('both acknowledgements are in the relay', () => acks() === 4);
  only.faults.okButNotStored = true;
  only.faults.drop = false;
  only.replay();
  await until('the cohort stands for the aggregator', async () => (await show()).phase === 'formed');
  await until('cohort_ready is lost', () => only.stats.published > only.stats.stored);
  await new Promise(resolve => setTimeout(resolve, 200));
  only.faults.okButNotStored = false;
  await Promise.all(wallets.map(wallet => wallet.ready(cohort)));
  expect((await aggregator.api.cohortShow({ cohort })).members).toHaveLength(2);
});

// faults 38, 42
test('relays that demand AUTH, reorder and duplicate', async () => {
  const guarded = await relay({ faults: { authRequired: true, reorder: true, duplicate: 2 } });
  const world = await begin('auth', [guarded.url]);
  await form(world);
  const did = await newDid(world.wallets[0], world.cohort);
  await fund(world);
  await world.wallets[0].update({ did, patch: addService('one') });
  await finished(world, did);
  expect(guarded.stats.authenticated).toBeGreaterThanOrEqual(3);
});

// fault 42
test('a relay that takes nothing without proof of work gets it, of adverts and of every message', async () => {
  const strict = await relay({ faults: { pow: 8 } });
  const world = await begin('work', [strict.url]);
  await form(world);
  const did = await newDid(world.wallets[0], world.cohort);
  await fund(world);
  await world.wallets[0].update({ did, patch: addService('one') });
  await finished(world, did);
  expect(strict.events().every(({ id }) => id.startsWith('00'))).toBe(true);
});

test('small messages only: many DIDs of a member travel in chunks', async () => {
  const small = await relay({ limits: { maxMessageBytes: 8_192, maxEventBytes: 8_192 } });
  const world = await begin('chunks', [small.url]);
  const { wallets, cohort } = world;
  await form(world);
  const dids: string[] = [];
  for (let i = 0; i < 12; i++) dids.push(await newDid(wallets[0], cohort));
  await fund(world);
  const before = small.events().length;
  await wallets[0].update({ did: dids[0]!, patch: addService('x'.repeat(3_000)) });
  await finished(world, dids[0]!);
  expect(small.events().every(event => JSON.stringify(event).length <= 8_192)).toBe(true);
  // A request with twelve proofs, and an update of several kilobytes, alone take a handful.
  expect(small.events().length - before).toBeGreaterThan(14);
  for (const did of dids.slice(1)) expect((await wallets[0].resolve({ did })).versionId).toBe('1');
});

import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Daemon } from '../../src/daemon.ts';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import type { Wallet } from '../../src/wallet/client.ts';
import { newDid, removeDir, startAggregator, startWallet, tempDir, until } from './harness.ts';
import { addService } from './raw-did.ts';
import { advertOf, openRawMember, type RawMember } from './raw-member.ts';

let node: Regtest;
let relay: TestRelay;
let aggregator: Daemon;
let both: Wallet;
let hal: Wallet;
let bob: RawMember;
/** Rounds by count, and by the interval. */
let byCount: string;
let byInterval: string;
const dir = tempDir();

beforeAll(async () => {
  node = await startRegtest();
  relay = await startTestRelay();
  const world = { dir: join(dir, 'world'), node, relays: [relay.url] };
  const latency = { cohort_set: 20, presence: 3, nonce: 5, signature: 5 };
  aggregator = await startAggregator(world, { cohort_size: { min: 2, max: 2 }, latency });
  const create = async (frequency: { interval: number; min_interval: number; pending_updates: number }) =>
    (await aggregator.api.advertCreate({ frequency })).cohort;
  byCount = await create({ interval: 3600, min_interval: 0, pending_updates: 2 });
  byInterval = await create({ interval: 6, min_interval: 0, pending_updates: 50 });
  both = await startWallet(world, 'both');
  hal = await startWallet(world, 'hal');
  // The second member of the second cohort is one that can be told to fail.
  await until('the adverts', () => relay.events().filter(({ kind }) => kind === 38252).length === 2);
  bob = openRawMember(advertOf(relay, byInterval), [relay.url]);
  const offers = await until('both adverts', async () => {
    const found = await both.discover();
    return found.length === 2 && found;
  });
  for (const { advert } of offers) await both.join({ advert });
  await hal.join({ advert: offers.find(({ advert }) => advert.cohort === byCount)!.advert });
  await bob.ask(bob.optIn());
  await Promise.all([both.ready(byCount), both.ready(byInterval), hal.ready(byCount), bob.next('cohort_ready')]);
  for (const cohort of [byCount, byInterval]) await node.fund((await show(cohort)).beacon_address!, 100_000);
  await node.mine(6);
}, 180_000);
afterAll(async () => {
  await bob?.close();
  await Promise.all([both?.stop(), hal?.stop()]);
  await aggregator?.stop();
  await relay?.stop();
  await node?.stop();
  removeDir(dir);
});

const show = (cohort: string) => aggregator.api.cohortShow({ cohort });
const signals = async (cohort: string) => (await show(cohort)).signals;

test('two cohorts, one wallet in both: overlapping rounds, one failing alone; by count and by interval', {
  timeout: 60_000,
}, async () => {
  const [here, there] = [await newDid(both, byCount), await newDid(both, byInterval)];
  const other = await newDid(hal, byCount);
  expect((await show(byCount)).beacon_address).not.toBe((await show(byInterval)).beacon_address);

  // The second cohort's round stands still in the middle, and then fails.
  bob.habits.nonces = false;
  await both.update({ did: there, patch: addService('there') });
  const { body: request } = await bob.next('authorize_beacon_signal_request');
  expect((await show(byInterval)).rounds).toMatchObject([{ stage: 'nonces' }]);

  // One update is not enough for the first cohort; the second one opens its round.
  await both.update({ did: here, patch: addService('here') });
  expect((await show(byCount)).round).toBe('1 of 2 updates are waiting');
  await hal.update({ did: other, patch: addService('other') });
  await until('the signal of the first cohort', async () => (await signals(byCount)) === 1);
  expect(await signals(byInterval)).toBe(0);
  const veto = { session_id: request.session_id, code: 'no', text: 'not today' };
  await bob.send({ type: 'veto', body: veto });
  await bob.next('round_aborted', ({ body }) => body.reason === 'veto');
  bob.habits.nonces = true;

  await until('the signal of the second cohort', async () => (await signals(byInterval)) === 1, 20_000);
  await node.mine(6);
  for (const cohort of [byCount, byInterval])
    await until('final', async () => (await show(cohort)).rounds.at(-1)?.stage === 'closed');
  expect((await show(byCount)).rounds).toMatchObject([{ round: 1, attempt: 1, updates: 2 }]);
  expect((await show(byInterval)).rounds).toMatchObject([{ round: 2, updates: 1 }]);
  for (const [wallet, did] of [
    [both, here],
    [both, there],
    [hal, other],
  ] as const)
    await until('version 2', async () => (await wallet.resolve({ did })).versionId === '2');
  const failed = both.status().cohorts.map(({ cohort, last_abort }) => [cohort, last_abort?.reason ?? null]);
  expect(Object.fromEntries(failed)).toEqual({ [byCount]: null, [byInterval]: 'veto' });
  expect((await show(byCount)).alarms).toEqual([]);
});

test('a single update is announced by the interval alone, from the change of the signal before', {
  timeout: 30_000,
}, async () => {
  const did = await newDid(both, byInterval);
  await both.update({ did, patch: addService('later') });
  // Far fewer than the trigger by count: only the interval can open it.
  await until('the next signal', async () => (await signals(byInterval)) === 2, 15_000);
  const [first, second] = await Promise.all(
    [2, 3].map(round => aggregator.api.roundShow({ cohort: byInterval, round })),
  );
  expect(second!.outpoint!.txid).toBe(first!.txid);
  await node.mine(6);
  await until('version 2', async () => (await both.resolve({ did })).versionId === '2');
});

test('one DID in both cohorts: the same update is announced twice, byte for byte, and is one version', {
  timeout: 60_000,
}, async () => {
  const { did } = await both.createDid({ kind: 'x', cohort: byCount });
  await both.register({ did, cohort: byCount });
  await both.register({ did, cohort: byInterval });
  const companion = await newDid(hal, byCount);
  const { announcement, cohorts } = await both.update({ did, patch: addService('twice') });
  expect(new Set(cohorts)).toEqual(new Set([byCount, byInterval]));
  await hal.update({ did: companion, patch: addService('company') });
  await until('both signals', async () => (await signals(byCount)) === 2 && (await signals(byInterval)) === 3, 20_000);
  await node.mine(6);
  for (const cohort of [byCount, byInterval]) {
    await until('final', async () => (await show(cohort)).rounds.at(-1)?.stage === 'closed');
    const { round } = (await show(cohort)).rounds.at(-1)!;
    const detail = await aggregator.api.roundShow({ cohort, round });
    expect(detail.announcements).toContainEqual(expect.objectContaining({ did, version: 2, announcement }));
  }
  await until('version 2', async () => (await both.resolve({ did })).versionId === '2');
  await until('final', () => both.status().dids.find(each => each.did === did)!.updates[0]!.state === 'final');
});

import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { Daemon } from '../../src/daemon.ts';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import type { Wallet } from '../../src/wallet/client.ts';
import { fillMempool } from './full-mempool.ts';
import { closed, deposit, gather, newDid, removeDir, startAggregator, startWallet, tempDir, until } from './harness.ts';
import { addService } from './raw-did.ts';

let node: Regtest;
let relay: TestRelay;
let aggregator: Daemon | undefined;
let wallets: Wallet[] = [];
let world: { dir: string; node: Regtest; relays: string[] };
let cohort: string;
let did: string;
const dir = tempDir();
const LINGERS = 2;
/** 1, 2, 4 and 8 sat/vB: on a chain without fee history the first step is the least that nodes relay by default. */
const LADDER = [154, 308, 616, 1_232];

beforeAll(async () => {
  node = await startRegtest();
}, 180_000);
afterEach(async () => {
  await Promise.all(wallets.splice(0).map(wallet => wallet.stop()));
  await aggregator?.stop();
  aggregator = undefined;
  await relay?.stop();
});
afterAll(async () => {
  await node?.stop();
  removeDir(dir);
});

const start = () =>
  startAggregator(world, {
    latency: { cohort_set: 60, presence: 10, nonce: 20, signature: 20 },
    fee_ladder: { steps: 4, factor: 2, blocks: LINGERS },
  });

/** A cohort of two wallets on a node with these options, funded, and a DID of the first. */
async function begin(name: string, args: readonly string[] = []): Promise<void> {
  await node.restart([]);
  relay = await startTestRelay();
  world = { dir: join(dir, name), node, relays: [relay.url] };
  aggregator = await start();
  wallets = [await startWallet(world, 'alexis'), await startWallet(world, 'bilal')];
  const gathered = await gather(aggregator, wallets);
  ({ cohort } = gathered);
  await deposit(node, gathered.address);
  did = await newDid(wallets[0]!, cohort);
  // The deposit was paid under the policy of most nodes.
  if (args.length > 0) await node.restart(args);
}

/** Announces an update: the number of the round whose signal every member has signed by then. */
async function announce(): Promise<number> {
  const rounds = async () => (await aggregator!.api.cohortShow({ cohort })).rounds;
  const before = (await rounds()).length;
  await wallets[0]!.update({ did, patch: addService('one') });
  const made = await until(
    'a complete signal',
    async () => (await rounds()).slice(before).find(({ stage }) => stage === 'announced'),
    60_000,
  );
  return made.round;
}

const round = (number: number) => aggregator!.api.roundShow({ cohort, round: number });
const waiting = async (): Promise<string[]> => z.array(z.string()).parse(await node.rpc('getrawmempool'));
const isWaiting = async (txid: string | null): Promise<boolean> => (await waiting()).includes(txid ?? '');
const NOBODY = 'bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202';
/** A block that has room for nobody. */
const passOver = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await node.rpc('generateblock', [NOBODY, []]);
};

/** Asks for a signal, and waits until the node holds its step of this fee. */
async function climbs(number: number, fee: number): Promise<string> {
  const txid = await until(
    `the step of ${fee} sat waits in the mempool`,
    async () => {
      const { txid, fee_sats } = await round(number);
      return fee_sats === fee && (await isWaiting(txid)) && txid !== null && txid;
    },
    60_000,
  );
  return txid;
}

async function confirms(number: number, txid: string, version: string): Promise<void> {
  await node.mine(6);
  await closed(aggregator!, cohort, number);
  expect(await round(number)).toMatchObject({ txid, stage: 'closed' });
  const [alexis] = wallets;
  await until(
    'the DID resolves',
    async () => (await alexis!.resolve({ did, minConf: 6 })).versionId === version,
    60_000,
  );
  expect((await aggregator!.api.cohortShow({ cohort })).alarms).toEqual([]);
}

test('a node that relays from 3 sat/vB: what it refuses is followed by the next steps at once', {
  timeout: 240_000,
}, async () => {
  await begin('relay-fee', ['-minrelaytxfee=0.00003']);
  const number = await announce();
  const txid = await climbs(number, LADDER[2]!);
  await confirms(number, txid, '2');
});

const FULL = ['-maxmempool=5'];

test('a full mempool evicts a step: what has room follows with the next block', { timeout: 240_000 }, async () => {
  await begin('evicted', FULL);
  const number = await announce();
  const first = await climbs(number, LADDER[0]!);
  await fillMempool(node, 2.5);
  expect(await isWaiting(first)).toBe(false);
  await passOver(1);
  await confirms(number, await climbs(number, LADDER[2]!), '2');
});

test('a full mempool refuses a step: what has room follows at once', { timeout: 240_000 }, async () => {
  await begin('refused', FULL);
  await fillMempool(node, 2.5);
  const height = await node.rpc('getblockcount');
  const number = await announce();
  const txid = await climbs(number, LADDER[2]!);
  expect(await node.rpc('getblockcount')).toBe(height);
  await confirms(number, txid, '2');
});

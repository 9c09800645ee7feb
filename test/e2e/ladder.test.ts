import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { parseTx } from '../../src/bitcoin/index.ts';
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
/** Complete transactions that the first wallet was told, in the order in which they came. */
let told: string[];
const dir = tempDir();
const LINGERS = 2;
/** 1, 2, 4 and 8 sat/vB: on a chain without fee history the first step is the least that nodes relay by default. */
const LADDER = [154, 308, 616, 1_232];

afterEach(async () => {
  await Promise.all(wallets.splice(0).map(wallet => wallet.stop()));
  await aggregator?.stop();
  aggregator = undefined;
  await relay?.stop();
  await node?.stop();
});
afterAll(() => removeDir(dir));

const start = () =>
  startAggregator(world, {
    latency: { cohort_set: 60, presence: 10, nonce: 20, signature: 20 },
    fee_ladder: { steps: 4, factor: 2, blocks: LINGERS },
  });

/** A cohort of two wallets on a node of its own with these options, without fee history; funded, and a DID of the first. */
async function begin(name: string, args: readonly string[] = []): Promise<void> {
  node = await startRegtest();
  relay = await startTestRelay();
  world = { dir: join(dir, name), node, relays: [relay.url] };
  aggregator = await start();
  wallets = [await startWallet(world, 'alexis'), await startWallet(world, 'bilal')];
  const gathered = await gather(aggregator, wallets);
  told = [];
  wallets[0]!.onEvent(event => {
    if (event.type === 'transactions_told') told.push(...event.transactions);
  });
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

test('a step that no block takes is followed by the next: by the daemon, and with the daemon stopped by a member alone', {
  timeout: 240_000,
}, async () => {
  await begin('lingers');
  const number = await announce();
  await climbs(number, LADDER[0]!);
  await passOver(LINGERS);
  const second = await climbs(number, LADDER[1]!);
  const steps = told.map(hex => parseTx(hex).txid);
  expect(steps.indexOf(second)).toBe(1);
  const isSeen = () => wallets.every(wallet => wallet.status().cohorts[0]!.signals.some(({ txid }) => txid === second));
  await until('every member sees it', isSeen, 60_000);

  await aggregator!.stop();
  aggregator = undefined;
  // Members count from the block at which they first saw it wait, and leave the aggregator some time.
  const third = await until(
    'a member sends a higher step',
    async () => {
      const higher = (await waiting()).find(txid => steps.indexOf(txid) > 1);
      if (higher !== undefined) return higher;
      await passOver(1);
      await new Promise(resolve => setTimeout(resolve, 500));
      return undefined;
    },
    60_000,
  );
  expect(await isWaiting(second)).toBe(false);
  aggregator = await start();
  await confirms(number, third, '2');
});

test('a reorganization mines another step than the one that the next round spent: the same bytes go out on its change', {
  timeout: 240_000,
}, async () => {
  await begin('other-step');
  const first = await announce();
  const spent = await climbs(first, LADDER[0]!);
  await confirms(first, spent, '2');
  const [, , higher] = told;

  const second = await announce();
  const child = await climbs(second, LADDER[0]!);
  const before = await round(second);
  expect(before.outpoint).toMatchObject({ txid: spent });
  const tip = z.number().parse(await node.rpc('getblockcount'));
  const hash = z.string().parse(await node.rpc('getblockhash', [tip - 5]));
  await node.invalidateBlock(hash);
  await until('it waits again', () => isWaiting(spent), 60_000);
  const other = z.string().parse(await node.rpc('sendrawtransaction', [higher!]));
  expect([await isWaiting(spent), await isWaiting(child)]).toEqual([false, false]);
  // The branch that wins is longer than the one that lost.
  await node.mine(7);
  const moved = await until(
    'the round moves to the change of the other step',
    async () => {
      const now = await round(second);
      return now.outpoint?.txid === other && now.txid !== null && (await isWaiting(now.txid)) && now;
    },
    60_000,
  );
  expect(moved).toMatchObject({ signal_bytes: before.signal_bytes, announcements: before.announcements });
  await confirms(second, moved.txid!, '3');
  expect(await round(first)).toMatchObject({ txid: other, stage: 'closed' });
});

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

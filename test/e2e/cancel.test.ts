import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { Daemon } from '../../src/daemon.ts';
import type { AdvertTerms } from '../../src/operator/api.ts';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import type { Wallet } from '../../src/wallet/client.ts';
import type { WalletEvent } from '../../src/wallet/core.ts';
import { closed, deposit, gather, newDid, removeDir, startAggregator, startWallet, tempDir, until } from './harness.ts';
import { addService } from './raw-did.ts';

const WAIT_MS = 60_000;
const DELAY = 144;
const dir = tempDir();
let node: Regtest;
let relay: TestRelay;
let aggregator: Daemon;
let world: { dir: string; node: Regtest; relays: string[] };
let alexis: Wallet;
let bilal: Wallet;
let cohort: string;
let address: string;

beforeAll(async () => {
  node = await startRegtest();
}, 180_000);
afterEach(async () => {
  await Promise.all([alexis?.stop(), bilal?.stop()]);
  await aggregator?.stop();
  await relay?.stop();
});
afterAll(async () => {
  await node?.stop();
  removeDir(dir);
});

/** A cohort of two wallets. */
async function begin(name: string, over: Partial<AdvertTerms> = {}): Promise<void> {
  relay = await startTestRelay();
  world = { dir: join(dir, name), node, relays: [relay.url] };
  aggregator = await startAggregator(world, {
    latency: { cohort_set: 60, presence: 2, nonce: 60, signature: 4 },
    ...over,
  });
  alexis = await startWallet(world, 'alexis');
  bilal = await startWallet(world, 'bilal');
  ({ cohort, address } = await gather(aggregator, [alexis, bilal]));
}

const show = () => aggregator.api.cohortShow({ cohort });
const spends = () => aggregator.api.spendList({ cohort });
const lastSpend = async () => (await spends()).at(-1);
const waiting = async (): Promise<string[]> => z.array(z.string()).parse(await node.rpc('getrawmempool'));
const elsewhere = async (): Promise<string> =>
  z.string().parse(await node.rpc('getnewaddress', ['', 'bech32m'], 'miner'));

/** What the node would say of a transaction. */
async function judged(hex: string): Promise<string> {
  const schema = z.array(z.object({ allowed: z.boolean(), 'reject-reason': z.string().optional() }));
  const [verdict] = schema.parse(await node.rpc('testmempoolaccept', [[hex]]));
  return verdict!.allowed ? 'accepted' : (verdict!['reject-reason'] ?? '');
}

/** The satoshis of an unspent output, and where it is. */
async function output(txid: string): Promise<{ address: string; sats: number }> {
  const schema = z.object({ value: z.number(), scriptPubKey: z.object({ address: z.string() }) });
  const { value, scriptPubKey } = schema.parse(await node.rpc('gettxout', [txid, 0]));
  return { address: scriptPubKey.address, sats: Math.round(value * 1e8) };
}

test('a member stops after the aggregated nonce went out; it comes back, signs only the cancel, and the update goes out byte for byte in the next round', {
  timeout: 240_000,
}, async () => {
  await begin('cancel');
  await deposit(node, address);
  const did = await newDid(alexis, cohort);
  const { members, terms } = await show();
  const [his] = bilal.status().cohorts.map(({ participant_pk }) => participant_pk);
  const transport = members.find(({ participant_pk }) => participant_pk === his)!.transport;
  bilal.onEvent(event => {
    // From his nonce on he hears nothing more.
    if (event.type === 'nonce_drawn')
      relay.faults.drop = ({ pubkey, tags }) => pubkey === terms.transport_key && tags[0]?.[1] === transport;
  });
  await expect(aggregator.api.spendStart({ cohort, purpose: 'cancel' })).rejects.toThrow(/no session is open/);
  const { announcement } = await alexis.update({ did, patch: addService('one') });
  await until('an open session', async () => /members authorized it|: open;/.test((await show()).round), WAIT_MS);
  const { outpoint } = await aggregator.api.roundShow({ cohort, round: 1 });
  await bilal.stop();
  relay.faults.drop = false;
  await until(
    'attempts fail',
    async () => ((await show()).rounds[0]?.attempt ?? 1) >= 3 && /: open;/.test((await show()).round),
    WAIT_MS,
  );
  expect(alexis.status().dids[0]!.updates).toMatchObject([{ announcement, state: 'locked' }]);

  const asked = await aggregator.api.spendStart({ cohort, purpose: 'cancel' });
  expect(asked).toMatchObject({ purpose: 'cancel', to: address, outpoint, status: 'nonces', hex: null });
  bilal = await startWallet(world, 'bilal');
  const signed: WalletEvent[] = [];
  bilal.onEvent(event => {
    if (event.type === 'session_signed') signed.push(event);
  });
  const { txid } = await until(
    'the cancel is complete',
    async () => {
      const last = await lastSpend();
      return last?.status === 'complete' && last;
    },
    WAIT_MS,
  );
  await until('it waits in the mempool', async () => (await waiting()).includes(txid), WAIT_MS);
  expect(signed).toMatchObject([{ session_id: asked.session_id }]);
  await node.mine(5);
  await until(
    'seen',
    async () => (await aggregator.api.status()).chain.height === (await alexis.status()).chain.height,
  );
  expect(alexis.status().dids[0]!.updates).toMatchObject([{ announcement, state: 'locked' }]);
  expect((await show()).signals).toBe(0);

  await node.mine(1);
  await until('final', async () => (await lastSpend())?.status === 'final', WAIT_MS);
  await until('the next round', async () => (await show()).signals === 1, WAIT_MS);
  const round = (await show()).rounds.find(({ stage }) => stage === 'announced')!.round;
  const detail = await aggregator.api.roundShow({ cohort, round });
  expect(detail).toMatchObject({ announcements: [{ did, version: 2, announcement }], outpoint: { txid } });
  await until('it is sent', async () => (await waiting()).includes(detail.txid!), WAIT_MS);
  await node.mine(6);
  await closed(aggregator, cohort, round);
  await until('version 2', async () => (await alexis.resolve({ did, minConf: 6 })).versionId === '2', WAIT_MS);
  await until('final for the wallet', () => alexis.status().dids[0]!.updates[0]!.state === 'final', WAIT_MS);
  expect(alexis.status().dids[0]!.updates).toMatchObject([{ announcement }]);
  expect((await show()).alarms).toEqual([]);
});

test('the money moves where every member agreed to, and nowhere while one has not agreed', {
  timeout: 240_000,
}, async () => {
  await begin('move');
  await deposit(node, address);
  const to = await elsewhere();
  const vetoes: WalletEvent[] = [];
  bilal.onEvent(event => {
    if (event.type === 'session_vetoed') vetoes.push(event);
  });
  await alexis.release({ cohort, to });
  const refused = await until('the deposit is seen', () =>
    aggregator.api.spendStart({ cohort, purpose: 'move', to }).catch(() => undefined),
  );
  await until('his veto', () => vetoes.length === 1, WAIT_MS);
  expect(vetoes).toMatchObject([{ session_id: refused.session_id, code: 'destination_not_agreed' }]);
  await until('it is over', async () => !/is being signed/.test((await show()).round), WAIT_MS);
  expect(await waiting()).toEqual([]);

  await bilal.release({ cohort, to });
  await aggregator.api.spendStart({ cohort, purpose: 'move', to });
  const { txid, fee_sats } = await until(
    'the move is complete',
    async () => {
      const last = await lastSpend();
      return last?.status === 'complete' && last;
    },
    WAIT_MS,
  );
  await until('it waits in the mempool', async () => (await waiting()).includes(txid), WAIT_MS);
  await node.mine(6);
  await until('final', async () => (await lastSpend())?.status === 'final', WAIT_MS);
  expect(await output(txid)).toEqual({ address: to, sats: 100_000 - fee_sats });
  expect(await show()).toMatchObject({ alarms: [], signals: 0, balance_sats: 0 });
});

test('the refund of a deposit is signed before the deposit is sent, and the node takes it after its delay, no block earlier', {
  timeout: 240_000,
}, async () => {
  const to = await elsewhere();
  await begin('refund', { refund: { address: to, delay_blocks: DELAY } });
  const { hex, outpoint } = await unsentDeposit(50_000);
  await aggregator.api.spendStart({ cohort, purpose: 'refund', outpoint });
  const refund = await until(
    'the refund is complete',
    async () => {
      const last = await lastSpend();
      return last?.status === 'complete' && last;
    },
    WAIT_MS,
  );
  expect(refund).toMatchObject({ purpose: 'refund', to, outpoint });
  expect(await judged(refund.hex!)).toMatch(/missing/);

  expect(await node.rpc('sendrawtransaction', [hex])).toBe(outpoint.txid);
  await node.mine(1);
  expect(await judged(refund.hex!)).toBe('non-BIP68-final');
  await node.mine(DELAY - 2);
  expect(await judged(refund.hex!)).toBe('non-BIP68-final');
  await node.mine(1);
  expect(await judged(refund.hex!)).toBe('accepted');
  await node.rpc('sendrawtransaction', [refund.hex!]);
  await node.mine(6);
  expect(await output(refund.txid)).toEqual({ address: to, sats: 50_000 - refund.fee_sats });
  await until('final', async () => (await lastSpend())?.status === 'final', WAIT_MS);
  expect((await show()).alarms).toEqual([]);
});

test('a member has the refund of a deposit signed that no round has spent, and sends it with the aggregator gone', {
  timeout: 240_000,
}, async () => {
  const to = await elsewhere();
  await begin('stray', { refund: { address: to, delay_blocks: DELAY } });
  await node.fund(address, 60_000);
  await node.mine(1);
  expect(await alexis.refunds({ cohort })).toMatchObject({ refunds: [], without_sats: 60_000 });
  // The aggregator's node may see the block later.
  const ask = () =>
    alexis.refunds({ cohort, ask: true }).then(
      ({ asked }) => asked,
      () => undefined,
    );
  const asked = await until('the aggregator takes it', ask, WAIT_MS);
  await until(
    'every member holds it',
    async () => {
      const held = await Promise.all([alexis, bilal].map(wallet => wallet.refunds({ cohort })));
      return held.every(({ refunds, without_sats }) => refunds[0]?.outpoint === asked && without_sats === 0);
    },
    WAIT_MS,
  );
  await expect(alexis.refunds({ cohort, ask: true })).rejects.toThrow(/every output .* has a refund/);
  await aggregator.stop();
  await node.mine(DELAY - 1);
  const { refunds } = await bilal.refunds({ cohort, send: true });
  expect(refunds).toMatchObject([{ outpoint: asked, sent: true }]);
  await node.mine(1);
  expect(await output(refunds[0]!.txid)).toMatchObject({ address: to });
});

test('the refund of a round’s change is held by every member: one of them sends it with the aggregator gone', {
  timeout: 240_000,
}, async () => {
  const to = await elsewhere();
  await begin('change', { refund: { address: to, delay_blocks: DELAY } });
  await deposit(node, address);
  const did = await newDid(alexis, cohort);
  await alexis.update({ did, patch: addService('one') });
  const sent = await until(
    'a signal',
    async () => (await show()).rounds.find(each => each.stage === 'announced'),
    WAIT_MS,
  );
  await until('it is sent', async () => (await waiting()).includes(sent.txid!), WAIT_MS);
  await node.mine(6);
  await closed(aggregator, cohort, sent.round);
  await until('version 2', async () => (await bilal.refunds({ cohort })).refunds.length === 1, WAIT_MS);
  await aggregator.stop();
  await alexis.stop();

  await expect(bilal.refunds({ cohort, send: true })).rejects.toThrow(/no refund whose delay has passed/);
  await node.mine(DELAY - 7);
  await expect(bilal.refunds({ cohort, send: true })).rejects.toThrow(/no refund whose delay has passed/);
  const [early] = (await bilal.refunds({ cohort })).refunds;
  expect(await judged(early!.hex)).toBe('non-BIP68-final');
  await node.mine(1);
  const { refunds, without_sats } = await bilal.refunds({ cohort, send: true });
  expect(refunds).toMatchObject([{ outpoint: `${sent.txid}:0`, txid: early!.txid, sent: true }]);
  expect(without_sats).toBe(0);
  await node.mine(1);
  const cap = bilal.status().cohorts[0]!.terms.fee_cap;
  expect(await output(early!.txid)).toEqual({ address: to, sats: refunds[0]!.value_sats - cap });
  expect(await bilal.refunds({ cohort })).toMatchObject({ refunds: [], without_sats: 0 });
});

/** A payment to the beacon that was signed and is kept back. */
async function unsentDeposit(
  sats: number,
): Promise<{ hex: string; outpoint: { txid: string; vout: number; value_sats: number } }> {
  const raw = await node.rpc('createrawtransaction', [[], [{ [address]: (sats / 1e8).toFixed(8) }]], 'miner');
  const options = { changePosition: 1, fee_rate: 2, lockUnspents: true };
  const funded = z.object({ hex: z.string() }).parse(await node.rpc('fundrawtransaction', [raw, options], 'miner'));
  const { hex } = z
    .object({ hex: z.string() })
    .parse(await node.rpc('signrawtransactionwithwallet', [funded.hex], 'miner'));
  const { txid } = z.object({ txid: z.string() }).parse(await node.rpc('decoderawtransaction', [hex]));
  return { hex, outpoint: { txid, vout: 0, value_sats: sats } };
}

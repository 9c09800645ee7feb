import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Daemon } from '../../src/daemon.ts';
import { startDaemon } from '../../src/daemon.ts';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import type { Wallet } from '../../src/wallet/client.ts';
import { configOf, log, removeDir, startAggregator, startWallet, tempDir, until } from './harness.ts';
import { addService } from './raw-did.ts';
import { advertOf, openRawMember, type RawMember } from './raw-member.ts';

let node: Regtest;
let relay: TestRelay;
let aggregator: Daemon | undefined;
let wallet: Wallet;
let bob: RawMember;
let cohort: string;
let address: string;
let world: { dir: string; node: Regtest; relays: string[] };
const dir = tempDir();

beforeAll(async () => {
  node = await startRegtest();
}, 180_000);
afterEach(async () => {
  await Promise.all([bob?.close(), wallet?.stop()]);
  await aggregator?.stop();
  aggregator = undefined;
  await relay?.stop();
});
afterAll(async () => {
  await node?.stop();
  removeDir(dir);
});

const latency = { cohort_set: 20, presence: 5, nonce: 10, signature: 10 };
const start = () => startAggregator(world, { cohort_size: { min: 2, max: 2 }, latency });

/** A cohort of a wallet and a raw member, and a DID of the wallet. */
async function begin(name: string): Promise<string> {
  relay = await startTestRelay();
  world = { dir: join(dir, name), node, relays: [relay.url] };
  aggregator = await start();
  ({ cohort } = await aggregator.api.advertCreate({}));
  await until('the advert', () => relay.events().some(({ kind }) => kind === 38252));
  const advert = advertOf(relay, cohort);
  wallet = await startWallet(world, 'alexis');
  bob = openRawMember(advert, [relay.url]);
  await wallet.join({ advert });
  await bob.ask(bob.optIn());
  ({ beacon_address: address } = await wallet.ready(cohort));
  await bob.next('cohort_ready');
  const { did } = await wallet.createDid({ kind: 'x', cohort });
  await wallet.register({ did, cohort });
  return did;
}

const show = () => aggregator!.api.cohortShow({ cohort });
const signals = async () => (await show()).signals;

async function deposit(sats = 100_000): Promise<{ txid: string; vout: number }> {
  const paid = await node.fund(address, sats);
  await node.mine(6);
  return paid;
}

// faults 34, 35
test('the node goes away in the middle of a round and comes back: nothing is lost', { timeout: 40_000 }, async () => {
  const did = await begin('outage');
  await deposit();
  bob.habits.nonces = false;
  await wallet.update({ did, patch: addService('one') });
  const { body: request } = await bob.next('authorize_beacon_signal_request');
  await until('one nonce is there', async () => (await show()).round.includes('1 of 2 members checked it'));
  await node.halt();
  // Checked before: signing needs no further look at the chain, and what was signed waits for the node.
  await bob.send(bob.nonce(request));
  await until('the signal is complete', async () => (await signals()) === 1);
  expect((await aggregator!.api.status()).chain.reachable).toBe(false);
  await node.restart();
  await until('it is sent', async () => (await show()).rounds[0]?.status === 'broadcast', 15_000);
  expect((await show()).rounds).toMatchObject([{ round: 1, attempt: 1 }]);
  await node.mine(6);
  await until('final', async () => (await show()).rounds[0]?.stage === 'closed');
  await until('version 2', async () => (await wallet.resolve({ did })).versionId === '2');
  expect(wallet.status().cohorts[0]!.last_abort).toBeNull();
});

// fault 31
test('a signal that is reorganised away at depth 3: status goes back, every member hears it, and forward again', {
  timeout: 40_000,
}, async () => {
  const did = await begin('reorg');
  await deposit();
  const { announcement } = await wallet.update({ did, patch: addService('one') });
  await until('broadcast', async () => (await show()).rounds[0]?.status === 'broadcast');
  const [block] = await node.mine(1);
  await bob.next('signal_status', ({ body }) => body.status === 'confirmed' && body.block_hash === block);
  await node.mine(2);
  await until('depth 3', async () => (await show()).rounds[0]?.status === 'confirmed (3 confirmations)');
  await until('the wallet saw it', () => wallet.status().cohorts[0]!.signals[0]?.status === 'confirmed');

  await node.invalidateBlock(block!);
  const { body: gone } = await bob.next('signal_status', ({ body }) => body.status === 'reorged');
  expect(gone).toMatchObject({ block_hash: null, height: null, confirmations: 0 });
  await until('the wallet goes back', () => wallet.status().cohorts[0]!.signals[0]?.status === 'broadcast');
  expect((await show()).rounds).toMatchObject([{ stage: 'announced', status: 'reorged', height: null }]);
  // What was signed for stays locked: no other update of this version is made meanwhile.
  expect(wallet.status().dids[0]!.updates).toMatchObject([{ announcement, state: 'broadcast' }]);

  const [again] = await node.mine(1);
  await bob.next('signal_status', ({ body }) => body.status === 'confirmed' && body.block_hash === again);
  await node.mine(5);
  const { body: last } = await bob.next('signal_status', ({ body }) => body.status === 'final');
  expect(last).toMatchObject({ txid: gone.txid, block_hash: again, confirmations: 6 });
  await until('final', async () => (await show()).rounds[0]?.stage === 'closed');
  await until('version 2', async () => (await wallet.resolve({ did })).versionId === '2');
  expect(await show()).toMatchObject({ signals: 1, alarms: [] });
});

// fault 33
test('a daemon does not start on another network than its own, and starts again on the right one', async () => {
  await begin('network');
  await aggregator!.stop();
  aggregator = undefined;
  const config = configOf(world, { latency });
  await expect(startDaemon({ ...config, network: 'signet' }, { log: log('wrong') })).rejects.toThrow(/regtest/);
  aggregator = await start();
  expect((await show()).phase).toBe('formed');
});

// fault 23
test('deposits: too small, unconfirmed, good; a stray one that looks like a signal is never spent', {
  timeout: 40_000,
}, async () => {
  const did = await begin('deposits');
  await wallet.update({ did, patch: addService('one') });
  await until('the blocker', async () => /nothing was paid/.test((await show()).round));

  const small = await deposit(600);
  await until('it is reported', async () => (await show()).round.includes(`${small.txid}:${small.vout}`));
  expect((await show()).round).toMatch(/^no usable deposit: /);

  // The oldest, the largest, six deep: and some resolvers would take it for a signal.
  const stray = await strayDeposit(1_000_000);
  await node.mine(6);
  await until('the alarm', async () => (await show()).alarms.length === 1);
  expect((await show()).alarms[0]).toMatch(new RegExp(`${stray} pays the beacon and carries 32 bytes`));
  expect((await show()).round).toMatch(/^no usable deposit: /);
  expect(await signals()).toBe(0);

  const good = await node.fund(address, 50_000);
  await node.mine(5);
  await until('it is counted', async () => (await show()).round.includes(good.txid));
  expect(await signals()).toBe(0);
  await node.mine(1);
  await until('the signal', async () => (await signals()) === 1);
  const { outpoint } = await aggregator!.api.roundShow({ cohort, round: 1 });
  expect(outpoint).toEqual({ ...good, value_sats: 50_000 });
  await node.mine(6);
  await until('version 2', async () => (await wallet.resolve({ did })).versionId === '2');

  // The next round spends the change of the first, and leaves the stray one where it is.
  await wallet.update({ did, patch: addService('two') });
  await until('the second signal', async () => (await signals()) === 2);
  const [first, second] = await Promise.all([1, 2].map(round => aggregator!.api.roundShow({ cohort, round })));
  expect(second!.outpoint!.txid).toBe(first!.txid);
});

async function strayDeposit(sats: number): Promise<string> {
  const outputs = [{ [address]: (sats / 1e8).toFixed(8) }, { data: 'ab'.repeat(32) }];
  const raw = await node.rpc('createrawtransaction', [[], outputs], 'miner');
  const funded = (await node.rpc('fundrawtransaction', [raw, { changePosition: 0, fee_rate: 2 }], 'miner')) as {
    hex: string;
  };
  const signed = (await node.rpc('signrawtransactionwithwallet', [funded.hex], 'miner')) as { hex: string };
  return (await node.rpc('sendrawtransaction', [signed.hex])) as string;
}

// faults 4, 37
test('the whole history of the relay comes again: nothing changes', { timeout: 40_000 }, async () => {
  const did = await begin('replay');
  await deposit();
  await wallet.update({ did, patch: addService('one') });
  await until('the signal', async () => (await signals()) === 1);
  await node.mine(6);
  await until('final', async () => (await show()).rounds[0]?.stage === 'closed');
  await bob.next('signal_status', ({ body }) => body.status === 'final');
  await until('final for the wallet', () => wallet.status().dids[0]!.updates[0]?.state === 'final');
  const facts = async () => {
    const { members, registered, rounds, phase, dids, alarms, pending_updates } = await show();
    return { members, registered, phase, dids, alarms, pending_updates, rounds: rounds.length };
  };
  const before = await facts();
  const own = JSON.stringify(wallet.status().dids);
  const { transport_key } = (await show()).terms;
  const fromAggregator = () =>
    relay
      .events()
      .filter(event => event.pubkey === transport_key)
      .map(event => event.id);
  const said = fromAggregator();
  for (let i = 0; i < 3; i++) relay.replay();
  // An answer to something new comes after all that.
  await bob.refused(bob.optIn(), { v: 2 });
  expect(await facts()).toEqual(before);
  expect(fromAggregator()).toHaveLength(said.length + 1);

  // The same to a daemon that has just started, which reads them from the relay as stored and as new.
  await aggregator!.stop();
  aggregator = await start();
  relay.replay();
  await until('the daemon hears', async () => (await aggregator!.api.status()).hearing);
  relay.replay();
  await bob.refused(bob.optIn(), { v: 3 });
  expect(await facts()).toEqual(before);
  expect(fromAggregator()).toHaveLength(said.length + 2);
  expect(JSON.stringify(wallet.status().dids)).toBe(own);
});

import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { buildSpend } from '../../src/bitcoin/index.ts';
import type { Daemon } from '../../src/daemon.ts';
import type { AdvertTerms, RecoveryOffer } from '../../src/operator/api.ts';
import { createRecoveryKey, signRecovery } from '../../src/operator/recovery-key.ts';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import type { Wallet } from '../../src/wallet/client.ts';
import type { WalletEvent } from '../../src/wallet/core.ts';
import {
  closed,
  deposit,
  gather,
  newDid,
  random,
  removeDir,
  startAggregator,
  startWallet,
  tempDir,
  until,
} from './harness.ts';
import { addService } from './raw-did.ts';
import { advertOf } from './raw-member.ts';

const WAIT_MS = 90_000;
const DELAY = 144;
const dir = tempDir();
let node: Regtest;
let relay: TestRelay;
let aggregator: Daemon;
let wallets: Wallet[] = [];

beforeAll(async () => {
  node = await startRegtest();
  relay = await startTestRelay();
}, 180_000);
afterEach(async () => {
  await Promise.all(wallets.map(wallet => wallet.stop()));
  await aggregator?.stop();
});
afterAll(async () => {
  await relay?.stop();
  await node?.stop();
  removeDir(dir);
});

/** What the node would say of a transaction. */
async function judged(hex: string): Promise<string> {
  const schema = z.array(z.object({ allowed: z.boolean(), 'reject-reason': z.string().optional() }));
  const [verdict] = schema.parse(await node.rpc('testmempoolaccept', [[hex]]));
  return verdict!.allowed ? 'accepted' : (verdict!['reject-reason'] ?? '');
}

test('one of three is silent after its nonce: the others finish the round, every DID resolves; later the recovery key takes the money, and not a block too early', {
  timeout: 300_000,
}, async () => {
  const file = join(dir, 'recovery.key');
  const policy: AdvertTerms['policy'] = {
    type: 'fallback',
    threshold: 'n-1',
    recovery_key: createRecoveryKey(file, random),
    recovery_delay_blocks: DELAY,
  };
  const world = { dir, node, relays: [relay.url] };
  aggregator = await startAggregator(world, {
    policy,
    cohort_size: { min: 3, max: 3 },
    frequency: { interval: 3_600, min_interval: 0, pending_updates: 3 },
    latency: { cohort_set: 60, presence: 3, nonce: 60, signature: 4 },
  });
  wallets = await Promise.all(['alexis', 'bilal', 'casey'].map(name => startWallet(world, name)));
  const [alexis, , casey] = wallets as [Wallet, Wallet, Wallet];
  const { cohort, address } = await gather(aggregator, wallets);
  await expect(alexis.join({ advert: advertOf(relay, cohort) })).rejects.toMatchObject({
    code: 'fallback_not_allowed',
  });
  const show = () => aggregator.api.cohortShow({ cohort });
  await deposit(node, address);
  const dids: string[] = [];
  for (const wallet of wallets) dids.push(await newDid(wallet, cohort));

  const { members, terms } = await show();
  const [hers] = casey.status().cohorts.map(({ participant_pk }) => participant_pk);
  const transport = members.find(({ participant_pk }) => participant_pk === hers)!.transport;
  casey.onEvent(event => {
    // From her nonce on she hears nothing more.
    if (event.type === 'nonce_drawn')
      relay.faults.drop = ({ pubkey, tags }) => pubkey === terms.transport_key && tags[0]?.[1] === transport;
  });
  const told: WalletEvent[] = [];
  alexis.onEvent(event => {
    if (event.type === 'fallback_signed' || event.type === 'recovery_seen') told.push(event as WalletEvent);
  });
  for (const [i, wallet] of wallets.entries()) await wallet.update({ did: dids[i]!, patch: addService('one') });
  await until('the fallback is announced', async () => (await show()).signals === 1, WAIT_MS);
  const { txid, hex, outpoint, round } = await aggregator.api.roundShow({ cohort, round: 1 });
  const { vin } = z
    .object({ vin: z.array(z.object({ txid: z.string(), txinwitness: z.array(z.string()) })) })
    .parse(await node.rpc('decoderawtransaction', [hex!]));
  expect(vin[0]!.txid).toBe(outpoint!.txid);
  expect(vin[0]!.txinwitness.slice(0, 3).filter(item => item.length === 128)).toHaveLength(2);
  expect(told).toMatchObject([{ type: 'fallback_signed' }]);
  const pool = async () => z.array(z.string()).parse(await node.rpc('getrawmempool'));
  await until('it waits in the mempool', async () => (await pool()).includes(txid!), WAIT_MS);
  relay.faults.drop = false;
  await node.mine(6);
  await closed(aggregator, cohort, round);
  for (const [i, wallet] of wallets.entries())
    await until(
      `version 2 of DID ${i}`,
      async () => (await wallet.resolve({ did: dids[i]!, minConf: 6 })).versionId === '2',
      WAIT_MS,
    );
  expect((await show()).alarms).toEqual([]);

  const to = z.string().parse(await node.rpc('getnewaddress', ['', 'bech32m'], 'miner'));
  const offer = () => aggregator.api.recoveryOffer({ cohort, to });
  await expect(offer()).rejects.toThrow(/6 of the 144 confirmations.* 138 more blocks/);
  await node.mine(DELAY - 7);
  const height = async () => z.number().parse(await node.rpc('getblockcount'));
  const tip = await height();
  await until('the aggregator has seen it', async () => (await aggregator.api.status()).chain.height === tip, WAIT_MS);
  await until('a block is missing', () => offer().catch(error => /143 of the 144/.test(String(error))), WAIT_MS);
  expect(await judged(await early(policy, address, txid!, to))).toBe('non-BIP68-final');

  await node.mine(1);
  const ripe = await until('it has lain long enough', () => offer().catch(() => undefined), WAIT_MS);
  expect(ripe).toMatchObject({ outpoint: { txid, vout: 0 }, to });
  const recovery = signRecovery(ripe, { file, to, random });
  await expect(aggregator.api.recoverySend({ cohort, hex: ripe.unsigned_hex })).rejects.toThrow(/did not sign/);
  const sent = await aggregator.api.recoverySend({ cohort, hex: recovery });
  await until('it waits in the mempool', async () => (await pool()).includes(sent.txid), WAIT_MS);
  await until('she is told', () => told.some(({ type }) => type === 'recovery_seen'), WAIT_MS);
  expect(told.at(-1)).toMatchObject({ type: 'recovery_seen', txid: sent.txid, signal: null });
  await node.mine(6);
  const [alarm] = (await show()).alarms;
  expect(alarm).toMatch(new RegExp(`^${sent.txid} takes .* by the recovery key alone`));
  expect((await show()).signals).toBe(1);
  expect((await alexis.resolve({ did: dids[0]!, minConf: 6 })).versionId).toBe('2');

  /** The same, signed a block too early, which nobody would offer. */
  async function early(
    terms_policy: AdvertTerms['policy'],
    beacon: string,
    parent: string,
    destination: string,
  ): Promise<string> {
    const schema = z.object({ value: z.number(), scriptPubKey: z.object({ address: z.string(), hex: z.string() }) });
    const output = schema.parse(await node.rpc('gettxout', [parent, 0]));
    expect(output.scriptPubKey.address).toBe(beacon);
    const paid = z
      .object({ scriptPubKey: z.string() })
      .parse(await node.rpc('getaddressinfo', [destination], 'miner')).scriptPubKey;
    const spend = {
      outpoint: { txid: parent, vout: 0, value_sats: Math.round(output.value * 1e8) },
      to: destination,
      fee_sats: 500,
    };
    const built = buildSpend({
      prevout: spend.outpoint,
      scriptHex: output.scriptPubKey.hex,
      toHex: paid,
      feeSats: spend.fee_sats,
      delayBlocks: DELAY,
    });
    const participant_pubkeys = (await show()).members.map(({ participant_pk }) => participant_pk);
    const made: RecoveryOffer = {
      network: 'regtest',
      participant_pubkeys,
      policy: terms_policy,
      ...spend,
      unsigned_hex: built.unsignedHex,
      txid: built.txid,
    };
    return signRecovery(made, { file, to: destination, random });
  }
});

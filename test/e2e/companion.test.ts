import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Daemon } from '../../src/daemon.ts';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import type { Wallet } from '../../src/wallet/client.ts';
import { closed, deposit, removeDir, startAggregator, startWallet, tempDir, until } from './harness.ts';
import { addService } from './raw-did.ts';

const WAIT_MS = 60_000;
const dir = tempDir();
let node: Regtest;
let relay: TestRelay;
let aggregator: Daemon;
let world: { dir: string; node: Regtest; relays: string[] };
let owner: Wallet;
let companion: Wallet;
let bilal: Wallet;

beforeAll(async () => {
  node = await startRegtest();
}, 180_000);
afterEach(async () => {
  await Promise.all([owner?.stop(), companion?.stop(), bilal?.stop()]);
  await aggregator?.stop();
  await relay?.stop();
});
afterAll(async () => {
  await node?.stop();
  removeDir(dir);
});

test('an owner pairs, joins, registers and updates through its companion, and sleeps; the companion is killed, signs, and is lost; the owner wakes, resolves, and takes over its seat', {
  timeout: 240_000,
}, async () => {
  relay = await startTestRelay();
  world = { dir: join(dir, 'pair'), node, relays: [relay.url] };
  aggregator = await startAggregator(world, { latency: { cohort_set: 60, presence: 4, nonce: 20, signature: 20 } });
  owner = await startWallet(world, 'owner');
  companion = await startWallet(world, 'companion');
  bilal = await startWallet(world, 'bilal');

  const { link, companion: key } = await companion.companionOpen();
  expect(link).toMatch(/^nostr\+btcr2-companion:\/\//);
  await owner.companionPair({ link });
  await expect(bilal.companionPair({ link })).rejects.toThrow(/key_in_use: this companion has an owner already/);
  expect(companion.status().companion).toMatchObject({ role: 'companion', policy: null, pairing_expires_at: null });
  await expect(owner.companionPolicy()).rejects.toThrow(/a fee cap, in satoshis/);
  await owner.companionPolicy({ feeCapSats: 1_000 });

  const { cohort } = await aggregator.api.advertCreate({ cohort_size: { min: 2, max: 2 } });
  const { advert } = await until('the advert', async () =>
    (await owner.discover({ seconds: 1 })).find(view => view.advert.cohort === cohort),
  );
  await expect(owner.companionJoin({ advert })).rejects.toThrow(/the advert allows 2000 sat a signal, the policy 1000/);
  await owner.companionPolicy({ feeCapSats: 2_000 });
  const seat = await owner.companionJoin({ advert });
  await bilal.join({ advert });
  const { beacon_address: address, participant_pubkeys } = await owner.ready(cohort);
  expect(participant_pubkeys).toContain(seat.participant_pk);
  await deposit(node, address);

  const { did } = await owner.createDid({ kind: 'x', cohort });
  await owner.register({ did, cohort });
  expect(owner.status().companion).toMatchObject({ policy: { dids: [did], fee_cap: 2_000 }, phase: 'paired' });
  const kinds = (wallet: Wallet) => wallet.status().dids.map(view => [view.did, view.beacons[0]?.state]);
  expect(kinds(owner)).toEqual([[did, 'listed']]);

  // The companion dies as soon as it has drawn its nonce: the round begins again when it is back.
  const died = new Promise<void>(resolve => {
    companion.onEvent(event => {
      if (event.type === 'nonce_drawn') resolve();
    });
  });
  const { announcement, state } = await owner.update({ did, patch: addService('one') });
  expect(state).toBe('locked');
  await owner.stop();
  await died;
  await companion.stop();
  companion = await startWallet(world, 'companion');

  const rounds = async () => (await aggregator.api.cohortShow({ cohort })).rounds;
  const sent = await until(
    'the signal',
    async () => (await rounds()).find(({ stage, status }) => stage === 'announced' && status),
    WAIT_MS,
  );
  expect(companion.status().companion).toMatchObject({ unacknowledged: 1 });
  await node.mine(6);
  await closed(aggregator, cohort, sent.round);

  owner = await startWallet(world, 'owner');
  await until('final for the owner', () => owner.status().dids[0]!.updates[0]!.state === 'final', WAIT_MS);
  expect(owner.status().dids[0]!.updates).toMatchObject([{ announcement, version: 2 }]);
  const { versionId } = await owner.resolve({ did, minConf: 6 });
  expect(versionId).toBe('2');
  // What the owner hands out is enough for anybody.
  const stranger = await bilal.resolve({ did, sidecar: owner.sidecar(did), minConf: 6 });
  expect(stranger.versionId).toBe('2');
  await until('acknowledged', () => {
    const { companion: view } = companion.status();
    return view?.role === 'companion' && view.unacknowledged === 0;
  });

  // The companion signs once more, and is lost with all that it did not tell: the owner takes over its seat.
  await owner.update({ did, patch: addService('two') });
  // Nothing of it ever reaches the owner, from here on.
  relay.faults.drop = ({ pubkey }) => pubkey === key;
  await owner.stop();
  const next = await until(
    'the next signal',
    async () =>
      (await rounds()).find(({ round, stage, status }) => round > sent.round && stage === 'announced' && status),
    WAIT_MS,
  );
  await companion.stop();
  await node.mine(6);
  await closed(aggregator, cohort, next.round);
  owner = await startWallet(world, 'owner');
  await until(
    'the signal is seen, and its proof is missing',
    () => owner.status().dids[0]!.beacons[0]!.missing_proofs === 1,
  );
  expect(owner.status().dids[0]!.updates.at(-1)).toMatchObject({ version: 3, state: 'locked' });
  expect(await owner.companionLost()).toEqual({ companion: key, cohorts: [cohort] });
  await until('the proof is here', () => owner.status().dids[0]!.beacons[0]!.missing_proofs === 0, WAIT_MS);
  expect((await owner.resolve({ did, minConf: 6 })).versionId).toBe('3');
  await until('final for the owner', () => owner.status().dids[0]!.updates.at(-1)!.state === 'final', WAIT_MS);
  expect(owner.status()).toMatchObject({
    companion: { phase: 'ended', reason: 'given up by its owner' },
    cohorts: [{ phase: 'restored' }],
  });
});

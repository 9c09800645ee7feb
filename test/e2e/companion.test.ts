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

test('an owner pairs, joins, registers and updates through its companion, and sleeps; the companion signs, is killed, and signs again; the owner wakes and resolves', {
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

  // Both given back and signed updates: one of the next version is withdrawn, another one is signed for.
  const aside = await owner.update({ did, patch: addService('two') });
  const back = await owner.companionWithdraw({ did }).catch((error: Error) => error.message);
  if (typeof back === 'string') expect(back).toMatch(/version_taken: a partial signature left/);
  else expect(back).toEqual({ did, announcement: aside.announcement, state: 'replaced' });

  await owner.companionRevoke();
  expect(owner.status().companion).toMatchObject({ phase: 'ended', reason: 'revoked', companion: key });
  await until('revoked', () => companion.status().companion?.policy?.revoked === true, WAIT_MS);
  await expect(owner.update({ did, patch: addService('three'), cohorts: [cohort] })).rejects.toThrow();
});

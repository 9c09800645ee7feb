import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { Daemon } from '../../src/daemon.ts';
import type { Recovery } from '../../src/wallet/api.ts';
import type { Wallet } from '../../src/wallet/client.ts';
import { newMnemonic } from '../../src/wallet/seed.ts';
import { closed, deposit, newDid, random, seedHome, startAggregator, startWallet, until } from './harness.ts';
import { openHalves } from './pair.ts';
import { addService } from './raw-did.ts';
import { stage } from './stage.ts';

const WAIT_MS = 90_000;
const at = stage();
let aggregator: Daemon;
let wallets: Wallet[] = [];

afterEach(async () => {
  await Promise.all(wallets.map(wallet => wallet.stop()));
  await aggregator?.stop();
});

test('an owner loses its disk while its companion signs: words and an old file bring back what only the companion had, and it goes on', {
  timeout: 300_000,
}, async () => {
  const { dir, node, world } = at;
  aggregator = await startAggregator(world, { latency: { cohort_set: 60, presence: 20, nonce: 20, signature: 20 } });
  const words = newMnemonic(random);
  seedHome(dir, 'owner', words);
  const owner = await startWallet(world, 'owner');
  const companion = await startWallet(world, 'companion');
  const other = await startWallet(world, 'other');
  wallets = [companion, other];
  const { cohort, address } = await openHalves(aggregator, { owner, companion, other });
  await deposit(node, address);
  const one = await newDid(owner, cohort);
  const file: Recovery = JSON.parse(JSON.stringify(owner.recovery()));

  // After the file was made: another DID, and an update that the companion signs alone.
  const late = await newDid(owner, cohort);
  const { announcement } = await owner.update({ did: one, patch: addService('one') });
  await owner.stop();
  rmSync(join(dir, 'owner'), { recursive: true });
  const rounds = async () => (await aggregator.api.cohortShow({ cohort })).rounds;
  const announcedAfter = (last: number) =>
    until(
      'a signal',
      async () => (await rounds()).find(({ round, stage, status }) => round > last && stage === 'announced' && status),
      WAIT_MS,
    );
  const first = await announcedAfter(0);
  await companion.stop();
  await node.mine(6);
  await closed(aggregator, cohort, first.round);

  // With the companion away it signs nothing, by whatever beacon.
  seedHome(dir, 'again', words, 40);
  const again = await startWallet(world, 'again');
  wallets = [again, other];
  const restoring = again.restore({ recovery: file });
  await until('put back', () => again.status().companion?.role === 'owner');
  const by = { did: one, patch: addService('rival'), via: 'singleton' as const, afterRestore: true };
  await expect(again.update(by)).rejects.toThrow(/MISSING_UPDATE_DATA/);
  await expect(again.companionPolicy({ feeCapSats: 1_000 })).rejects.toThrow(/has not answered since/);

  const awake = await startWallet(world, 'companion');
  wallets.push(awake);
  const done = await restoring;
  expect(done.companion).toMatchObject({ answered: true });
  const byDid = (a: { did: string }, b: { did: string }) => a.did.localeCompare(b.did);
  expect([...done.dids].sort(byDid)).toEqual(
    [
      { did: one, version: '2', deactivated: false, missing_proofs: 0, text: null },
      { did: late, version: '1', deactivated: false, missing_proofs: 0, text: null },
    ].sort(byDid),
  );
  await until('its seat is spoken for', () => again.status().cohorts[0]?.phase === 'ready', WAIT_MS);
  expect(again.status()).toMatchObject({ doubt: null, companion: { phase: 'paired', policy: { fee_cap: 2_000 } } });
  const known = again.status().dids.find(({ did }) => did === one)!.updates;
  expect(known).toMatchObject([{ announcement, state: 'final' }]);

  // It goes on as before: the companion signs for both, and takes no second update of a version.
  const patch = addService('two');
  await expect(again.update({ did: one, patch })).rejects.toMatchObject({ code: 'restored' });
  let last = first.round;
  for (const each of [one, late]) {
    await again.update({ did: each, patch, afterRestore: true });
    last = (await announcedAfter(last)).round;
    await node.mine(6);
    await closed(aggregator, cohort, last);
    const latest = () =>
      again
        .status()
        .dids.find(({ did }) => did === each)!
        .updates.at(-1)!;
    await until('final', () => latest().state === 'final', WAIT_MS);
  }
  expect((await again.resolve({ did: one, minConf: 6 })).versionId).toBe('3');
  const stranger = await other.resolve({ did: late, sidecar: again.sidecar(late), minConf: 6 });
  expect(stranger.versionId).toBe('2');
});

import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Recovery } from '../../src/wallet/api.ts';
import { newMnemonic } from '../../src/wallet/seed.ts';
import {
  announced,
  closed,
  deposit,
  gather,
  newDid,
  random,
  seedHome,
  settled,
  startAggregator,
  startWallet,
} from './harness.ts';
import { addService } from './raw-did.ts';
import { stage } from './stage.ts';

const at = stage();

test('a member of a blinded cohort loses everything but its words and its recovery file', {
  timeout: 300_000,
}, async () => {
  const world = at.world;
  const aggregator = await startAggregator(world, {
    flow: 'pull',
    privacy: 'blinded',
    frequency: { interval: 3_600, min_interval: 0, pending_updates: 1_000 },
  });
  const words = newMnemonic(random);
  seedHome(at.dir, 'alexis', words);
  const [alexis, satoshi] = await Promise.all([startWallet(world, 'alexis'), startWallet(world, 'satoshi')]);
  const { cohort, address } = await gather(aggregator, [alexis, satoshi]);
  const [one, two] = [await newDid(alexis, cohort), await newDid(alexis, cohort)];
  const other = await newDid(satoshi, cohort);
  await deposit(at.node, address);
  const round = async (): Promise<void> => {
    const number = await announced(aggregator, cohort);
    await at.node.mine(6);
    await closed(aggregator, cohort, number);
  };
  await alexis.update({ did: one, patch: addService('first') });
  await round();
  const late = await newDid(alexis, cohort);
  const stale = alexis.recovery();
  await alexis.update({ did: two, patch: addService('second') });
  await satoshi.update({ did: other, patch: addService('theirs') });
  await round();
  await settled(alexis, 2);
  const { document } = await alexis.resolve({ did: one });
  const sidecars = [one, two, late].map(did => alexis.sidecar(did));
  const file: Recovery = JSON.parse(JSON.stringify(alexis.recovery()));
  await alexis.stop();
  const secrets = readFileSync(join(at.dir, 'alexis', 'keys.json'), 'utf8');
  for (const [, secret] of secrets.matchAll(/"(?:secret|root)": "([0-9a-f]{64})"/g))
    expect(JSON.stringify(file)).not.toContain(secret);
  rmSync(join(at.dir, 'alexis'), { recursive: true });

  seedHome(at.dir, 'restored', words, 20);
  const restored = await startWallet(world, 'restored');
  const done = await restored.restore({ recovery: file });
  expect(done.dids).toEqual([
    { did: one, version: '2', deactivated: false, missing_proofs: 0, text: null },
    { did: two, version: '2', deactivated: false, missing_proofs: 0, text: null },
    { did: late, version: '1', deactivated: false, missing_proofs: 0, text: null },
  ]);
  expect(done.cannot.join()).toMatch(/cohort key/);
  expect(restored.status().dids.map(({ updates }) => updates.map(({ state }) => state))).toEqual([
    ['final'],
    ['final'],
    [],
  ]);
  // Nonces, updates and proofs are those that were lost; anybody resolves with them.
  const byId = (proofs: { id: string }[]) => [...proofs].sort((a, b) => a.id.localeCompare(b.id));
  for (const [i, did] of [one, two, late].entries()) {
    const sidecar = restored.sidecar(did);
    expect(byId(sidecar.smtProofs)).toEqual(byId(sidecars[i]!.smtProofs));
    expect(sidecar.smtProofs.filter(({ nonce }) => nonce !== undefined)).toHaveLength(did === late ? 1 : 2);
    await satoshi.resolve({ did, sidecar });
  }
  expect((await satoshi.resolve({ did: one, sidecar: restored.sidecar(one) })).document).toEqual(document);

  // A file from before the last update names the DID that it fails, and brings the others back.
  seedHome(at.dir, 'stale', words, 20);
  const behind = await startWallet(world, 'stale');
  const report = await behind.restore({ recovery: stale });
  expect(report.dids.map(({ did, version }) => [did, version])).toEqual([
    [one, '2'],
    [two, null],
    [late, '1'],
  ]);
  expect(report.dids[1]).toMatchObject({ missing_proofs: 1, text: expect.stringMatching(/MISSING_UPDATE_DATA/) });
  // What it lacks can come from whoever kept the update, such as the aggregator's archive; the proof is fetched then.
  const { updates } = restored.sidecar(two);
  const mended = await behind.restore({ did: two, sidecar: { '@context': 'https://btcr2.dev/context/v1', updates } });
  expect(mended.dids).toEqual([{ did: two, version: '2', deactivated: false, missing_proofs: 0, text: null }]);
  expect(mended.cohorts).toEqual([]);
  await behind.stop();

  // It signs nothing: there is no cohort key, its seat is silent, and the first update wants a word.
  expect(readFileSync(join(at.dir, 'restored', 'keys.json'), 'utf8')).not.toContain('"cohort"');
  expect(restored.status().cohorts).toMatchObject([{ phase: 'restored', advert_id: expect.any(String) }]);
  const patch = addService('third');
  await expect(restored.update({ did: one, patch, via: 'singleton' })).rejects.toMatchObject({ code: 'restored' });
  const { address: own } = await restored.fundingAddress(one);
  await at.node.fund(own, 50_000);
  await at.node.mine(1);
  await restored.update({ did: one, patch, via: 'singleton', afterRestore: true });
  await at.node.mine(6);
  expect((await restored.resolve({ did: one })).versionId).toBe('3');
  await expect(restored.restore({ sidecar: restored.sidecar(two) })).rejects.toMatchObject({ code: 'refused' });
  await restored.stop();
  // It knows all of it again after a restart.
  const again = await startWallet(world, 'restored');
  expect((await again.resolve({ did: two })).versionId).toBe('2');
  await again.stop();

  await Promise.all([satoshi.stop(), aggregator.stop()]);
});

test('k identifiers come back from the words alone, by index or by what the chain shows', {
  timeout: 180_000,
}, async () => {
  const world = at.world;
  const words = newMnemonic(random);
  seedHome(at.dir, 'keys', words);
  const wallet = await startWallet(world, 'keys');
  const dids: string[] = [];
  for (let i = 0; i < 3; i++) dids.push((await wallet.createDid({ kind: 'k' })).did);
  const { address } = await wallet.fundingAddress(dids[2]!);
  await at.node.fund(address, 50_000);
  await at.node.mine(1);
  await wallet.stop();

  seedHome(at.dir, 'keys-again', words);
  const again = await startWallet(world, 'keys-again');
  expect((await again.restore({ index: 0, name: 'first' })).dids).toMatchObject([{ did: dids[0], version: '1' }]);
  expect((await again.restore({ did: dids[1]! })).dids).toMatchObject([{ did: dids[1], version: '1' }]);
  expect((await again.restore({ scan: true })).dids).toMatchObject([{ did: dids[2], version: '1' }]);
  expect((await again.restore({ scan: true })).dids).toEqual([]);
  // New ones begin behind them.
  const { did } = await again.createDid({ kind: 'k' });
  expect(dids).not.toContain(did);
  await again.stop();

  seedHome(at.dir, 'stranger', newMnemonic(random));
  const stranger = await startWallet(world, 'stranger');
  await expect(stranger.restore({ did: dids[0]! })).rejects.toThrow(/no key of this seed/);
  await expect(stranger.restore({ recovery: { v: 1 } })).rejects.toThrow(/not a recovery file: network/);
  await expect(stranger.restore({})).rejects.toThrow(/one of these/);
  await stranger.stop();
});

import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import { newMnemonic } from '../../src/wallet/seed.ts';
import {
  announced,
  closed,
  deposit,
  gather,
  newDid,
  random,
  removeDir,
  seedHome,
  settled,
  startAggregator,
  startWallet,
  tempDir,
  until,
} from './harness.ts';
import { addService } from './raw-did.ts';

let node: Regtest;
let relays: TestRelay[];
const dir = tempDir();
beforeAll(async () => {
  node = await startRegtest();
  relays = await Promise.all([startTestRelay(), startTestRelay()]);
}, 180_000);
afterAll(async () => {
  for (const relay of relays ?? []) await relay.stop();
  await node?.stop();
  removeDir(dir);
});

test('a member of a blinded cohort loses all but its words, and the aggregator is gone: every DID resolves', {
  timeout: 300_000,
}, async () => {
  const world = { dir, node, relays: relays.map(({ url }) => url) };
  const aggregator = await startAggregator(world, {
    flow: 'pull',
    privacy: 'blinded',
    frequency: { interval: 3_600, min_interval: 0, pending_updates: 1_000 },
  });
  const words = newMnemonic(random);
  seedHome(dir, 'alexis', words);
  const [alexis, satoshi] = await Promise.all([
    startWallet(world, 'alexis', { stateOnRelays: true }),
    startWallet(world, 'satoshi'),
  ]);
  const { cohort, address } = await gather(aggregator, [alexis, satoshi]);
  const [one, two] = [await newDid(alexis, cohort), await newDid(alexis, cohort)];
  await deposit(node, address);
  for (const [i, did] of [one, two].entries()) {
    await alexis.update({ did, patch: addService(`service-${i}`) });
    const round = await announced(aggregator, cohort);
    await node.mine(6);
    await closed(aggregator, cohort, round);
  }
  await settled(alexis, 2);
  const document = (await alexis.resolve({ did: one })).document;
  const sidecars = [one, two].map(did => alexis.sidecar(did));
  const saved = await until(
    'all of it is saved',
    () => {
      const { saved: now } = alexis.status();
      return now?.saved && now;
    },
    60_000,
  );
  expect(saved.relays.map(({ counter }) => counter)).toEqual([saved.counter, saved.counter]);
  expect((await alexis.savedState()).found.map(({ holds }) => holds)).toEqual(['newest', 'newest']);
  await alexis.stop();
  const keys = readFileSync(join(dir, 'alexis', 'keys.json'), 'utf8');
  rmSync(join(dir, 'alexis'), { recursive: true });
  await Promise.all([aggregator.stop(), satoshi.stop()]);

  seedHome(dir, 'restored', words);
  const restored = await startWallet(world, 'restored', { stateOnRelays: true });
  const done = await restored.restore({ fromRelays: true });
  const whole = { version: '2', deactivated: false, missing_proofs: 0, text: null };
  expect(done.dids).toEqual([one, two].map(did => ({ did, ...whole })));
  expect(done.saved).toMatchObject({ counter: saved.counter, follows: true });
  expect((await restored.resolve({ did: one, minConf: 6 })).document).toEqual(document);
  const sorted = (proofs: { id: string }[]) => [...proofs].sort((a, b) => a.id.localeCompare(b.id));
  for (const [i, did] of [one, two].entries())
    expect(sorted(restored.sidecar(did).smtProofs)).toEqual(sorted(sidecars[i]!.smtProofs));

  // It can sign nothing for the old cohort, contradicts nothing, and saves on where the lost one ended.
  const cohortKey = /"(0[23][0-9a-f]{64})": \{\s*"kind": "cohort"/.exec(keys)?.[1];
  expect(cohortKey).toBeDefined();
  expect(readFileSync(join(dir, 'restored', 'keys.json'), 'utf8')).not.toContain('"cohort"');
  expect(restored.status().cohorts).toMatchObject([{ phase: 'restored' }]);
  await expect(restored.update({ did: one, patch: addService('next'), via: 'singleton' })).rejects.toMatchObject({
    code: 'restored',
  });
  await until('it saves on', () => (restored.status().saved?.counter ?? 0) > saved.counter, 60_000);
  expect((await restored.saveState()).stopped).toBeNull();
  await restored.stop();

  // No secret of the lost wallet is in what it published, nor, in the clear, anything that it said.
  const wire = JSON.stringify(relays.flatMap(relay => relay.events().filter(({ kind }) => kind === 30_078)));
  for (const [, secret] of keys.matchAll(/"(?:secret|root)": "([0-9a-f]{64})"/g)) expect(wire).not.toContain(secret);
  for (const said of [one, two, address, words, cohortKey!]) expect(wire).not.toContain(said);
});

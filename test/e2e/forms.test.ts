import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AdvertTerms } from '../../src/operator/api.ts';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import {
  announced,
  closed,
  deposit,
  gather,
  removeDir,
  startAggregator,
  startWallet,
  tempDir,
  until,
} from './harness.ts';
import { addService } from './raw-did.ts';

let node: Regtest;
let relay: TestRelay;
const dirs: string[] = [];

beforeAll(async () => {
  node = await startRegtest();
  relay = await startTestRelay();
}, 180_000);
afterAll(async () => {
  await relay?.stop();
  await node?.stop();
  for (const dir of dirs) removeDir(dir);
});

type Form = Pick<AdvertTerms, 'type' | 'flow' | 'privacy' | 'bit_order'>;
const forms: { name: string; form: Form; bare?: boolean }[] = [
  { name: 'SMT, pull', form: { type: 'SMTBeacon', flow: 'pull', privacy: 'none', bit_order: 'spec' } },
  { name: 'SMT, push, lsb', form: { type: 'SMTBeacon', flow: 'push', privacy: 'none', bit_order: 'lsb' } },
  {
    name: 'SMT, push, hashes only',
    form: { type: 'SMTBeacon', flow: 'push', privacy: 'none', bit_order: 'spec' },
    bare: true,
  },
  { name: 'SMT, pull, blinded', form: { type: 'SMTBeacon', flow: 'pull', privacy: 'blinded', bit_order: 'spec' } },
  { name: 'SMT, pull, blinded, lsb', form: { type: 'SMTBeacon', flow: 'pull', privacy: 'blinded', bit_order: 'lsb' } },
  { name: 'CAS, push', form: { type: 'CASBeacon', flow: 'push', privacy: 'none', bit_order: 'spec' } },
  {
    name: 'CAS, push, hashes only',
    form: { type: 'CASBeacon', flow: 'push', privacy: 'none', bit_order: 'spec' },
    bare: true,
  },
  { name: 'CAS, pull', form: { type: 'CASBeacon', flow: 'pull', privacy: 'none', bit_order: 'spec' } },
];

describe.each(forms)('$name', ({ form, bare }) => {
  test('two rounds, a late DID, and every DID resolves', { timeout: 60_000 }, async () => {
    const dir = tempDir();
    dirs.push(dir);
    const world = { dir, node, relays: [relay.url] };
    const aggregator = await startAggregator(world, {
      ...form,
      frequency: { interval: 3_600, min_interval: 0, pending_updates: 1_000 },
    });
    const wallets = await Promise.all(['alexis', 'satoshi'].map(name => startWallet(world, name)));
    const [alexis, satoshi] = wallets as [(typeof wallets)[0], (typeof wallets)[0]];
    const { cohort, address } = await gather(aggregator, wallets);
    const dids = await Promise.all(
      wallets.map(async wallet => {
        const { did } = await wallet.createDid({ kind: 'x', cohort });
        expect(await wallet.register({ did, cohort })).toMatchObject({ proven: form.privacy === 'none' });
        return did;
      }),
    );
    const [first, second] = dids as [string, string];
    await deposit(node, address);

    const round = async (number: number): Promise<void> => {
      expect(await announced(aggregator, cohort)).toBe(number);
      await node.mine(6);
      await closed(aggregator, cohort, number);
    };
    await alexis.update({ did: first, patch: addService('one'), ...(bare ? { bare } : {}) });
    await round(1);
    const final = (wallet: typeof alexis, did: string, version: string) =>
      until(`${did} at version ${version}`, async () => {
        const resolved = await wallet.resolve({ did, minConf: 6 });
        return resolved.versionId === version && resolved;
      });
    await final(alexis, first, '2');
    await final(satoshi, second, '1');
    await until('the wallet saw it', () => alexis.status().dids[0]?.updates[0]?.state === 'final');

    const { did: late } = await satoshi.createDid({ kind: 'x', cohort });
    expect(await satoshi.register({ did: late, cohort })).toMatchObject({ signals: 1 });
    await final(satoshi, late, '1');
    await alexis.update({ did: first, patch: addService('two'), ...(bare ? { bare } : {}) });
    await satoshi.update({ did: late, patch: addService('late'), ...(bare ? { bare } : {}) });
    await round(2);
    expect((await final(alexis, first, '3')).neededSignals).toHaveLength(2);
    expect((await final(satoshi, late, '2')).neededSignals).toHaveLength(2);
    expect((await final(satoshi, second, '1')).neededSignals).toHaveLength(2);
    await Promise.all([...wallets.map(wallet => wallet.stop()), aggregator.stop()]);
  });
});

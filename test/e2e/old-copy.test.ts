import { cpSync, existsSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Daemon } from '../../src/daemon.ts';
import { restoreState } from '../../src/operator/restore.ts';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import { backupWallet, restoreWallet, type Wallet } from '../../src/wallet/client.ts';
import {
  configOf,
  deposit,
  gather,
  newDid,
  removeDir,
  startAggregator,
  startWallet,
  tempDir,
  until,
} from './harness.ts';

let relay: TestRelay;
let node: Regtest;
let world: { dir: string; node: Regtest; relays: string[] };
const open: { stop(): Promise<unknown> }[] = [];

beforeAll(async () => {
  [relay, node] = await Promise.all([startTestRelay(), startRegtest()]);
}, 120_000);
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.stop();
  removeDir(world.dir);
});
afterAll(async () => {
  await node?.stop();
  await relay?.stop();
});

const kept = <T extends { stop(): Promise<unknown> }>(started: T): T => {
  open.push(started);
  return started;
};
const wallet = async (name: string): Promise<Wallet> => kept(await startWallet(world, name));
const stop = async (each: { stop(): Promise<unknown> }): Promise<void> => {
  open.splice(open.indexOf(each), 1);
  await each.stop();
};

async function formed() {
  world = { dir: tempDir(), node, relays: [relay.url] };
  const aggregator = kept(await startAggregator(world));
  const [ada, bob] = [await wallet('ada'), await wallet('bob')];
  const { cohort, address } = await gather(aggregator, [ada, bob]);
  const did = await newDid(ada, cohort);
  await deposit(node, address);
  return { aggregator, cohort, ada, bob, did };
}

const site = (name: string) => [
  { op: 'add' as const, path: '/service/-', value: { id: `#${name}`, type: 'X', serviceEndpoint: `https://${name}` } },
];

/** Sends an update and waits until its signal is six blocks deep. */
async function announced(aggregator: Daemon, cohort: string, sender: Wallet, did: string, name: string): Promise<void> {
  const { announcement } = await sender.update({ did, patch: site(name) });
  await until(
    'the signal',
    async () => {
      const rounds = (await aggregator.api.cohortShow({ cohort })).rounds;
      return rounds.at(-1)?.stage === 'announced' && rounds.at(-1)?.status === 'broadcast';
    },
    60_000,
  );
  await node.mine(6);
  await until(
    'the end',
    () => {
      const [own] = sender.status().dids.filter(known => known.did === did);
      return own!.updates.some(update => update.announcement === announcement && update.state === 'final');
    },
    60_000,
  );
}

test('a wallet put back from an old copy signs no rival of what it may have signed since (fault 22, fault 48)', async () => {
  const { aggregator, cohort, ada, did } = await formed();
  const file = join(world.dir, 'wallet.backup');
  const made = await backupWallet(join(world.dir, 'ada'), file);
  for (const path of [made.database, made.keys]) expect(statSync(path).mode & 0o777).toBe(0o600);
  await expect(backupWallet(join(world.dir, 'ada'), file)).rejects.toThrow(/exists already/);
  expect(() => restoreWallet(join(world.dir, 'ada'), file)).toThrow(/exists already/);
  // Two versions that the copy does not know of: one final, one signed for and in no block.
  await announced(aggregator, cohort, ada, did, 'first');
  await ada.update({ did, patch: site('second') });
  await until(
    'the second signal',
    async () => {
      const rounds = (await aggregator.api.cohortShow({ cohort })).rounds;
      return rounds.length === 2 && rounds[1]!.status === 'broadcast';
    },
    60_000,
  );
  await stop(ada);

  expect(restoreWallet(join(world.dir, 'again'), file)).toEqual({ keys: 'restored' });
  const again = await wallet('again');
  expect(again.status().doubt?.addresses).toContain(again.status().cohorts[0]!.beacon_address);
  await expect(again.update({ did, patch: site('rival') })).rejects.toThrow();
  await node.mine(6);
  // The chain has told what came of every output that it may have signed for; the lost updates are still unknown to it.
  await until('the end of the doubt', () => again.status().doubt === null, 60_000);
  await expect(again.update({ did, patch: site('rival') })).rejects.toThrow();
  expect((await aggregator.api.cohortShow({ cohort })).pending_updates).toBe(0);
}, 240_000);

test('a wallet copied by hand notices by its own messages that it is old, and signs no new update', async () => {
  const { ada, did } = await formed();
  await stop(ada);
  cpSync(join(world.dir, 'ada'), join(world.dir, 'copy'), { recursive: true });
  const later = await wallet('ada');
  expect(later.status().doubt).toBeNull();
  // What the copy does not know.
  await later.update({ did, patch: site('first') });
  expect(later.status().doubt).toBeNull();
  await stop(later);

  const copy = await wallet('copy');
  await until('the doubt', () => copy.status().doubt !== null, 60_000);
  await expect(copy.update({ did, patch: site('rival') })).rejects.toThrow(/put back from a copy/);
}, 240_000);

test('a daemon put back from a backup halts rounds until its operator has looked; what members sent since comes again (fault 48)', async () => {
  const { aggregator, cohort, ada, did } = await formed();
  const config = configOf(world);
  const file = join(world.dir, 'daemon.backup');
  const made = await aggregator.api.backup({ file });
  expect(made.keep).toEqual([config.identity.key_file]);
  for (const path of [made.database, made.keys]) expect(statSync(path).mode & 0o777).toBe(0o600);
  await expect(aggregator.api.backup({ file })).rejects.toMatchObject({ code: 'exists' });
  expect(() => restoreState(config.state_dir, file, 1)).toThrow(/exists already/);

  // After the backup: a whole round.
  await announced(aggregator, cohort, ada, did, 'first');
  await stop(aggregator);
  const database = join(config.state_dir, 'aggregator.db');
  for (const suffix of ['', '-wal', '-shm'])
    if (existsSync(database + suffix)) renameSync(database + suffix, `${database}${suffix}.lost`);
  expect(restoreState(config.state_dir, file, Math.floor(Date.now() / 1000))).toMatchObject({ keys: 'kept' });

  const back = kept(await startAggregator(world));
  const shown = await until('the alarm', async () => {
    const detail = await back.api.cohortShow({ cohort });
    return detail.alarms.length > 0 && detail;
  });
  expect(shown.alarms.join()).toMatch(/this database is a backup/);
  expect(shown.alarm_details).toContainEqual(expect.objectContaining({ key: 'restored', halts: true }));
  // What members sent in the lost time comes again from the relays, and waits.
  await until('the update', async () => (await back.api.cohortShow({ cohort })).pending_updates > 0, 60_000);
  expect((await back.api.roundOpen({ cohort })).waiting_for).toMatch(/^halted/);
  await expect(back.api.alarmClear({ cohort, alarm: 'nothing' })).rejects.toMatchObject({ code: 'not_found' });
  const cleared = await back.api.alarmClear({ cohort, alarm: 'restored' });
  expect(cleared.alarm_details).toContainEqual(
    expect.objectContaining({ key: 'restored', dismissed: true, halts: false }),
  );
  await stop(back);
  // Started again it has been looked at, and stays so.
  const once = kept(await startAggregator(world));
  expect((await once.api.cohortShow({ cohort })).alarms.join()).not.toMatch(/this database is a backup/);
}, 240_000);

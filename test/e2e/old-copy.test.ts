import { cpSync, existsSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { esploraChain } from '../../src/chain/index.ts';
import type { Config } from '../../src/config.ts';
import { type Daemon, startDaemon } from '../../src/daemon.ts';
import { restoreState } from '../../src/operator/restore.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import { backupWallet, openWallet, restoreWallet, type Wallet } from '../../src/wallet/client.ts';
import { startFakeEsplora } from '../operator/fake-esplora.ts';
import { configOf, log, removeDir, tempDir, until } from './harness.ts';
import { advertOf } from './raw-member.ts';

let relay: TestRelay;
let esplora: Awaited<ReturnType<typeof startFakeEsplora>>;
let dir: string;
let config: Config;
const open: { stop(): Promise<unknown> }[] = [];

beforeAll(async () => {
  relay = await startTestRelay();
  esplora = await startFakeEsplora();
  dir = tempDir();
  const base = configOf({ dir, node: { rpcUrl: '', cookieFile: '' } as never, relays: [relay.url] });
  config = { ...base, chain: { backend: 'esplora', url: esplora.url, poll_ms: 60_000 } };
}, 60_000);
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.stop();
});
afterAll(async () => {
  await esplora?.stop();
  await relay?.stop();
  removeDir(dir);
});

async function daemon(): Promise<Daemon> {
  const started = await startDaemon(config, { log: log('aggregator') });
  open.push(started);
  return started;
}

async function wallet(home: string): Promise<Wallet> {
  const opened = await openWallet({
    home: join(dir, home),
    network: 'regtest',
    relays: [relay.url],
    chain: esploraChain({ url: esplora.url }),
    log: log(home),
  });
  open.push(opened);
  opened.start();
  return opened;
}

const stop = async (each: { stop(): Promise<unknown> }): Promise<void> => {
  open.splice(open.indexOf(each), 1);
  await each.stop();
};

async function formed(id: string) {
  const aggregator = await daemon();
  const { cohort } = await aggregator.api.advertCreate({ id, cohort_size: { min: 2, max: 2 } });
  const advert = await until('the advert', () => {
    try {
      return advertOf(relay, cohort);
    } catch {
      return undefined;
    }
  });
  const [ada, bob] = [await wallet(`${id}-ada`), await wallet(`${id}-bob`)];
  await ada.join({ advert });
  await bob.join({ advert });
  await Promise.all([ada.ready(cohort), bob.ready(cohort)]);
  return { aggregator, cohort, ada, bob };
}

const patch = [
  { op: 'add' as const, path: '/service/-', value: { id: '#x', type: 'X', serviceEndpoint: 'https://x' } },
];

test('a wallet copied by hand and started later notices by its own messages that it is old, and signs no new update', async () => {
  const { cohort, ada } = await formed('byhand');
  const { did } = await ada.createDid({ kind: 'x', cohort });
  await ada.register({ did, cohort });
  await stop(ada);
  cpSync(join(dir, 'byhand-ada'), join(dir, 'byhand-copy'), { recursive: true });

  const again = await wallet('byhand-ada');
  expect(again.status().doubt).toBeNull();
  // What the copy does not know.
  await again.update({ did, patch });
  expect(again.status().doubt).toBeNull();
  await stop(again);

  const copy = await wallet('byhand-copy');
  await until('the doubt', () => copy.status().doubt !== null, 60_000);
  await expect(copy.update({ did, patch: [{ ...patch[0]!, path: '/service/0' }] })).rejects.toThrow(
    /put back from a copy/,
  );
}, 240_000);

test('backup and put-back: a copy of a running wallet, beside its keys, nothing overwritten, and in doubt from the start', async () => {
  const { cohort, ada } = await formed('wallet');
  const { did } = await ada.createDid({ kind: 'x', cohort });
  await ada.register({ did, cohort });
  const home = join(dir, 'wallet-ada');
  const file = join(dir, 'wallet.backup');
  const made = await backupWallet(home, file);
  for (const path of [made.database, made.keys]) expect(statSync(path).mode & 0o777).toBe(0o600);
  await expect(backupWallet(home, file)).rejects.toThrow(/exists already/);
  expect(() => restoreWallet(home, file)).toThrow(/exists already/);
  await stop(ada);

  expect(restoreWallet(join(dir, 'wallet-again'), file)).toEqual({ keys: 'restored' });
  const again = await wallet('wallet-again');
  expect(again.status().doubt?.addresses).toContain(again.status().cohorts[0]!.beacon_address);
  await expect(again.update({ did, patch })).rejects.toThrow(/put back from a copy/);
  await again.trustCopy();
  expect((await again.update({ did, patch })).version).toBe(2);
}, 240_000);

test('a daemon put back from a backup halts rounds until its operator has looked, and notices a copy made by hand (fault 48)', async () => {
  const { aggregator, cohort, ada } = await formed('daemon');
  const file = join(dir, 'daemon.backup');
  const made = await aggregator.api.backup({ file });
  expect(made.keep).toEqual([config.identity.key_file]);
  for (const path of [made.database, made.keys]) expect(statSync(path).mode & 0o777).toBe(0o600);
  await expect(aggregator.api.backup({ file })).rejects.toMatchObject({ code: 'exists' });
  expect(() => restoreState(config.state_dir, file, 1)).toThrow(/exists already/);

  // After the backup.
  const { did } = await ada.createDid({ kind: 'x', cohort });
  await ada.register({ did, cohort });
  await ada.update({ did, patch });
  await stop(aggregator);
  const database = join(config.state_dir, 'aggregator.db');
  renameSync(database, `${database}.lost`);
  expect(existsSync(`${database}-wal`)).toBe(false);
  expect(restoreState(config.state_dir, file, Math.floor(Date.now() / 1000))).toMatchObject({ keys: 'kept' });

  const back = await daemon();
  const shown = await until('the alarm', async () => {
    const detail = await back.api.cohortShow({ cohort });
    return detail.alarms.length > 0 && detail;
  });
  expect(shown.alarms[0]).toMatch(/this database is a backup/);
  // Members' messages of the lost time come again from the relays: nothing that they sent is lost.
  await until(
    'the registration and the update',
    async () => (await back.api.cohortShow({ cohort })).pending_updates === 1,
    60_000,
  );
  expect((await back.api.roundOpen({ cohort })).waiting_for).toMatch(/^halted/);
  await expect(back.api.alarmClear({ cohort, alarm: 'nothing' })).rejects.toMatchObject({ code: 'not_found' });
  const cleared = await back.api.alarmClear({ cohort, alarm: 'restored' });
  expect(cleared.alarms).toEqual([]);
  expect(cleared.alarm_details).toMatchObject([{ key: 'restored', dismissed: true, halts: false }]);
  expect((await back.api.roundOpen({ cohort })).waiting_for).not.toMatch(/^halted/);
  await stop(back);
  // Started again it has been looked at, and stays so.
  const later = await daemon();
  await until('the reading', async () => !(await later.api.status()).reconciling, 60_000);
  expect((await later.api.cohortShow({ cohort })).alarms).toEqual([]);
}, 240_000);

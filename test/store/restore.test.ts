import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { RESTORED, restoreState } from '../../src/operator/restore.ts';
import { openStore, StoreVersionError } from '../../src/store/index.ts';
import { backupWallet, restoreWallet } from '../../src/wallet/client.ts';

const made: string[] = [];
const folder = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'btcr2-restore-'));
  made.push(dir);
  return dir;
};
afterEach(() => {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true });
});

const NO_KEYS = JSON.stringify({ version: 1, keys: {} });
const mode = (path: string): number => statSync(path).mode & 0o777;

function wallet(): string {
  const home = folder();
  const store = openStore(join(home, 'wallet.db'), { application: 'wallet' });
  store.commit({ meta: [{ key: 'seq', value: '7' }] });
  store.close();
  writeFileSync(join(home, 'keys.json'), NO_KEYS, { mode: 0o600 });
  return home;
}

test("a wallet's copy and its keys are new files of mode 0600, and are put back marked, where there is no wallet", async () => {
  const home = wallet();
  const file = join(folder(), 'copy');
  const running = openStore(join(home, 'wallet.db'), { application: 'wallet' });
  const { database, keys } = await backupWallet(home, file);
  running.close();
  expect([mode(database), mode(keys)]).toEqual([0o600, 0o600]);
  await expect(backupWallet(home, file)).rejects.toThrow(/exists already/);
  expect(() => restoreWallet(home, file)).toThrow(/exists already/);

  const other = folder();
  expect(restoreWallet(other, file)).toEqual({ keys: 'restored' });
  expect(readFileSync(join(other, 'keys.json'), 'utf8')).toBe(NO_KEYS);
  const store = openStore(join(other, 'wallet.db'), { application: 'wallet', readonly: true });
  expect([...store.read('wallet')].map(({ type }) => type)).toEqual(['restored']);
  expect(Number(store.meta('seq'))).toBeGreaterThan(7);
  store.close();
});

test("an aggregator's copy is put back marked, its sequence numbers moved on; a damaged or foreign one changes nothing", async () => {
  const from = folder();
  const path = join(from, 'aggregator.db');
  const store = openStore(path, { application: 'aggregator' });
  store.commit({
    events: [{ stream: 'c', type: 'x', at: 1, body: { type: 'x' } }],
    meta: [{ key: 'seq:c', value: '41' }],
  });
  const file = join(folder(), 'copy');
  await store.backup(file);
  store.close();
  writeFileSync(`${file}.keys.json`, NO_KEYS, { mode: 0o600 });

  const state = folder();
  expect(restoreState(state, file, 1_234)).toEqual({ cohorts: 1, keys: 'restored' });
  const back = openStore(join(state, 'aggregator.db'), { application: 'aggregator', readonly: true });
  expect([back.meta(RESTORED), back.streams()]).toEqual(['1234', ['c']]);
  expect(Number(back.meta('seq:c'))).toBeGreaterThan(41);
  back.close();
  expect(() => restoreState(state, file, 1)).toThrow(/exists already/);

  const home = folder();
  expect(() => restoreWallet(home, file)).toThrow(StoreVersionError);
  expect(existsSync(join(home, 'wallet.db'))).toBe(false);
  const bytes = readFileSync(file);
  bytes.fill(0x5a, 100, 4_000);
  const broken = join(folder(), 'broken');
  writeFileSync(broken, bytes);
  writeFileSync(`${broken}.keys.json`, NO_KEYS, { mode: 0o600 });
  const empty = folder();
  expect(() => restoreState(empty, broken, 1)).toThrow();
  expect(existsSync(join(empty, 'aggregator.db'))).toBe(false);
});

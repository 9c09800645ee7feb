import { randomBytes } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { toHex } from '../../src/crypto/index.ts';
import { openBrowserKeys } from '../../src/shell/keystore-browser.ts';
import { KeyFileError, type KeyStore, KeyUnknown, KeyUseRefused } from '../../src/shell/keystore-types.ts';
import { deriveSecret } from '../../src/wallet/seed.ts';
import { type SlowDisk, slowDisk } from './rows.ts';

const random = (length: number): Uint8Array => Uint8Array.from(randomBytes(length));
const now = (): number => 1_700_000_000;
const ROOT = new Uint8Array(32).fill(7);

let disk: SlowDisk;
const open = (options: { passphrase?: string; root?: Uint8Array } = {}) =>
  openBrowserKeys(disk.open(), { random, now, derive: deriveSecret, ...options });
const secretOf = (keys: KeyStore, key: string): string => keys.lend(key, toHex);
const row = (): string => String(disk.open().take('keys')[0]?.value);
const faultOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof KeyFileError) return error.fault;
  }
  return 'none';
};

beforeEach(() => {
  disk = slowDisk();
});

test('a key is there again when its row has reached the disk, and not before', () => {
  const keys = open();
  const key = keys.create('did');
  const secret = secretOf(keys, key);
  expect(() => open().lend(key, toHex)).toThrow(KeyUnknown);
  disk.flush();
  expect(secretOf(open(), key)).toBe(secret);
  expect(open().has(key.slice(2))).toBe(true);
});

test('a cohort key is lent for its two uses only', () => {
  const keys = open();
  const key = keys.create('cohort');
  expect(() => keys.lend(key, toHex)).toThrow(KeyUseRefused);
  expect(keys.lend(key, toHex, 'statement')).toHaveLength(64);
});

test('a passphrase replaces the plain row by one that shows no secret', () => {
  const keys = open();
  const [did, transport] = [keys.create('did'), keys.create('transport')];
  const secrets = [secretOf(keys, did), secretOf(keys, transport)];
  disk.flush();
  for (const secret of secrets) expect(row()).toContain(secret);
  expect(faultOf(() => open({ passphrase: '' }))).toBe('wrong_passphrase');

  open({ passphrase: 'correct horse' });
  disk.flush();
  for (const secret of secrets) expect(row()).not.toContain(secret);
  expect(faultOf(() => open())).toBe('locked');
  expect(faultOf(() => open({ passphrase: 'battery staple' }))).toBe('wrong_passphrase');
  const again = open({ passphrase: 'correct horse' });
  expect([secretOf(again, did), secretOf(again, transport)]).toEqual(secrets);
});

test('a seed makes the same keys on another disk, and never a cohort key', () => {
  const keys = open({ root: ROOT });
  const made = [keys.create('did'), keys.create('transport'), keys.create('did')];
  const cohort = keys.create('cohort');
  disk.flush();
  // The words are needed once: the next start has the root.
  expect(open().peek('did', 0)).toBe(made[0]);
  disk = slowDisk();
  const other = open({ root: ROOT });
  expect([other.create('did'), other.create('transport'), other.create('did')]).toEqual(made);
  expect(other.create('cohort')).not.toBe(cohort);
});

test('keys that came from another seed, or from none, are given none', () => {
  open({ root: ROOT });
  disk.flush();
  expect(faultOf(() => open({ root: ROOT }))).toBe('none');
  expect(faultOf(() => open({ root: new Uint8Array(32).fill(8) }))).toBe('no_seed');
  disk = slowDisk();
  open().create('did');
  disk.flush();
  expect(faultOf(() => open({ root: ROOT }))).toBe('no_seed');
});

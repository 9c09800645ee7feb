import {
  closeSync,
  existsSync,
  linkSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { sha256, toHex, utf8 } from '../../src/crypto/index.ts';
import { type KeyStore, KeyUnknown, KeyUseRefused, openKeyFile } from '../../src/shell/keystore.ts';

function keyFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'bk-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'keys.json');
}

let drawn = 0;
const open = (path: string, passphrase?: string): KeyStore =>
  openKeyFile(
    path,
    length => sha256(utf8(`deleted ${drawn++}`)).slice(0, length),
    () => 7,
    { passphrase },
  );

describe('deleting a cohort key', () => {
  test.each([
    ['plain', undefined],
    ['locked', 'correct horse battery staple'],
  ])('from a %s file it is gone for good, and nothing else is', (_, passphrase) => {
    const path = keyFile();
    const keys = open(path, passphrase);
    const [did, first, second] = [keys.create('did'), keys.create('cohort'), keys.create('cohort')];
    const secret = keys.lend(first, toHex, 'statement');
    expect(keys.deleteCohortKey(first)).toBe(true);
    for (const store of [keys, open(path, passphrase)]) {
      expect(store.has(first)).toBe(false);
      expect(() => store.lend(first, toHex, 'musig')).toThrow(KeyUnknown);
      expect(store.deleteCohortKey(first)).toBe(false);
      expect(store.has(second) && store.has(did)).toBe(true);
      store.lend(second, toHex, 'statement');
    }
    expect(readFileSync(path, 'utf8')).not.toContain(first);
    expect(readFileSync(path, 'utf8')).not.toContain(secret);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(existsSync(`${path}.new`)).toBe(false);
  });

  test('overwrites the bytes where they lay: who kept the old file by another name reads zeros', () => {
    const path = keyFile();
    const keys = open(path);
    const key = keys.create('cohort');
    // A link, and a handle that was opened before, stand for the blocks that a disk keeps of a file that was replaced.
    linkSync(path, `${path}.link`);
    const handle = openSync(path, 'r');
    onTestFinished(() => closeSync(handle));
    const { size } = statSync(path);
    keys.deleteCohortKey(key);
    const old = new Uint8Array(size);
    readSync(handle, old, 0, size, 0);
    expect(old.every(byte => byte === 0)).toBe(true);
    expect(readFileSync(`${path}.link`).every(byte => byte === 0)).toBe(true);
  });

  test('is for cohort keys only: a DID key that is deleted by mistake is a DID that is lost', () => {
    const keys = open(keyFile());
    for (const kind of ['did', 'transport', 'nonces', 'identity'] as const) {
      const key = keys.create(kind);
      expect(() => keys.deleteCohortKey(key)).toThrow(KeyUseRefused);
      expect(keys.has(key)).toBe(true);
    }
    expect(keys.deleteCohortKey(`02${'ab'.repeat(32)}`)).toBe(false);
  });
});

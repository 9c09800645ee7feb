import { chmodSync, linkSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decrypt } from 'nostr-tools/nip49';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toHex } from '../../src/crypto/index.ts';
import { openKeyFile } from '../../src/shell/keystore.ts';
import { takeLock } from '../../src/store/lock.ts';
import { runHere } from './here.ts';

const PASSPHRASE = 'ten lean years in a bottle';

let dir: string;
let secret: string;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'btcr2-lock-'));
  expect((await cli('init')).code).toBe(0);
  secret = read('identity.key').trim();
  writeFileSync(join(dir, 'passphrase'), `${PASSPHRASE}\n`, { mode: 0o600 });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const cli = (...argv: string[]) => runHere(argv, dir);
const read = (name: string): string => readFileSync(join(dir, name), 'utf8');
const random = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));
/** Every file below the folder, as it lies on the disk. */
const filesIn = (folder: string): { path: string; bytes: Buffer }[] =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .map(path => ({ path, bytes: readFileSync(path) }));

describe('keys lock', () => {
  test('leaves no plain key on the disk, and every Nostr client opens what it leaves', async () => {
    const plain = statSync(join(dir, 'identity.key'));
    const state = join(dir, 'state');
    expect((await cli('doctor')).stdout).toContain('state'); // makes the state folder
    const transport = openKeyFile(join(state, 'keys.json'), random, () => 0).create('transport');
    const plainTransport = /"secret": "([0-9a-f]{64})"/.exec(read('state/keys.json'))?.[1];
    expect(plainTransport).toBeDefined();

    const { code, stdout, stderr } = await cli('keys', 'lock', '--passphrase-file', 'passphrase', '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ configured: false, state_keys: true });

    for (const { path, bytes } of filesIn(dir))
      for (const gone of [secret, plainTransport!]) {
        expect(bytes.includes(gone), path).toBe(false);
        expect(bytes.includes(Buffer.from(gone, 'hex')), path).toBe(false);
      }
    expect(stdout).not.toContain(PASSPHRASE);
    expect(readdirSync(dir)).not.toContain('identity.key.new');
    expect(statSync(join(dir, 'identity.key')).mode & 0o777).toBe(0o600);
    expect(statSync(join(dir, 'identity.key')).ino).not.toBe(plain.ino);
    expect(toHex(decrypt(read('identity.key').trim(), PASSPHRASE))).toBe(secret);
    const keys = openKeyFile(join(state, 'keys.json'), random, () => 0, { passphrase: PASSPHRASE });
    expect(keys.has(transport)).toBe(true);
  });

  test('overwrites the plain bytes where they lay', async () => {
    linkSync(join(dir, 'identity.key'), join(dir, 'where-it-lay'));
    expect((await cli('keys', 'lock', '--passphrase-file', 'passphrase')).code).toBe(0);
    expect(readFileSync(join(dir, 'where-it-lay')).every(byte => byte === 0)).toBe(true);
  });

  test('says which line the configuration needs, and the configuration then loads', async () => {
    const locked = await cli('keys', 'lock', '--passphrase-file', 'passphrase');
    const [line] = /passphrase_file = .*/.exec(locked.stdout) ?? [];
    expect((await cli('config')).stderr).toContain('identity.passphrase_file');
    const text = read('btcr2-aggregator.toml').replace('[identity]', `[identity]\n${line}`);
    writeFileSync(join(dir, 'btcr2-aggregator.toml'), text);
    const loaded = await cli('config', '--json');
    expect(loaded.code).toBe(0);
    expect(JSON.parse(loaded.stdout).identity.passphrase_file).toBe(join(dir, 'passphrase'));
  });

  test('takes the passphrase file that the configuration names', async () => {
    const locked = await cli('keys', 'lock', '--set', 'identity.passphrase_file=passphrase', '--json');
    expect(JSON.parse(locked.stdout)).toMatchObject({ configured: true, state_keys: false });
  });

  test('changes nothing without a passphrase, with one that others can read, or under a running daemon', async () => {
    const none = await cli('keys', 'lock');
    expect(none.code).toBe(2);
    expect(none.stderr).toContain('--passphrase-file FILE');
    const inline = await cli('keys', 'lock', '--passphrase', PASSPHRASE);
    expect(inline.code).toBe(2);
    expect(inline.stderr).not.toContain(PASSPHRASE);
    chmodSync(join(dir, 'passphrase'), 0o644);
    const open = await cli('keys', 'lock', '--passphrase-file', 'passphrase');
    expect(open.code).toBe(2);
    expect(open.stderr).toContain('chmod 600');
    chmodSync(join(dir, 'passphrase'), 0o600);
    const release = takeLock(join(dir, 'state', 'aggregator.db'));
    const running = await cli('keys', 'lock', '--passphrase-file', 'passphrase', '--json');
    release();
    expect(running.code).toBe(1);
    expect(JSON.parse(running.stdout)).toMatchObject({ error: { code: 'running' } });
    expect(read('identity.key').trim()).toBe(secret);
  });

  test('does not lock twice', async () => {
    await cli('keys', 'lock', '--passphrase-file', 'passphrase');
    const before = read('identity.key');
    const again = await cli('keys', 'lock', '--set', 'identity.passphrase_file=passphrase', '--json');
    expect(again.code).toBe(1);
    expect(JSON.parse(again.stdout)).toMatchObject({ error: { code: 'already_locked' } });
    expect(read('identity.key')).toBe(before);
  });
});

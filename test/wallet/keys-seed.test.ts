import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { entropyToMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fromHex, sha256, toHex, utf8 } from '../../src/crypto/index.ts';
import { KeyFileError, newKeyFile, openKeyFile, type SeedKeyStore } from '../../src/shell/keystore.ts';
import type { SeedKind } from '../../src/shell/keystore-content.ts';
import { treeNonce } from '../../src/wallet/core.ts';
import { restoreKeys } from '../../src/wallet/restore-keys.ts';
import { deriveSecret, isMnemonic, newMnemonic, rootOfMnemonic } from '../../src/wallet/seed.ts';
import bip39 from '../vectors/bip39/bip39.json' with { type: 'json' };

const WORDS = bip39.entropy[1]![1]!;

function drawing(label: string): (length: number) => Uint8Array {
  let i = 0;
  return length => sha256(utf8(`${label} ${i++}`)).slice(0, length);
}

/** A wallet's keys made from words on a device that draws its own randomness; `words` null: a wallet without a seed. */
function device(label: string, words: string | null = WORDS): { keys: SeedKeyStore; path: string } {
  const folder = mkdtempSync(join(tmpdir(), 'bs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'keys.json');
  const root = words === null ? {} : { root: rootOfMnemonic(words, 'regtest') };
  writeFileSync(path, newKeyFile({ ...root, random: drawing(label) }), { mode: 0o600 });
  return { path, keys: openKeyFile(path, drawing(label), () => 7, { derive: deriveSecret }) };
}

describe('the words', () => {
  test('are those of BIP-39', () => {
    for (const [entropy, words] of bip39.entropy as [string, string][]) {
      expect(entropyToMnemonic(fromHex(entropy), wordlist)).toBe(words);
      expect(newMnemonic(() => fromHex(entropy))).toBe(words);
      expect(isMnemonic(words)).toBe(true);
    }
  });

  test('may be typed as people type', () => {
    const typed = `  ${WORDS.toUpperCase().replaceAll(' ', '  ')}\n`;
    expect(toHex(rootOfMnemonic(typed, 'regtest'))).toBe(toHex(rootOfMnemonic(WORDS, 'regtest')));
  });

  test('are refused, and not repeated, with one wrong or one missing', () => {
    const words = WORDS.split(' ');
    for (const bad of [['zoo', ...words.slice(1)], words.slice(1), ['legall', ...words.slice(1)]])
      expect(() => rootOfMnemonic(bad.join(' '), 'regtest')).toThrow(/^these are no 12 to 24 words of a seed/);
  });
});

describe('keys of a seed', () => {
  test('are what they are for ever', () => {
    const root = rootOfMnemonic(WORDS, 'regtest');
    const made = (kind: SeedKind, counter: number) => toHex(deriveSecret(root, kind, counter));
    expect([made('did', 0), made('did', 1), made('transport', 0), made('nonces', 0)]).toMatchInlineSnapshot(`
      [
        "ff38ca8be7b21a26eda7e91588d6449a13a049b1be5154ed6ff3de4c5e5d539d",
        "98c57cc2bfa4d94eba6b90798a9d8723fd7a193112b874f3f8e6bc8f99e7e601",
        "34baef00045b56536a588cd37e89c65ebaf577b65264bc6a5f140682fa8d9533",
        "73822ff98840a4b3685202187cfb079092eaee93480638dee8787ea7d8d33562",
      ]
    `);
  });

  test('differ by network, kind and counter', () => {
    const made = new Set<string>();
    for (const network of ['regtest', 'bitcoin'] as const)
      for (const kind of ['did', 'transport', 'nonces'] as const)
        for (const counter of [0, 1, 10, 11])
          made.add(toHex(deriveSecret(rootOfMnemonic(WORDS, network), kind, counter)));
    expect(made.size).toBe(24);
  });

  test('never belong to a cohort', () => {
    const asked: string = 'cohort';
    const root = rootOfMnemonic(WORDS, 'regtest');
    expect(() => deriveSecret(root, asked as SeedKind, 0)).toThrow('no seed makes a cohort key');
  });
});

describe('a wallet restored from its seed', () => {
  const ADDRESS = 'bcrt1pbeacon';
  const nonceOf = (keys: SeedKeyStore, key: string) =>
    keys.lend(key, seed => treeNonce(seed, ADDRESS, 'did:btcr2:x', '5e'.repeat(32)));

  test('has the same keys of its DIDs, the same transport keys and tree nonces, and no cohort key', async () => {
    const { keys: old } = device('first');
    const dids = Array.from({ length: 4 }, () => old.create('did'));
    const transports = Array.from({ length: 3 }, () => old.create('transport'));
    const cohorts = Array.from({ length: 3 }, () => old.create('cohort'));
    const nonces = old.create('nonces');

    const { keys: restored } = device('second');
    const used = new Set([...dids, ...transports, nonces]);
    const restore = (kind: SeedKind) => restoreKeys(restored, kind, key => used.has(key));
    expect(await restore('did')).toEqual(dids);
    expect(await restore('transport')).toEqual(transports);
    expect(await restore('nonces')).toEqual([nonces]);
    for (const key of used) expect(restored.lend(key, toHex)).toBe(old.lend(key, toHex));
    expect(nonceOf(restored, nonces)).toBe(nonceOf(old, nonces));
    for (const cohort of cohorts) expect(restored.has(cohort)).toBe(false);
    expect(cohorts).not.toContain(restored.create('cohort'));
  });

  test('goes on behind the last key that was used', async () => {
    const { keys: old } = device('first');
    const dids = Array.from({ length: 3 }, () => old.create('did'));
    const { keys } = device('second');
    await restoreKeys(keys, 'did', key => key === dids[1]);
    expect(keys.has(dids[2]!)).toBe(false);
    expect(keys.create('did')).toBe(dids[2]);
  });

  test('finds keys behind a gap, and asks no further than it has to', async () => {
    const { keys } = device('first');
    const asked: string[] = [];
    const far = keys.peek('did', 19);
    const found = await restoreKeys(keys, 'did', async key => {
      asked.push(key);
      return key === far;
    });
    expect(found).toHaveLength(20);
    expect(asked).toHaveLength(40);
  });

  test('draws the first nonce key again without any scan, as a wallet with a new database does', () => {
    expect(device('first').keys.create('nonces')).toBe(device('second').keys.create('nonces'));
  });

  test('goes on with the nonce key that was restored: another one would not make earlier nonces again', () => {
    const { keys } = device('first');
    const [restored] = keys.restore('nonces', 1);
    expect(keys.create('nonces')).toBe(restored);
    expect(keys.create('nonces')).toBe(restored);
  });

  test('needs the very words, and their network', () => {
    const { keys } = device('first');
    expect(device('second', bip39.entropy[0]![1]!).keys.create('did')).not.toBe(keys.create('did'));
  });
});

describe('a key file with a seed', () => {
  test('holds neither the words nor what leads back to them', () => {
    const { path } = device('first');
    const text = readFileSync(path, 'utf8');
    expect(text).not.toContain(bip39.entropy[1]![0]!);
    expect(text).not.toContain('legal winner');
  });

  test('is locked with all its keys, and counts on where it was', () => {
    const { path, keys } = device('first');
    const [one, two] = [keys.create('did'), keys.create('did')];
    const root = toHex(rootOfMnemonic(WORDS, 'regtest'));
    expect(readFileSync(path, 'utf8')).toContain(root);
    const locked = openKeyFile(path, drawing('lock'), () => 8, { passphrase: 'p', derive: deriveSecret });
    expect(readFileSync(path, 'utf8')).not.toContain(root);
    expect([locked.isSeeded(), locked.isLocked()]).toEqual([true, true]);
    expect([locked.peek('did', 0), locked.peek('did', 1), locked.create('did')]).toEqual([
      one,
      two,
      locked.peek('did', 2),
    ]);
  });

  // fault 48
  test('put back with older counters never hands out a key twice', () => {
    const { path, keys } = device('first');
    const dids = [keys.create('did'), keys.create('did')];
    const content = JSON.parse(readFileSync(path, 'utf8'));
    content.seed.next.did = 0;
    writeFileSync(path, JSON.stringify(content), { mode: 0o600 });
    const again = openKeyFile(path, drawing('again'), () => 8, { derive: deriveSecret });
    expect(dids).not.toContain(again.create('did'));
  });

  test('without a seed says so', () => {
    const { keys } = device('first', null);
    expect(keys.isSeeded()).toBe(false);
    expect(() => keys.peek('did', 0)).toThrow(KeyFileError);
    expect(() => keys.restore('did', 3)).toThrow('these keys have no seed');
  });
});

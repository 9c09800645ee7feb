import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Bytes } from '../crypto/index.ts';
import { type Cipher, newCipher, openCipher } from './keystore-cipher.ts';
import {
  checkAll,
  FIRST_COUNTERS,
  type KeyFileContent,
  keyFileText,
  NO_KEYS,
  parseKeyFile,
  sealedAnew,
  sealRoot,
} from './keystore-content.ts';
import { createKeyStore, type Derive, type SeedKeyStore } from './keystore-core.ts';
import { KeyFileError } from './keystore-types.ts';

export { SEED_KINDS, type SeedKind } from './keystore-content.ts';
export type { Derive, SeedKeyStore } from './keystore-core.ts';
export * from './keystore-types.ts';

type Random = (length: number) => Bytes;

export interface KeyFileOptions {
  /** Opens a locked file. A plain one is locked with it there and then. */
  passphrase?: string | undefined;
  /** Makes keys of a seed, for a file that has one. */
  derive?: Derive;
}

/**
 * Opens a key file (JSON, mode 0600), made at the first key. Refuses one that others can read, and a locked one without
 * its passphrase, by KeyFileError. A new key reaches the disk, in a new file that replaces the old one at once, before
 * anybody learns of it. In a locked file (NIP-49 for Nostr keys, XChaCha20-Poly1305 under scrypt for all) a secret is in
 * the clear only while it is lent.
 */
export function openKeyFile(
  path: string,
  random: Random,
  now: () => number,
  { passphrase, derive }: KeyFileOptions = {},
): SeedKeyStore {
  const found = existsSync(path) ? readKeyFile(path) : NO_KEYS;
  const { content, cipher } = unlock(found, path, passphrase, random);
  checkAll(content, cipher);
  if (content.lock !== found.lock) replaceFile(path, keyFileText(content));
  const save = (next: KeyFileContent, { erase = false } = {}): void => replaceFile(path, keyFileText(next), erase);
  return createKeyStore({ content, cipher, random, now, save, ...(derive ? { derive } : {}) });
}

/** Whether opening this key file takes a passphrase. Throws KeyFileError like openKeyFile. */
export const isLockedKeyFile = (path: string): boolean => existsSync(path) && readKeyFile(path).lock !== null;

/**
 * Locks a key file with a new passphrase: a plain one, or one that `from` opens. Every secret is opened before the file is
 * replaced as a whole, so it ends under the one passphrase or the other. Copies made before, also those that a disk keeps,
 * still open as they did. Nobody else may have the file open meanwhile.
 */
export function changeKeyFilePassphrase(
  path: string,
  { from, to, random }: { from?: string | undefined; to: string; random: Random },
): void {
  const content = existsSync(path) ? readKeyFile(path) : NO_KEYS;
  const old = content.lock === null ? null : cipherFor(content, path, from, random);
  replaceFile(path, keyFileText(sealedAnew(content, old, newCipher(required(to), random))));
}

/**
 * The text of a new key file without keys: plain, or locked with a passphrase, with the root (32 bytes, wiped by the
 * caller) of a seed or without.
 */
export function newKeyFile(options: { passphrase?: string | undefined; root?: Bytes; random: Random }): string {
  const { passphrase, root, random } = options;
  const cipher = passphrase === undefined ? null : newCipher(required(passphrase), random);
  const seed = root === undefined ? null : { root: sealRoot(root, cipher), next: FIRST_COUNTERS };
  return keyFileText({ lock: cipher?.lock ?? null, seed, keys: {} });
}

function unlock(
  content: KeyFileContent,
  path: string,
  passphrase: string | undefined,
  random: Random,
): { content: KeyFileContent; cipher: Cipher | null } {
  if (content.lock !== null) return { content, cipher: cipherFor(content, path, passphrase, random) };
  if (passphrase === undefined) return { content, cipher: null };
  const cipher = newCipher(required(passphrase), random);
  return { content: sealedAnew(content, null, cipher), cipher };
}

function cipherFor({ lock }: KeyFileContent, path: string, passphrase: string | undefined, random: Random): Cipher {
  if (passphrase === undefined) throw new KeyFileError(`${path} is locked: it needs its passphrase`, 'locked');
  return openCipher(lock!, passphrase, random);
}

function required(passphrase: string): string {
  if (passphrase === '') throw new KeyFileError('an empty passphrase locks nothing', 'wrong_passphrase');
  return passphrase;
}

function readKeyFile(path: string): KeyFileContent {
  const mode = statSync(path).mode & 0o777;
  if (mode & 0o077)
    throw new KeyFileError(
      `${path} can be read by others (mode ${mode.toString(8)}): chmod 600 ${JSON.stringify(path)}`,
      'open_mode',
    );
  return parseKeyFile(readFileSync(path, 'utf8'), path);
}

/** `erase`: the old bytes are overwritten where they lay, once the new text is durable under the file's name. */
function replaceFile(path: string, text: string, erase = false): void {
  const old = erase && existsSync(path) ? openSync(path, 'r+') : null;
  try {
    putInPlace(path, text);
    if (old === null) return;
    writeSync(old, new Uint8Array(fstatSync(old).size), 0, undefined, 0);
    fsyncSync(old);
  } finally {
    if (old !== null) closeSync(old);
  }
}

function putInPlace(path: string, text: string): void {
  const next = `${path}.new`;
  const handle = openSync(next, 'w', 0o600);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  chmodSync(next, 0o600);
  renameSync(next, path);
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import * as nip19 from 'nostr-tools/nip19';
import { curve } from '#curve';
import { readSecretFile } from '../config/files.ts';
import { type Config, ConfigError } from '../config.ts';
import { type Bytes, equalBytes, toHex } from '../crypto/index.ts';
import { isNcryptsec, openNcryptsec, parseSecretKey } from '../nostr/keys.ts';
import { isLockedKeyFile, openKeyFile } from '../shell/keystore.ts';
import { newCipher } from '../shell/keystore-cipher.ts';
import { StoreLocked } from '../store/errors.ts';
import { takeLock } from '../store/lock.ts';
import { OperatorError } from './api.ts';
import { UsageError } from './command-line.ts';

export interface LockResult {
  key_file: string;
  npub: string;
  passphrase_file: string;
  /** Whether the configuration names the passphrase file already: without it the daemon does not start. */
  configured: boolean;
  /** Whether keys of cohorts were in the state folder, which are under the same passphrase now. */
  state_keys: boolean;
}

/**
 * Locks the identity key with the passphrase in a file (mode 0600): its file becomes one `ncryptsec` (NIP-49), and the
 * transport keys in the state folder come under the same passphrase. The locked text is opened once, compared, and durable
 * before the plain file is replaced; the bytes of the plain file are overwritten then. Refuses with OperatorError
 * `already_locked`, and `running` while a daemon works with these keys; UsageError without a passphrase file; ConfigError
 * for one that cannot be used.
 */
export function lockKeys(
  config: Config,
  {
    passphraseFile,
    random,
    now,
  }: { passphraseFile?: string | undefined; random: (n: number) => Bytes; now: () => number },
): LockResult {
  const { key_file } = config.identity;
  const file = passphraseFile ?? config.identity.passphrase_file;
  const text = readFileSync(key_file, 'utf8');
  if (isNcryptsec(text)) throw new OperatorError('already_locked', `${key_file} is locked by a passphrase already`);
  if (file === undefined)
    throw new UsageError(
      `the passphrase comes from a file: make one, such as by (umask 077 && openssl rand -base64 24 > passphrase), and give --passphrase-file FILE`,
    );
  const passphrase = passphraseIn(file);
  mkdirSync(config.state_dir, { recursive: true, mode: 0o700 });
  const release = alone(join(config.state_dir, 'aggregator.db'));
  try {
    const secret = parseSecretKey(text);
    if (secret === null) throw new OperatorError('bad_key', `${key_file} does not hold one secret key`);
    try {
      replaceSecret(key_file, `${sealed(secret, passphrase, random)}\n`);
      const stateKeys = join(config.state_dir, 'keys.json');
      // A daemon that starts with a passphrase would do the same: nothing of it may stay plain until then.
      if (existsSync(stateKeys)) openKeyFile(stateKeys, random, now, { passphrase });
      return {
        key_file,
        npub: nip19.npubEncode(toHex(curve.publicKey(secret).subarray(1))),
        passphrase_file: file,
        configured: config.identity.passphrase_file === file,
        state_keys: existsSync(stateKeys) && isLockedKeyFile(stateKeys),
      };
    } finally {
      secret.fill(0);
    }
  } finally {
    release();
  }
}

function passphraseIn(file: string): string {
  const read = readSecretFile('passphrase file', file);
  if (!read.ok) throw new ConfigError(file, read.problems);
  return read.value;
}

/** A daemon reads its plain key again whenever it lends it: it must not find another file there. */
function alone(database: string): () => void {
  try {
    return takeLock(database);
  } catch (error) {
    if (error instanceof StoreLocked)
      throw new OperatorError('running', 'the aggregator is running with these keys: stop it first');
    throw error;
  }
}

/** Never trusted before it was opened: a key that is locked wrongly is a key that is lost. */
function sealed(secret: Bytes, passphrase: string, random: (n: number) => Bytes): string {
  const locked = newCipher(passphrase, random).sealNostr(secret);
  const opened = openNcryptsec(locked, passphrase);
  const isSame = opened !== null && equalBytes(opened, secret);
  opened?.fill(0);
  if (!isSame) throw new OperatorError('bad_key', 'the locked key does not open again; nothing was changed');
  return locked;
}

/** The new text is durable under the file's name before the old bytes are overwritten where they lay. */
function replaceSecret(named: string, text: string): void {
  const path = realpathSync(named);
  const next = `${path}.new`;
  rmSync(next, { force: true });
  const old = openSync(path, 'r+');
  try {
    const made = openSync(next, 'wx', 0o600);
    try {
      writeSync(made, text);
      fsyncSync(made);
    } finally {
      closeSync(made);
    }
    renameSync(next, path);
    const folder = openSync(dirname(path), 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
    writeSync(old, new Uint8Array(fstatSync(old).size), 0, undefined, 0);
    fsyncSync(old);
  } finally {
    closeSync(old);
  }
}

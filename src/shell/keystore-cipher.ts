import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { scrypt } from '@noble/hashes/scrypt.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bech32 } from '@scure/base';
import { type Bytes, concatBytes, fromBase64url, fromHex, toBase64url, toHex, utf8 } from '../crypto/index.ts';
import { KeyFileError } from './keystore-types.ts';

/** How a key file is locked, as it stands in the file. No field of it is secret. */
export interface Lock {
  /** scrypt's N is 2^log_n, with r = 8 and p = 1, as in NIP-49. */
  log_n: number;
  /** 16 bytes hex, drawn anew with every passphrase. */
  salt: string;
  /** A sealed constant: tells a wrong passphrase from a damaged key, also where there is no key yet. */
  check: string;
}

/** Seals and opens the secrets of one key file. It lives as long as the key store and holds the only copy of the keys. */
export interface Cipher {
  lock: Lock;
  /** base64url of nonce and ciphertext (XChaCha20-Poly1305), bound to `about`. */
  seal(secret: Bytes, about: string): string;
  /** Throws KeyFileError `damaged` for another text than was sealed about the same. The caller wipes what it gets. */
  open(sealed: string, about: string): Bytes;
  /** NIP-49 `ncryptsec`, which every Nostr client opens with the passphrase alone. */
  sealNostr(secret: Bytes): string;
  openNostr(ncryptsec: string, about: string): Bytes;
}

/** 64 MiB and a third of a second a guess: what NIP-49 begins with. */
const LOG_N = 16;
/** 1 GiB: a file that asks for more is an attack on the memory of whoever opens it. */
const MAX_LOG_N = 20;
const SALT = 16;
const NONCE = 24;
const NIP49_VERSION = 2;
/** NIP-49: the client does not track how the key was handled. */
const UNTRACKED = 2;
const NCRYPTSEC = 'ncryptsec';
const MAX_BECH32 = 200;
const CHECK = 'btcr2 key file';

/**
 * Makes a new lock for a passphrase (NFKC, as NIP-49 has it). One scrypt serves the whole file: every `ncryptsec` of it
 * has the file's salt and a nonce of its own, everything else a key that HKDF makes of the same.
 */
export function newCipher(passphrase: string, random: (length: number) => Bytes): Cipher {
  const salt = random(SALT);
  const keys = keysOf(passphrase, salt, LOG_N);
  const check = sealWith(keys.rest, utf8(CHECK), CHECK, random(NONCE));
  return cipherOf(keys, { log_n: LOG_N, salt: toHex(salt), check }, random);
}

/** Opens a lock. Throws KeyFileError `wrong_passphrase`, or `format` for a lock that this program never makes. */
export function openCipher(lock: Lock, passphrase: string, random: (length: number) => Bytes): Cipher {
  if (lock.log_n < LOG_N || lock.log_n > MAX_LOG_N)
    throw new KeyFileError('the key file asks for a scrypt that is too weak, or too large to be meant', 'format');
  const keys = keysOf(passphrase, fromHex(lock.salt, SALT), lock.log_n);
  try {
    openWith(keys.rest, lock.check, CHECK);
  } catch {
    keys.nostr.fill(0);
    keys.rest.fill(0);
    throw new KeyFileError('the passphrase does not open the key file', 'wrong_passphrase');
  }
  return cipherOf(keys, lock, random);
}

interface FileKeys {
  nostr: Bytes;
  rest: Bytes;
}

function keysOf(passphrase: string, salt: Bytes, logN: number): FileKeys {
  const typed = utf8(passphrase.normalize('NFKC'));
  const nostr = scrypt(typed, salt, { N: 2 ** logN, r: 8, p: 1, dkLen: 32 });
  typed.fill(0);
  return { nostr, rest: hkdf(sha256, nostr, salt, utf8('btcr2/key-file/v2'), 32) };
}

function cipherOf(keys: FileKeys, lock: Lock, random: (length: number) => Bytes): Cipher {
  const salt = fromHex(lock.salt, SALT);
  const head = concatBytes(Uint8Array.of(NIP49_VERSION, lock.log_n), salt);
  const level = Uint8Array.of(UNTRACKED);
  return {
    lock,
    seal: (secret, about) => sealWith(keys.rest, secret, about, random(NONCE)),
    open: (sealed, about) => orDamaged(about, () => openWith(keys.rest, sealed, about)),
    sealNostr(secret) {
      const nonce = random(NONCE);
      const sealed = xchacha20poly1305(keys.nostr, nonce, level).encrypt(secret);
      return bech32.encode(NCRYPTSEC, bech32.toWords(concatBytes(head, nonce, level, sealed)), MAX_BECH32);
    },
    openNostr: (ncryptsec, about) =>
      orDamaged(about, () => {
        const { prefix, bytes } = bech32.decodeToBytes(ncryptsec);
        const at = head.length;
        const isOurs = prefix === NCRYPTSEC && toHex(bytes.subarray(0, at)) === toHex(head);
        if (!isOurs) throw new TypeError('an ncryptsec of another file');
        const [nonce, aad] = [bytes.slice(at, at + NONCE), bytes.slice(at + NONCE, at + NONCE + 1)];
        return xchacha20poly1305(keys.nostr, nonce, aad).decrypt(bytes.slice(at + NONCE + 1));
      }),
  };
}

function sealWith(key: Bytes, secret: Bytes, about: string, nonce: Bytes): string {
  return toBase64url(concatBytes(nonce, xchacha20poly1305(key, nonce, utf8(about)).encrypt(secret)));
}

function openWith(key: Bytes, sealed: string, about: string): Bytes {
  const bytes = fromBase64url(sealed);
  return xchacha20poly1305(key, bytes.slice(0, NONCE), utf8(about)).decrypt(bytes.slice(NONCE));
}

function orDamaged<T>(about: string, open: () => T): T {
  try {
    return open();
  } catch {
    throw new KeyFileError(`the key file was changed or damaged: ${about} does not open; restore a backup`, 'damaged');
  }
}

import { extract } from '@noble/hashes/hkdf.js';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import * as library from 'nostr-tools/nip44';
import { curve } from '#curve';
import { type Bytes, fromHex, isHex, sha256, toHex, utf8 } from '../crypto/index.ts';
import { boundedMap } from './bounded.ts';
import { isWellFormed } from './event.ts';

/** The longest plaintext of NIP-44 v2, in bytes. */
export const MAX_PLAINTEXT_BYTES = 65_535;
/**
 * base64 of version, nonce, padded 65,535 bytes with their length, and MAC. The library's newer form for 65,536 bytes
 * and more comes out longer, and is refused by that.
 */
const MAX_PAYLOAD_CHARS = 4 * Math.ceil((1 + 32 + 2 + 65_536 + 32) / 3);
const CACHED_PEERS = 2_048;
const SALT = utf8('nip44-v2');

/** Input that NIP-44 cannot take; says what, never the text or the key. */
export class Nip44Error extends Error {
  override readonly name = 'Nip44Error';
}

export type Decrypted =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly reason: 'version' | 'malformed' | 'mac' | 'padding' };

/**
 * The NIP-44 conversation key of a 32-byte secret key and a peer's x-only key in lowercase hex: 32 bytes.
 * Throws Nip44Error unless both lie on the curve.
 */
export function deriveConversationKey(secretKey: Bytes, peer: string): Bytes {
  if (secretKey.length !== 32 || !curve.isSecretKey(secretKey)) throw new Nip44Error('not a secret key');
  if (!isHex(peer, 32) || !curve.isXOnly(fromHex(peer))) throw new Nip44Error('not an x-only public key');
  return extract(nobleSha256, curve.sharedX(secretKey, fromHex(peer)), SALT);
}

const cache = boundedMap<Bytes>(CACHED_PEERS);

/**
 * `deriveConversationKey`, remembered for the last 2,048 pairs. The pair is told apart by a hash of the secret key's
 * bytes, not by the array: an array may be wiped, and used again for another key.
 */
export function conversationKey(secretKey: Bytes, peer: string): Bytes {
  const pair = toHex(sha256(secretKey)) + peer;
  const key = cache.get(pair) ?? deriveConversationKey(secretKey, peer);
  cache.set(pair, key);
  return key.slice();
}

/**
 * Encrypts text by NIP-44 v2 with a 32-byte conversation key and 32 random bytes; returns base64.
 * Throws Nip44Error on empty text, on more than 65,535 bytes of UTF-8 (the library would switch to a newer form there
 * that deployed software cannot read), and on lone surrogates.
 */
export function encrypt(text: string, key: Bytes, nonce: Bytes): string {
  const length = utf8(text).length;
  if (length === 0 || length > MAX_PLAINTEXT_BYTES) throw new Nip44Error(`plaintext of ${length} bytes`);
  if (!isWellFormed(text)) throw new Nip44Error('plaintext is not well-formed Unicode');
  if (key.length !== 32 || nonce.length !== 32) throw new Nip44Error('key and nonce are 32 bytes each');
  return library.encrypt(text, key, nonce);
}

/** Decrypts NIP-44 v2 base64 with a conversation key. A bad payload is a value: anybody can send one. */
export function decrypt(payload: string, key: Bytes): Decrypted {
  if (payload.startsWith('#')) return { ok: false, reason: 'version' };
  if (payload.length > MAX_PAYLOAD_CHARS) return { ok: false, reason: 'malformed' };
  try {
    return { ok: true, text: library.decrypt(payload, key) };
  } catch (error) {
    const said = error instanceof Error ? error.message : '';
    if (said.includes('version')) return { ok: false, reason: 'version' };
    if (said.includes('MAC')) return { ok: false, reason: 'mac' };
    return { ok: false, reason: said.includes('padding') ? 'padding' : 'malformed' };
  }
}

/** Bytes that NIP-44 pads a plaintext of `length` bytes to. */
export const paddedLength = (length: number): number => library.v2.utils.calcPaddedLen(length);

import { chacha20 } from '@noble/ciphers/chacha.js';
import { equalBytes as equalInConstantTime } from '@noble/ciphers/utils.js';
import { expand, extract } from '@noble/hashes/hkdf.js';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { curve } from '#curve';
import { type Bytes, base64, concatBytes, fromHex, hmacSha256, isHex, sha256, toHex, utf8 } from '../crypto/index.ts';
import { boundedMap } from './bounded.ts';
import { isWellFormed } from './event.ts';

/** The longest plaintext of NIP-44 v2, in bytes. */
export const MAX_PLAINTEXT_BYTES = 65_535;
/** base64 of version, nonce, padded 65,535 bytes with their length, and MAC. A newer form, for longer texts, comes out longer. */
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

/** The keys of one message (NIP-44, step 2): for ChaCha20, its nonce, and for the MAC. */
function messageKeys(key: Bytes, nonce: Bytes): { cipher: Bytes; iv: Bytes; mac: Bytes } {
  const keys = expand(nobleSha256, key, nonce, 76);
  return { cipher: keys.subarray(0, 32), iv: keys.subarray(32, 44), mac: keys.subarray(44) };
}

/** Bytes that NIP-44 pads a plaintext of `length` bytes to. */
export function paddedLength(length: number): number {
  if (length <= 32) return 32;
  const power = 2 ** (Math.floor(Math.log2(length - 1)) + 1);
  const step = power <= 256 ? 32 : power / 8;
  return Math.ceil(length / step) * step;
}

/**
 * Encrypts text by NIP-44 v2 with a 32-byte conversation key and 32 random bytes; returns base64.
 * Throws Nip44Error on empty text, on more than 65,535 bytes of UTF-8 (deployed software cannot read the newer form for
 * those), and on lone surrogates.
 */
export function encrypt(text: string, key: Bytes, nonce: Bytes): string {
  const bytes = utf8(text);
  const { length } = bytes;
  if (length === 0 || length > MAX_PLAINTEXT_BYTES) throw new Nip44Error(`plaintext of ${length} bytes`);
  if (!isWellFormed(text)) throw new Nip44Error('plaintext is not well-formed Unicode');
  if (key.length !== 32 || nonce.length !== 32) throw new Nip44Error('key and nonce are 32 bytes each');
  const keys = messageKeys(key, nonce);
  const padded = new Uint8Array(2 + paddedLength(length));
  padded.set([length >>> 8, length & 0xff]);
  padded.set(bytes, 2);
  const sealed = chacha20(keys.cipher, keys.iv, padded);
  return base64.encode(concatBytes(Uint8Array.of(2), nonce, sealed, hmacSha256(keys.mac, nonce, sealed)));
}

/** Version, nonce, one padded block with its length, and MAC: no payload is shorter. */
const MIN_PAYLOAD_BYTES = 1 + 32 + 2 + 32 + 32;

/** Decrypts NIP-44 v2 base64 with a conversation key. A bad payload is a value: anybody can send one. */
export function decrypt(payload: string, key: Bytes): Decrypted {
  if (payload.startsWith('#')) return { ok: false, reason: 'version' };
  if (payload.length > MAX_PAYLOAD_CHARS) return { ok: false, reason: 'malformed' };
  const data = decoded(payload);
  if (data === null || data.length < MIN_PAYLOAD_BYTES) return { ok: false, reason: 'malformed' };
  if (data[0] !== 2) return { ok: false, reason: 'version' };
  const [nonce, sealed, mac] = [data.subarray(1, 33), data.subarray(33, -32), data.subarray(-32)];
  const keys = messageKeys(key, nonce);
  if (!equalInConstantTime(hmacSha256(keys.mac, nonce, sealed), mac)) return { ok: false, reason: 'mac' };
  const padded = chacha20(keys.cipher, keys.iv, sealed);
  const length = (padded[0]! << 8) | padded[1]!;
  if (length === 0 || padded.length !== 2 + paddedLength(length)) return { ok: false, reason: 'padding' };
  return { ok: true, text: new TextDecoder().decode(padded.subarray(2, 2 + length)) };
}

function decoded(payload: string): Bytes | null {
  try {
    return base64.decode(payload);
  } catch {
    return null;
  }
}

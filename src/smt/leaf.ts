import { type Bytes, concatBytes, sha256, utf8 } from '../crypto/index.ts';
import { ZERO } from './zero.ts';

/** Where a DID stands in the tree: sha256 of its string, 32 bytes. Any DID method; the string is taken as it is. */
export const leafIndex = (did: string): Bytes => sha256(utf8(did));

/**
 * The 32-byte leaf of one index in one signal, as did:btcr2's SMT beacon has it. With a nonce (32 unpredictable bytes,
 * another for each index and signal) an update and a non-update look alike; with neither part it is the empty leaf.
 * Throws a TypeError if a part is not 32 bytes.
 */
export function leafValue(parts: { nonce?: Bytes | undefined; announcement?: Bytes | undefined }): Bytes {
  const { nonce, announcement } = parts;
  if (nonce !== undefined && nonce.length !== 32) throw new TypeError('a tree nonce is 32 bytes');
  if (announcement !== undefined && announcement.length !== 32) throw new TypeError('an announcement is 32 bytes');
  if (nonce === undefined) return announcement === undefined ? ZERO[0]!.slice() : announcement.slice();
  const hidden = sha256(nonce);
  return sha256(announcement === undefined ? hidden : concatBytes(hidden, announcement));
}

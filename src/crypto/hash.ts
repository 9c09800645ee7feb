import { hmac } from '@noble/hashes/hmac.js';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { type Bytes, concatBytes, utf8 } from './bytes.ts';

export const sha256 = (bytes: Bytes): Bytes => nobleSha256(bytes);

export const hmacSha256 = (key: Bytes, ...parts: Bytes[]): Bytes => hmac(nobleSha256, key, concatBytes(...parts));

/** BIP-340 tagged hash: sha256(sha256(tag) || sha256(tag) || parts…). */
export function taggedHash(tag: string, ...parts: Bytes[]): Bytes {
  const tagHash = sha256(utf8(tag));
  return sha256(concatBytes(tagHash, tagHash, ...parts));
}

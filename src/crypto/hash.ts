import { hmac, sha256 } from '#sha256';
import { type Bytes, concatBytes, utf8 } from './bytes.ts';

export { sha256 };

export const hmacSha256 = (key: Bytes, ...parts: Bytes[]): Bytes => hmac(key, concatBytes(...parts));

/** BIP-340 tagged hash: sha256(sha256(tag) || sha256(tag) || parts…). */
export function taggedHash(tag: string, ...parts: Bytes[]): Bytes {
  const tagHash = sha256(utf8(tag));
  return sha256(concatBytes(tagHash, tagHash, ...parts));
}

import { base32nopad } from '@scure/base';
import { type Bytes, concatBytes } from '../crypto/index.ts';

/** CID version 1, raw codec, sha2-256 multihash of 32 bytes. */
const CID_V1_RAW_SHA256 = Uint8Array.of(0x01, 0x55, 0x12, 0x20);

/** IPFS CIDv1 (multibase base32, `b…`) of the document with this 32-byte sha256, as did:btcr2 addresses stored documents. */
export function cidV1(sha256: Bytes): string {
  if (sha256.length !== 32) throw new TypeError('a sha256 is 32 bytes');
  return `b${base32nopad.encode(concatBytes(CID_V1_RAW_SHA256, sha256)).toLowerCase()}`;
}

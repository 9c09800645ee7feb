import { base58 } from '@scure/base';
import { curve } from '#curve';
import { type Bytes, concatBytes } from '../crypto/index.ts';

/** Multicodec prefix of a compressed secp256k1 public key. */
const SECP256K1_PUB = Uint8Array.of(0xe7, 0x01);

/** Base58 decoding is quadratic, so what is plainly too long is refused before it. A key takes 49 characters. */
const MAX_LENGTH = 64;

/** Multikey text (`zQ3sh…`) of a 33-byte compressed secp256k1 key. Throws a TypeError if the bytes are no point. */
export function encodeMultikey(publicKey: Bytes): string {
  if (!curve.isCompressedPoint(publicKey)) throw new TypeError('not a compressed secp256k1 public key');
  return `z${base58.encode(concatBytes(SECP256K1_PUB, publicKey))}`;
}

/** The 33-byte compressed key of a secp256k1 Multikey. Throws a TypeError for any other key type, encoding or a point off the curve. */
export function decodeMultikey(text: string): Bytes {
  if (text.length > MAX_LENGTH || !text.startsWith('z')) throw new TypeError('not a base58btc Multikey');
  const bytes = base58.decode(text.slice(1));
  const publicKey = bytes.subarray(2);
  if (bytes[0] !== SECP256K1_PUB[0] || bytes[1] !== SECP256K1_PUB[1] || !curve.isCompressedPoint(publicKey))
    throw new TypeError('not a Multikey of a secp256k1 public key');
  return publicKey.slice();
}

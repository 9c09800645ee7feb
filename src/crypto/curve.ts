import type { Crypto } from '@brandonblack/musig';
import type { Bytes } from './bytes.ts';

/** The secp256k1 operations that everything here is built on: what MuSig2 needs, and BIP-340. All keys and points are bytes. */
export interface Curve extends Crypto {
  /** Whether the bytes are a 33-byte compressed point on the curve. */
  isCompressedPoint(point: Bytes): boolean;
  /** Whether the bytes are the 32-byte x coordinate of a point on the curve. */
  isXOnly(point: Bytes): boolean;
  /** A scalar from 1 to n − 1. */
  isSecretKey(secret: Bytes): boolean;
  /** 33-byte compressed public key of a 32-byte secret key. */
  publicKey(secret: Bytes): Bytes;
  /** BIP-340 signature over a 32-byte message; `auxRand` is 32 random bytes. */
  signSchnorr(message: Bytes, secret: Bytes, auxRand: Bytes): Bytes;
  /** BIP-340 verification; false, never a throw, for bytes that are no key or no signature. */
  verifySchnorr(message: Bytes, xOnly: Bytes, signature: Bytes): boolean;
  /** ECDSA signature (64 bytes, r || s, low s, RFC 6979 nonce) over a 32-byte hash: for outputs older than Taproot. */
  signEcdsa(hash: Bytes, secret: Bytes): Bytes;
  /** ECDSA verification against a 33-byte key; false, never a throw, also for a signature with high s (BIP-146). */
  verifyEcdsa(hash: Bytes, publicKey: Bytes, signature: Bytes): boolean;
  /** x coordinate of secret · lift_x(xOnly): the input of a NIP-44 conversation key. Throws on bad input. */
  sharedX(secret: Bytes, xOnly: Bytes): Bytes;
}

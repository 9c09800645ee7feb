import * as base from '@brandonblack/musig/base_crypto';
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js';
import { type Bytes, concatBytes } from './bytes.ts';
import type { Curve } from './curve.ts';
import { sha256, taggedHash } from './hash.ts';

const { Point } = secp256k1;
type Point = InstanceType<typeof Point>;

const EVEN = Uint8Array.of(2);
/** The hash is Bitcoin's already, and only low s is relayed (BIP-146). */
const ECDSA = { prehash: false, lowS: true } as const;
const parse = (bytes: Bytes): Point => Point.fromBytes(bytes);
const parseX = (x: Bytes): Point => parse(concatBytes(EVEN, x));

/** Bytes of a point, or null for infinity, which has no encoding. */
const encode = (point: Point, compressed: boolean): Bytes | null => (point.is0() ? null : point.toBytes(compressed));

/** A number of BIP-340 or BIP-327, below the group order; throws at or above it, like libsecp256k1. */
const scalar = (bytes: Bytes): bigint => base.readScalar(bytes);

/** A throw in noble means bad bytes; MuSig2 and BIP-340 verification want null or false there. */
function orElse<T>(fallback: T, run: () => T): T {
  try {
    return run();
  } catch {
    return fallback;
  }
}

const isOnCurve = (bytes: Bytes): boolean => orElse(false, () => !parse(bytes).is0());
const isX = (bytes: Bytes): boolean => orElse(false, () => !parseX(bytes).is0());

/** secp256k1 in browsers: pure JavaScript (@noble/curves), the twin of curve-tiny.ts, whose wasm bundlers cannot load. */
export const curve: Curve = {
  pointAddTweak: (p, t, compressed) =>
    orElse(null, () => encode(parse(p).add(Point.BASE.multiplyUnsafe(scalar(t))), compressed)),
  pointAdd: (a, b, compressed) => orElse(null, () => encode(parse(a).add(parse(b)), compressed)),
  pointMultiplyUnsafe: (p, a, compressed) => orElse(null, () => encode(parse(p).multiplyUnsafe(scalar(a)), compressed)),
  pointMultiplyAndAddUnsafe: (p1, a, p2, compressed) =>
    orElse(null, () => {
      const product = parse(p1).multiplyUnsafe(scalar(a));
      return product.is0() ? null : encode(product.add(parse(p2)), compressed);
    }),
  pointNegate: base.pointNegate,
  pointCompress: (p, compressed = true) => parse(p).toBytes(compressed),
  pointX: base.pointX,
  hasEvenY: base.hasEvenY,
  liftX: x => orElse(null, () => parseX(x).toBytes(false)),
  getPublicKey: (secret, compressed) => orElse(null, () => secp256k1.getPublicKey(secret, compressed)),
  scalarAdd: base.scalarAdd,
  scalarMultiply: base.scalarMultiply,
  scalarNegate: base.scalarNegate,
  scalarMod: base.scalarMod,
  isScalar: base.isScalar,
  isSecret: base.isSecret,
  isPoint: isOnCurve,
  isXOnlyPoint: isX,
  taggedHash,
  sha256: (...parts) => sha256(concatBytes(...parts)),

  isCompressedPoint: point => point.length === 33 && isOnCurve(point),
  isXOnly: isX,
  isSecretKey: secret => base.isSecret(secret),
  publicKey(secret) {
    if (!base.isSecret(secret)) throw new TypeError('not a secp256k1 secret key');
    return secp256k1.getPublicKey(secret, true);
  },
  signSchnorr(message, secret, auxRand) {
    // noble takes any length, tiny only 32 bytes: what signs in a browser must sign on Node.
    if (message.length !== 32) throw new TypeError('expected a 32-byte message');
    return schnorr.sign(message, secret, auxRand);
  },
  verifySchnorr: (message, xOnly, signature) =>
    message.length === 32 && orElse(false, () => schnorr.verify(signature, message, xOnly)),
  signEcdsa(hash, secret) {
    if (hash.length !== 32) throw new TypeError('expected a 32-byte hash');
    return secp256k1.sign(hash, secret, ECDSA);
  },
  verifyEcdsa: (hash, publicKey, signature) =>
    hash.length === 32 && orElse(false, () => secp256k1.verify(signature, hash, publicKey, ECDSA)),
  sharedX: (secret, xOnly) => secp256k1.getSharedSecret(secret, concatBytes(EVEN, xOnly), true).slice(1),
};

import { createECDH } from 'node:crypto';
import * as base from '@brandonblack/musig/base_crypto';
import * as tiny from 'tiny-secp256k1';
import { type Bytes, concatBytes } from './bytes.ts';
import type { Curve } from './curve.ts';
import { sha256, taggedHash } from './hash.ts';

const EVEN = Uint8Array.of(2);
const liftX = (x: Bytes): Bytes => concatBytes(EVEN, x);

/** A throw in tiny means bad bytes; MuSig2 and BIP-340 verification want null or false there. */
function orElse<T>(fallback: T, run: () => T): T {
  try {
    return run();
  } catch {
    return fallback;
  }
}

/** secp256k1 on Node: libsecp256k1 compiled to wasm (tiny-secp256k1), ECDH by OpenSSL, which is constant time. */
export const curve: Curve = {
  pointAddTweak: (p, t, compressed) => orElse(null, () => tiny.pointAddScalar(p, t, compressed)),
  pointAdd: (a, b, compressed) => orElse(null, () => tiny.pointAdd(a, b, compressed)),
  pointMultiplyUnsafe: (p, a, compressed) => orElse(null, () => tiny.pointMultiply(p, a, compressed)),
  pointMultiplyAndAddUnsafe: (p1, a, p2, compressed) =>
    orElse(null, () => {
      const product = tiny.pointMultiply(p1, a, false);
      return product === null ? null : tiny.pointAdd(product, p2, compressed);
    }),
  pointNegate: base.pointNegate,
  pointCompress: (p, compressed = true) => tiny.pointCompress(p, compressed),
  pointX: base.pointX,
  hasEvenY: base.hasEvenY,
  liftX: x => orElse(null, () => tiny.pointCompress(liftX(x), false)),
  getPublicKey: (secret, compressed) => orElse(null, () => tiny.pointFromScalar(secret, compressed)),
  scalarAdd: base.scalarAdd,
  scalarMultiply: base.scalarMultiply,
  scalarNegate: base.scalarNegate,
  scalarMod: base.scalarMod,
  isScalar: base.isScalar,
  isSecret: base.isSecret,
  isPoint: point => tiny.isPoint(point),
  isXOnlyPoint: point => tiny.isXOnlyPoint(point),
  taggedHash,
  sha256: (...parts) => sha256(concatBytes(...parts)),

  isCompressedPoint: point => tiny.isPointCompressed(point),
  isXOnly: point => tiny.isXOnlyPoint(point),
  isSecretKey: secret => tiny.isPrivate(secret),
  publicKey(secret) {
    const point = tiny.isPrivate(secret) ? tiny.pointFromScalar(secret, true) : null;
    if (point === null) throw new TypeError('not a secp256k1 secret key');
    return point;
  },
  signSchnorr: (message, secret, auxRand) => tiny.signSchnorr(message, secret, auxRand),
  verifySchnorr: (message, xOnly, signature) => orElse(false, () => tiny.verifySchnorr(message, xOnly, signature)),
  signEcdsa: (hash, secret) => tiny.sign(hash, secret),
  verifyEcdsa: (hash, publicKey, signature) => orElse(false, () => tiny.verify(hash, publicKey, signature, true)),
  sharedX(secret, xOnly) {
    // OpenSSL would pad a short key and go on.
    if (!tiny.isPrivate(secret)) throw new TypeError('not a secp256k1 secret key');
    const ecdh = createECDH('secp256k1');
    ecdh.setPrivateKey(secret);
    return Uint8Array.from(ecdh.computeSecret(liftX(xOnly)));
  },
};

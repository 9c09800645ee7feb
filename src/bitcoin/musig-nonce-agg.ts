import { type Bytes, type Curve, concatBytes } from '../crypto/index.ts';
import { InvalidContributionError, MusigError } from './errors.ts';

export const PUBLIC_NONCE_LENGTH = 66;
const POINT_LENGTH = 33;
const INFINITY = new Uint8Array(POINT_LENGTH);

/** The two 33-byte halves of a public or aggregated nonce. */
export const nonceHalves = (nonce: Bytes): [Bytes, Bytes] => [
  nonce.slice(0, POINT_LENGTH),
  nonce.slice(POINT_LENGTH, PUBLIC_NONCE_LENGTH),
];

/** Whether the bytes are a 66-byte public nonce: two compressed points, neither of them infinity. */
export const isPublicNonce = (curve: Curve, nonce: Bytes): boolean =>
  nonce.length === PUBLIC_NONCE_LENGTH && nonceHalves(nonce).every(half => curve.isCompressedPoint(half));

/** Whether the bytes are a 66-byte aggregated nonce: each half a compressed point, or 33 zero bytes for infinity. */
export const isAggregatedNonce = (curve: Curve, nonce: Bytes): boolean =>
  nonce.length === PUBLIC_NONCE_LENGTH &&
  nonceHalves(nonce).every(half => half.every(byte => byte === 0) || curve.isCompressedPoint(half));

/**
 * Sum of points, infinity as null, encoded only at the end. An intermediate infinity must not stick: two members who
 * publish P and −P would make the round fail with every partial signature valid, and nobody could be blamed.
 */
function sumOfPoints(curve: Curve, points: Bytes[]): Bytes {
  const sum = points.reduce<Bytes | null>(
    (acc, point) => (acc === null ? point : curve.pointAdd(acc, point, false)),
    null,
  );
  return sum === null ? INFINITY : curve.pointCompress(sum, true);
}

/**
 * Aggregates public nonces (66 bytes each, in any order) into the aggregated nonce of 66 bytes (BIP-327 NonceAgg).
 * Throws InvalidContributionError with the position of a nonce that is not two points; MusigError for an empty list.
 */
export function aggregateNonces(curve: Curve, publicNonces: readonly Bytes[]): Bytes {
  if (publicNonces.length === 0) throw new MusigError('bad_length', 'no public nonces to aggregate');
  publicNonces.forEach((nonce, signer) => {
    if (!isPublicNonce(curve, nonce))
      throw new InvalidContributionError(signer, 'pubnonce', 'not two compressed points in 66 bytes');
  });
  const halves = publicNonces.map(nonceHalves);
  return concatBytes(
    sumOfPoints(
      curve,
      halves.map(([first]) => first),
    ),
    sumOfPoints(
      curve,
      halves.map(([, second]) => second),
    ),
  );
}

import type { Bytes, Curve } from '../crypto/index.ts';

/**
 * The curve for one key set: what key aggregation computes from `keys` (every key times its coefficient, and the sums)
 * is computed once. The library aggregates again for every session, a quarter of a second for 1,000 keys, and a fee
 * ladder has a session a step. Arrays are told apart by identity: neither the guard nor the library changes one.
 */
export function rememberKeySums(curve: Curve, keys: readonly Bytes[]): Curve {
  const own = new Set(keys);
  const summands = new WeakSet(keys);
  const products = new Map<Bytes, { by: Bytes; product: Bytes | null }>();
  const sums = new WeakMap<Bytes, { to: Bytes; sum: Bytes | null }>();
  return {
    ...curve,
    pointMultiplyUnsafe(point, scalar, compressed) {
      const known = products.get(point);
      if (compressed === false && known?.by === scalar) return known.product;
      const product = curve.pointMultiplyUnsafe(point, scalar, compressed);
      if (compressed === false && own.has(point)) {
        products.set(point, { by: scalar, product });
        if (product !== null) summands.add(product);
      }
      return product;
    },
    pointAdd(a, b, compressed) {
      const known = sums.get(b);
      if (compressed === false && known?.to === a) return known.sum;
      const sum = curve.pointAdd(a, b, compressed);
      if (compressed === false && summands.has(b)) sums.set(b, { to: a, sum });
      return sum;
    },
  };
}

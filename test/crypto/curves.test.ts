import { describe, expect, test } from 'vitest';
import { curve as noble } from '../../src/crypto/curve-noble.ts';
import { curve as tiny } from '../../src/crypto/curve-tiny.ts';
import { type Bytes, type Curve, concatBytes, fromHex, sha256, utf8 } from '../../src/crypto/index.ts';

const ZERO = new Uint8Array(32);
const ONE = fromHex(`${'00'.repeat(31)}01`);
const N = fromHex('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141');
const MINUS_ONE = fromHex('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140');
const ALL_ONES = new Uint8Array(32).fill(255);
const P = fromHex('fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f');
const draw = (label: string): Bytes => sha256(utf8(label));

const A = tiny.publicKey(draw('a'));
const B = tiny.publicKey(draw('b'));
const MINUS_A = tiny.pointNegate(A);
const LONG_A = tiny.pointCompress(A, false);
const ODD = concatBytes(Uint8Array.of(3), A.slice(1));

const points: [string, Bytes][] = [
  ['a point', A],
  ['its opposite', MINUS_A],
  ['an odd one', ODD],
  ['another', B],
  ['the generator', tiny.publicKey(ONE)],
  ['uncompressed', LONG_A],
  ['its opposite, uncompressed', tiny.pointNegate(LONG_A)],
  ['33 zeros', new Uint8Array(33)],
  ['one zero', new Uint8Array(1)],
  ['nothing', new Uint8Array()],
  ['x only', A.slice(1)],
  ['off the curve', concatBytes(Uint8Array.of(2), new Uint8Array(31), Uint8Array.of(5))],
  ['x = 0', concatBytes(Uint8Array.of(2), ZERO)],
  ['x = p', concatBytes(Uint8Array.of(2), P)],
  ['x above p', concatBytes(Uint8Array.of(3), ALL_ONES)],
  ['prefix 4, compressed', concatBytes(Uint8Array.of(4), A.slice(1))],
  ['prefix 5', concatBytes(Uint8Array.of(5), A.slice(1))],
  ['uncompressed with a wrong y', LONG_A.map((byte, i) => (i === 64 ? byte ^ 1 : byte))],
  ['34 bytes', concatBytes(A, Uint8Array.of(0))],
  ['66 bytes', concatBytes(A, B)],
];
const scalars: [string, Bytes][] = [
  ['0', ZERO],
  ['1', ONE],
  ['n − 1', MINUS_ONE],
  ['n', N],
  ['2^256 − 1', ALL_ONES],
  ['any', draw('scalar')],
  ['31 bytes', new Uint8Array(31).fill(1)],
  ['33 bytes', new Uint8Array(33).fill(1)],
  ['nothing', new Uint8Array()],
];

/** What came out, with throws as a value: messages may differ between the two, outcomes may not. */
function outcome<T>(run: () => T): T | 'throws' {
  try {
    return run();
  } catch {
    return 'throws';
  }
}
function agree<T>(run: (curve: Curve) => T): T | 'throws' {
  const [one, other] = [outcome(() => run(tiny)), outcome(() => run(noble))];
  expect(other).toEqual(one);
  return one;
}

describe('both curves agree', () => {
  describe.each(points)('%s', (_what, point) => {
    test('as a point', () => {
      for (const compressed of [true, false]) {
        agree(curve => curve.pointCompress(point, compressed));
        for (const [, other] of points) agree(curve => curve.pointAdd(point, other, compressed));
      }
      agree(curve => curve.isPoint(point));
      agree(curve => curve.isCompressedPoint(point));
      agree(curve => curve.pointNegate(point));
      agree(curve => curve.hasEvenY(point));
      agree(curve => curve.pointX(point));
    });

    test('as an x coordinate', () => {
      const x = point.slice(1);
      for (const bytes of [x, point]) {
        agree(curve => curve.isXOnly(bytes));
        agree(curve => curve.isXOnlyPoint(bytes));
        agree(curve => curve.liftX(bytes));
        agree(curve => curve.sharedX(draw('secret'), bytes));
      }
    });

    test('times and plus scalars', () => {
      for (const [, scalar] of scalars) {
        agree(curve => curve.pointMultiplyUnsafe(point, scalar, true));
        agree(curve => curve.pointAddTweak(point, scalar, false));
        agree(curve => curve.pointMultiplyAndAddUnsafe(point, scalar, B, true));
        agree(curve => curve.pointMultiplyAndAddUnsafe(B, scalar, point, false));
      }
    });
  });

  test.each(scalars)('scalar %s', (_what, scalar) => {
    agree(curve => curve.isScalar(scalar));
    agree(curve => curve.isSecret(scalar));
    agree(curve => curve.isSecretKey(scalar));
    agree(curve => curve.publicKey(scalar));
    agree(curve => curve.getPublicKey(scalar, true));
    agree(curve => curve.getPublicKey(scalar, false));
    if (scalar.length === 32) agree(curve => curve.sharedX(scalar, A.slice(1)));
    agree(curve => curve.scalarMod(scalar));
    agree(curve => curve.scalarNegate(scalar));
    for (const [, other] of scalars) {
      agree(curve => curve.scalarAdd(scalar, other));
      agree(curve => curve.scalarMultiply(scalar, other));
    }
    agree(curve => curve.signSchnorr(draw('message'), scalar, draw('aux')));
  });

  test('hashes', () => {
    agree(curve => curve.taggedHash('KeyAgg list', A, B));
    agree(curve => curve.sha256(A, B));
  });

  test('signatures, and bytes that are none', () => {
    const [message, aux] = [draw('message'), draw('aux')];
    const signature = agree(curve => curve.signSchnorr(message, draw('a'), aux)) as Bytes;
    expect(agree(curve => curve.verifySchnorr(message, A.slice(1), signature))).toBe(true);
    const forged: [Bytes, Bytes, Bytes][] = [
      [draw('other'), A.slice(1), signature],
      [message, B.slice(1), signature],
      [message, A, signature],
      [message, ZERO, signature],
      [message, P, signature],
      [message, A.slice(1), signature.slice(1)],
      [message, A.slice(1), new Uint8Array(64)],
      [message, A.slice(1), new Uint8Array(64).fill(255)],
      [message, A.slice(1), concatBytes(signature.slice(0, 32), N)],
      [message, A.slice(1), concatBytes(P, signature.slice(32))],
      [message.slice(1), A.slice(1), signature],
      [new Uint8Array(), A.slice(1), signature],
      [concatBytes(message, message), A.slice(1), signature],
    ];
    for (const [hash, key, sig] of forged) expect(agree(curve => curve.verifySchnorr(hash, key, sig))).toBe(false);
    agree(curve => curve.signSchnorr(message.slice(1), draw('a'), aux));
    agree(curve => curve.signSchnorr(message, draw('a'), aux.slice(1)));
  });
});

describe('what the sums are', () => {
  test.each([
    ['tiny', tiny],
    ['noble', noble],
  ] as const)('over %s', (_name, curve) => {
    expect(curve.pointAdd(A, MINUS_A, true)).toBe(null);
    expect(curve.pointAdd(A, A, true)).toEqual(curve.pointMultiplyUnsafe(A, fromHex(`${'00'.repeat(31)}02`), true));
    expect(curve.pointAddTweak(A, ZERO, true)).toEqual(A);
    expect(curve.pointMultiplyUnsafe(A, ZERO, true)).toBe(null);
    expect(curve.pointMultiplyAndAddUnsafe(A, ONE, MINUS_A, true)).toBe(null);
    expect(curve.pointMultiplyAndAddUnsafe(A, MINUS_ONE, B, true)).toEqual(curve.pointAdd(MINUS_A, B, true));
    expect(curve.pointAddTweak(curve.pointNegate(curve.publicKey(ONE)), ONE, true)).toBe(null);
    expect(curve.sharedX(draw('a'), B.slice(1))).toEqual(curve.sharedX(draw('b'), A.slice(1)));
    expect(curve.isCompressedPoint(LONG_A)).toBe(false);
    expect(curve.isSecretKey(N)).toBe(false);
  });
});

import { schnorr } from '@noble/curves/secp256k1.js';
import { describe, expect, test } from 'vitest';
import { curves, readVector, unhex } from './helpers.ts';

const cases = readVector('bip340/vectors.csv')
  .trim()
  .split('\n')
  .slice(1)
  .map(line => {
    const [index, secret, publicKey, aux, message, signature, result, comment] = line.trim().split(',');
    return {
      index: Number(index),
      secret: secret!,
      publicKey: unhex(publicKey!),
      aux: aux!,
      message: unhex(message!),
      signature: unhex(signature!),
      valid: result === 'TRUE',
      comment: comment ?? '',
    };
  });
const [fixed, otherLengths] = [cases.filter(c => c.message.length === 32), cases.filter(c => c.message.length !== 32)];

test('the file is whole', () => {
  expect([fixed.length, otherLengths.map(c => c.index)]).toEqual([15, [15, 16, 17, 18]]);
});

describe.each(curves)('BIP-340 vectors over %s', (_name, curve) => {
  test.each(fixed)('verification $index: $valid $comment', ({ message, publicKey, signature, valid }) => {
    expect(curve.verifySchnorr(message, publicKey, signature)).toBe(valid);
  });

  test.each(fixed.filter(c => c.secret !== ''))('signing $index', ({ secret, publicKey, aux, message, signature }) => {
    expect(curve.publicKey(unhex(secret)).slice(1)).toEqual(publicKey);
    expect(curve.signSchnorr(message, unhex(secret), unhex(aux))).toEqual(signature);
  });

  // What is signed here is always a hash: another length is a mistake, and one of the two curves cannot do it.
  test.each(otherLengths)(
    'message of another length $index is refused',
    ({ message, publicKey, signature, secret, aux }) => {
      expect(curve.verifySchnorr(message, publicKey, signature)).toBe(false);
      expect(() => curve.signSchnorr(message, unhex(secret), unhex(aux))).toThrow();
    },
  );
});

test.each(otherLengths)(
  'message of another length $index, by noble itself',
  ({ message, publicKey, signature, secret, aux }) => {
    expect(schnorr.verify(signature, message, publicKey)).toBe(true);
    expect(schnorr.sign(message, unhex(secret), unhex(aux))).toEqual(signature);
  },
);

import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { toHex, utf8 } from '../../src/crypto/index.ts';
import * as native from '../../src/crypto/sha256-native.ts';
import * as portable from '../../src/crypto/sha256-portable.ts';

const KINDS = { native, portable };

test.each(['native', 'portable'] as const)('the %s one gives what FIPS 180-4 and RFC 4231 say', kind => {
  const { sha256, hmac } = KINDS[kind];
  expect(toHex(sha256(utf8('abc')))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  expect(toHex(hmac(new Uint8Array(20).fill(0x0b), utf8('Hi There')))).toBe(
    'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
  );
});

test('both give the same bytes for every length and key, as arrays of their own', () => {
  for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 1_000, 70_001]) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 31) & 0xff);
    const expected = createHash('sha256').update(bytes).digest('hex');
    for (const { sha256 } of [native, portable]) {
      const digest = sha256(bytes);
      expect(toHex(digest)).toBe(expected);
      // A view into a pool would show others what is wiped, and be wiped with them.
      expect(Object.getPrototypeOf(digest)).toBe(Uint8Array.prototype);
      expect(digest.buffer.byteLength).toBe(32);
    }
    const part = bytes.subarray(length >> 1);
    expect(native.hmac(part, bytes)).toEqual(portable.hmac(part, bytes));
    expect(native.hmac(part, bytes).buffer.byteLength).toBe(32);
  }
});

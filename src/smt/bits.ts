import type { Bytes } from '../crypto/index.ts';

/** How the bits of an index are numbered: `spec` from the most significant end, `lsb` from the other (older software). */
export type BitOrder = 'spec' | 'lsb';

/** Words of a key: an index as eight big-endian 32-bit numbers, so that keys compare and sort as numbers. */
export const KEY_WORDS = 8;

/** Bit `i` of `bytes`; bit 0 is the most significant of the first byte. */
export const bitAt = (bytes: Bytes, i: number): number => (bytes[i >>> 3]! >>> (7 - (i & 7))) & 1;

/** Clears bit `i` of `bytes` in place, numbered as in `bitAt`. */
export function clearBit(bytes: Bytes, i: number): void {
  bytes[i >>> 3]! &= ~(0x80 >>> (i & 7));
}

/** How many bits of `bytes` are 1. */
export function countOnes(bytes: Bytes): number {
  let ones = 0;
  for (let byte of bytes) for (; byte !== 0; byte &= byte - 1) ones++;
  return ones;
}

/**
 * The bytes in the tree's own numbering: as they are for `spec`, all bits in reverse for `lsb`. It is its own inverse.
 * With it both orders share one code: level n always uses bit 255 − n.
 */
export const inOrder = (bytes: Bytes, order: BitOrder): Bytes =>
  order === 'spec' ? bytes : Uint8Array.from(bytes, reverseByte).reverse();

function reverseByte(byte: number): number {
  let out = 0;
  for (let i = 0; i < 8; i++) out |= ((byte >>> i) & 1) << (7 - i);
  return out;
}

/** Writes a 32-byte index (already `inOrder`) as key number `at` of `keys`. */
export function writeKey(keys: Uint32Array, at: number, index: Bytes): void {
  for (let w = 0; w < KEY_WORDS; w++) {
    const b = w * 4;
    keys[at * KEY_WORDS + w] = (index[b]! << 24) | (index[b + 1]! << 16) | (index[b + 2]! << 8) | index[b + 3]!;
  }
}

/** Bit `i` of key number `at`. */
export const keyBit = (keys: Uint32Array, at: number, i: number): number =>
  (keys[at * KEY_WORDS + (i >>> 5)]! >>> (31 - (i & 31))) & 1;

/** How many leading bits, 0 to 256, key `a` of `keysA` and key `b` of `keysB` share. */
export function commonPrefix(keysA: Uint32Array, a: number, keysB: Uint32Array, b: number): number {
  for (let w = 0; w < KEY_WORDS; w++) {
    const difference = keysA[a * KEY_WORDS + w]! ^ keysB[b * KEY_WORDS + w]!;
    if (difference !== 0) return w * 32 + Math.clz32(difference);
  }
  return 256;
}

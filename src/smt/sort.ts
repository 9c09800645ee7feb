import { type Bytes, toHex } from '../crypto/index.ts';
import { type BitOrder, commonPrefix, inOrder, KEY_WORDS, writeKey } from './bits.ts';
import { LEVELS, ZERO } from './zero.ts';

/** n leaves in two flat arrays of n · 32 bytes, in any order: small in memory, and transferable to a worker. */
export interface PackedLeaves {
  indices: Bytes;
  values: Bytes;
}

/** The leaves of a tree from left to right, without the empty ones. */
export interface SortedLeaves {
  count: number;
  keys: Uint32Array;
  values: Bytes;
}

/** Two leaves claim the same index: one of them could not be proven. `index` is lowercase hex. */
export class DuplicateIndexError extends Error {
  readonly index: string;
  constructor(index: string) {
    super(`two leaves have the index ${index}`);
    this.name = 'DuplicateIndexError';
    this.index = index;
  }
}

const slot = (bytes: Bytes, i: number): Bytes => bytes.subarray(i * 32, i * 32 + 32);

const EMPTY_LEAF = ZERO[0]!;

function isEmptyLeaf(values: Bytes, at: number): boolean {
  for (let b = 0; b < 32; b++) if (values[at + b] !== EMPTY_LEAF[b]) return false;
  return true;
}

/** Sorts leaves by their keys and drops empty ones. Throws a DuplicateIndexError, for empty leaves too. */
export function sortLeaves(packed: PackedLeaves, order: BitOrder): SortedLeaves {
  const total = packed.indices.length / 32;
  const keys = new Uint32Array(total * KEY_WORDS);
  for (let i = 0; i < total; i++) writeKey(keys, i, inOrder(slot(packed.indices, i), order));

  const ranks = sortedRanks(keys, total);
  const sorted: SortedLeaves = { count: 0, keys: new Uint32Array(keys.length), values: new Uint8Array(total * 32) };
  for (let r = 0; r < total; r++) {
    const from = ranks[r]!;
    if (r > 0 && commonPrefix(keys, ranks[r - 1]!, keys, from) === LEVELS)
      throw new DuplicateIndexError(toHex(slot(packed.indices, from)));
    if (isEmptyLeaf(packed.values, from * 32)) continue;
    const [key, value] = [sorted.count * KEY_WORDS, sorted.count * 32];
    for (let w = 0; w < KEY_WORDS; w++) sorted.keys[key + w] = keys[from * KEY_WORDS + w]!;
    for (let b = 0; b < 32; b++) sorted.values[value + b] = packed.values[from * 32 + b]!;
    sorted.count++;
  }
  return sorted;
}

/**
 * The numbers of the keys in rising order. Indices are hashes, so the first word settles nearly every comparison: it is
 * sorted natively, together with the key's number, and only runs of equal first words are compared in JavaScript.
 */
function sortedRanks(keys: Uint32Array, total: number): Uint32Array {
  const tagged = new BigUint64Array(total);
  for (let i = 0; i < total; i++) tagged[i] = (BigInt(keys[i * KEY_WORDS]!) << 32n) | BigInt(i);
  tagged.sort();
  const ranks = new Uint32Array(total);
  for (let r = 0; r < total; r++) ranks[r] = Number(tagged[r]! & 0xffff_ffffn);

  const firstWord = (r: number): number => keys[ranks[r]! * KEY_WORDS]!;
  for (let start = 0, end = 1; start < total; start = end++) {
    while (end < total && firstWord(end) === firstWord(start)) end++;
    if (end - start > 1) ranks.subarray(start, end).sort((a, b) => compareKeys(keys, a, b));
  }
  return ranks;
}

function compareKeys(keys: Uint32Array, a: number, b: number): number {
  for (let w = 0; w < KEY_WORDS; w++) {
    const difference = keys[a * KEY_WORDS + w]! - keys[b * KEY_WORDS + w]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

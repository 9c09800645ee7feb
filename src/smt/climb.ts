import type { Bytes } from '../crypto/index.ts';
import { KEY_WORDS } from './bits.ts';
import type { PairHasher } from './hasher.ts';
import { gapsByLevel, leafBelow, type Shape } from './shape.ts';
import type { SortedLeaves } from './sort.ts';
import { LEVELS, ZERO } from './zero.ts';

/** Nodes that climb together: enough for a native hasher to run at full speed, few enough that all of theirs stays in the first cache. */
const BATCH = 256;
const WORDS = 8;

/** The same bytes as 32-bit words; only ever copied, so the machine's byte order does not matter. */
const wordsOf = (bytes: Bytes): Uint32Array => new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);

/** Up to BATCH nodes at one level with their hashes, on their way up past empty siblings. */
interface Climbers {
  nodes: Uint32Array;
  /** Where the key of a leaf below each node begins, among the words of all keys. */
  keys: Uint32Array;
  count: number;
  pairs: Bytes;
  pairWords: Uint32Array;
  hashes: Bytes;
  hashWords: Uint32Array;
}

function newClimbers(): Climbers {
  const pairs = new Uint8Array(BATCH * 64);
  const hashes = new Uint8Array(BATCH * 32);
  const nodes = new Uint32Array(BATCH);
  const keys = new Uint32Array(BATCH);
  return { nodes, keys, count: 0, pairs, pairWords: wordsOf(pairs), hashes, hashWords: wordsOf(hashes) };
}

/**
 * All hashes of a tree that its proofs need: n leaves make 2n − 1 nodes, and each leaves one hash of 32 bytes, the one
 * with which it meets its sibling (the root: the tree's root). Lowest nodes first, so that children are always ready.
 */
export function topHashes(leaves: SortedLeaves, shape: Shape, hasher: PairHasher): Bytes {
  const tops = new Uint8Array(shape.top.length * 32);
  const topWords = wordsOf(tops);
  const climbers = newClimbers();

  for (let start = 0; start < leaves.count; start += BATCH) {
    const end = Math.min(start + BATCH, leaves.count);
    for (let leaf = start; leaf < end; leaf++) {
      climbers.nodes[leaf - start] = leaf;
      climbers.keys[leaf - start] = leaf * KEY_WORDS;
    }
    climbers.count = end - start;
    climbers.hashes.set(leaves.values.subarray(start * 32, end * 32));
    climb(climbers, 0, leaves, shape, topWords, hasher);
  }

  const { gaps, starts } = gapsByLevel(shape);
  for (let level = 0; level < LEVELS; level++) {
    for (let start = starts[level]!; start < starts[level + 1]!; start += BATCH) {
      const end = Math.min(start + BATCH, starts[level + 1]!);
      joinChildren(climbers, gaps.subarray(start, end), shape, topWords, hasher);
      climb(climbers, level + 1, leaves, shape, topWords, hasher);
    }
  }
  return tops;
}

/** Loads the nodes of `gaps`, whose children meet at one level, with the hashes of their children's pairs. */
function joinChildren(c: Climbers, gaps: Uint32Array, shape: Shape, topWords: Uint32Array, hasher: PairHasher): void {
  for (let i = 0; i < gaps.length; i++) {
    const g = gaps[i]!;
    c.nodes[i] = shape.count + g;
    c.keys[i] = leafBelow(shape.count, shape.count + g) * KEY_WORDS;
    copyHash(topWords, shape.left[g]! * WORDS, c.pairWords, i * 2 * WORDS);
    copyHash(topWords, shape.right[g]! * WORDS, c.pairWords, (i * 2 + 1) * WORDS);
  }
  c.count = gaps.length;
  hashPairs(c, hasher);
}

/** Takes the climbers from `level` up, one level for all at a time, each to its own top, where its hash is kept. */
function climb(
  c: Climbers,
  level: number,
  leaves: SortedLeaves,
  shape: Shape,
  topWords: Uint32Array,
  hasher: PairHasher,
): void {
  let at = level;
  while (c.count > 0) {
    for (const stop = lowestTop(c, shape); at < stop; at++) {
      pairWithZero(c, at, leaves.keys);
      hashPairs(c, hasher);
    }
    leaveArrived(c, at, shape, topWords);
  }
}

function lowestTop(c: Climbers, { top }: Shape): number {
  let lowest = LEVELS;
  for (let i = 0; i < c.count; i++) lowest = Math.min(lowest, top[c.nodes[i]!]!);
  return lowest;
}

/** Stores the hashes of the climbers whose top is this level, and closes the ranks. */
function leaveArrived(c: Climbers, level: number, { top }: Shape, topWords: Uint32Array): void {
  let kept = 0;
  for (let i = 0; i < c.count; i++) {
    const node = c.nodes[i]!;
    if (top[node] === level) {
      copyHash(c.hashWords, i * WORDS, topWords, node * WORDS);
    } else {
      if (kept !== i) copyHash(c.hashWords, i * WORDS, c.hashWords, kept * WORDS);
      c.keys[kept] = c.keys[i]!;
      c.nodes[kept++] = node;
    }
  }
  c.count = kept;
}

/** The hottest loop of the tree: some 240 times for every leaf. */
function pairWithZero(c: Climbers, level: number, words: Uint32Array): void {
  const { keys, count, hashWords, pairWords } = c;
  fillWithZero(c, level);
  const bit = LEVELS - 1 - level;
  const word = bit >>> 5;
  const shift = 31 - (bit & 31);
  for (let i = 0; i < count; i++) {
    const isRight = (words[keys[i]! + word]! >>> shift) & 1;
    copyHash(hashWords, i * WORDS, pairWords, (i * 2 + isRight) * WORDS);
  }
}

/** Both halves of every pair, in a few large copies: word by word, the empty halves would cost as much as the others. */
function fillWithZero({ pairs, count }: Climbers, level: number): void {
  const end = count * 64;
  pairs.set(ZERO[level]!);
  for (let filled = 32; filled < end; filled *= 2) pairs.copyWithin(filled, 0, Math.min(filled, end - filled));
}

const hashPairs = (c: Climbers, hasher: PairHasher): void =>
  hasher(c.pairs.subarray(0, c.count * 64), c.hashes.subarray(0, c.count * 32));

/** Written out: as a loop it takes nearly twice as long, and it runs twice for every hash. */
function copyHash(from: Uint32Array, at: number, to: Uint32Array, toAt: number): void {
  to[toAt] = from[at]!;
  to[toAt + 1] = from[at + 1]!;
  to[toAt + 2] = from[at + 2]!;
  to[toAt + 3] = from[at + 3]!;
  to[toAt + 4] = from[at + 4]!;
  to[toAt + 5] = from[at + 5]!;
  to[toAt + 6] = from[at + 6]!;
  to[toAt + 7] = from[at + 7]!;
}

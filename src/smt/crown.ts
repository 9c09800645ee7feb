import { type Bytes, equalBytes } from '../crypto/index.ts';
import { type BitOrder, clearBit, inOrder, KEY_WORDS, writeKey } from './bits.ts';
import type { PairHasher } from './hasher.ts';
import type { PackedLeaves } from './sort.ts';
import { type Branch, hashTree, openTree, subtreeHash, type TreeData } from './tree.ts';
import { LEVELS, ZERO } from './zero.ts';

/**
 * The top of a hashed tree: the hashes of its 2^depth subtrees, left to right (2^depth · 32 bytes). With it a proof is
 * made again from the leaves of one subtree alone. A year of trees is too much to keep, or to hash again; their crowns
 * are not.
 */
export type Crown = Bytes;

/** Deeper crowns would be larger than what they save. */
export const MAX_CROWN_DEPTH = 14;
/** Leaves under one hash of a crown, about: a few milliseconds to hash again. */
const SUBTREE_LEAVES = 64;

/** How deep the crown of a tree of so many leaves goes: 0 where the whole tree is hashed again in no time. */
export function crownDepth(leaves: number): number {
  const depth = Math.floor(Math.log2(Math.max(1, leaves) / SUBTREE_LEAVES));
  return Math.max(0, Math.min(MAX_CROWN_DEPTH, depth));
}

/** The depth of a crown; null for bytes that are none. */
export function depthOf(crown: Crown): number | null {
  const depth = Math.log2(crown.length / 32);
  return Number.isInteger(depth) && depth >= 0 && depth <= MAX_CROWN_DEPTH ? depth : null;
}

/** Cuts the crown of this depth (0 to 14) off a hashed tree. */
export function crownOf(data: TreeData, depth: number, hasher: PairHasher): Crown {
  const crown = new Uint8Array(32 * 2 ** depth);
  const prefix = new Uint8Array(32);
  const key = new Uint32Array(KEY_WORDS);
  for (let i = 0; i < 2 ** depth; i++) {
    const bits = depth === 0 ? 0 : i * 2 ** (32 - depth);
    prefix.set([bits >>> 24, bits >>> 16, bits >>> 8, bits]);
    writeKey(key, 0, prefix);
    crown.set(subtreeHash(data, hasher, key, LEVELS - depth), i * 32);
  }
  return crown;
}

/** Which of the 2^depth subtrees a 32-byte index belongs to. */
export function subtreeOf(index: Bytes, depth: number, order: BitOrder): number {
  if (depth === 0) return 0;
  const [a, b, c, d] = inOrder(index, order);
  return (((a! << 24) | (b! << 16) | (c! << 8) | d!) >>> 0) >>> (32 - depth);
}

/**
 * The branch of a 32-byte index, made from the crown and all leaves of the index's own subtree (see `subtreeOf`), with
 * the root (32 bytes) that they make: the caller compares it to the one it knows. Throws as `hashTree` does, and a
 * TypeError for a crown that is none.
 */
export function proveUnderCrown(
  crown: Crown,
  leaves: PackedLeaves,
  index: Bytes,
  order: BitOrder,
  hasher: PairHasher,
): { root: Bytes; branch: Branch } {
  const depth = depthOf(crown);
  if (depth === null) throw new TypeError('a crown is 2^depth hashes');
  const below = hashTree(leaves, { order, hasher });
  const own = subtreeOf(index, depth, order);
  const lower = openTree(below, hasher).prove(index);
  const collapsed = inOrder(lower.collapsed, order);
  const hashes = [...lower.hashes];

  const row = crown.slice();
  row.set(subtreeHash(below, hasher, keyOf(index, order), LEVELS - depth), own * 32);
  let [position, width, current] = [own, 2 ** depth, row];
  for (let level = LEVELS - depth; level < LEVELS; level++) {
    const sibling = current.slice((position ^ 1) * 32, ((position ^ 1) + 1) * 32);
    if (!equalBytes(sibling, ZERO[level]!)) {
      clearBit(collapsed, LEVELS - 1 - level);
      hashes.push(sibling);
    }
    const next = new Uint8Array(width * 16);
    hasher(current, next);
    [position, width, current] = [position >>> 1, width / 2, next];
  }
  return { root: current, branch: { collapsed: inOrder(collapsed, order), hashes } };
}

function keyOf(index: Bytes, order: BitOrder): Uint32Array {
  const key = new Uint32Array(KEY_WORDS);
  writeKey(key, 0, inOrder(index, order));
  return key;
}

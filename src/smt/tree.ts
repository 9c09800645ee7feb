import { type Bytes, concatBytes } from '../crypto/index.ts';
import { type BitOrder, clearBit, commonPrefix, inOrder, KEY_WORDS, keyBit, writeKey } from './bits.ts';
import { topHashes } from './climb.ts';
import { type PairHasher, portableHasher } from './hasher.ts';
import { leafBelow, levelOf, type Shape, shapeOf } from './shape.ts';
import { type PackedLeaves, type SortedLeaves, sortLeaves } from './sort.ts';
import { LEVELS, ZERO } from './zero.ts';

/** The way from one index to the root: `collapsed` (32 bytes) marks the empty siblings, `hashes` are the others, leaf to root. */
export interface Branch {
  collapsed: Bytes;
  hashes: Bytes[];
}

export interface SmtTree {
  /** 32 bytes: the signal bytes of an SMT beacon. */
  readonly root: Bytes;
  /** How many leaves the tree has, empty ones not counted. */
  readonly size: number;
  /** Whether a 32-byte index is that of a leaf. Throws a TypeError for any other length. */
  has(index: Bytes): boolean;
  /** The branch of a 32-byte index, leaf or empty alike. Throws a TypeError for any other length. */
  prove(index: Bytes): Branch;
  /** What it was opened from. */
  readonly data: TreeData;
}

/** A hashed tree as plain data: typed arrays that a worker can hand over without copying. */
export interface TreeData {
  order: BitOrder;
  leaves: SortedLeaves;
  shape: Shape;
  tops: Bytes;
}

export interface TreeOptions {
  /** How index bits are numbered; `spec` if left out. */
  order?: BitOrder;
  /** The portable one if left out. */
  hasher?: PairHasher;
}

/**
 * The sparse Merkle tree of did:btcr2's SMT beacon over leaves of 32-byte indices and values (see `leafValue`); empty
 * leaves may be among them and make no difference. Throws a DuplicateIndexError if two leaves share an index, a TypeError
 * if an index or a value is not 32 bytes.
 */
export function buildTree(leaves: readonly { index: Bytes; value: Bytes }[], options: TreeOptions = {}): SmtTree {
  return openTree(hashTree(packLeaves(leaves), options), options.hasher);
}

/** Leaves as two flat arrays. Throws a TypeError if an index or a value is not 32 bytes. */
export function packLeaves(leaves: readonly { index: Bytes; value: Bytes }[]): PackedLeaves {
  const packed = { indices: new Uint8Array(leaves.length * 32), values: new Uint8Array(leaves.length * 32) };
  for (const [i, { index, value }] of leaves.entries()) {
    if (index.length !== 32 || value.length !== 32)
      throw new TypeError('a leaf is an index and a value of 32 bytes each');
    packed.indices.set(index, i * 32);
    packed.values.set(value, i * 32);
  }
  return packed;
}

/** The work of `buildTree` on packed leaves, for a worker: about 250 hashes a leaf. Throws as `buildTree` does. */
export function hashTree(packed: PackedLeaves, options: TreeOptions = {}): TreeData {
  const { order = 'spec', hasher = portableHasher } = options;
  if (packed.indices.length % 32 !== 0 || packed.indices.length !== packed.values.length)
    throw new TypeError('packed leaves are 32 bytes each, as many values as indices');
  const leaves = sortLeaves(packed, order);
  const shape = shapeOf(leaves);
  return { order, leaves, shape, tops: topHashes(leaves, shape, hasher) };
}

/** A tree that answers from hashed data; the hasher serves proofs of empty indices only (up to 256 single pairs each). */
export function openTree(data: TreeData, hasher: PairHasher = portableHasher): SmtTree {
  const { shape, tops } = data;
  return {
    root: shape.root < 0 ? ZERO[LEVELS]!.slice() : hashAt(tops, shape.root).slice(),
    size: shape.count,
    has: index => hasLeaf(data, index),
    prove: index => prove(data, hasher, index),
    data,
  };
}

const hashAt = (hashes: Bytes, i: number): Bytes => hashes.subarray(i * 32, i * 32 + 32);

function hasLeaf({ shape, leaves, order }: TreeData, index: Bytes): boolean {
  if (index.length !== 32) throw new TypeError('an index is 32 bytes');
  const key = new Uint32Array(KEY_WORDS);
  writeKey(key, 0, inOrder(index, order));
  let node = shape.root;
  while (node >= shape.count) {
    const g = node - shape.count;
    node = keyBit(key, 0, LEVELS - 1 - shape.meets[g]!) === 1 ? shape.right[g]! : shape.left[g]!;
  }
  return node >= 0 && commonPrefix(key, 0, leaves.keys, node) === LEVELS;
}

/** Walks from the root towards the index, past every node that its path shares, until a leaf or the first stray. */
function prove(data: TreeData, hasher: PairHasher, index: Bytes): Branch {
  if (index.length !== 32) throw new TypeError('an index is 32 bytes');
  const { shape, leaves, order, tops } = data;
  const key = new Uint32Array(KEY_WORDS);
  writeKey(key, 0, inOrder(index, order));

  const collapsed = new Uint8Array(32).fill(0xff);
  const rootFirst: Bytes[] = [];
  const list = (level: number, sibling: Bytes): void => {
    clearBit(collapsed, LEVELS - 1 - level);
    rootFirst.push(sibling);
  };
  let node = shape.root;
  while (node >= 0) {
    const strays = LEVELS - 1 - commonPrefix(key, 0, leaves.keys, leafBelow(shape.count, node));
    if (strays >= levelOf(shape, node)) {
      list(strays, hashOnTheWay(data, hasher, node, strays));
      break;
    }
    if (node < shape.count) break;
    const g = node - shape.count;
    const level = shape.meets[g]!;
    const goesRight = keyBit(key, 0, LEVELS - 1 - level) === 1;
    list(level, hashAt(tops, goesRight ? shape.left[g]! : shape.right[g]!).slice());
    node = goesRight ? shape.right[g]! : shape.left[g]!;
  }
  return { collapsed: inOrder(collapsed, order), hashes: rootFirst.reverse() };
}

/** The root (32 bytes) of the subtree of height `level` that a key is in, which may be empty. */
export function subtreeHash(data: TreeData, hasher: PairHasher, key: Uint32Array, level: number): Bytes {
  const { shape, leaves } = data;
  let node = shape.root;
  while (node >= 0) {
    const strays = LEVELS - 1 - commonPrefix(key, 0, leaves.keys, leafBelow(shape.count, node));
    if (strays >= level && strays >= levelOf(shape, node)) break;
    if (levelOf(shape, node) <= level) return hashOnTheWay(data, hasher, node, level);
    const g = node - shape.count;
    node = keyBit(key, 0, LEVELS - 1 - shape.meets[g]!) === 1 ? shape.right[g]! : shape.left[g]!;
  }
  return ZERO[level]!.slice();
}

/** The hash that a node has at a level between its own and its top: not kept, so climbed again. */
function hashOnTheWay(data: TreeData, hasher: PairHasher, node: number, level: number): Bytes {
  const { shape, leaves, tops } = data;
  const pairHash = (left: Bytes, right: Bytes): Bytes => {
    const out = new Uint8Array(32);
    hasher(concatBytes(left, right), out);
    return out;
  };
  const g = node - shape.count;
  let hash =
    g < 0 ? hashAt(leaves.values, node).slice() : pairHash(hashAt(tops, shape.left[g]!), hashAt(tops, shape.right[g]!));
  for (let at = levelOf(shape, node); at < level; at++) {
    const isRight = keyBit(leaves.keys, leafBelow(shape.count, node), LEVELS - 1 - at) === 1;
    hash = isRight ? pairHash(ZERO[at]!, hash) : pairHash(hash, ZERO[at]!);
  }
  return hash;
}

import { commonPrefix } from './bits.ts';
import type { SortedLeaves } from './sort.ts';
import { LEVELS } from './zero.ts';

/**
 * Where the paths of n sorted leaves meet: a Patricia tree, which leaves out the long stretches where a path has only
 * empty siblings. Nodes are numbers: 0 … n−1 are the leaves; n+g is the node where leaves g and g+1 part.
 * Levels count from the leaves (0) to the root (256); what happens at level l is decided by bit 255 − l of the keys.
 */
export interface Shape {
  /** The number of leaves, n. */
  count: number;
  /** The node that everything hangs from; −1 in an empty tree. */
  root: number;
  /** By g: the level at which the two children of n+g are siblings. */
  meets: Uint16Array;
  /** By g: the children of n+g, whose next key bit is 0 (left) and 1 (right). */
  left: Int32Array;
  right: Int32Array;
  /** By node: the level to which it climbs alone, to meet its sibling there; 256 for the root. */
  top: Uint16Array;
}

/** The shape over sorted, distinct keys, in one pass: a stack holds the nodes that still wait for their right child. */
export function shapeOf({ count, keys }: SortedLeaves): Shape {
  const gaps = Math.max(0, count - 1);
  const shape: Shape = {
    count,
    root: -1,
    meets: new Uint16Array(gaps),
    left: new Int32Array(gaps),
    right: new Int32Array(gaps),
    top: new Uint16Array(count + gaps),
  };
  if (count === 0) return shape;

  const waiting: number[] = [];
  const closeBelow = (level: number, node: number): number => {
    let whole = node;
    while (waiting.length > 0 && shape.meets[waiting.at(-1)!]! < level) {
      const g = waiting.pop()!;
      shape.right[g] = whole;
      shape.top[whole] = shape.meets[g]!;
      whole = count + g;
    }
    return whole;
  };
  for (let g = 0; g < gaps; g++) {
    const level = LEVELS - 1 - commonPrefix(keys, g, keys, g + 1);
    const leftChild = closeBelow(level, g);
    shape.meets[g] = level;
    shape.left[g] = leftChild;
    shape.top[leftChild] = level;
    waiting.push(g);
  }
  shape.root = closeBelow(LEVELS, count - 1);
  shape.top[shape.root] = LEVELS;
  return shape;
}

/** A leaf below the node, in a tree of `count` leaves: its key is the node's key down to where the node's children part. */
export const leafBelow = (count: number, node: number): number => (node < count ? node : node - count);

/** The level at which the node itself stands: 0 for a leaf, one above the level where its children meet for others. */
export const levelOf = ({ count, meets }: Shape, node: number): number => (node < count ? 0 : meets[node - count]! + 1);

/** The gaps ordered by the level at which they meet, lowest first (counting sort); level l is at `starts[l]` … `starts[l + 1]`. */
export function gapsByLevel({ meets }: Shape): { gaps: Uint32Array; starts: Uint32Array } {
  const starts = new Uint32Array(LEVELS + 1);
  for (const level of meets) starts[level + 1]!++;
  for (let level = 0; level < LEVELS; level++) starts[level + 1]! += starts[level]!;
  const next = starts.slice();
  const gaps = new Uint32Array(meets.length);
  for (let g = 0; g < meets.length; g++) gaps[next[meets[g]!]!++] = g;
  return { gaps, starts };
}

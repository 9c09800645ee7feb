import { pairHasher } from '#hasher';
import { type Aggregate, smtAggregateOf } from '../beacon/index.ts';
import { fromHex, toHex } from '../crypto/index.ts';
import type { Terms } from '../messages/index.ts';
import {
  type BitOrder,
  type Crown,
  crownDepth,
  crownOf,
  hashTree,
  leafIndex,
  leafValue,
  openTree,
  type PackedLeaves,
  type PairHasher,
  type TreeData,
} from '../smt/index.ts';
import { type Drawn, entryOf } from './leaves.ts';

/** A tree that is too large to be hashed while everybody waits. */
export interface TreeJob {
  /** What it is for: a round's attempt freezes one set. */
  round: number;
  attempt: number;
  order: BitOrder;
  drawn: Drawn;
  /** DIDs of a plain tree, of which the first `drawn.leaf_count` are its leaves. */
  leaves: readonly string[];
}

/** A tree as plain data, which a worker hands over without copying. */
export interface HashedTree {
  data: TreeData;
  crown: Crown | null;
}

/** A job that is done. */
export interface PreparedTree {
  job: TreeJob;
  tree: HashedTree;
}

/** How the shell hashes large trees: elsewhere, those of more than `above` leaves, and here is the one that is done. */
export interface Trees {
  above: number;
  prepared: PreparedTree | null;
}

export const leafCount = (drawn: Drawn): number => drawn.blinded?.leaves.length ?? drawn.leaf_count;

/** The leaves of `signalEntries` as flat bytes, without half a kilobyte of text for each on the way. */
function packedLeaves(drawn: Drawn, leaves: readonly string[]): PackedLeaves {
  const count = leafCount(drawn);
  const packed = { indices: new Uint8Array(count * 32), values: new Uint8Array(count * 32) };
  const put = (at: number, index: Uint8Array, value: Uint8Array): void => {
    packed.indices.set(index, at * 32);
    packed.values.set(value, at * 32);
  };
  if (drawn.blinded) {
    drawn.blinded.leaves.forEach(({ index, leaf }, at) => void put(at, fromHex(index, 32), fromHex(leaf, 32)));
    return packed;
  }
  const seed = fromHex(drawn.nonce_seed, 32);
  for (let at = 0; at < count; at++) {
    const { index, nonce, announcement } = entryOf(drawn, seed, leaves[at]!);
    const value = leafValue({
      nonce: fromHex(nonce!, 32),
      announcement: announcement === undefined ? undefined : fromHex(announcement, 32),
    });
    put(at, fromHex(index, 32), value);
  }
  return packed;
}

/** The work of a job: about thirty microseconds a leaf with a native hasher. The same bytes wherever it is done. */
export function hashJob({ drawn, leaves, order }: TreeJob, hasher: PairHasher = pairHasher): HashedTree {
  const data = hashTree(packedLeaves(drawn, leaves), { order, hasher });
  const depth = crownDepth(data.shape.count);
  return { data, crown: depth === 0 ? null : crownOf(data, depth, hasher) };
}

/** What `buildAggregate` makes of the same set, from its hashed tree: a leaf's nonce is drawn again when its proof is asked for. */
export function aggregateOfTree(drawn: Drawn, { data, crown }: HashedTree): Aggregate {
  const seed = drawn.blinded ? null : fromHex(drawn.nonce_seed, 32);
  return smtAggregateOf(openTree(data, pairHasher), crown, (subject, index) => {
    // A finished leaf was made by its member, who alone knows what is in it.
    if (seed === null) return undefined;
    const isIndex = subject === toHex(index);
    const did = isIndex ? drawn.updates.find(update => toHex(leafIndex(update.did)) === subject)?.did : subject;
    return entryOf(drawn, seed, did ?? subject, index);
  });
}

/** Whether a set of these terms is one for the shell to hash: only trees take long. */
export const isLarge = (terms: Terms, drawn: Drawn, trees: Trees | undefined): trees is Trees =>
  trees !== undefined && terms.type === 'SMTBeacon' && leafCount(drawn) > trees.above;

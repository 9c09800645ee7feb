import type { SignalEntry } from '../beacon/index.ts';
import { type Bytes, fromHex, hmacSha256, toHex } from '../crypto/index.ts';
import { type BitOrder, leafIndex, MAX_CROWN_DEPTH, subtreeOf } from '../smt/index.ts';
import type { Frozen } from './state.ts';

/** What a round freezes, before its tree or map is made. */
export type Drawn = Omit<Frozen, 'signal_bytes' | 'crown'>;

const announcements = new WeakMap<Drawn['updates'], ReadonlyMap<string, string>>();

function announcementsOf({ updates }: Drawn): ReadonlyMap<string, string> {
  const known = announcements.get(updates);
  if (known) return known;
  const made = new Map(updates.map(update => [update.did, update.announcement]));
  announcements.set(updates, made);
  return made;
}

/** The entry of one DID in a plain tree; `seed` is its `nonce_seed` as bytes, `index` the DID's if it is known already. */
export function entryOf(frozen: Drawn, seed: Bytes, did: string, index = leafIndex(did)): SignalEntry {
  const announcement = announcementsOf(frozen).get(did);
  return {
    index: toHex(index),
    did,
    nonce: toHex(hmacSha256(seed, index)),
    ...(announcement === undefined ? {} : { announcement }),
  };
}

/** What goes into a signal: every leaf with its nonce, and the announcements among them. */
export function signalEntries(leaves: readonly string[], frozen: Drawn): SignalEntry[] {
  if (frozen.blinded) return frozen.blinded.leaves;
  const seed = fromHex(frozen.nonce_seed, 32);
  return leaves.slice(0, frozen.leaf_count).map(did => entryOf(frozen, seed, did));
}

interface Buckets {
  upTo: number;
  readonly positions: Map<number, number[]>;
}

const buckets = new WeakMap<readonly unknown[], Record<BitOrder, Buckets>>();

/** Positions in a list, which may have grown since, by the finest subtrees that a crown can have. */
function bucketsOf<T>(list: readonly T[], order: BitOrder, indexOf: (item: T) => Bytes): Buckets['positions'] {
  const none = (): Buckets => ({ upTo: 0, positions: new Map() });
  const known = buckets.get(list) ?? { spec: none(), lsb: none() };
  buckets.set(list, known);
  const own = known[order];
  for (; own.upTo < list.length; own.upTo++) {
    const subtree = subtreeOf(indexOf(list[own.upTo]!), MAX_CROWN_DEPTH, order);
    const bucket = own.positions.get(subtree);
    if (bucket) bucket.push(own.upTo);
    else own.positions.set(subtree, [own.upTo]);
  }
  return own.positions;
}

function inSubtree<T>(
  list: readonly T[],
  about: { index: Bytes; depth: number; order: BitOrder },
  indexOf: (item: T) => Bytes,
): number[] {
  const positions = bucketsOf(list, about.order, indexOf);
  const width = 2 ** (MAX_CROWN_DEPTH - about.depth);
  const first = subtreeOf(about.index, about.depth, about.order) * width;
  return Array.from({ length: width }, (_, i) => positions.get(first + i) ?? []).flat();
}

/** Those of `signalEntries` that are in one subtree of a crown: the one that `index` is in. */
export function subtreeEntries(
  leaves: readonly string[],
  frozen: Drawn,
  about: { index: Bytes; depth: number; order: BitOrder },
): SignalEntry[] {
  const { blinded } = frozen;
  if (blinded)
    return inSubtree(blinded.leaves, about, ({ index }) => fromHex(index, 32)).map(at => blinded.leaves[at]!);
  const seed = fromHex(frozen.nonce_seed, 32);
  return inSubtree(leaves, about, leafIndex)
    .filter(at => at < frozen.leaf_count)
    .map(at => entryOf(frozen, seed, leaves[at]!));
}

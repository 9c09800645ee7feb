import { pairHasher } from '#hasher';
import { type Aggregate, aggregate, type SignalEntry } from '../beacon/index.ts';
import { fromHex, hmacSha256, toHex } from '../crypto/index.ts';
import type { SignalEvidence, Terms } from '../messages/index.ts';
import { leafIndex } from '../smt/index.ts';
import type { Beacon, Frozen } from './state.ts';

const cache = new WeakMap<Frozen, Aggregate>();

/** What goes into a signal: every leaf with its nonce, and the announcements among them. */
export function signalEntries(leaves: readonly string[], frozen: Omit<Frozen, 'signal_bytes'>): SignalEntry[] {
  if (frozen.blinded) return frozen.blinded.leaves;
  const seed = fromHex(frozen.nonce_seed, 32);
  const announcements = new Map(frozen.updates.map(update => [update.did, update.announcement]));
  return leaves.slice(0, frozen.leaf_count).map(did => {
    const index = leafIndex(did);
    const announcement = announcements.get(did);
    return {
      index: toHex(index),
      did,
      nonce: toHex(hmacSha256(seed, index)),
      ...(announcement === undefined ? {} : { announcement }),
    };
  });
}

/** The tree or the map of one signal. */
export const buildAggregate = (terms: Terms, entries: readonly SignalEntry[]): Aggregate =>
  aggregate(terms.type, entries, { bitOrder: terms.bit_order, hasher: pairHasher });

/** The tree or the map of a frozen set, built once while it is in memory. */
export function aggregateOf(terms: Terms, beacon: Beacon, frozen: Frozen): Aggregate {
  const known = cache.get(frozen);
  if (known) return known;
  const built = buildAggregate(terms, signalEntries(beacon.leaves, frozen));
  cache.set(frozen, built);
  return built;
}

/** Keeps a tree that was just built for the set it belongs to. */
export const rememberAggregate = (frozen: Frozen, built: Aggregate): void => void cache.set(frozen, built);

/**
 * Evidence of a DID for every signal of the address, the open one among them, oldest first:
 * proofs of its leaf, or of its empty index in signals before it was registered.
 */
export function signalHistory(
  terms: Terms,
  beacon: Beacon,
  did: string,
  only: { from_height?: number | undefined; session_id?: string | undefined } = {},
): SignalEvidence[] {
  const done = beacon.signals.map(signal => ({
    session_id: signal.session_id,
    txid: signal.txid,
    height: 'height' in signal.seen ? signal.seen.height : null,
    frozen: signal.frozen,
  }));
  const { round } = beacon;
  const open =
    round?.frozen && round.stage.name !== 'announced'
      ? [{ session_id: currentSession(round)?.id ?? '', txid: null, height: null, frozen: round.frozen }]
      : [];
  return [...done, ...open]
    .filter(
      signal =>
        signal.session_id !== '' &&
        (only.session_id === undefined || signal.session_id === only.session_id) &&
        (only.from_height === undefined || signal.height === null || signal.height >= only.from_height),
    )
    .map(({ frozen, ...signal }) => ({
      ...signal,
      signal_bytes: frozen.signal_bytes,
      ...(frozen.blinded ? { opportunity_id: frozen.blinded.opportunity_id } : {}),
      evidence: aggregateOf(terms, beacon, frozen).evidenceFor([did]),
    }));
}

function currentSession(round: NonNullable<Beacon['round']>) {
  return 'session' in round.stage ? round.stage.session : round.open.at(-1);
}

import { pairHasher } from '#hasher';
import { type Aggregate, aggregate, type Evidence, type SignalEntry, smtEvidenceUnderCrown } from '../beacon/index.ts';
import { fromBase64url, fromHex, isHex, toBase64url, toHex } from '../crypto/index.ts';
import type { SignalEvidence, Terms } from '../messages/index.ts';
import { depthOf, leafIndex } from '../smt/index.ts';
import { signalEntries, subtreeEntries } from './leaves.ts';
import type { Beacon, Frozen } from './state.ts';

/** Trees that are kept whole: about a kilobyte a leaf, so only what rounds are about at present. */
const KEPT_LEAVES = 150_000;
const kept = new Map<Frozen, { built: Aggregate; leaves: number }>();

/** Keeps a tree or map in memory, and lets go of the oldest. */
export function keepTree(frozen: Frozen, built: Aggregate): void {
  kept.delete(frozen);
  kept.set(frozen, { built, leaves: frozen.blinded?.leaves.length ?? frozen.leaf_count });
  let total = 0;
  for (const { leaves } of kept.values()) total += leaves;
  for (const [oldest, { leaves }] of kept) {
    if (total <= KEPT_LEAVES || oldest === frozen) return;
    kept.delete(oldest);
    total -= leaves;
  }
}

/** Whether the tree or map of a frozen set is in memory. */
export const isKept = (frozen: Frozen): boolean => kept.has(frozen);

/** The tree or the map of one signal. */
export const buildAggregate = (terms: Terms, entries: readonly SignalEntry[]): Aggregate =>
  aggregate(terms.type, entries, { bitOrder: terms.bit_order, hasher: pairHasher });

/** The tree or the map of a frozen set, kept while rounds are about it. */
export function aggregateOf(terms: Terms, beacon: Beacon, frozen: Frozen): Aggregate {
  const built = kept.get(frozen)?.built ?? buildAggregate(terms, signalEntries(beacon.leaves, frozen));
  keepTree(frozen, built);
  return built;
}

/** A drawn set with what its tree or map makes of it. */
export function withAggregate(drawn: Omit<Frozen, 'signal_bytes' | 'crown'>, built: Aggregate): Frozen {
  const crown = built.crown === null ? {} : { crown: toBase64url(built.crown) };
  const frozen = { ...drawn, signal_bytes: toHex(built.signalBytes), ...crown };
  keepTree(frozen, built);
  return frozen;
}

/** Evidence of one subject: from the tree if it is in memory or small, else from its crown. */
function evidenceOf(terms: Terms, beacon: Beacon, frozen: Frozen, subject: string): Evidence {
  const crown = kept.has(frozen) || frozen.crown === undefined ? null : fromBase64url(frozen.crown);
  const depth = crown && depthOf(crown);
  if (crown === null || depth === null) return aggregateOf(terms, beacon, frozen).evidenceFor([subject]);
  const index = isHex(subject, 32) ? fromHex(subject) : leafIndex(subject);
  const order = terms.bit_order;
  return smtEvidenceUnderCrown({
    crown,
    signalBytes: fromHex(frozen.signal_bytes, 32),
    entries: subtreeEntries(beacon.leaves, frozen, { index, depth, order }),
    subject,
    bitOrder: order,
    hasher: pairHasher,
  });
}

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
      evidence: evidenceOf(terms, beacon, frozen, did),
    }));
}

function currentSession(round: NonNullable<Beacon['round']>) {
  return 'session' in round.stage ? round.stage.session : round.open.at(-1);
}

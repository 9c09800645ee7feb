import type { Evidence } from '../beacon/index.ts';
import { badEvidence } from './answers.ts';
import { evidenceOf, holdsEvidence } from './check.ts';
import type { WalletEvent } from './events.ts';
import type { Decision } from './inputs.ts';
import { concernedDids, type Membership, provenBeaconOf, type WalletState } from './state.ts';

/** Evidence of a signal that was kept somewhere else; nobody says which session it was of. */
export interface KeptEvidence {
  signal_bytes: string;
  evidence: Evidence;
}

/**
 * Takes kept evidence back, each piece only if it verifies for a DID that is here: what a relay, or another program with
 * the same words, wrote is believed no more than an aggregator.
 */
export function restoreEvidence(state: WalletState, membership: Membership, kept: readonly KeptEvidence[]): Decision {
  const beacon = provenBeaconOf(membership);
  if (!beacon) return { refuse: `the cohort is not ready: it is ${membership.phase.name}` };
  const dids = concernedDids(state, beacon);
  const signals = kept.flatMap(({ signal_bytes, evidence }): KeptEvidence[] => {
    const good = dids.filter(
      did =>
        ('map' in evidence || Object.hasOwn(evidence.proofs, did)) &&
        !holdsEvidence(beacon, signal_bytes, did) &&
        badEvidence(state, membership, did, [{ signal_bytes, evidence }]) === null,
    );
    return good.length === 0 ? [] : [{ signal_bytes, evidence: evidenceOf(evidence, good) }];
  });
  const events: WalletEvent[] = [{ type: 'evidence_kept', cohort: membership.cohort, signals }];
  return { events: signals.length === 0 ? [] : events, effects: [] };
}

import { aggregateCas, checkCasEvidence } from './cas.ts';
import { aggregateSmt, checkSmtEvidence } from './smt.ts';
import type { Aggregate, AggregateOptions, BeaconType, EvidenceCheck, EvidenceProblem, SignalEntry } from './types.ts';

export { NoUpdateError, SignalEntryError } from './errors.ts';
export { smtAggregateOf, smtEvidenceUnderCrown, type UnderCrown } from './smt.ts';
export type {
  Aggregate,
  AggregateOptions,
  BeaconType,
  Evidence,
  EvidenceCheck,
  EvidenceProblem,
  Expectation,
  SignalEntry,
} from './types.ts';

/**
 * The signal bytes of all entries of one signal, and what each member must get to check them. Follows did:btcr2's SMT
 * and CAS beacons; `options` concern the tree only. Throws a NoUpdateError where nothing is announced; a
 * SignalEntryError for an entry that the beacon type cannot carry; a DuplicateIndexError for an index named twice (SMT);
 * a TypeError for hex that is not 32 bytes.
 */
export function aggregate(type: BeaconType, entries: readonly SignalEntry[], options: AggregateOptions): Aggregate {
  switch (type) {
    case 'SMTBeacon':
      return aggregateSmt(entries, options);
    case 'CASBeacon':
      return aggregateCas(entries);
  }
}

/**
 * A member's check before it signs: every expectation is proven against the signal bytes (32 bytes). No problem means
 * that the signal says of each of these DIDs exactly what was submitted, and that the evidence shows it to a resolver.
 * Evidence of any shape gives problems, never a throw. That a nonce is unpredictable cannot be seen here. Blinded proofs
 * are made whole with `unblindProof` first.
 */
export function checkEvidence(type: BeaconType, input: EvidenceCheck): EvidenceProblem[] {
  switch (type) {
    case 'SMTBeacon':
      return checkSmtEvidence(input);
    case 'CASBeacon':
      return checkCasEvidence(input);
  }
}

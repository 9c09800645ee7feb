import type { Bytes } from '../crypto/index.ts';
import type { BitOrder, PairHasher, SmtProof } from '../smt/index.ts';

/** The aggregate beacons of did:btcr2, as a document's service names them. */
export type BeaconType = 'SMTBeacon' | 'CASBeacon';

/** One registered index in one signal. `leaf` is a finished leaf value (blinded trees) and excludes nonce and announcement. */
export interface SignalEntry {
  /** sha256 of the DID, 32 bytes of lowercase hex. */
  index: string;
  /** A CAS beacon needs it for every update; an SMT beacon does without. */
  did?: string | undefined;
  /** 32 bytes of lowercase hex, for the SMT beacon; a CAS beacon has nothing to hide and takes no notice. */
  nonce?: string | undefined;
  /** Hash of the signed update, 32 bytes of lowercase hex; absent where the DID has no update in this signal. */
  announcement?: string | undefined;
  /** 32 bytes of lowercase hex. */
  leaf?: string | undefined;
}

/** SMT: a proof by DID, or by index (hex) where the DID is unknown. CAS: the announcement map, DID to base64url. */
export type Evidence = { proofs: Record<string, SmtProof> } | { map: Record<string, string> };

export interface AggregateOptions {
  bitOrder: BitOrder;
  /** For the tree; the portable one if left out. */
  hasher?: PairHasher | undefined;
}

export interface Aggregate {
  type: BeaconType;
  /** 32 bytes: what the beacon signal carries in its last output. */
  signalBytes: Bytes;
  /** The crown of a tree that is too large to be hashed again for a proof; null for small trees and for maps. */
  crown: Bytes | null;
  /**
   * What a member needs to check the signal and to resolve later. Subjects are DIDs or indices (hex), registered or not:
   * SMT gives a proof under each subject as it was named, of an empty index where nothing is registered; CAS gives the
   * whole map, which shows absence too.
   */
  evidenceFor(subjects: readonly string[]): Evidence;
}

/** What a member knows about one DID: the announcement (hex) that it submitted for this signal, or null for none. */
export interface Expectation {
  did: string;
  announcement: string | null;
  /** The DID is registered, so its leaf must carry a nonce: a non-update without one would be an empty index. */
  registered: boolean;
}

export interface EvidenceCheck {
  signalBytes: Bytes;
  bitOrder: BitOrder;
  evidence: Evidence;
  expected: readonly Expectation[];
}

export type EvidenceProblem = {
  code:
    | 'proof_missing'
    | 'proof_invalid'
    | 'wrong_signal_bytes'
    | 'wrong_announcement'
    | 'nonce_missing'
    | 'map_invalid';
  /** The DID that it is about; absent where the evidence as a whole is bad. */
  subject?: string;
  text: string;
};

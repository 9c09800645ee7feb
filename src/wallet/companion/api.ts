import type { Advert } from '../../nostr/advert.ts';

/**
 * A member in two halves: a companion that is always on and holds cohort keys, and its owner, the wallet that holds the
 * keys of the DIDs. All of it rejects with WalletError `refused` for what the other half refused, and `no_companion`.
 */
export interface CompanionApi {
  /**
   * Makes this wallet, which has to be empty, a companion. `link` is the pairing string: **a secret**, shown once, good for
   * `expiresIn` seconds (an hour); whoever uses it first is the owner, for good. Called again before that, it makes another.
   */
  companionOpen(request?: { expiresIn?: number }): Promise<{ companion: string; link: string; expires_at: number }>;
  /** Pairs with the companion of a pairing string. Resolves when it has answered. */
  companionPair(request: { link: string }): Promise<{ companion: string }>;
  /**
   * Signs the policy that the companion acts by: how much a transaction may pay to miners (satoshis, on any fee step), and
   * until when (Unix seconds; 90 days from now). Cohorts and DIDs are added by `companionJoin` and `register`.
   */
  companionPolicy(request?: { feeCapSats?: number; expiresAt?: number }): Promise<CompanionPolicyView>;
  /** Has the companion take a seat. Resolves when the aggregator has answered it; `ready` waits for the cohort. */
  companionJoin(request: { advert: Advert }): Promise<{ cohort: string; participant_pk: string }>;
  /** Has an update back that the companion did not sign for (the last one if none is named): then another can be made. */
  companionWithdraw(request: {
    did: string;
    announcement?: string;
  }): Promise<{ did: string; announcement: string; state: string }>;
  /** Ends it: the companion never signs again. **Every cohort that it is a member of signals nothing more.** */
  companionRevoke(): Promise<{ companion: string }>;
  /**
   * Gives up a companion that cannot be asked any more. What it may have signed for stays locked. `cohorts` are those whose
   * seat this wallet takes over, to fetch the proofs of what was signed: the cohort key signed for that while all was well.
   */
  companionLost(): Promise<{ companion: string; cohorts: string[] }>;
}

export interface CompanionPolicyView {
  version: number;
  /** Satoshis. */
  fee_cap: number;
  /** Unix seconds. */
  expires_at: number;
  cohorts: string[];
  dids: string[];
  revoked: boolean;
}

export type CompanionView =
  | {
      role: 'companion';
      /** x-only keys of the channel between the two. */
      companion: string;
      owner: string | null;
      /** Until when somebody can pair; null when somebody did. */
      pairing_expires_at: number | null;
      policy: CompanionPolicyView | null;
      not_joined: { cohort: string; text: string }[];
      /** Sessions that it signed and its owner has not heard of. */
      unacknowledged: number;
    }
  | {
      role: 'owner';
      companion: string;
      owner: string;
      phase: 'asked' | 'paired' | 'ended';
      /** Why it ended. */
      reason: string | null;
      /** When the companion last said something (Unix seconds). */
      heard_at: number | null;
      policy: CompanionPolicyView | null;
      /** The version that the companion said is in force. */
      policy_in_force: number;
      /** What the companion says that it waits for. */
      text: string | null;
      not_joined: { cohort: string; text: string }[];
    };

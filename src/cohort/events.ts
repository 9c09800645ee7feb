import type { Refund } from '../bitcoin/index.ts';
import type { DidDocument, SignedUpdate } from '../did/index.ts';
import type { AbortReason, SpendPurpose, SuccessionStage, Terms } from '../messages/index.ts';
import type {
  AdvertStatus,
  Alarm,
  EnvelopeOf,
  Frozen,
  NoncePair,
  Outpoint,
  SignalSeen,
  Step,
  Successor,
} from './state.ts';

/** What happened to a cohort: the only thing that is stored, and all that its state is made of. */
export type CohortEvent =
  | {
      type: 'advert_created';
      cohort: string;
      terms: Terms;
      terms_hash: string;
      identity: string;
      expires_at: number;
    }
  | { type: 'advert_refreshed'; event_id: string; expires_at: number }
  | { type: 'advert_status_changed'; status: AdvertStatus }
  | { type: 'seat_taken'; participant_pk: string; transport: string; return_interact: string; proof: string }
  | { type: 'seats_dropped'; participant_pubkeys: string[]; reason: 'left' | 'not_heard' | 'cancelled' }
  | { type: 'member_rebound'; participant_pk: string; transport: string; counter: number; sig: string }
  | {
      type: 'set_proposed';
      /** As in `cohort_formed`. */
      told?: number;
      attempt: number;
      participant_pubkeys: string[];
      beacon_address: string;
      script_hex: string;
      deadline: number;
      remind_at: number;
    }
  | { type: 'set_signed'; participant_pk: string; sig: string }
  | { type: 'set_failed' }
  /** `told`: so many members, in the order of the set, learnt it in this step; all if left out. */
  | { type: 'cohort_formed'; challenge: string; told?: number }
  /** Further members were told, up to this place in the set. */
  | { type: 'members_told'; what: 'set' | 'ready' | 'request'; told: number }
  | {
      type: 'registration_received';
      request_id: string;
      member: string;
      did: string;
      verification_method: string;
      sig: string;
      sidecar: Record<string, unknown>;
    }
  | { type: 'registration_refused'; request_id: string }
  | {
      type: 'did_registered';
      request_id: string;
      did: string;
      index: string;
      member: string;
      proven: boolean;
      known: { document: DidDocument; version: number } | null;
      deactivated: boolean;
    }
  | {
      type: 'update_queued';
      did: string;
      member: string;
      version: number;
      announcement: string;
      update: SignedUpdate | null;
      verified: boolean;
    }
  | { type: 'round_requested' }
  | { type: 'round_opened'; round: number; deadline: number; remind_at: number; opportunity_id?: string }
  /** Everybody answered, and nobody had an update: no signal without one. */
  | { type: 'opportunity_passed' }
  | { type: 'presence_asked'; attempt: number; deadline: number; remind_at: number }
  | {
      type: 'presence_heard';
      participant_pk: string;
      wants_signal?: boolean;
      leaves?: { index: string; leaf: string }[];
    }
  | {
      type: 'session_requested';
      /** As in `cohort_formed`. */
      told?: number;
      session_id: string;
      attempt: number;
      frozen: Frozen;
      steps: Step[];
      refunds?: Refund[];
      deadline: number;
      remind_at: number;
    }
  | {
      type: 'spend_requested';
      session_id: string;
      round: number;
      attempt: number;
      purpose: SpendPurpose;
      to: string;
      outpoint: Outpoint;
      steps: Step[];
      refunds?: Refund[];
      deadline: number;
      remind_at: number;
    }
  /** Its ceremony is over without a transaction; what was signed may still become one. */
  | { type: 'spend_ended'; reason: AbortReason }
  | { type: 'spend_completed'; session_id: string; txid: string; hex: string; refunds?: string[] }
  | { type: 'spend_final'; session_id: string }
  | { type: 'recovery_sent'; txid: string; hex: string; outpoint: Outpoint; to: string; fee_sats: number }
  | { type: 'recovery_final'; txid: string }
  | { type: 'nonce_received'; participant_pk: string; envelope: EnvelopeOf<'nonce'> }
  | { type: 'nonces_aggregated'; session_id: string; agg_nonce: NoncePair[]; deadline: number; remind_at: number }
  | { type: 'authorization_received'; participant_pk: string; envelope: EnvelopeOf<'signal_authorization'> }
  | { type: 'fallback_requested'; session_id: string; steps: Step[]; deadline: number; remind_at: number }
  | { type: 'fallback_signed'; participant_pk: string; envelope: EnvelopeOf<'fallback_signature'> }
  | { type: 'fallback_vetoed'; session_id: string; participant_pk: string }
  /** Nothing was signed: frozen updates go back to the queue. */
  | { type: 'round_aborted'; reason: AbortReason; not_before: number }
  /** Partial signatures may exist: the round waits for another attempt, or for the chain. */
  | { type: 'attempt_ended'; reason: AbortReason; retry_at: number }
  /** `transactions`: its complete steps, of which `txid` is sent; the others are for when it lingers. */
  | {
      type: 'signal_completed';
      session_id: string;
      txid: string;
      transactions: { txid: string; hex: string }[];
      /** Refunds of what they leave at the beacon. */
      refunds?: string[];
      height: number | null;
    }
  /** Another transaction of the same signal is sent, or is the one on chain; `was` is the one before. */
  | { type: 'signal_switched'; was: string; txid: string; hex: string; height: number | null }
  | { type: 'signal_seen'; txid: string; seen: SignalSeen; height: number }
  /** A reorganization mined another step of the signal whose change the round spends: the same bytes, on that change. */
  | { type: 'outpoint_moved'; outpoint: Outpoint; reason: AbortReason; retry_at: number }
  | { type: 'round_closed'; outcome: 'announced' | 'no_signal' }
  /** `told`: what is sent again goes out in steps, beginning here. */
  | { type: 'reminded'; told?: number }
  | { type: 'deaf_time_credited'; seconds: number }
  | { type: 'alarm_raised'; key: string; alarm: Omit<Alarm, 'at'> }
  | { type: 'alarm_cleared'; key: string }
  /** By the operator. What the chain goes on showing is not raised again for it. */
  | { type: 'alarm_dismissed'; key: string }
  | { type: 'cohort_ended'; reason: string }
  /** It wants to go; it still signs. */
  | { type: 'member_leaving'; participant_pk: string; reason: string }
  | { type: 'member_marked'; participant_pk: string; gone: boolean }
  | {
      type: 'succession_begun';
      successor: Successor | null;
      deadline: number;
      text: string;
      stage: SuccessionStage;
    }
  | { type: 'successor_formed'; beacon_address: string }
  /** Members are told. */
  | { type: 'succession_moved'; stage: SuccessionStage }
  | { type: 'key_deleted'; participant_pk: string };

/** An event with the Unix second at which it was stored. */
export type Stored<E> = E & { at: number };

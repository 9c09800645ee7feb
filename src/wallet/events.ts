import type { Network } from '../bitcoin/network.ts';
import type { DidDocument, SignedUpdate } from '../did/index.ts';
import type { AuthorizeBeaconSignalRequest, CohortStatus, SignalEvidence } from '../messages/index.ts';
import type { Blame } from './blame.ts';
import type { CompanionEvent } from './companion/pair.ts';
import type {
  Agreement,
  AnsweredEntry,
  HeldOwnSignal,
  Opportunity,
  OwnSignal,
  ProposedSet,
  SessionFacts,
  UpdateState,
} from './state.ts';

type Pairs = [string, string][];

/** What happened to a wallet: all that is stored beside its keys. */
export type WalletEvent =
  | {
      type: 'did_created';
      did: string;
      name: string | null;
      network: Network;
      public_key: string;
      genesis: DidDocument | null;
      names: string[];
    }
  | {
      type: 'did_restored';
      did: string;
      name: string | null;
      network: Network;
      public_key: string;
      genesis: DidDocument | null;
      names: string[];
      updates: { version: number; announcement: string; update: SignedUpdate }[];
    }
  | ({
      type: 'cohort_restored';
      participant_pk: string;
      beacon: Omit<ProposedSet, 'attempt'>;
      /** DIDs that were registered there. */
      dids: string[];
    } & Agreement)
  /** Updates that were given to a companion, and that the record of a restored wallet lacked. */
  | {
      type: 'updates_restored';
      did: string;
      names: string[];
      updates: { version: number; announcement: string; update: SignedUpdate }[];
    }
  | {
      type: 'update_signed';
      did: string;
      version: number;
      announcement: string;
      update: SignedUpdate;
      /** Beacon addresses of the document that it makes. */
      names: string[];
      cohorts: string[];
      /** The transaction by which the controller's own beacon announces it. */
      own_signal?: OwnSignal;
      bare?: boolean;
    }
  | {
      type: 'update_moved';
      did: string;
      announcement: string;
      state: UpdateState;
      text?: string;
      /** Who refused it, where it was sent to several. */
      cohort?: string;
      /** How the chain shows a transaction of the controller's own beacon from now on. */
      own_signal?: Pick<HeldOwnSignal, 'txid' | 'status'>;
    }
  | ({ type: 'joined'; participant_pk: string } & Agreement)
  | { type: 'asked'; cohort: string; envelope_id: string; slot: string }
  | { type: 'answered'; envelope_id: string }
  | { type: 'seated'; cohort: string }
  | { type: 'set_proposed'; cohort: string; set: ProposedSet }
  | { type: 'set_signed'; cohort: string; sig: string }
  | { type: 'cohort_ready'; cohort: string; signatures: string[]; challenge: string }
  /** A seat that was put back is the companion's, which holds its key still. */
  | { type: 'cohort_resumed'; cohort: string; signatures: string[]; challenge: string }
  | { type: 'rebind_asked'; cohort: string; transport: string; counter: number }
  | { type: 'rebound'; cohort: string; transport: string; counter: number }
  | { type: 'rebind_refused'; cohort: string; text: string }
  | { type: 'membership_ended'; cohort: string; reason: string }
  | { type: 'registration_asked'; cohort: string; did: string }
  | { type: 'did_registered'; cohort: string; did: string; proven: boolean }
  | { type: 'registration_refused'; cohort: string; did: string; code: string; text: string }
  | {
      type: 'evidence_kept';
      cohort: string;
      signals: (SignalEvidence | Pick<SignalEvidence, 'signal_bytes' | 'evidence'>)[];
    }
  | { type: 'opportunity_asked'; cohort: string; opportunity: Opportunity }
  | { type: 'opportunity_answered'; cohort: string; opportunity_id: string; entries: AnsweredEntry[] }
  | { type: 'request_held'; cohort: string; body: AuthorizeBeaconSignalRequest; in_reply_to: string }
  | { type: 'session_checked'; cohort: string; session: SessionFacts }
  | { type: 'session_vetoed'; cohort: string; session_id: string; code: string; text: string }
  | { type: 'nonce_drawn'; cohort: string; session_id: string; nonce_points: Pairs }
  | { type: 'agg_nonce_received'; cohort: string; session_id: string; agg_nonce: Pairs }
  | { type: 'session_signed'; cohort: string; session_id: string; agg_nonce: Pairs; sig: string[] }
  | { type: 'session_lost'; cohort: string; session_id: string }
  | { type: 'fallback_checked'; cohort: string; session_id: string; steps: SessionFacts['steps'] }
  | { type: 'fallback_signed'; cohort: string; session_id: string; sig: string[] }
  | { type: 'fallback_dropped'; cohort: string; session_id: string }
  /** The operator's recovery key alone took money from the beacon; `signal`: what it announced by that, if anything. */
  | { type: 'recovery_seen'; cohort: string; txid: string; signal: string | null }
  | { type: 'session_settled'; cohort: string; session_id: string; txid: string; announced: boolean }
  | { type: 'transactions_told'; cohort: string; signal_bytes: string; transactions: string[]; refunds?: string[] }
  | { type: 'spend_told'; cohort: string; session_id: string; transaction: string; refunds?: string[] }
  /** The person agreed where the money may go when this beacon is given up; null takes it back. */
  | { type: 'release_agreed'; cohort: string; to: string | null }
  /** It is in no block although its transactions are complete: `step` is the one that may be published now. */
  | { type: 'signal_lingers'; cohort: string; signal_bytes: string; from_height: number; step: number }
  | {
      type: 'signal_seen';
      cohort: string;
      signal_bytes: string;
      status: 'unseen' | 'broadcast' | 'confirmed' | 'final';
      txid: string | null;
      height: number | null;
    }
  /** From here on the log is a copy's: what was done after the copy was made is in no log. */
  | { type: 'restored' }
  | { type: 'doubt_dated'; address: string; height: number }
  | { type: 'doubt_settled'; address: string; by: 'chain' | 'owner' }
  | { type: 'status_told'; cohort: string; status: CohortStatus }
  /** The aggregator knows that this member wants to go. */
  | { type: 'leaving_told'; cohort: string }
  /** The aggregator begins no refund of this output (`txid:vout`). */
  | { type: 'refund_refused'; cohort: string; outpoint: string; text: string }
  /** Nothing is signed for the cohort any more; its key is deleted next. */
  | { type: 'retired'; cohort: string }
  | { type: 'abort_told'; cohort: string; round: number; reason: string; text: string; blame?: Blame[] }
  | CompanionEvent;

/** An event with the Unix second at which it was stored. */
export type Stored<E> = E & { at: number };

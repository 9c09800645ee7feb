import type { Refund } from '../bitcoin/index.ts';
import type { DidDocument, SignedUpdate } from '../did/index.ts';
import type {
  Envelope,
  RejectionCode,
  SeatProof,
  SpendPurpose,
  SuccessionStage,
  Terms,
  TermsPolicy,
} from '../messages/index.ts';

/** One cohort as its aggregator knows it: the fold of its log. `evolve` owns the maps in here; nobody else changes them. */
export interface CohortState {
  /** Id of the advert event that it began with. */
  id: string;
  advert: Advert;
  /** By cohort key (33-byte hex). A seat stays for ever once the cohort is formed. */
  seats: Map<string, Seat>;
  /** Cohort key by transport key (x-only hex). */
  transports: Map<string, string>;
  phase: Phase;
}

export interface Advert {
  terms: Terms;
  terms_hash: string;
  /** x-only key that signs the advert. */
  identity: string;
  status: AdvertStatus;
  expires_at: number;
  created_at: number;
  /** `created_at` of the newest event: the next one is strictly later. */
  published_at: number;
  /** Ids of every event of this advert: an opt-in may name any. */
  event_ids: Set<string>;
}

export type AdvertStatus = 'open' | 'full' | 'closed' | 'cancelled';

export interface Seat {
  participant_pk: string;
  transport: string;
  return_interact: string;
  seated_at: number;
  rebind_counter: number;
  /** What makes its transport keys its own, for whoever is to believe what they signed. */
  proofs: SeatProof[];
}

export type Phase =
  /** `attempts` counts the sets that were proposed and failed. */
  | { name: 'recruiting'; attempts: number }
  | {
      name: 'confirming';
      /** Only so many members have the set as yet; left out where all have it. */
      told?: number;
      attempt: number;
      participant_pubkeys: string[];
      beacon_address: string;
      script_hex: string;
      deadline: number;
      remind_at: number;
      signatures: Map<string, string>;
    }
  | { name: 'formed'; beacon: Beacon }
  | { name: 'ended'; reason: string };

/** A formed cohort at work. */
export interface Beacon {
  participant_pubkeys: string[];
  address: string;
  script_hex: string;
  /** As in the terms. */
  policy: TermsPolicy;
  /** Every member's signature over the set, by cohort key. */
  signatures: Map<string, string>;
  challenge: string;
  /** Only so many members know as yet that the cohort stands; left out where all do. */
  ready_told?: number;
  formed_at: number;
  registry: Map<string, Registration>;
  /** DIDs (indices where the tree is blinded) in the order in which they became leaves-to-be; a signal's leaves are a prefix of it. */
  leaves: string[];
  /** Registrations whose control is being checked, by the id of the request. */
  checks: Map<string, ControlCheck>;
  /** How many DIDs each member holds. */
  held: Map<string, number>;
  /** Updates by DID, lowest version first. */
  updates: Map<string, QueuedUpdate[]>;
  /** DIDs whose lowest unfinished update could be announced now: kept, since every message asks how many there are. */
  ready: Set<string>;
  /** Signals that were completed, oldest first. */
  signals: Signal[];
  round: Round | null;
  /** A spend without OP_RETURN that is being signed. While it is, no round goes on. */
  spend: Spend | null;
  /** Spends without OP_RETURN for which partial signatures may exist: they may appear at any time. */
  spends: SignedSpend[];
  spends_begun: number;
  /** How often a refund was begun, by output (`txid:vout`). */
  refunds_begun: Map<string, number>;
  /** Spends by the recovery key alone. */
  recoveries: Recovery[];
  rounds_opened: number;
  /** No round opens before: back-off after failures, and the minimum interval. */
  not_before: number;
  failures: number;
  /** Set by the operator's command to open a round without waiting for the trigger. */
  round_requested: boolean;
  last_signal_at: number;
  /** When members were last asked for updates and none had any. */
  last_opportunity_at: number;
  alarms: Map<string, Alarm>;
  /** Members that want to go, or that the operator holds for gone, by cohort key. */
  departures: Map<string, 'leaving' | 'gone'>;
  /** Set when the cohort is to end. */
  succession: Succession | null;
  /** Members that have deleted their cohort keys: nothing can be signed any more. */
  keys_deleted: Set<string>;
  /** How often members were told of departures and succession. */
  statuses_told: number;
}

/** The end of a cohort, and what comes after it. */
export interface Succession {
  /** Null where no cohort follows. */
  successor: Successor | null;
  /** When the last signal goes out, also without the updates of those who have sent none. */
  deadline: number;
  /** The operator's words. */
  text: string;
  /** The stage that members were told last. */
  stage: SuccessionStage;
}

export interface Successor {
  /** Id of the advert event that it began with. */
  cohort: string;
  terms_hash: string;
  /** Where members find its advert: a `nostr+btcr2://` string. */
  link: string;
  /** Null until it is formed. */
  beacon_address: string | null;
}

export interface Alarm {
  code:
    | 'restored'
    | 'foreign_spend'
    | 'stray_signal_deposit'
    | 'signal_refused'
    | 'equivocation'
    | 'fee_clamped'
    | 'invalid_signature'
    | 'recovery_spend';
  text: string;
  at: number;
  /** While true no new round opens. */
  halts: boolean;
  /** The operator looked at it: it stands, and neither halts nor is told any more. */
  dismissed?: boolean;
}

export interface Registration {
  did: string;
  index: string;
  member: string;
  proven: boolean;
  /** The newest document that the aggregator could resolve; null for DIDs that it cannot read. */
  known: { document: DidDocument; version: number } | null;
  deactivated: boolean;
  registered_at: number;
}

export interface ControlCheck {
  request_id: string;
  member: string;
  did: string;
  verification_method: string;
  sig: string;
  sidecar: Record<string, unknown>;
}

export interface QueuedUpdate {
  did: string;
  member: string;
  version: number;
  announcement: string;
  /** Null where only its hash was sent. */
  update: SignedUpdate | null;
  verified: boolean;
  received_at: number;
  /** returned: its round ended without a signal; it is announced again byte for byte, and nothing may replace it. */
  state: 'queued' | 'frozen' | 'announced' | 'final' | 'returned';
}

export interface Outpoint {
  txid: string;
  vout: number;
  value_sats: number;
}

/** What a round is about. Once the aggregated nonce is out, only exactly this may be signed. */
export interface Frozen {
  outpoint: Outpoint;
  signal_bytes: string;
  /** How many of `Beacon.leaves` the tree holds. */
  leaf_count: number;
  /** Every leaf's nonce is HMAC-SHA256(seed, index). */
  nonce_seed: string;
  updates: { did: string; announcement: string; version: number }[];
  /** The crown of a large tree, base64url: proofs of this signal are made from it later, without the tree. */
  crown?: string;
  /** The finished leaves of a blinded tree, by index, in the order of the answers; then the fields above say nothing. */
  blinded?: { opportunity_id: string; leaves: { index: string; leaf: string }[] };
}

export interface Step {
  psbt: string;
  unsigned_hex: string;
  txid: string;
  fee_sats: number;
}

/** A transaction that some session of a signal's round was about: any of them may be the one that the chain takes. */
export interface SignalStep {
  session_id: string;
  attempt: number;
  txid: string;
  fee_sats: number;
  /** Null where a partial signature is missing: those who have it may still publish it. */
  hex: string | null;
}

export type NoncePair = [string, string];

export type EnvelopeOf<T extends Envelope['type']> = Extract<Envelope, { type: T }>;

export interface Session {
  id: string;
  round: number;
  attempt: number;
  /** What it announces; zeros for a spend that announces nothing. */
  signal_bytes: string;
  /** What its steps spend. A reorganization may have taken it away since: then its round is about another one. */
  outpoint: Outpoint;
  /** One transaction, or a ladder of rising fees. */
  steps: Step[];
  /** Signed with them: what gives back the money that each leaves at the beacon, where the terms say so. */
  refunds: readonly Refund[];
  /** The signed envelopes themselves: they are the evidence, should a member contradict itself. */
  nonces: Map<string, EnvelopeOf<'nonce'>>;
  /** Null until it goes out. Then the session is open. */
  agg_nonce: NoncePair[] | null;
  /** Verified partial signatures, one a step. */
  sigs: Map<string, EnvelopeOf<'signal_authorization'>>;
  /** Every member had checked it, and not every one signed: from then on the fallback policy may be used. */
  overdue_at?: number;
  fallback?: Fallback;
}

/** The same signal, to be signed by all members but one. */
export interface Fallback {
  /** The session's outpoint and bytes; other fees, since they are larger. */
  steps: Step[];
  /** Verified, by cohort key. */
  sigs: Map<string, EnvelopeOf<'fallback_signature'>>;
  /** Members that refuse. */
  vetoes: Set<string>;
}

export interface Round {
  number: number;
  attempt: number;
  opened_at: number;
  frozen: Frozen | null;
  /** Open sessions, oldest first: late partial signatures for any of them are welcome. */
  open: Session[];
  stage: Stage;
}

export type Stage =
  | {
      name: 'presence';
      deadline: number;
      remind_at: number;
      heard: Set<string>;
      /** In the pull flow the question is what there is to announce; null where it is only who is there. */
      opportunity: Opportunity | null;
    }
  /** `told`: only so many members have the request as yet; left out where all have it. */
  | { name: 'nonces'; deadline: number; remind_at: number; session: Session; told?: number }
  | { name: 'signatures'; deadline: number; remind_at: number; session: Session }
  | { name: 'fallback'; deadline: number; remind_at: number; session: Session }
  /** The session is open and this attempt is over: another one later, or the chain. */
  | { name: 'waiting'; retry_at: number }
  /** A transaction is complete; the round's signal tells which one is out. */
  | { name: 'announced' };

/** A ceremony for a spend of the beacon that announces nothing. */
export interface Spend {
  purpose: SpendPurpose;
  /** Where it goes: an address. */
  to: string;
  stage: Extract<Stage, { name: 'nonces' | 'signatures' }>;
}

export interface SignedSpend {
  purpose: SpendPurpose;
  to: string;
  session: Session;
  /** Null until every member has signed. */
  transaction: { txid: string; hex: string } | null;
  /** The refund (hex) of what it leaves at the beacon; none where the terms have none. */
  refunds: readonly string[];
  /** Six deep in the chain. */
  isFinal: boolean;
}

export interface Recovery {
  outpoint: Outpoint;
  /** Where it went: an address. */
  to: string;
  fee_sats: number;
  txid: string;
  hex: string;
  /** Six deep in the chain. */
  isFinal: boolean;
}

export interface Opportunity {
  id: string;
  /** Finished leaves of a blinded tree, by index. */
  leaves: Map<string, string>;
  /** Whether any answer held an update. */
  wanted: boolean;
}

export interface Signal {
  round: number;
  attempt: number;
  fee_sats: number;
  session_id: string;
  txid: string;
  hex: string;
  frozen: Frozen;
  announced_at: number;
  /** Height of the chain when this transaction was sent, at first or after a reorganization; null while none was seen. */
  sent_at_height: number | null;
  /** Every transaction that was about this signal, of all attempts, in the order in which they were made. */
  steps: SignalStep[];
  /** Complete refunds (hex) of what the steps of its session leave at the beacon. */
  refunds: readonly string[];
  seen: SignalSeen;
}

export type SignalSeen =
  | { status: 'completed' }
  | { status: 'broadcast' }
  | { status: 'confirmed' | 'final'; height: number; block_hash: string; confirmations: number }
  | { status: 'reorged' };

export interface Refusal {
  code: RejectionCode;
  text: string;
  field?: string;
}

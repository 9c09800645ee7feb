import type { Network } from '../bitcoin/network.ts';
import type { Transcript } from '../blame/index.ts';
import type { SpendPurpose, Terms } from '../messages/index.ts';
import type { AdvertDocument } from '../nostr/advert-document.ts';
import type { NostrEvent } from '../nostr/event.ts';
import type { Composed, ComposeRequest, HandIn } from '../shell/by-hand.ts';
import type { ExportSummary } from './archive.ts';
import type { SuccessionApi } from './succession-api.ts';

/** What the operator can ask of the running daemon, over its control socket. Every answer is plain JSON. */
export interface AggregatorApi extends SuccessionApi {
  status(): Promise<DaemonStatus>;
  /** Publishes a new advert. What is left out comes from the `[advert]` section of the configuration. */
  advertCreate(request: { id?: string; expires_in?: number } & Partial<AdvertTerms>): Promise<AdvertSummary>;
  advertList(): Promise<AdvertSummary[]>;
  /** `closed`: forms the cohort with who is there, if enough; `cancelled`: gives the seats back. */
  advertClose(request: { advert: string; status: 'closed' | 'cancelled' }): Promise<AdvertSummary>;
  /** The advert to be shown outside Nostr: its latest event, its document with proof, and links to it. */
  advertExport(request: { advert: string }): Promise<AdvertExport>;
  /**
   * Messages of a cohort in files, oldest first: those that were not composed before, to members whose messages came by
   * hand (to all, where the daemon has no relay), or to one `member` (transport or cohort key, or a unique beginning).
   */
  compose(request: { cohort: string; member?: string } & ComposeRequest): Promise<Composed[]>;
  /** The files of these events were written. */
  composed(request: { events: string[] }): Promise<{ events: number }>;
  /** Takes one JSON text of a file: an event, or a signed envelope. `told`: what it was answered with at once. */
  deliver(request: { text: string }): Promise<HandIn<string>>;
  cohortList(): Promise<CohortSummary[]>;
  cohortShow(request: { cohort: string }): Promise<CohortDetail>;
  roundList(request: { cohort: string }): Promise<RoundSummary[]>;
  roundShow(request: { cohort: string; round: number }): Promise<RoundDetail>;
  /** Asks for a round now, without waiting for the trigger; refuses with the reason if nothing can be announced. */
  /** An alarm was looked at: it halts no more rounds. `alarm` is its key, or a code or beginning that only one has. */
  alarmClear(request: { cohort: string; alarm: string }): Promise<CohortDetail>;
  /** Copies the database to a new file (absolute path) while the daemon runs, and the keys of the cohorts beside it. */
  backup(request: { file: string }): Promise<BackupSummary>;
  roundOpen(request: { cohort: string }): Promise<{ opened: boolean; waiting_for: string | null }>;
  /**
   * Writes everything that it takes to prove the signals of one cohort, or of all, for ever into a new folder (absolute path),
   * for whoever keeps it next; without any key.
   */
  archiveExport(request: { cohort?: string | undefined; folder: string }): Promise<ExportSummary>;
  /** Asks all members to sign a spend that announces nothing; refuses with the reason where there is nothing to spend so. */
  spendStart(request: {
    cohort: string;
    purpose: SpendPurpose;
    /** Of a move: the address that the members agreed to; the successor's beacon if left out. */
    to?: string | undefined;
    /** Of a refund: the output of a deposit, which need not be broadcast yet. */
    outpoint?: { txid: string; vout: number; value_sats: number } | undefined;
  }): Promise<SpendSummary>;
  /**
   * The spend of one output of a beacon by its recovery key alone, for whoever holds that key to sign; refuses with the
   * reason where no output has lain for the delay of the policy.
   */
  recoveryOffer(request: { cohort: string; to: string }): Promise<RecoveryOffer>;
  /** Checks and publishes such a spend, signed. */
  recoverySend(request: { cohort: string; hex: string }): Promise<RecoverySummary>;
  /** The spends of a cohort that were asked for and reached signing, oldest first, and the one under way. */
  spendList(request: { cohort: string }): Promise<SpendSummary[]>;
  /** Kept transcripts of misbehaviour, of one cohort or of all, oldest first. */
  evidenceList(request: { cohort?: string }): Promise<EvidenceSummary[]>;
  /** One of them, whole, for a file that anybody can judge. */
  evidenceExport(request: { id: number }): Promise<Transcript>;
}

/** The terms that an operator chooses; the daemon fills in ids, keys and addresses. */
export type AdvertTerms = Omit<
  Terms,
  'v' | 'id' | 'btc_network' | 'transport_key' | 'return_address' | 'aggregator_did' | 'proof'
>;

export interface DaemonStatus {
  version: string;
  pid: number;
  uptime_seconds: number;
  network: string;
  identity: string;
  npub: string;
  did: string;
  relays: { url: string; connected: boolean; pending: number; error: string | null }[];
  hearing: boolean;
  chain: { kind: string; height: number | null; reachable: boolean };
  /** How many of what arrived since the start changed nothing and were not answered, by reason. */
  dropped: Readonly<Record<string, number>>;
  cohorts: CohortSummary[];
}

export interface AdvertSummary {
  cohort: string;
  advert_id: string;
  status: string;
  type: string;
  seats: { taken: number; min: number; max: number };
  expires_at: number;
}

export interface AdvertExport {
  /** As it was last published. */
  event: NostrEvent;
  /** The terms with a proof by the aggregator's DID; null for an advert from before there was one. */
  document: AdvertDocument | null;
  /** `nostr+btcr2://…`, with the event inside if it is not too long. */
  link: string;
  /** The same without the event: short enough for a QR code. */
  short_link: string;
}

export interface CohortSummary extends AdvertSummary {
  phase: string;
  beacon_address: string | null;
  dids: number;
  pending_updates: number;
  signals: number;
  /** Where the current round stands, or why none opens. */
  round: string;
  balance_sats: number | null;
  /** Rounds that the usable balance pays for, at the cap and at the present estimate. */
  runway: { at_cap: number; at_estimate: number } | null;
  /** What to send to the address when more is needed; null while nothing is formed. */
  suggested_deposit_sats: number | null;
  alarms: string[];
}

export interface CohortDetail extends CohortSummary {
  terms: Terms;
  members: { participant_pk: string; transport: string; seated_at: number; dids: number; heard: boolean | null }[];
  registered: { did: string; member: string; proven: boolean; version: number | null; pending: number | null }[];
  rounds: RoundSummary[];
  /** Every alarm that stands, those that were looked at among them. */
  alarm_details: { key: string; code: string; text: string; at: number; halts: boolean; dismissed: boolean }[];
}

export interface SpendSummary {
  /** Null for a spend by the recovery key, which no member signs. */
  session_id: string | null;
  purpose: SpendPurpose | 'recovery';
  to: string;
  outpoint: { txid: string; vout: number; value_sats: number };
  fee_sats: number;
  txid: string;
  status: 'nonces' | 'signatures' | 'unfinished' | 'complete' | 'final';
  /** Members that have sent what the present stage waits for, of how many. */
  heard: number;
  members: number;
  /** The raw transaction; null until every member has signed. */
  hex: string | null;
}

/** All that it takes to build a recovery spend again, and to sign it. */
export interface RecoveryOffer {
  network: Network;
  participant_pubkeys: string[];
  policy: Terms['policy'];
  outpoint: { txid: string; vout: number; value_sats: number };
  to: string;
  fee_sats: number;
  unsigned_hex: string;
  txid: string;
}

export interface RecoverySummary {
  outpoint: { txid: string; vout: number; value_sats: number };
  to: string;
  fee_sats: number;
  txid: string;
  hex: string;
}

export interface RoundSummary {
  round: number;
  stage: string;
  attempt: number;
  session_id: string | null;
  txid: string | null;
  status: string | null;
  height: number | null;
  updates: number;
}

export interface RoundDetail extends RoundSummary {
  signal_bytes: string | null;
  outpoint: { txid: string; vout: number; value_sats: number } | null;
  fee_sats: number | null;
  /** Which of the transactions of rising fee that is, that members signed or are to sign; null where there is none. */
  step: { number: number; of: number } | null;
  hex: string | null;
  open_sessions: { session_id: string; attempt: number; authorized: number; members: number }[];
  /** `cid`: address (IPFS CIDv1) of the signed update, for whoever has its bytes. */
  announcements: { did: string; version: number; announcement: string; cid: string }[];
  /** Address of a CAS beacon's announcement map; null for a tree. */
  map_cid: string | null;
  /** Whether the map was published from here; null where nothing is published. */
  map_published: boolean | null;
}

export interface EvidenceSummary {
  id: number;
  cohort: string;
  at: number;
  reason: string;
  participant_pk: string;
  session_id: string | null;
  round: number | null;
}

export interface BackupSummary {
  database: string;
  keys: string;
  /** What else has to be kept: it is in neither. */
  keep: string[];
}

/** A command that failed for a reason that the operator should read. */
export class OperatorError extends Error {
  override readonly name = 'OperatorError';
  readonly code: string;

  constructor(code: string, text: string) {
    super(text);
    this.code = code;
  }
}

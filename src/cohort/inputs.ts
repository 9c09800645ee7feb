import type { Transcript } from '../blame/index.ts';
import type { DidDocument } from '../did/index.ts';
import type { Envelope, Message, SpendPurpose, Terms } from '../messages/index.ts';
import type { CohortEvent } from './events.ts';
import type { AdvertStatus, Outpoint, Successor } from './state.ts';
import type { TreeJob, Trees } from './trees.ts';

/** One look at the chain: everything about one beacon address, from one backend at one moment. */
export interface ChainView {
  tip: { height: number; hash: string; mediantime: number };
  utxos: { txid: string; vout: number; value_sats: number; height: number | null; coinbase: boolean }[];
  /** Transactions that pay or spend the address: confirmed ones in chain order, then the mempool's. */
  history: ChainTx[];
  /** sat/vB, as the node estimates it; null when it has no estimate. */
  fee_rate: number | null;
}

export interface ChainTx {
  txid: string;
  hex: string;
  height: number | null;
  block_hash: string | null;
  /** Whether it spends from the address; else it only pays to it. */
  spends: boolean;
  /** Outpoints that it spends, as `txid:vout`. */
  inputs: string[];
  /** The 32 signal bytes of its last output (hex), if that is what it carries. */
  signal: string | null;
}

/** What comes in with every input: the outside world as values. */
export interface Env {
  /** Unix seconds. */
  now: number;
  /** 32 random bytes (hex), fresh for each input. */
  entropy: string;
  /** The latest look at the beacon address, or null while there is none. */
  chain: ChainView | null;
  /** Where the shell hashes large trees elsewhere; all are hashed in line if left out. */
  trees?: Trees;
}

export type ControlResult =
  | { ok: true; document: DidDocument; version: number; deactivated: boolean }
  | { ok: false; text: string };

export type Input =
  | { type: 'create'; cohort: string; terms: Terms; terms_hash: string; identity: string; expires_at: number }
  /** Publishes the advert again before relays drop it. */
  | { type: 'refresh' }
  | { type: 'set_status'; status: AdvertStatus }
  | { type: 'open_round' }
  /** Begins a spend that announces nothing; what it spends and where it goes follows from the purpose where left out. */
  | { type: 'start_spend'; purpose: SpendPurpose; to?: string; outpoint?: Outpoint }
  /** The operator ends the cohort, with or without a cohort that follows it. */
  | { type: 'end_cohort'; successor: Successor | null; deadline: number; text: string }
  /** The cohort that follows was formed. */
  | { type: 'successor_formed'; beacon_address: string }
  /** The operator holds a member for gone, or no longer. */
  | { type: 'mark_member'; participant_pk: string; gone: boolean }
  /** A spend that the recovery key has signed. */
  | { type: 'recover'; hex: string }
  /** The operator looked at an alarm, by its key. */
  | { type: 'dismiss_alarm'; key: string }
  /** The log is a backup's; in words. */
  | { type: 'restored'; text: string }
  | { type: 'message'; envelope: Envelope; admission: AdmissionPolicy }
  | { type: 'control_checked'; request_id: string; result: ControlResult }
  /** The daemon was down or without a relay for so many seconds. */
  | { type: 'was_deaf'; seconds: number }
  /** `cheap`: the node asks for a higher fee. */
  | { type: 'broadcast_refused'; txid: string; reason: string; cheap: boolean }
  /** Time passed, the chain moved, or an event was stored: do what is due. */
  | { type: 'advance' };

/** Who may join; the lists are the operator's and stay out of the terms. */
export interface AdmissionPolicy {
  invites: readonly string[];
  allowlist: readonly string[];
}

export type Effect =
  | { type: 'send'; to: string; message: Message; session?: string; in_reply_to?: string }
  | { type: 'publish_advert'; status: AdvertStatus }
  | { type: 'broadcast'; txid: string; hex: string }
  /** The next `Env.trees` is to bring this tree, then the cohort is to be advanced again. Nothing is lost if it is not done. */
  | { type: 'build_tree'; job: TreeJob }
  | { type: 'settle_broadcast'; txid: string }
  /** Signed envelopes that prove a misbehaviour, to be judged by anybody. */
  | { type: 'keep_evidence'; transcript: Transcript };

export type Decision = { events: CohortEvent[]; effects: Effect[] } | { drop: string };

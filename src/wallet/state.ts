import type { Refund } from '../bitcoin/index.ts';
import type { Network } from '../bitcoin/network.ts';
import type { DidDocument, SignedUpdate } from '../did/index.ts';
import type {
  AuthorizeBeaconSignalRequest,
  CohortStatus,
  Scheme,
  SignalEvidence,
  SpendPurpose,
  Terms,
  TermsPolicy,
} from '../messages/index.ts';
import type { SmtProof } from '../smt/index.ts';
import type { Blame } from './blame.ts';
import type { Companionship } from './companion/pair.ts';

/** A wallet: its DIDs and the cohorts that it is a member of. The fold of its log; `evolve` owns the maps in here. */
export interface WalletState {
  dids: Map<string, WalletDid>;
  cohorts: Map<string, Membership>;
  /** Requests that wait for an answer, by the id of their envelope. */
  asked: Map<string, Asked>;
  /** Set when the wallet was put back from a copy; null for one that never was. */
  doubt: Doubt | null;
  /** The pair that this wallet is a half of; null for one that is whole. */
  companionship: Companionship | null;
}

/** What may have been signed after a copy was made, and is not known to whoever was put back from it. */
export interface Doubt {
  /** When it was put back, Unix seconds: what is younger is in no doubt. */
  since: number;
  /** Addresses whose older outputs may have been signed for, with the first height seen since; null before that look. */
  addresses: Map<string, number | null>;
}

export interface Asked {
  cohort: string;
  /** What was asked, such as `opt_in`, `register <did>`, `update <did> <announcement>`, `proofs <did>`. */
  slot: string;
  at: number;
}

export interface WalletDid {
  did: string;
  name: string | null;
  network: Network;
  /** 33-byte compressed key (hex) that controls it; the key store holds its secret. */
  public_key: string;
  /** Null for a `k` identifier. */
  genesis: DidDocument | null;
  /** Every beacon address that any version names, drafts included. */
  named: Set<string>;
  /** Lowest version first; several of one version where one replaced another. */
  updates: WalletUpdate[];
  created_at: number;
  /**
   * Put back from a seed, and not updated since: what the lost wallet signed last may be unknown here, and may still
   * appear on the chain.
   */
  restored: boolean;
}

/**
 * signed: made, perhaps sent. acked: the aggregator holds it, a newer one may still replace it.
 * locked: a partial signature for it left, or nonces where others can finish a session alone: so no other update of this
 * version is ever signed.
 */
export type UpdateState =
  | 'signed'
  | 'acked'
  | 'frozen'
  | 'locked'
  | 'broadcast'
  | 'final'
  /** Signed for, but its outpoint was spent otherwise: to be announced byte for byte the same, or never. */
  | 'returned'
  | 'replaced'
  | 'refused';

export interface WalletUpdate {
  version: number;
  announcement: string;
  update: SignedUpdate;
  /** Sent by its hash alone: the aggregator never learns what it says. */
  bare: boolean;
  /** Cohorts that it was sent to. */
  cohorts: string[];
  state: UpdateState;
  /** Why it was refused. */
  text: string | null;
  /** Transactions of the controller's own beacon that announce it. */
  own_signals: HeldOwnSignal[];
  /** Beacon addresses of the document that it makes; null for one that was put back from a seed. */
  names: readonly string[] | null;
}

/** A signed transaction of the controller's own beacon: once it was sent it may appear at any time. */
export interface OwnSignal {
  /** The singleton beacon that it spends from. */
  address: string;
  txid: string;
  hex: string;
  /** Outpoints that it spends, as `txid:vout`. */
  inputs: string[];
  fee_sats: number;
}

export interface HeldOwnSignal extends OwnSignal {
  /** gone: something else spent its money, six deep. */
  status: 'unseen' | 'broadcast' | 'final' | 'gone';
}

/** What was agreed to by joining. */
export interface Agreement {
  cohort: string;
  /** The advert event that was agreed to, kept for ever. */
  advert_event: unknown;
  terms: Terms;
  terms_hash: string;
  /** x-only identity of the aggregator. */
  identity: string;
  relays: string[];
  transport: string;
  /** How its messages travel; `nip44_v2` if left out. */
  scheme?: Scheme;
  /** x-only key of the companion that is the member in the place of this wallet, and is spoken to by `transport`. */
  companion?: string;
}

export interface Membership extends Agreement {
  participant_pk: string;
  joined_at: number;
  phase: MemberPhase;
  /** Counter of the last `rebind` that was taken; 0 for the key that it joined with. */
  rebind_counter: number;
  /** A new transport key that the aggregator has not answered yet; `refused`: why it did not take it. */
  rebinding: { transport: string; counter: number; refused: string | null } | null;
  /** What the aggregator last said about a round that ended badly. */
  last_abort: { round: number; reason: string; text: string; at: number; blame?: Blame[] } | null;
}

export type MemberPhase =
  | { name: 'asked' }
  | { name: 'seated' }
  | { name: 'proposed'; set: ProposedSet; sig: string | null }
  | { name: 'ready'; beacon: MemberBeacon }
  /** Put back without its cohort key, which nothing restores: it fetches and checks proofs, and signs nothing. */
  | { name: 'restored'; beacon: MemberBeacon }
  /** Its cohort key was deleted: it fetches and checks proofs, and signs nothing. */
  | { name: 'retired'; beacon: MemberBeacon }
  | { name: 'ended'; reason: string };

export interface ProposedSet {
  attempt: number;
  participant_pubkeys: string[];
  beacon_address: string;
  script_hex: string;
}

export interface MemberBeacon extends Omit<ProposedSet, 'attempt'> {
  /** As in the terms. */
  policy: TermsPolicy;
  signatures: string[];
  challenge: string;
  ready_at: number;
  registrations: Map<string, RegistrationState>;
  /** By signal bytes. */
  signals: Map<string, HeldSignal>;
  sessions: Map<string, MemberSession>;
  /** In the pull flow: every opportunity, and what was answered. */
  opportunities: Map<string, Opportunity>;
  /** Where the person agreed that the money of this beacon may go when it is given up: an address. */
  release: string | null;
  /** What the aggregator last said of members that go and of the cohort's end; null while it said nothing. */
  status: CohortStatus | null;
  /** This member said that it wants to go. */
  leaving: boolean;
  /** Transactions by which the recovery key took money from the beacon, as the chain shows them. */
  recoveries: { txid: string; signal: string | null }[];
  /** A request that waits for proofs of DIDs that it did not bring. */
  held_request: { body: AuthorizeBeaconSignalRequest; in_reply_to: string } | null;
}

export type RegistrationState =
  | { name: 'asked' }
  | { name: 'held'; proven: boolean }
  | { name: 'refused'; code: string; text: string };

/** What a resolver will ask for: kept for ever. */
export interface HeldSignal {
  signal_bytes: string;
  proofs: Map<string, SmtProof>;
  map: Record<string, string> | null;
  /** Complete transactions that the aggregator handed out; any member may publish them. */
  transactions: string[];
  /** Complete refunds (hex) of what those leave at the beacon. */
  refunds: string[];
  /** Since which height they are complete and in no block, and which of them this wallet has published for that. */
  lingers: { from_height: number; step: number } | null;
  seen: { status: 'unseen' | 'broadcast' | 'confirmed' | 'final'; txid: string | null; height: number | null };
}

/** What the wallet answered for one of its DIDs: with it the proof of a blinded leaf is made whole again. */
export interface AnsweredEntry {
  did: string;
  announcement: string | null;
  nonce: string | null;
}

export interface Opportunity {
  opportunity_id: string;
  round: number;
  attempt: number;
  /** Null until it is answered; then for ever the same. */
  entries: AnsweredEntry[] | null;
}

export interface SessionFacts {
  session_id: string;
  round: number;
  attempt: number;
  outpoint: { txid: string; vout: number; value_sats: number };
  signal_bytes: string;
  steps: { unsigned_hex: string; txid: string; fee_sats: number }[];
  /** Signed with them: what gives back the money that each leaves at the beacon. */
  refunds?: Refund[];
  /** Set where it is a spend that announces nothing, and what for. */
  purpose?: SpendPurpose;
  /** In a blinded cohort: which answer its leaves are of. */
  opportunity_id?: string;
  /** The own updates that it announces. */
  updates: { did: string; version: number; announcement: string }[];
}

export interface MemberSession extends SessionFacts {
  stage:
    | { name: 'checked' }
    | { name: 'nonce_sent'; nonce_points: [string, string][] }
    | { name: 'to_sign'; nonce_points: [string, string][]; agg_nonce: [string, string][] }
    | { name: 'signed'; agg_nonce: [string, string][]; sig: string[] }
    /** Its secret nonce is gone; it can never be signed. */
    | { name: 'lost' };
  checked_at: number;
  /** Nonces of this wallet left for it. */
  nonced?: true;
  /** The same signal, for all members but one to sign; `sig` is null until this wallet has. */
  fallback?: { steps: SessionFacts['steps']; sig: string[] | null };
  /** Of a spend: the complete transaction (hex), once it was told. */
  transaction?: string;
  /** Complete refunds (hex) of what it leaves at the beacon. */
  given_back?: string[];
  /** How its outpoint was spent, six deep in the wallet's own view. */
  settled: { txid: string; announced: boolean } | null;
}

export type { AuthorizeBeaconSignalRequest, SignalEvidence };

export const emptyWallet = (): WalletState => ({
  dids: new Map(),
  cohorts: new Map(),
  asked: new Map(),
  doubt: null,
  companionship: null,
});

/** A signature of this wallet left for it: its transaction may appear at any time. */
export const isSigned = ({ stage, fallback }: Pick<MemberSession, 'stage' | 'fallback'>): boolean =>
  stage.name === 'signed' || (fallback !== undefined && fallback.sig !== null);

/**
 * Whether the transaction of a session may appear: a signature of this wallet left for it; or, where all members but one
 * can finish what all have checked, its nonces did.
 */
export const mayAppear = ({ policy }: Pick<MemberBeacon, 'policy'>, session: MemberSession): boolean =>
  isSigned(session) || (policy.type === 'fallback' && session.purpose === undefined && session.nonced === true);

/** Every transaction of a session that this wallet may have signed. */
export const stepsOf = ({ steps, fallback }: MemberSession): SessionFacts['steps'] => [
  ...steps,
  ...(fallback?.steps ?? []),
];

/** The beacon of a cohort that is ready. */
export const beaconOf = (membership: Membership): MemberBeacon | null =>
  membership.phase.name === 'ready' ? membership.phase.beacon : null;

/** The beacon of a cohort whose proofs concern this wallet, whether it can still sign for it or not. */
export const provenBeaconOf = (membership: Membership): MemberBeacon | null =>
  membership.phase.name === 'restored' || membership.phase.name === 'retired'
    ? membership.phase.beacon
    : beaconOf(membership);

/** Own DIDs that need evidence of every signal of the beacon: registered there, or naming its address in any version. */
export function concernedDids(state: WalletState, beacon: MemberBeacon): string[] {
  const dids = new Set<string>();
  for (const [did, registration] of beacon.registrations) if (registration.name === 'held') dids.add(did);
  for (const own of state.dids.values()) if (own.named.has(beacon.beacon_address)) dids.add(own.did);
  return [...dids];
}

/** Every transaction that the controller's own beacons signed, with the update that it announces. */
export const ownSignals = (state: WalletState): { did: string; update: WalletUpdate; signal: HeldOwnSignal }[] =>
  [...state.dids.values()].flatMap(({ did, updates }) =>
    updates.flatMap(update => update.own_signals.map(signal => ({ did, update, signal }))),
  );

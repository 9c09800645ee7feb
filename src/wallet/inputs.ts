import type { Network } from '../bitcoin/network.ts';
import type { ChainView } from '../cohort/index.ts';
import type { DidDocument, SignedUpdate } from '../did/index.ts';
import type { CompanionPolicy, Envelope, Message, OptIn } from '../messages/index.ts';
import type { Heir } from './companion/pair.ts';
import type { WalletEvent } from './events.ts';
import type { KeptEvidence } from './restore-evidence.ts';
import type { Agreement, OwnSignal, ProposedSet } from './state.ts';

export interface Env {
  /** Unix seconds. */
  now: number;
  /** The wallet's own look at the beacon address that the input is about; null where it has none. */
  chain: ChainView | null;
}

export interface JoinInput extends Agreement {
  type: 'join';
  opt_in: OptIn;
  /** The person was told what a fallback policy means, and agreed. */
  allow_fallback?: boolean;
}

/** What a wallet is told. Signatures by long-lived keys were made before; the nonces' turn comes as jobs. */
export type Input =
  | JoinInput
  | {
      type: 'add_did';
      did: string;
      name: string | null;
      network: Network;
      public_key: string;
      genesis: DidDocument | null;
      document: DidDocument;
    }
  | {
      type: 'restore_did';
      did: string;
      name: string | null;
      network: Network;
      public_key: string;
      genesis: DidDocument | null;
      /** Every document that the updates make, the first one included. */
      documents: DidDocument[];
      /** Verified, each on top of a document of the version before. */
      updates: { version: number; announcement: string; update: SignedUpdate }[];
    }
  | ({
      type: 'restore_cohort';
      participant_pk: string;
      beacon: Omit<ProposedSet, 'attempt'>;
      dids: string[];
    } & Agreement)
  /** Evidence that was kept elsewhere, for a restored wallet to verify and take back. */
  | { type: 'restore_evidence'; cohort: string; kept: KeptEvidence[] }
  /** A restored DID was resolved: these updates of it are on the chain, six deep. */
  | { type: 'restored_final'; did: string; announcements: string[] }
  | {
      type: 'register';
      cohort: string;
      did: string;
      proof: { verification_method: string; sig: string };
      sidecar: Record<string, unknown>;
      /** In a blinded cohort: name the DID and prove control of it, where otherwise its index goes out alone. */
      disclose?: boolean;
    }
  | {
      type: 'submit_update';
      did: string;
      update: SignedUpdate;
      /** The document that it makes, from the dry run. */
      document: DidDocument;
      cohorts: string[];
      /** Announces it by the controller's own beacon too; the view is then one of that beacon's address. */
      own_signal?: OwnSignal;
      /** Send its hash alone. */
      bare?: boolean;
    }
  /** `listing`: own DIDs whose document on the chain lists the beacon; `force`: all the same. */
  | { type: 'leave'; cohort: string; reason: string; listing?: string[]; force?: boolean }
  /** The cohort key is to be deleted; `abandon`: with the money that only it can move. */
  | { type: 'retire'; cohort: string; listing: string[]; abandon: boolean }
  /** Asks for the refund of an output that lies at the beacon and has none. */
  | { type: 'ask_refund'; cohort: string; outpoint: { txid: string; vout: number; value_sats: number } }
  /** A new transport key, that the cohort key signed for. */
  | { type: 'rebind'; cohort: string; transport: string; counter: number; sig: string }
  /** The person agrees that the money of a beacon goes to an address when it is given up; null takes that back. */
  | { type: 'agree_release'; cohort: string; to: string | null }
  | { type: 'leaves_drawn'; cohort: string; opportunity_id: string; nonces: Record<string, string> }
  | { type: 'set_signed'; cohort: string; sig: string }
  | { type: 'nonce_drawn'; cohort: string; session_id: string; nonce_points: [string, string][] }
  | { type: 'nonce_lost'; cohort: string; session_id: string }
  | { type: 'signed'; cohort: string; session_id: string; sig: string[] }
  | { type: 'fallback_signed'; cohort: string; session_id: string; sig: string[] }
  | {
      type: 'message';
      envelope: Envelope;
      /** Tree nonces that the seed makes again, for opportunities whose answers this wallet does not have: by `nonceName`. */
      recalled?: Record<string, string>;
    }
  /** The chain moved: what became of signals and sessions of one cohort. */
  | { type: 'look'; cohort: string }
  /** The same for signals of the controller's own beacon at an address. */
  | { type: 'look_own'; address: string }
  /** The same for an address that a restored wallet is in doubt about. */
  | { type: 'look_doubt'; address: string }
  /** The wallet was put back from a copy, or something shows that it was. */
  | { type: 'restored' }
  /** Its owner knows that nothing was signed after the copy was made. */
  | { type: 'trust_copy' }
  /** This wallet is a companion from here on; `pairing` is the one-time key that its owner was shown. */
  | {
      type: 'companion_open';
      key: string;
      network: Network;
      pairing: string;
      expires_at: number;
      relays: string[];
    }
  /** A cohort of the policy could not be joined. */
  | { type: 'companion_join_failed'; cohort: string; text: string }
  /** The owner's side: pair, policy, an update back, awake again, given up. */
  | {
      type: 'companion_pair';
      key: string;
      network: Network;
      companion: string;
      pairing: string;
      relays: string[];
      proof: string;
    }
  | { type: 'companion_issue'; policy: CompanionPolicy; sig: string }
  | { type: 'companion_withdraw'; did: string; announcement: string }
  | { type: 'companion_sync' }
  | { type: 'companion_lost'; reason: string }
  /** The owner agrees where the money of a companion's beacon goes, and gives its key up. */
  | { type: 'companion_end'; cohort: string; release: string | null; delete_key: boolean; abandon: boolean }
  /** Its owner was put back from its words; `heirs` as its record had them. */
  | {
      type: 'companion_restore';
      key: string;
      companion: string;
      pairing: string;
      relays: string[];
      heirs: Record<string, Heir>;
    }
  /** A transport key of the owner's, for the seat of a companion that is lost. */
  | { type: 'companion_heir'; cohort: string; transport_key: string }
  /** The cohort key's word for that key. */
  | { type: 'companion_heir_signed'; cohort: string; sig: string };

export type Effect =
  | {
      type: 'send';
      cohort: string;
      message: Message;
      /** Another transport key than the membership's. */
      from?: string;
      /** Another recipient than the membership's: the other half of a pair. */
      to?: string;
      session?: string;
      in_reply_to?: string;
      /** Set on a request: it is sent again until it is answered. */
      slot?: string;
      /** The controller said so: this message may tell a blinded cohort's aggregator the DID. */
      discloses?: true;
    }
  /** A transaction that all members signed: publishing it is anybody's right. */
  | { type: 'broadcast'; hex: string };

export interface Decided {
  events: WalletEvent[];
  effects: Effect[];
}

export type Decision = Decided | { drop: string } | { refuse: string; cohort?: string };

import type { Network } from '../bitcoin/network.ts';
import type { DidDocument, Patch, Resolution, Sidecar } from '../did/index.ts';
import type { Scheme, Terms } from '../messages/index.ts';
import type { Advert } from '../nostr/advert.ts';

/** What a person, or a program, can ask of a wallet. Every answer is plain JSON, except where the type says otherwise. */
export interface WalletApi {
  /**
   * Reads and verifies adverts from the relays for up to `seconds` (3); newest first. `events`, such as a file's content,
   * or `link` name them instead: events, documents and `nostr+btcr2://` strings. What is only pointed at is fetched from
   * the relays that it names. Rejects with WalletError `refused` for a link that does not verify.
   */
  discover(query?: {
    seconds?: number;
    network?: Network;
    all?: boolean;
    events?: unknown[];
    link?: string;
  }): Promise<AdvertView[]>;
  /** `scheme`: how messages travel, one that the advert lists (`nip44_v2` if it does). Opts in. Resolves when the aggregator has answered; rejects with WalletError `refused` and its reason. */
  join(request: {
    advert: Advert;
    invite?: string;
    scheme?: Scheme;
  }): Promise<{ cohort: string; participant_pk: string }>;
  /** Waits until the cohort stands. */
  ready(cohort: string): Promise<{ beacon_address: string; participant_pubkeys: string[] }>;
  leave(cohort: string): Promise<void>;
  /** Makes an identifier. `cohort` puts that cohort's beacon into an `x` identifier's first document. */
  createDid(request: {
    kind: 'x' | 'k';
    cohort?: string;
    name?: string;
    singleton?: boolean;
  }): Promise<{ did: string; document: DidDocument }>;
  /** Registers a DID and takes the proofs of the past, checked against the chain. Resolves when it was answered. */
  register(request: {
    did: string;
    cohort: string;
  }): Promise<{ did: string; cohort: string; proven: boolean; signals: number }>;
  /** Resolves the DID afresh, signs the patch as its next version, dry-runs it, and sends it to the cohorts (all that hold the DID if left out). */
  update(request: {
    did: string;
    patch: Patch;
    cohorts?: string[];
  }): Promise<{ did: string; version: number; announcement: string; cohorts: string[]; state: string }>;
  sidecar(did: string): Sidecar;
  /** Resolves any DID: own ones with the wallet's sidecar, others with the one given. */
  resolve(request: {
    did: string;
    sidecar?: unknown;
    versionId?: string;
    versionTime?: string;
    minConf?: number;
  }): Promise<Resolution>;
  status(): WalletStatus;
}

export interface AdvertView {
  advert: Advert;
  open: boolean;
}

export interface WalletStatus {
  network: Network;
  relays: { url: string; connected: boolean }[];
  chain: { kind: string; height: number | null };
  cohorts: CohortView[];
  dids: DidView[];
}

export interface CohortView {
  cohort: string;
  advert_id: string;
  aggregator: string;
  phase: string;
  beacon_address: string | null;
  members: number | null;
  participant_pk: string;
  terms: Terms;
  signals: { signal_bytes: string; txid: string | null; status: string; height: number | null; dids_proven: number }[];
  open_sessions: { session_id: string; round: number; attempt: number; txid: string }[];
  last_abort: { round: number; reason: string; text: string; at: number } | null;
}

export interface DidView {
  did: string;
  name: string | null;
  /** drafted: in no cohort yet; registered: held by an aggregator; listed: its document names the beacon. */
  beacons: {
    cohort: string;
    address: string;
    state: 'drafted' | 'asked' | 'registered' | 'listed' | 'refused';
    text: string | null;
    missing_proofs: number;
  }[];
  updates: { version: number; announcement: string; state: string; text: string | null }[];
}

/** A request that failed for a reason that a person should read. */
export class WalletError extends Error {
  override readonly name = 'WalletError';
  readonly code:
    | 'refused'
    | 'timeout'
    | 'unknown_did'
    | 'unknown_cohort'
    | 'not_ready'
    | 'not_registered'
    | 'invalid_patch'
    | 'version_busy'
    | 'draft'
    | 'already'
    | 'no_chain';

  constructor(code: WalletError['code'], text: string) {
    super(text);
    this.code = code;
  }
}

import type { Network } from '../bitcoin/network.ts';
import type { Bytes } from '../crypto/index.ts';
import type { DidDocument, Patch, Resolution, Sidecar } from '../did/index.ts';
import type { CohortStatus, Scheme, Terms } from '../messages/index.ts';
import type { Advert } from '../nostr/advert.ts';
import type { Composed, ComposeRequest, HandIn } from '../shell/by-hand.ts';
import type { CompanionView } from './companion/api.ts';
import type { WalletEvent } from './core.ts';
import type { Recovery } from './recovery.ts';
import type { Finding, SavedView } from './saved/api.ts';

export type { CompanionApi, CompanionPolicyView, CompanionView } from './companion/api.ts';
export type { Recovery, RecoveryCohort } from './recovery.ts';
export type { Finding, SavedApi, SavedView } from './saved/api.ts';

/**
 * Signs for a DID whose key lives outside the wallet, as in a device or another program. It signs registrations and
 * updates, never transactions: a beacon of the DID's own key cannot be used from here. Cohort keys cannot live elsewhere:
 * MuSig2 takes a secret nonce that signs once, and only the wallet that drew it can promise that.
 */
export interface DidSigner {
  /** 33-byte compressed secp256k1 key, hex. */
  publicKey: string;
  /** BIP-340 signature (64 bytes) over 32 bytes, which are a hash already. The wallet verifies it. */
  sign(hash32: Bytes): Promise<Bytes>;
}

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
    /** The listed key that vouches for this wallet, where the advert admits listed keys only. */
    voucher?: DidSigner;
    /**
     * Agrees to a fallback policy: all members but one, or after a delay the operator alone, can publish under the address,
     * and with that destroy every DID behind it. Without it such an advert is refused (`fallback_not_allowed`).
     */
    allowFallback?: boolean;
  }): Promise<{ cohort: string; participant_pk: string }>;
  /** Waits until the cohort stands. */
  ready(cohort: string): Promise<{ beacon_address: string; participant_pubkeys: string[] }>;
  /**
   * Gives a seat back; once the cohort stands it only says that this member wants to go, and it signs on until everybody has
   * left. Rejects with WalletError `refused` while the document of a DID of this wallet lists the beacon, unless with `force`.
   */
  leave(cohort: string, options?: { force?: boolean }): Promise<void>;
  /**
   * Agrees that the money of a beacon goes to this address when the cohort gives it up; null takes that back. From then
   * on the wallet signs such a move by itself. Rejects with WalletError `refused` for what is no address of the network.
   */
  release(request: { cohort: string; to: string | null }): Promise<void>;
  /**
   * Goes on in a cohort with a new transport key, signed for by the cohort key: for a wallet that lost the old one, or
   * thinks that somebody else has it. Resolves with its x-only form when the aggregator speaks to it. Registrations that
   * nobody has answered yet have to be made again. Rejects with WalletError `refused`.
   */
  rebind(cohort: string): Promise<{ cohort: string; transport_key: string }>;
  /**
   * Makes an identifier. `cohort` puts that cohort's beacon into an `x` identifier's first document. With a `didSigner`
   * its key is the DID's, and none is drawn.
   */
  createDid(request: {
    kind: 'x' | 'k';
    cohort?: string;
    name?: string;
    singleton?: boolean;
    didSigner?: DidSigner;
  }): Promise<{ did: string; document: DidDocument }>;
  /**
   * Registers a DID and takes the proofs of the past, checked against the chain. Resolves when it was answered; at once
   * and `asked` where messages are carried by hand, as do `join`, `leave` and `update`. In a
   * blinded cohort the index goes out alone, and whoever names it first holds it. `disclose` proves control instead, which
   * takes the index from a member that only named it, while it was a leaf of no signal; **the aggregator then learns the
   * DID, its documents and its updates**. Elsewhere every registration does that.
   */
  register(request: {
    did: string;
    cohort: string;
    disclose?: boolean;
    didSigner?: DidSigner;
  }): Promise<{ did: string; cohort: string; proven: boolean; signals: number; asked?: true }>;
  /**
   * Resolves the DID afresh, signs the patch as its next version, dry-runs it, and sends it to the cohorts (all that hold
   * the DID if left out). `via: 'singleton'` announces it at once by the controller's own beacon, for at most
   * `feeCapSats` (5,000), and sends it to the cohorts that are named too: the same bytes. Cohorts that hold another update
   * of that version get it in any case, so that they drop theirs. Rejects with WalletError: `unfunded` names the address
   * and the satoshis it takes, `version_busy` an update of that version that is on its way.
   */
  update(
    request: {
      did: string;
      patch: Patch;
      cohorts?: string[];
      /** Sends its hash alone: the aggregator never learns what it says. */
      bare?: boolean;
      /**
       * Said of a restored DID: nothing that the lost wallet signed for this version can still appear on the chain. If
       * something does, two updates of one version end the DID for ever.
       */
      afterRestore?: boolean;
      didSigner?: DidSigner;
    } & ViaSingleton,
  ): Promise<Announced>;
  sidecar(did: string): Sidecar;
  /** Resolves any DID: own ones with the wallet's sidecar, others with the one given. */
  resolve(request: {
    did: string;
    sidecar?: unknown;
    versionId?: string;
    versionTime?: string;
    minConf?: number;
    /** `lsb` reads the trees of older software; own DIDs know which they need. */
    bitOrder?: 'spec' | 'lsb';
    /** As older software resolves: the whole history of an added beacon, and the former names of the beacon types. */
    legacy?: boolean;
  }): Promise<Resolution>;
  /**
   * The owner knows that this wallet signed nothing after the copy that it was put back from was made: it doubts nothing any
   * more. If that is wrong, the next update may end the DID for good. Resolves to the addresses that were in doubt.
   */
  trustCopy(): Promise<string[]>;
  status(): WalletStatus;
}

/** Messages as files, for wallets that no relay reaches, and beside relays. */
export interface ByHandApi {
  /**
   * Messages of one cohort, or of all, for files, oldest first: those that no relay took and no file has, and requests
   * that were not answered yet; with `all` every message that is kept (30 days).
   */
  compose(request: { cohort?: string } & ComposeRequest): Promise<Composed[]>;
  /** The files of these events were written: they wait no longer. */
  composed(request: { events: string[] }): Promise<{ events: number }>;
  /**
   * Takes one JSON text of a file, an event or a signed envelope, and does all that follows from it. A request to sign is
   * left (`held`) unless the process `stays`: the secret nonces of a round live in its memory only.
   */
  deliver(request: { text: string; stays: boolean }): Promise<HandIn<HandNews>>;
}

/** What is told of a message that came by hand. */
export type HandNews = WalletEvent | { type: 'refused'; text: string; cohort?: string };

/** An update in a content-addressed store, under its address (IPFS CIDv1). */
export interface Published {
  did: string;
  version: number;
  announcement: string;
  cid: string;
}

export interface PublishApi {
  /**
   * Puts signed updates that are final into the content store of the configuration: all of a DID, or that of one version.
   * What was sent as a hash alone, or belongs to a blinded cohort, only with `reveal`: **everybody can read it then, for
   * good**. Each address is checked against the bytes. Rejects with WalletError `refused`, after a few tries where the store
   * does not answer.
   */
  publish(request: { did: string; version?: number; reveal?: boolean }): Promise<Published[]>;
}

/** What to put back: a recovery file, a sidecar, a `k` identifier by name or by the index of its key, or all that the chain shows. */
export interface RestoreRequest {
  recovery?: unknown;
  /** Sidecar data of one DID; that of a `k` identifier needs `did` beside it. */
  sidecar?: unknown;
  did?: string;
  name?: string;
  /** The `k` identifier of this key of the seed, from 0. */
  index?: number;
  /**
   * The `k` identifiers of those keys of the seed whose beacons the chain has seen. A bitcoind scans all blocks for each,
   * which takes hours on mainnet.
   */
  scan?: boolean;
  /** What relays hold: the newest state that they show. */
  fromRelays?: boolean;
}

/** What was put back, and what came of it. `text` says why a DID does not resolve. */
export interface Restored {
  dids: { did: string; version: string | null; deactivated: boolean; missing_proofs: number; text: string | null }[];
  /** `by_companion`: its companion is the member there, and has the key still, unless that is lost too. */
  cohorts: { cohort: string; advert_id: string; beacon_address: string; by_companion: boolean }[];
  /** For people: what this wallet can do from here on, and what it can not. */
  can: string[];
  cannot: string[];
  /**
   * Of what relays held: which state it was, made when (Unix seconds), what each relay showed, and whether this wallet goes
   * on from it. It does not where something of it could not be put back here: to save would lose that.
   */
  saved?: { counter: number; made_at: number; follows: boolean; relays: Finding[] };
  /**
   * Of a wallet that had one. Until it has answered nothing is signed for a DID that was put back: it may hold an update
   * that the record does not know, and sign it.
   */
  companion?: { companion: string; answered: boolean };
}

export interface RestoreApi {
  /** What has to be kept beside the words of the seed. Write it anew after every join, DID and update. */
  recovery(): Recovery;
  /**
   * Puts DIDs and memberships back into a wallet whose keys were made from the seed, makes the nonces of private trees
   * again, and fetches all proofs from the aggregators. **Cohort keys cannot be restored**: such a wallet signs no round.
   * Resolves when every proof is here, or after a minute, with what is missing. Rejects with WalletError `refused` for a
   * file that is wrong, a DID whose key is not of this seed, or what the wallet has already.
   */
  restore(request: RestoreRequest): Promise<Restored>;
}

/** What a wallet can do by the beacon that one DID's controller holds alone. */
export interface SingletonApi {
  /**
   * Sends an update that was signed before, byte for byte the same, through further beacons: the lowest version that is
   * not final, or the one of this `announcement` (hex). The cohorts that hold the DID if none are named, or none with
   * `via: 'singleton'`. What was announced already and is in flight is sent again, not signed again.
   */
  announce(
    request: { did: string; announcement?: string; cohorts?: string[]; didSigner?: DidSigner } & ViaSingleton,
  ): Promise<Announced>;
  /**
   * The address of the DID's own beacon that the next signal would spend from: one that has money, else the P2TR one.
   * `needed_sats`, paid to it in one output, is enough at the present estimate; 0 if it holds enough.
   */
  fundingAddress(did: string): Promise<SingletonFunding>;
}

export interface ViaSingleton {
  via?: 'singleton';
  feeCapSats?: number;
}

/** An update that was sent to cohorts, announced by the controller's own beacon, or both. */
export interface Announced {
  did: string;
  version: number;
  announcement: string;
  cohorts: string[];
  state: string;
  /** `text`: why the node has not taken the transaction yet; it is kept and sent again until it is six deep. */
  singleton?: { address: string; txid: string; fee_sats: number; text: string | null };
}

export interface SingletonFunding {
  did: string;
  address: string;
  kind: 'p2tr' | 'p2wpkh' | 'p2pkh';
  /** Satoshis that can be spent now. */
  balance_sats: number;
  /** Unconfirmed, or of a coinbase that is too young. */
  waiting_sats: number;
  needed_sats: number;
}

export interface AdvertView {
  advert: Advert;
  open: boolean;
}

export interface WalletStatus {
  /**
   * Set for a wallet that was put back from a copy: since when (Unix seconds), and the addresses for which it may have signed
   * what it does not know of.
   */
  doubt: { since: number; addresses: string[] } | null;
  network: Network;
  relays: { url: string; connected: boolean }[];
  chain: { kind: string; height: number | null };
  /** Whether the words of a seed make its DID and transport keys again. */
  seeded: boolean;
  /** What relays hold of its state; null for a wallet that saves nothing there. */
  saved: SavedView | null;
  /** The pair that this wallet is a half of; null for a wallet that is whole. */
  companion: CompanionView | null;
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
  /** lost: nothing can be sent or read in this cohort before a `rebind`, which is `asked` until it is answered. */
  transport: 'here' | 'asked' | 'lost';
  terms: Terms;
  signals: {
    signal_bytes: string;
    txid: string | null;
    status: string;
    height: number | null;
    dids_proven: number;
    /** Address (IPFS CIDv1) of a CAS beacon's announcement map; null for a tree. */
    map_cid: string | null;
  }[];
  /** What the aggregator last said of members that go, and of the cohort's end; left out while it said nothing. */
  status?: CohortStatus;
  /** This wallet said that it wants to go. */
  leaving?: true;
  /** The companion (x-only key) that holds the seat and answers rounds; left out where this wallet does. */
  companion?: string;
  /**
   * Spends by the operator's recovery key, which no member agreed to; left out where there is none. `signal`: what it
   * announced by that, under which no DID of this wallet may be resolvable any more.
   */
  recoveries?: { txid: string; signal: string | null }[];
  open_sessions: { session_id: string; round: number; attempt: number; txid: string }[];
  /**
   * The last attempt that was called off, until its session is settled. `blame`: whom the aggregator blames, and whether the
   * wallet found it proven; that stays.
   */
  last_abort: {
    round: number;
    reason: string;
    text: string;
    at: number;
    blame?: { participant_pk: string; shown: boolean; text: string }[];
  } | null;
}

export interface DidView {
  did: string;
  name: string | null;
  /**
   * drafted: in no cohort yet; registered: held by an aggregator; listed: its document names the beacon; removed: it did, and
   * still needs a proof of every signal there.
   */
  beacons: {
    cohort: string;
    address: string;
    state: 'drafted' | 'asked' | 'registered' | 'listed' | 'removed' | 'refused';
    text: string | null;
    missing_proofs: number;
    /** Whether control was proven: a member that proves it displaces one that did not. */
    proven: boolean;
  }[];
  updates: {
    version: number;
    announcement: string;
    /** Address (IPFS CIDv1) of the signed update, for whoever has its bytes. */
    cid: string;
    state: string;
    text: string | null;
    /** Transactions of the controller's own beacon that announce it, if there are any. */
    singletons?: { address: string; txid: string; status: 'unseen' | 'broadcast' | 'final' | 'gone' }[];
  }[];
}

/** A request that failed for a reason that a person should read. */
export class WalletError extends Error {
  override readonly name = 'WalletError';
  readonly code:
    | 'refused'
    | 'fallback_not_allowed'
    | 'timeout'
    | 'unknown_did'
    | 'unknown_cohort'
    | 'not_ready'
    | 'not_registered'
    | 'invalid_patch'
    | 'version_busy'
    | 'draft'
    | 'restored'
    | 'unfunded'
    | 'transport_lost'
    | 'retired'
    | 'already'
    | 'no_companion'
    | 'no_chain';

  constructor(code: WalletError['code'], text: string) {
    super(text);
    this.code = code;
  }
}

import type { Advert } from '../nostr/advert.ts';

/** What a wallet does when a cohort ends, or loses a member. */
export interface SuccessionApi {
  /**
   * Does what this member has to do next about the end of a cohort, and says what comes after it: join the successor
   * (`advert` is to be shown to the person, and joined by them), register the DIDs there, take the old beacon out of each
   * by one update, agree to the move of the money, delete the cohort key. It may be called at any time and again.
   * `alone`: without following. `deleteKey`: **the key cannot be made again**; `abandon`: with the money or the open session
   * that needs it. Everything is checked against the chain and this wallet's own memberships. Rejects with WalletError
   * `refused` for a cohort that goes on, and where the key is still needed.
   */
  succession(request: {
    cohort: string;
    alone?: boolean;
    deleteKey?: boolean;
    abandon?: boolean;
  }): Promise<SuccessionProgress>;
  /**
   * Takes the beacon of a cohort out of every own DID that lists it, by the beacon under the DID's own key: the way out
   * when a member is gone. An update that was signed for already goes out first, byte for byte the same; then it takes
   * another call. What fails for one DID does not stop the others.
   */
  exit(request: { cohort: string; feeCapSats?: number }): Promise<ExitResult>;
}

/**
 * join: the successor is to be joined. forming: it is not formed yet. exit: a member is gone, and DIDs leave by their own
 * beacons. last_signal: updates wait for it, or for their blocks. release: a person has to say where the money goes.
 * moving: the money waits to move. delete_key: nothing needs the key any more. done: it is deleted.
 */
export type SuccessionStep = 'join' | 'forming' | 'exit' | 'last_signal' | 'release' | 'moving' | 'delete_key' | 'done';

export interface SuccessionProgress {
  cohort: string;
  advert_id: string;
  /** What comes next. */
  step: SuccessionStep;
  /** What this call did, in words. */
  did: string[];
  /** What is waited for, or to be done, in words. */
  next: string;
  /** The cohort of this wallet that follows; null where it does not follow, or has not joined. */
  successor: string | null;
  /** Verified; set at the step join. */
  advert: Advert | null;
  /** Own DIDs whose document on the chain still lists the beacon. */
  listing: string[];
  /** The companion is the member: the successor is joined by it too, and it deletes its key by itself once it is told to. */
  by_companion: boolean;
}

export interface ExitResult {
  cohort: string;
  advert_id: string;
  dids: {
    did: string;
    /** left: it lists the beacon no more. announced: by a transaction that waits for its blocks. again: what was signed for before it goes out first. failed: `text` says why. */
    state: 'left' | 'announced' | 'again' | 'failed';
    txid: string | null;
    text: string | null;
  }[];
}

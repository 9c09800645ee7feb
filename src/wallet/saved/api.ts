import type { Finding } from './choose.ts';
import type { Stop } from './manifest.ts';

export type { Finding } from './choose.ts';

/** The wallet's state on relays, as the wallet itself remembers it. */
export interface SavedView {
  /** Whether the wallet saves by itself after every change. */
  on: boolean;
  /** Whether everything is saved now: shown again by as many relays as it takes. */
  saved: boolean;
  /** How many relays it takes: two, or the only one. */
  needed: number;
  /** Of the last state that was written; 0 before the first. */
  counter: number;
  /** Pieces and bytes (before encryption) of that state. */
  chunks: number;
  bytes: number;
  /** The last state that each relay has shown again; null for none. */
  relays: { url: string; counter: number | null }[];
  /** Set where the wallet stopped writing, and why, for people. */
  stopped: (Stop & { text: string }) | null;
  /** Deleted by its owner: nothing is saved before the next `saveState`. */
  forgotten: boolean;
}

/** What relays hold of a wallet's state, encrypted to a key of its seed. */
export interface SavedApi {
  /** What is saved where: as the wallet remembers it, and as every relay shows it now, pieces included. */
  savedState(): Promise<SavedView & { found: Finding[] }>;
  /**
   * Saves now, and puts back what relays have lost. Rejects with WalletError `refused` without a seed or relays, and where
   * the wallet stopped writing because another one of the same words writes, or its database is an old copy: `takeOver`
   * writes all the same, and what only the other one had saved is lost. Rejects with `timeout` if too few relays hold it.
   */
  saveState(request?: { takeOver?: boolean }): Promise<SavedView>;
  /**
   * Empties what relays hold, and asks them to delete it (NIP-09); nothing is saved from then on. No relay can be made to
   * forget. Resolves to what each answered.
   */
  forgetState(): Promise<{ relays: { url: string; emptied: boolean }[] }>;
}

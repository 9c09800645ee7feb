import { boundedMap, type Log } from '../nostr/index.ts';

/** Why something that arrived changed nothing and was not answered. */
export type Dropped =
  /** The inbox's own. */
  | 'shape'
  | 'unasked'
  | 'signature'
  | 'recipient'
  | 'expired'
  | 'future'
  | 'duplicate'
  /** A stranger without the proof of work that the advert asks for. */
  | 'no_work'
  /** Strangers together, strangers of one relay, or gift wraps of one relay came too fast. */
  | 'strangers_limited'
  | 'wraps_limited'
  /** A member past its own limit, told so every now and then. */
  | 'member_limited'
  /** Refusals to strangers are limited too: this one was not sent. */
  | 'refusals_limited'
  | 'decryption'
  | 'chunks'
  | 'grafted'
  | 'envelope'
  | 'scheme'
  | 'no_seat'
  /** The cohort had no use for it. */
  | 'undecided'
  /** Our own fault, never the sender's: the log has it. */
  | 'fault';

export interface Drops {
  /** Counts it; logs it once for each sender and reason. `sender` is null where nobody is proven. */
  count(reason: Dropped, sender: string | null, detail?: Record<string, unknown>): void;
  /** How many of each since the start; only reasons that occurred. */
  counts(): Partial<Record<Dropped, number>>;
}

/** Senders and reasons that are remembered as logged: whoever makes up senders gets more lines, and costs no more memory. */
const REMEMBERED = 10_000;

/** Copies from several relays are the normal case, and no news. */
const SILENT = new Set<Dropped>(['duplicate']);

/** Counts what was dropped, by reason. */
export function createDrops(log: Log): Drops {
  const counts = new Map<Dropped, number>();
  const logged = boundedMap<true>(REMEMBERED);
  return {
    count(reason, sender, detail = {}) {
      counts.set(reason, (counts.get(reason) ?? 0) + 1);
      const key = `${sender ?? ''} ${reason}`;
      if (SILENT.has(reason) || logged.has(key)) return;
      logged.set(key, true);
      log(reason === 'fault' ? 'error' : 'debug', 'dropped', { reason, sender, ...detail });
    },
    counts: () => Object.fromEntries(counts),
  };
}

import type { NostrEvent } from '../nostr/event.ts';

/** How the test relay misbehaves. Every field may be changed while it runs. */
export interface RelayFaults {
  /** Stored, and never sent to anybody: all events, or those that the function picks. */
  drop: boolean | ((event: NostrEvent) => boolean);
  /** Further copies of every event that is sent. */
  duplicate: number;
  /** Stored events in disorder; live ones held for 20 ms and sent last first. */
  reorder: boolean;
  /** Milliseconds before every answer. */
  delayMs: number;
  /** Ends every request with this CLOSED message. */
  closed: string | null;
  /** Takes requests and events from authenticated clients only (NIP-42). */
  authRequired: boolean;
  rateLimited: boolean;
  /** Refuses every event with this OK message. */
  reject: string | null;
  /** Demands that many bits of work (NIP-13). */
  pow: number;
  /** Refuses events above so many bytes. */
  maxEventBytes: number | null;
  /** Says OK, and neither stores nor sends. */
  okButNotStored: boolean;
  /** `early`: before the stored events; `withhold`: instead of them; `never`: not at all. */
  eose: 'honest' | 'early' | 'withhold' | 'never';
  /** Forgets every subscription after its stored events, without a word. */
  forgetSubscriptions: boolean;
  /** Accepts connections and answers nothing, pings included. */
  silent: boolean;
  /** What is sent in place of an event: forged copies, other data, nothing. */
  tamper: ((event: NostrEvent) => readonly unknown[]) | null;
}

/** A relay that does everything right. */
export const noFaults = (): RelayFaults => ({
  drop: false,
  duplicate: 0,
  reorder: false,
  delayMs: 0,
  closed: null,
  authRequired: false,
  rateLimited: false,
  reject: null,
  pow: 0,
  maxEventBytes: null,
  okButNotStored: false,
  eose: 'honest',
  forgetSubscriptions: false,
  silent: false,
  tamper: null,
});

/** The values that are sent for one event, under these faults. */
export function sentFor(event: NostrEvent, faults: RelayFaults): unknown[] {
  const isDropped = typeof faults.drop === 'function' ? faults.drop(event) : faults.drop;
  if (isDropped) return [];
  const values = faults.tamper === null ? [event] : faults.tamper(event);
  return Array.from({ length: 1 + faults.duplicate }, () => values).flat();
}

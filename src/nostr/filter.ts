import { type Filter, matchFilter } from 'nostr-tools/filter';
import { hasValidSignature, type NostrEvent, readEvent } from './event.ts';

export type { Filter } from 'nostr-tools/filter';

/** Whether any of the filters asks for this event (NIP-01). */
export const matchesAny = (filters: readonly Filter[], event: NostrEvent): boolean =>
  filters.some(filter => matchFilter(filter, event));

export type Admitted =
  | { readonly ok: true; readonly event: NostrEvent }
  | { readonly ok: false; readonly reason: 'shape' | 'unasked' | 'signature' };

/**
 * Takes foreign data as an event that was asked for: shape, then the filters (kind, recipient, time), then id and
 * signature, cheapest first. A relay is believed nothing: not that the event matches, not that it verified it.
 */
export function admitEvent(value: unknown, filters: readonly Filter[]): Admitted {
  const event = readEvent(value);
  if (event === null) return { ok: false, reason: 'shape' };
  if (!matchesAny(filters, event)) return { ok: false, reason: 'unasked' };
  return hasValidSignature(event) ? { ok: true, event } : { ok: false, reason: 'signature' };
}

import { type Filter, matchFilter } from 'nostr-tools/filter';
import { hasValidId, hasValidSignature, type NostrEvent, readEvent } from './event.ts';

export type { Filter } from 'nostr-tools/filter';

/** Whether any of the filters asks for this event (NIP-01). */
export const matchesAny = (filters: readonly Filter[], event: NostrEvent): boolean =>
  filters.some(filter => matchFilter(filter, event));

/**
 * What is to be done with an event before its signature, which costs most, is looked at. `refuse`: it would go no
 * further, whoever signed it; `copy`: an event with this id was verified and dealt with.
 */
export type Glance = 'verify' | 'refuse' | 'copy';

export type Admitted =
  | { readonly outcome: 'verified' | 'copy' | 'refused'; readonly event: NostrEvent }
  | { readonly outcome: 'invalid'; readonly reason: 'shape' | 'unasked' | 'signature' };

/**
 * Takes foreign data as an event that was asked for: shape, then the filters (kind, recipient, time), then a glance,
 * then id and signature, cheapest first. A relay is believed nothing: not that the event matches, not that it verified
 * it. A copy has the id of what it says; neither it nor what is refused was signed by anybody, as far as is known here.
 */
export function admitEvent(
  value: unknown,
  filters: readonly Filter[],
  glance: (event: NostrEvent) => Glance = () => 'verify',
): Admitted {
  const event = readEvent(value);
  if (event === null) return { outcome: 'invalid', reason: 'shape' };
  if (!matchesAny(filters, event)) return { outcome: 'invalid', reason: 'unasked' };
  switch (glance(event)) {
    case 'refuse':
      return { outcome: 'refused', event };
    case 'copy':
      return hasValidId(event) ? { outcome: 'copy', event } : { outcome: 'invalid', reason: 'signature' };
    case 'verify':
      return hasValidSignature(event) ? { outcome: 'verified', event } : { outcome: 'invalid', reason: 'signature' };
  }
}

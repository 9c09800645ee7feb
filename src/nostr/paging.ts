import type { NostrEvent } from './event.ts';

/** One answer of a relay to a request for stored events, as it is counted. */
export interface Page {
  /** The inclusive `until` of the request; null: none. */
  readonly until: number | null;
  count: number;
  /** Events that the page before did not hold. */
  fresh: number;
  oldest: number;
  /** Ids at the oldest second: what the next page, whose `until` is inclusive, repeats. */
  edge: Set<string>;
  readonly before: ReadonlySet<string>;
  /** The most events that one page held so far: the relay's limit is at least that. */
  readonly largest: number;
}

/** The first page, without `until`. */
export const firstPage = (): Page => ({
  until: null,
  count: 0,
  fresh: 0,
  oldest: Number.POSITIVE_INFINITY,
  edge: new Set(),
  before: new Set(),
  largest: 0,
});

/** Counts a verified event into a page. */
export function countInto(page: Page, event: NostrEvent): void {
  page.count++;
  if (!page.before.has(event.id)) page.fresh++;
  if (event.created_at < page.oldest) {
    page.oldest = event.created_at;
    page.edge = new Set();
  }
  if (event.created_at === page.oldest) page.edge.add(event.id);
}

/** Counts an event that came with the page and was dropped: it took a place in it, but its time proves nothing. */
export function countJunk(page: Page): void {
  page.count++;
}

/** The same page before anything came: the relay is asked for it again. */
export const pageAgain = ({ until, before, largest }: Page): Page => ({ ...firstPage(), until, before, largest });

/**
 * The page after this one, or null when the relay has no more. Relays truncate and do not say so: the last page is the
 * one that brings nothing new and is no full one. A full page with nothing new is one second only: then on from the
 * second before it (what exceeds a relay's limit within one second cannot be asked for).
 */
export function nextPage(page: Page): Page | null {
  const largest = Math.max(page.largest, page.count);
  if (page.oldest === Number.POSITIVE_INFINITY) return null;
  if (page.fresh === 0 && page.count < largest) return null;
  const until = page.fresh > 0 ? page.oldest : page.oldest - 1;
  if (until <= 0 || (page.until !== null && until > page.until)) return null;
  return { ...firstPage(), until, before: page.fresh > 0 ? page.edge : new Set(), largest };
}

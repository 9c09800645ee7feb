import { describe, expect, test } from 'vitest';
import { sinceOf } from '../../src/nostr/cursor.ts';
import type { NostrEvent } from '../../src/nostr/event.ts';
import { countInto, countJunk, firstPage, nextPage, type Page } from '../../src/nostr/paging.ts';

const at = (created_at: number, id = `${created_at}`): NostrEvent => ({
  id,
  created_at,
  pubkey: '',
  kind: 1,
  tags: [],
  content: '',
  sig: '',
});

/** Reads all pages from a relay that gives its newest `cap` events up to `until`. */
function readAll(stored: NostrEvent[], cap: number): { ids: Set<string>; requests: number } {
  const ids = new Set<string>();
  let requests = 0;
  for (let page: Page | null = firstPage(); page !== null; requests++) {
    const until = page.until ?? Number.POSITIVE_INFINITY;
    const answer = stored.filter(event => event.created_at <= until).sort((a, b) => b.created_at - a.created_at);
    for (const event of answer.slice(0, cap)) {
      countInto(page, event);
      ids.add(event.id);
    }
    page = nextPage(page);
    if (requests > 100) throw new Error('no end');
  }
  return { ids, requests };
}

describe('paging', () => {
  const stored = Array.from({ length: 47 }, (_, i) => at(100 + Math.floor(i / 3), `id ${i}`));
  test.each([3, 4, 7, 10, 46, 47, 48, 500])('finds everything on a relay that truncates at %i', cap => {
    expect(readAll(stored, cap).ids.size).toBe(stored.length);
  });
  test('goes on behind a second that is fuller than a page', () => {
    const crowded = [...Array.from({ length: 9 }, (_, i) => at(200, `crowd ${i}`)), at(100), at(300)];
    expect([...readAll(crowded, 5).ids]).toEqual(expect.arrayContaining(['100', '300']));
  });
  test('ends after one request on an empty relay, and two on one that holds little', () => {
    expect(readAll([], 500).requests).toBe(1);
    expect(readAll(stored.slice(0, 10), 500).requests).toBe(2);
  });
  // fault 43
  test('does not let junk in a page pass for its end, nor for a time', () => {
    const page = firstPage();
    for (let i = 0; i < 4; i++) countInto(page, at(100 + i));
    countJunk(page);
    expect(nextPage(page)).toMatchObject({ until: 100, largest: 5 });
    const junkOnly = firstPage();
    countJunk(junkOnly);
    expect(nextPage(junkOnly)).toBeNull();
  });
  test('ends with a relay that ignores until and repeats itself', () => {
    let requests = 0;
    for (let page: Page | null = firstPage(); page !== null; requests++) {
      const until = page.until ?? Number.POSITIVE_INFINITY;
      for (const event of stored.slice(0, 5)) {
        // What is newer than it was asked for does not get past the filter.
        if (event.created_at <= until) countInto(page, event);
        else countJunk(page);
      }
      page = nextPage(page);
    }
    expect(requests).toBe(3);
  });
});

describe('where to read on', () => {
  test('the oldest cursor less the overlap', () => {
    expect(sinceOf([5_000, 4_000], 10_000, 1_000)).toBe(3_000);
  });
  test('from the beginning, if anybody has no cursor', () => {
    expect(sinceOf([5_000, null], 10_000, 1_000)).toBeNull();
  });
  test('a cursor from the future counts as now', () => {
    expect(sinceOf([99_000], 10_000, 1_000)).toBe(9_000);
    expect(sinceOf([500], 10_000, 1_000)).toBe(0);
  });
});

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/types.ts';
import { tempFolder, tempStore, toyEvent, toyItem } from './support.ts';

const A = 'wss://a.example';
const B = 'wss://b.example';
const due = (store: Store, relay: string, now = 200, limit = 100) =>
  store.outbox.due(relay, now, limit).map(row => row.id);

describe('due', () => {
  test('gives events in the order of their commits, byte for byte', () => {
    const store = tempStore();
    store.commit({ outbox: [toyItem('c'), toyItem('a')] });
    expect(due(store, A)).toEqual(['c', 'a']);
    store.commit({ outbox: [toyItem('b')] });
    expect(due(store, A)).toEqual(['c', 'a', 'b']);
    expect(due(store, A, 200, 2)).toEqual(['c', 'a']);
    expect(JSON.stringify(store.outbox.due(A, 200, 1)[0]?.event)).toBe(JSON.stringify(toyEvent('c')));
  });

  test('gives nothing from its expiry on, and expired rows never make a relay due', () => {
    const store = tempStore();
    store.commit({ outbox: [toyItem('short', {}, { expiresAt: 300 }), toyItem('long')] });
    expect(due(store, A, 299)).toEqual(['short', 'long']);
    store.outbox.settle('long', A, { retryAt: 900, error: 'timeout' });
    expect(due(store, A, 300)).toEqual([]);
    expect(store.outbox.nextDue(A)).toBe(900);
  });

  test('leaves out what the same event has sent before: an id that is there already is not sent twice', () => {
    const store = tempStore();
    store.commit({ outbox: [toyItem('x')] });
    expect(due(store, A)).toEqual(['x']);
    store.outbox.settle('x', A, 'done');
    store.commit({ outbox: [toyItem('x'), toyItem('y')] });
    expect(due(store, A)).toEqual(['y']);
  });
});

describe('settle', () => {
  test('counts for one relay only: a dead relay does not stop another', () => {
    const store = tempStore();
    store.commit({ outbox: [toyItem('x'), toyItem('y'), toyItem('z')] });
    expect(due(store, B)).toEqual(['x', 'y', 'z']);
    store.outbox.settle('x', A, 'done');
    store.outbox.settle('y', A, 'refused');
    store.outbox.settle('z', A, { retryAt: 500, error: 'rate-limited: slow down' });
    expect(due(store, A)).toEqual([]);
    expect(due(store, A, 499)).toEqual([]);
    expect(due(store, A, 500)).toEqual(['z']);
    expect(due(store, B)).toEqual(['x', 'y', 'z']);
  });

  test('is durable', () => {
    const path = join(tempFolder(), 'a.db');
    const store = tempStore(path);
    store.commit({ outbox: [toyItem('x'), toyItem('y')] });
    store.outbox.settle('x', A, 'done');
    store.outbox.settle('y', A, { retryAt: 500, error: 'timeout' });
    store.close();
    const again = tempStore(path);
    expect(due(again, A)).toEqual([]);
    expect(again.outbox.nextDue(A)).toBe(500);
    expect(due(again, B)).toEqual(['x', 'y']);
  });

  test('of an unknown or finished row changes nothing', () => {
    const store = tempStore();
    store.commit({ outbox: [toyItem('x')] });
    store.outbox.settle('x', A, 'done');
    store.outbox.settle('x', A, { retryAt: 1, error: 'late' });
    store.outbox.settle('nobody', A, 'done');
    expect(due(store, A)).toEqual([]);
    expect(store.outbox.nextDue(A)).toBe(null);
  });
});

describe('nextDue', () => {
  test('is null for an empty outbox, 0 for what was never tried, else the earliest retry', () => {
    const store = tempStore();
    expect(store.outbox.nextDue(A)).toBe(null);
    store.commit({ outbox: [toyItem('x'), toyItem('y')] });
    expect(store.outbox.nextDue(A)).toBe(0);
    store.outbox.settle('x', A, { retryAt: 700, error: 'e' });
    store.outbox.settle('y', A, { retryAt: 600, error: 'e' });
    expect(store.outbox.nextDue(A)).toBe(600);
  });
});

describe('a relay that is added later', () => {
  test('gets what is still live, delivered elsewhere or not, and neither expired nor superseded rows', () => {
    const store = tempStore();
    const advert = (id: string, at: number) => toyItem(id, { kind: 38252, created_at: at, tags: [['d', 'one']] });
    store.commit({
      outbox: [toyItem('gone', {}, { expiresAt: 150 }), toyItem('x'), advert('old', 1), advert('new', 2)],
    });
    for (const id of due(store, A)) store.outbox.settle(id, A, 'done');
    expect(due(store, A)).toEqual([]);
    expect(due(store, B)).toEqual(['x', 'new']);
  });

  test('gets what was committed while it was away', () => {
    const path = join(tempFolder(), 'a.db');
    const first = tempStore(path);
    first.commit({ outbox: [toyItem('x'), toyItem('y')] });
    first.outbox.settle('x', A, 'done');
    first.outbox.settle('y', A, 'done');
    first.close();
    const without = tempStore(path);
    expect(due(without, B)).toEqual(['x', 'y']);
    without.commit({ outbox: [toyItem('z')] });
    without.close();
    const again = tempStore(path);
    expect(due(again, A)).toEqual(['z']);
    expect(due(again, B)).toEqual(['x', 'y', 'z']);
  });
});

describe('supersession', () => {
  const item = (id: string, kind: number, at: number, d?: string, pubkey = 'author') =>
    toyItem(id, {
      kind,
      created_at: at,
      pubkey,
      tags:
        d === undefined
          ? []
          : [
              ['t', 'x'],
              ['d', d],
            ],
    });

  test('a newer advert takes the place of an older one of its name, and of no other', () => {
    const store = tempStore();
    store.commit({ outbox: [item('other d', 38252, 1, 'two'), item('other author', 38252, 1, 'one', 'else')] });
    store.commit({ outbox: [item('old', 38252, 1, 'one')] });
    expect(due(store, A)).toEqual(['other d', 'other author', 'old']);
    store.commit({ outbox: [item('new', 38252, 2, 'one')] });
    expect(due(store, A)).toEqual(['other d', 'other author', 'new']);
  });

  test.each([0, 3, 10002, 10050, 30000, 31990, 39999])('kind %i is replaced', kind => {
    const store = tempStore();
    store.commit({ outbox: [item('old', kind, 1), item('new', kind, 2)] });
    expect(due(store, A)).toEqual(['new']);
  });

  test.each([1, 4, 1059, 8252, 20000, 40000])('kind %i is not', kind => {
    const store = tempStore();
    store.commit({ outbox: [item('old', kind, 1), item('new', kind, 2)] });
    expect(due(store, A)).toEqual(['old', 'new']);
  });

  test('an older one that is committed later is not sent, and in one second the lower id wins, as on a relay', () => {
    const store = tempStore();
    store.commit({ outbox: [item('b', 10002, 5)] });
    store.commit({ outbox: [item('late', 10002, 4)] });
    expect(due(store, A)).toEqual(['b']);
    store.commit({ outbox: [item('c', 10002, 5)] });
    expect(due(store, A)).toEqual(['b']);
    store.commit({ outbox: [item('a', 10002, 5)] });
    expect(due(store, A)).toEqual(['a']);
  });

  test('a superseded event is not sent again when it is requeued', () => {
    const store = tempStore();
    store.commit({ outbox: [item('old', 10002, 1), item('new', 10002, 2)] });
    expect(due(store, A)).toEqual(['new']);
    store.requeue(['old']);
    expect(due(store, A)).toEqual(['new']);
  });
});

describe('requeue', () => {
  test('makes a delivered answer due again on every relay, also one that refused it or backs off', () => {
    const store = tempStore();
    store.commit({ outbox: [toyItem('x'), toyItem('y')], answers: [{ key: 'k', eventIds: ['x'] }] });
    const C = 'wss://c.example';
    store.outbox.settle('x', A, 'done');
    store.outbox.settle('x', B, 'refused');
    store.outbox.settle('x', C, { retryAt: 900, error: 'timeout' });
    store.requeue(store.answersFor('k')!.map(event => event.id));
    for (const relay of [A, B, C]) expect(due(store, relay)).toEqual(['x', 'y']);
    store.requeue(['nobody']);
    expect(due(store, A, 1_000)).toEqual([]);
  });
});

describe('backlog', () => {
  test('tells what waits for each relay, and cleans the words of a relay', () => {
    const store = tempStore();
    store.commit({ outbox: [toyItem('x', {}, { createdAt: 50 }), toyItem('y'), toyItem('z')] });
    for (const id of due(store, A)) store.outbox.settle(id, A, 'done');
    store.outbox.settle('y', B, 'done');
    const error = `evil\0\ud800\u001b[31m${'x'.repeat(500)}`;
    store.outbox.settle('z', B, { retryAt: 300, error });
    const [row, ...others] = store.backlog();
    expect(others).toEqual([]);
    expect(row).toMatchObject({ relay: B, pending: 2, oldest: 50 });
    expect(row?.error).toMatch(/^evil\uFFFD\uFFFD\uFFFD\[31mx+$/);
    expect(row?.error?.length).toBe(200);
  });
});

describe('prune', () => {
  test('drops expired and superseded rows and nothing that may still be sent', () => {
    const store = tempStore();
    const advert = (id: string, at: number) => toyItem(id, { kind: 38252, created_at: at });
    store.commit({
      outbox: [toyItem('gone', {}, { expiresAt: 300 }), advert('old', 1), advert('new', 2), toyItem('x')],
    });
    store.outbox.settle('x', A, 'done');
    store.prune(300);
    expect(due(store, B, 0)).toEqual(['new', 'x']);
    store.requeue(['gone', 'old', 'x']);
    expect(due(store, A, 0)).toEqual(['new', 'x']);
  });

  test('keeps answers and seen ids without a horizon, also when the answer has expired', () => {
    const store = tempStore();
    store.commit({ seen: [{ id: 's', at: 1 }], outbox: [toyItem('x')], answers: [{ key: 'k', eventIds: ['x'] }] });
    store.prune(5_000_000_000);
    expect(store.hasSeen('s')).toBe(true);
    expect(store.answersFor('k')).toEqual([toyEvent('x')]);
  });

  test('drops seen ids and dead answers before the horizon, and answers whole or not at all', () => {
    const store = tempStore();
    store.commit({
      seen: [{ id: 'early', at: 100 }],
      outbox: [
        toyItem('short', {}, { expiresAt: 300 }),
        toyItem('long', {}, { expiresAt: 9_000 }),
        toyItem('dead', {}, { expiresAt: 300 }),
      ],
      answers: [
        { key: 'mixed', eventIds: ['short', 'long'] },
        { key: 'over', eventIds: ['dead'] },
        { key: 'empty', eventIds: [] },
      ],
    });
    store.commit({ seen: [{ id: 'late', at: 500 }] });
    store.prune(400, 100);
    expect(store.answersFor('over')).toEqual([toyEvent('dead')]);
    store.prune(400, 500);
    expect([store.hasSeen('early'), store.hasSeen('late')]).toEqual([false, true]);
    expect(store.answersFor('mixed')?.map(event => event.id)).toEqual(['short', 'long']);
    expect(store.answersFor('over')).toBe(null);
    expect(store.answersFor('empty')).toBe(null);
    store.prune(9_000, 501);
    expect(store.answersFor('mixed')).toBe(null);
    expect(store.hasSeen('late')).toBe(false);
  });

  test('never lets a number be used twice, so a relay that comes back misses nothing', () => {
    const path = join(tempFolder(), 'a.db');
    const store = tempStore(path);
    store.commit({ outbox: [toyItem('x')] });
    expect(due(store, A)).toEqual(['x']);
    store.prune(1_000);
    store.close();
    const without = tempStore(path);
    without.commit({ outbox: [toyItem('y')] });
    expect(due(without, A)).toEqual(['y']);
  });
});

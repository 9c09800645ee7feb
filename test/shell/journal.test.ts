import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createJournal, type Journal } from '../../src/shell/journal.ts';
import { AlreadyAnswered, AlreadySeen, type Batch, openStore, type Store, StoreFull } from '../../src/store/index.ts';

const RELAY = 'wss://relay.example';
const hex = (n: number): string => n.toString(16).padStart(64, '0');
const event = (n: number, kind = 8252) => ({
  id: hex(n),
  pubkey: hex(1),
  created_at: 1_000,
  kind,
  tags: [['p', hex(2)]],
  content: 'text',
  sig: hex(3).repeat(2),
});
/** What message number `n` of a cohort leaves behind, its answer among it. */
const batchOf = (n: number, cohort = 'a'): Batch => ({
  seen: [{ id: hex(n), at: 1_000 }],
  events: [{ stream: cohort, type: 'noted', at: 1_000, body: { n } }],
  outbox: [{ id: hex(1_000 + n), to: hex(2), event: event(1_000 + n), createdAt: 1_000, expiresAt: 9_000, kind: 8252 }],
  answers: [{ key: `key ${n}`, eventIds: [hex(1_000 + n)] }],
  meta: [{ key: 'last', value: String(n) }],
});

let dir: string;
let store: Store;
let commits: Batch[];
let failedCohorts: [string, unknown][];
let journal: Journal;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'btcr2-journal-'));
  const inner = openStore(join(dir, 'a.db'), { application: 'aggregator' });
  commits = [];
  failedCohorts = [];
  store = {
    ...inner,
    commit(batch) {
      commits.push(batch);
      inner.commit(batch);
    },
  };
  journal = createJournal(store, (cohort, error) => failedCohorts.push([cohort, error]));
});
afterEach(() => {
  store.close();
  rmSync(dir, { recursive: true, force: true });
});

const logged = (stream = 'a'): unknown[] => [...store.read(stream)].map(row => row.body);

test('many steps become one commit, in their order, and only then anything is done', () => {
  const done: number[] = [];
  for (const n of [1, 2, 3])
    journal.add('a', batchOf(n), () => {
      expect(commits).toHaveLength(1);
      done.push(n);
    });
  expect(commits).toHaveLength(0);
  expect(done).toEqual([]);
  expect(store.outbox.due(RELAY, 2_000, 10)).toEqual([]);

  journal.flush();
  expect(done).toEqual([1, 2, 3]);
  expect(logged()).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  expect(store.outbox.due(RELAY, 2_000, 10).map(row => row.id)).toEqual([1_001, 1_002, 1_003].map(hex));
  expect(store.answersFor('key 2')?.map(({ id }) => id)).toEqual([hex(1_002)]);
  expect(store.meta('last')).toBe('3');

  journal.flush();
  expect(commits).toHaveLength(1);
});

test('what waits is known, so that a copy of a message is not dealt with twice', () => {
  journal.add('a', batchOf(1), () => {});
  expect(journal.holdsSeen(hex(1))).toBe(true);
  expect(journal.holdsAnswer('key 1')).toBe(true);
  expect(() => journal.add('a', { seen: [{ id: hex(1), at: 1_000 }] }, () => {})).toThrow(AlreadySeen);
  const { answers, outbox } = batchOf(1);
  expect(() => journal.add('a', { answers: answers!, outbox: outbox! }, () => {})).toThrow(AlreadyAnswered);
  journal.flush();
  expect(journal.holdsSeen(hex(1))).toBe(false);
  expect(() => journal.add('a', { seen: [{ id: hex(1), at: 1_000 }] }, () => {})).toThrow(AlreadySeen);
  expect(() => journal.add('a', { answers: answers!, outbox: [] }, () => {})).toThrow(AlreadyAnswered);
  expect(logged()).toEqual([{ n: 1 }]);
});

test('a transaction that is sent again after it was settled is open again: the order of both is kept', () => {
  journal.add('a', batchOf(1), () => {});
  const broadcast = { txid: hex(7), hex: '00', stream: 'a', at: 1_000 };
  journal.add('a', { broadcasts: [broadcast] }, () => {});
  expect(commits).toHaveLength(2);
  journal.add('a', { settleBroadcasts: [hex(7)] }, () => {});
  expect(store.broadcasts()).toEqual([]);
  journal.add('a', { broadcasts: [broadcast] }, () => {});
  const sequential = store.broadcasts();
  store.commit({ settleBroadcasts: [hex(7)] });
  store.commit({ broadcasts: [broadcast] });
  expect(sequential).toEqual(store.broadcasts());
});

test('a long burst does not wait for its end', () => {
  let done = 0;
  for (let n = 1; n <= 200; n++) journal.add('a', batchOf(n), () => done++);
  expect(commits).toHaveLength(1);
  expect(done).toBe(128);
});

describe('a step that cannot be stored', () => {
  test('stops its own cohort: those before it and the other cohorts are stored, nothing that rests on it is', () => {
    const done: string[] = [];
    const add = (cohort: string, n: number, batch = batchOf(n, cohort)): void =>
      journal.add(cohort, batch, () => done.push(`${cohort}${n}`));
    add('a', 1);
    add('b', 2);
    add('a', 3, { ...batchOf(3), events: [{ stream: 'a', type: 'bad', at: 1_000, body: { text: '\ud800' } }] });
    add('a', 4);
    add('b', 5);
    journal.flush();
    expect(done).toEqual(['a1', 'b2', 'b5']);
    expect(failedCohorts.map(([cohort]) => cohort)).toEqual(['a']);
    expect(logged('a')).toEqual([{ n: 1 }]);
    expect(logged('b')).toEqual([{ n: 2 }, { n: 5 }]);
  });

  test('for a fault of the store ends everything: what comes after would rest on what is lost', () => {
    const full = new StoreFull(new Error('no room'));
    const acts: number[] = [];
    const broken = createJournal(
      {
        ...store,
        commit() {
          throw full;
        },
      },
      () => acts.push(-1),
    );
    broken.add('a', batchOf(1), () => acts.push(1));
    expect(() => broken.flush()).toThrow(full);
    expect(() => broken.flush()).toThrow(full);
    expect(() => broken.add('a', batchOf(2), () => acts.push(2))).toThrow(full);
    expect(acts).toEqual([]);
    expect(logged()).toEqual([]);
  });
});

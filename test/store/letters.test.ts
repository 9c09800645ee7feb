import { describe, expect, test } from 'vitest';
import { BY_HAND } from '../../src/store/by-hand.ts';
import { walletStoreOver } from '../../src/store/memory.ts';
import type { OutboxItem } from '../../src/store/types.ts';
import type { RowStore, TableName, WalletStore } from '../../src/store/wallet-store.ts';
import { tempStore, toyItem } from './support.ts';

const RELAY = 'wss://a.example';

/** Rows that keep nothing: what a store over them says is what it holds in memory. */
function rowsInMemory(): RowStore {
  let writes = 0;
  return {
    take: (_: TableName) => [],
    write: () => ++writes,
    stored: () => writes,
    whenStored: async () => {},
    close: async () => {},
  };
}

const letter = (id: string, message: string, over: Partial<OutboxItem> = {}): OutboxItem =>
  toyItem(id, {}, { message, ...over });

describe.each<[string, () => WalletStore]>([
  ['SQLite', () => tempStore()],
  ['rows in memory', () => walletStoreOver(rowsInMemory(), () => 100)],
])('letters over %s', (_, open) => {
  const told = (store: WalletStore, now = 200) =>
    store.outbox.letters(now).map(({ id, message, letter: text, pending }) => [id, message, text, pending]);

  test('are the directed messages in order, with what is still to be reached', () => {
    const store = open();
    store.commit({ outbox: [letter('a', 'm1', { letter: 'text' }), toyItem('for-all'), letter('b', 'm2')] });
    expect(told(store)).toEqual([
      ['a', 'm1', 'text', [BY_HAND]],
      ['b', 'm2', null, [BY_HAND]],
    ]);
  });
  test('wait for a file until they were written to one, and again when they are wanted again', () => {
    const store = open();
    store.commit({ outbox: [letter('a', 'm1'), letter('b', 'm2')] });
    expect(told(store)).toHaveLength(2);
    store.outbox.settle('a', BY_HAND, 'done');
    expect(told(store).map(([id, , , pending]) => [id, pending])).toEqual([
      ['a', []],
      ['b', [BY_HAND]],
    ]);
    store.requeue(['a']);
    expect(told(store)[0]).toEqual(['a', 'm1', null, [BY_HAND]]);
  });
  test('tell which relay has taken them', () => {
    const store = open();
    store.commit({ outbox: [letter('a', 'm1')] });
    store.outbox.due(RELAY, 200, 10);
    expect(told(store)[0]![3]).toEqual(expect.arrayContaining([RELAY, BY_HAND]));
    store.outbox.settle('a', RELAY, 'done');
    expect(told(store)[0]![3]).toEqual([BY_HAND]);
  });
  test('end with their events', () => {
    const store = open();
    store.commit({ outbox: [letter('a', 'm1', { expiresAt: 300 })] });
    expect(told(store, 299)).toHaveLength(1);
    expect(told(store, 300)).toEqual([]);
  });
});

test('the way by hand is no relay that an operator is told of', () => {
  const store = tempStore();
  store.commit({ outbox: [letter('a', 'm1')] });
  store.outbox.letters(200);
  expect(store.backlog()).toEqual([]);
});

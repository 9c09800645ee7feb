import { beforeEach, describe, expect, test } from 'vitest';
import { AlreadyAnswered, AlreadySeen, NotStorable, StoreFailed } from '../../src/store/errors.ts';
import { walletStoreOver } from '../../src/store/memory.ts';
import type { Batch, OutboxItem } from '../../src/store/types.ts';
import type { WalletStore } from '../../src/store/wallet-store.ts';
import { type SlowDisk, slowDisk } from './rows.ts';

const NOW = 1_700_000_000;
const RELAY = 'ws://relay.example/';
const OTHER = 'ws://other.example/';

function item(id: string, expiresAt = NOW + 100): OutboxItem {
  const event = { id, pubkey: 'a', created_at: NOW, kind: 8252, tags: [['p', 'b']], content: 'c', sig: 'd' };
  return { id, to: 'b', event, createdAt: NOW, expiresAt, kind: 8252 };
}
const event = (type: string, body: unknown = { type }): NonNullable<Batch['events']>[number] => ({
  stream: 'wallet',
  type,
  at: NOW,
  body,
});

let disk: SlowDisk;
let store: WalletStore;
const reopen = (now = NOW): WalletStore => walletStoreOver(disk.open(), () => now);
const dueIds = (from: WalletStore, relay = RELAY, now = NOW): string[] =>
  from.outbox.due(relay, now, 10).map(row => row.id);

beforeEach(() => {
  disk = slowDisk();
  store = reopen();
});

describe('what the disk has not taken', () => {
  test('is not published, and is after the disk has it', () => {
    expect(dueIds(store)).toEqual([]);
    store.commit({ outbox: [item('one')] });
    expect(dueIds(store)).toEqual([]);
    disk.flush();
    store.commit({ outbox: [item('two')] });
    expect(dueIds(store)).toEqual(['one']);
    disk.flush();
    expect(dueIds(store)).toEqual(['one', 'two']);
  });

  test('is not broadcast', () => {
    store.commit({ broadcasts: [{ txid: 'aa', hex: '00', stream: 'wallet', at: NOW }] });
    expect(store.broadcasts()).toEqual([]);
    disk.flush();
    expect(store.broadcasts().map(({ txid }) => txid)).toEqual(['aa']);
  });

  test('is gone when the program starts again, all of a batch', async () => {
    store.commit({ events: [event('kept')], meta: [{ key: 'seq', value: '1' }] });
    disk.flush();
    store.commit({ events: [event('lost')], meta: [{ key: 'seq', value: '2' }], seen: [{ id: 'x', at: NOW }] });
    const again = reopen();
    expect([...again.read('wallet')].map(({ type }) => type)).toEqual(['kept']);
    expect(again.meta('seq')).toBe('1');
    expect(again.hasSeen('x')).toBe(false);
  });

  // fault 45
  test('is waited for, and a failed disk is told to everybody, now and later', async () => {
    store.commit({ outbox: [item('one')] });
    const waiting = expect(store.whenStored!()).rejects.toThrow(StoreFailed);
    disk.fail();
    await waiting;
    await expect(store.whenStored!()).rejects.toThrow(StoreFailed);
    expect(() => store.commit({ outbox: [item('two')] })).toThrow(StoreFailed);
    expect(dueIds(store)).toEqual([]);
  });
});

describe('what a new start finds', () => {
  test('log, answers and what a relay still has to get', () => {
    store.commit({ events: [event('a', { n: 1 }), event('b')], outbox: [item('one'), item('two')] });
    store.commit({ answers: [{ key: 'sent:1', eventIds: ['two', 'one'] }], events: [event('c')] });
    store.cursors.set(RELAY, 'me', NOW);
    disk.flush();
    expect(dueIds(store)).toEqual(['one', 'two']);
    store.outbox.settle('one', RELAY, 'done');
    store.outbox.settle('two', RELAY, { retryAt: NOW + 60, error: 'slow' });
    expect(dueIds(store)).toEqual([]);
    expect(store.outbox.nextDue(RELAY)).toBe(NOW + 60);
    disk.flush();

    const again = reopen();
    expect([...again.read('wallet')]).toMatchObject([
      { seq: 1, type: 'a', body: { n: 1 } },
      { seq: 2, type: 'b' },
      { seq: 3, type: 'c' },
    ]);
    expect(again.answersFor('sent:1')?.map(({ id }) => id)).toEqual(['two', 'one']);
    expect(again.answersFor('sent:2')).toBeNull();
    expect(again.cursors.get(RELAY, 'me')).toBe(NOW);
    expect(dueIds(again)).toEqual(['two']);
    expect(dueIds(again, OTHER)).toEqual(['one', 'two']);
    again.requeue(['one', 'unknown']);
    expect(dueIds(again)).toEqual(['one', 'two']);
    disk.flush();
    expect(dueIds(reopen())).toEqual(['one', 'two']);
  });

  test('not what expired: it and what relays said of it are dropped', () => {
    store.commit({ outbox: [item('old', NOW + 1), item('new')] });
    disk.flush();
    store.outbox.settle('old', RELAY, 'done');
    disk.flush();
    const again = reopen(NOW + 10);
    disk.flush();
    expect(dueIds(again, RELAY, NOW + 10)).toEqual(['new']);
    const rows = disk.open();
    expect(rows.take('outbox').map(({ key }) => key)).toEqual(['new']);
    expect(rows.take('settled')).toEqual([]);
  });

  test('transactions that are not settled, by their first bytes, in their order', () => {
    const tx = (txid: string, hex: string) => ({ txid, hex, stream: 'wallet', at: NOW });
    store.commit({ broadcasts: [tx('bb', '01'), tx('aa', '02')] });
    store.commit({ broadcasts: [tx('bb', 'ff')], settleBroadcasts: ['aa'] });
    disk.flush();
    expect(reopen().broadcasts()).toEqual([tx('bb', '01')]);
    store.commit({ broadcasts: [tx('aa', '02')] });
    disk.flush();
    expect(reopen().broadcasts()).toEqual([tx('bb', '01'), tx('aa', '02')]);
  });
});

describe('a batch that is wrong changes nothing', () => {
  beforeEach(() => {
    store.commit({
      seen: [{ id: 'x', at: NOW }],
      outbox: [item('one')],
      answers: [{ key: 'k', eventIds: ['one'] }],
    });
    disk.flush();
  });

  test.each<[string, Batch, new (...given: never[]) => Error]>([
    ['an event that was consumed', { seen: [{ id: 'x', at: NOW }] }, AlreadySeen],
    ['a message that was answered', { answers: [{ key: 'k', eventIds: ['one'] }] }, AlreadyAnswered],
    ['an answer by an unknown event', { answers: [{ key: 'l', eventIds: ['two'] }] }, NotStorable],
    ['what JSON would change', { events: [event('n', { n: Number.NaN })] }, NotStorable],
    ['an outbox row under another id', { outbox: [{ ...item('two'), id: 'three' }] }, NotStorable],
    ['what wallets never store', { artifacts: [{ stream: 's', key: 'k', bytes: new Uint8Array(1) }] }, NotStorable],
  ])('%s', (_, batch, error) => {
    expect(() => store.commit({ meta: [{ key: 'seq', value: '9' }], ...batch })).toThrow(error);
    expect(store.meta('seq')).toBeNull();
    disk.flush();
    expect(reopen().meta('seq')).toBeNull();
  });
});

import { randomBytes } from 'node:crypto';
import { afterEach, expect, test, vi } from 'vitest';
import { openBrowserKeys } from '../../src/shell/keystore-browser.ts';
import { StoreFailed } from '../../src/store/errors.ts';
import { walletStoreOver } from '../../src/store/memory.ts';
import { createWallet } from '../../src/wallet/sdk.ts';
import { slowDisk } from './rows.ts';

const NOW = 1_700_000_000;
const RELAY = 'ws://127.0.0.1:1/';
const random = (length: number): Uint8Array => Uint8Array.from(randomBytes(length));
const now = (): number => NOW;

afterEach(() => {
  vi.useRealTimers();
});

test('a disk that is gone when a request is due again ends the wallet, and throws out of no timer', async () => {
  vi.useFakeTimers();
  const disk = slowDisk();
  const rows = disk.open();
  const store = walletStoreOver(rows, now);
  const id = 'aa'.repeat(32);
  const event = { id, pubkey: 'a', created_at: NOW, kind: 8252, tags: [['p', 'b']], content: 'c', sig: 'd' };
  const asked = { type: 'asked', cohort: 'c', envelope_id: 'e', slot: 'leave' };
  store.commit({
    events: [{ stream: 'wallet', type: 'asked', at: NOW - 100, body: asked }],
    outbox: [{ id, to: 'b', event, createdAt: NOW, expiresAt: NOW + 100, kind: 8252 }],
    answers: [{ key: 'sent:e', eventIds: [id] }],
  });
  store.outbox.settle(id, RELAY, 'done');
  disk.flush();
  const wallet = createWallet({
    network: 'regtest',
    relays: [RELAY],
    chain: null,
    store,
    keys: openBrowserKeys(rows, { random, now }),
    openSocket: () => {
      throw new Error('no relay is asked');
    },
    random,
    now,
    log: () => {},
  });
  const failed = expect(wallet.failed).rejects.toThrow(StoreFailed);
  wallet.start();
  disk.fail();
  await vi.advanceTimersByTimeAsync(10_000);
  await failed;
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { openStore } from '../../src/store/index.ts';
import type { NostrEvent, OutboxItem, Store, StoreOptions } from '../../src/store/types.ts';

/** A folder of its own for one test, removed afterwards. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'btcr2-store-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A store in a folder of its own, closed after the test. */
export function tempStore(path = join(tempFolder(), 'a.db'), options: Partial<StoreOptions> = {}): Store {
  const store = openStore(path, { application: 'aggregator', ...options });
  onTestFinished(() => store.close());
  return store;
}

export const toyEvent = (id: string, more: Partial<NostrEvent> = {}): NostrEvent => ({
  id,
  pubkey: 'author',
  created_at: 100,
  kind: 8252,
  tags: [['p', 'member']],
  content: `content of ${id}`,
  sig: `sig of ${id}`,
  ...more,
});

export const toyItem = (id: string, event: Partial<NostrEvent> = {}, more: Partial<OutboxItem> = {}): OutboxItem => ({
  id,
  to: 'member',
  event: toyEvent(id, event),
  createdAt: 100,
  expiresAt: 1_000,
  kind: event.kind ?? 8252,
  ...more,
});

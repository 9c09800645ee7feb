import { afterEach } from 'vitest';
import { type ConnectionOptions, connectRelay, type RelayConnection } from '../../src/nostr/connection.ts';
import type { NostrEvent } from '../../src/nostr/event.ts';
import { createInbox, type Inbox, type InboxOptions } from '../../src/nostr/inbox.ts';
import { createOutbox, type Outbox, type OutboxOptions, type OutboxStore } from '../../src/nostr/outbox.ts';
import { createRelays, type Relays } from '../../src/nostr/relays.ts';
import { nodeSocket } from '../../src/nostr/websocket-node.ts';
import { startTestRelay, type TestRelay, type TestRelayOptions } from '../../src/testing/relay.ts';
import { bobKey, seconds } from './keys.ts';

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of undo.splice(0).reverse()) await stop();
});

/** Everything that waits, waits milliseconds. */
export const fast = {
  reconnectBaseMs: 10,
  reconnectMaxMs: 40,
  resubscribeBaseMs: 10,
  resubscribeMaxMs: 40,
  publishMs: 2_000,
};

export async function relay(options: TestRelayOptions = {}): Promise<TestRelay> {
  const started = await startTestRelay(options);
  undo.push(() => started.stop());
  return started;
}

export function connect(url: string, options: Partial<ConnectionOptions> = {}): RelayConnection {
  const connection = connectRelay(url, { openSocket: nodeSocket, timing: fast, ...options });
  undo.push(() => connection.close());
  return connection;
}

export function connectAll(urls: string[], options: Partial<ConnectionOptions> = {}): Relays {
  const relays = createRelays(urls, { openSocket: nodeSocket, timing: fast, ...options });
  undo.push(() => relays.close());
  return relays;
}

/** Cursors, seen ids and deliveries of an inbox, that a second inbox can go on with. */
export function memory() {
  const cursors = new Map<string, number>();
  return {
    cursors,
    seen: new Set<string>(),
    delivered: [] as NostrEvent[],
    dropped: [] as string[],
    store: {
      get: (url: string, recipient: string) => cursors.get(`${url} ${recipient}`) ?? null,
      set: (url: string, recipient: string, at: number) => void cursors.set(`${url} ${recipient}`, at),
    },
  };
}

export function inbox(relays: Relays, kept: ReturnType<typeof memory>, options: Partial<InboxOptions> = {}): Inbox {
  const opened = createInbox({
    relays,
    kinds: [8252],
    recipients: () => [bobKey],
    cursors: kept.store,
    seen: id => kept.seen.has(id),
    now: seconds,
    maxSkew: 600,
    deliver(event) {
      kept.seen.add(event.id);
      kept.delivered.push(event);
    },
    onDrop: reason => kept.dropped.push(reason),
    timing: { retryBaseMs: 10, retryMaxMs: 40 },
    ...options,
  });
  undo.push(() => opened.close());
  return opened;
}

interface Row {
  readonly id: string;
  readonly event: NostrEvent;
  readonly state: Map<string, { status: 'done' | 'refused' | 'retry'; at: number }>;
}

/** An outbox store in memory. */
export function rows() {
  const all: Row[] = [];
  const pending = (url: string): Row[] => all.filter(row => (row.state.get(url)?.status ?? 'retry') === 'retry');
  const dueAt = (row: Row, url: string): number => row.state.get(url)?.at ?? 0;
  const store: OutboxStore = {
    due: (url, now, limit) =>
      pending(url)
        .filter(row => dueAt(row, url) <= now)
        .slice(0, limit)
        .map(({ id, event }) => ({ id, event })),
    settle(id, url, outcome) {
      const row = all.find(row => row.id === id)!;
      if (typeof outcome === 'string') row.state.set(url, { status: outcome, at: 0 });
      else row.state.set(url, { status: 'retry', at: outcome.retryAt });
    },
    nextDue(url) {
      const times = pending(url).map(row => dueAt(row, url));
      return times.length === 0 ? null : Math.min(...times);
    },
  };
  return {
    store,
    add: (...events: NostrEvent[]) =>
      void all.push(...events.map(event => ({ id: event.id, event, state: new Map() }))),
    status: (event: NostrEvent, url: string) => all.find(row => row.id === event.id)?.state.get(url)?.status ?? 'new',
  };
}

export function outbox(relays: Relays, store: OutboxStore, options: Partial<OutboxOptions> = {}): Outbox {
  const opened = createOutbox({ relays, store, now: seconds, retry: { base: 0.01, max: 0.02 }, ...options });
  undo.push(() => opened.close());
  return opened;
}

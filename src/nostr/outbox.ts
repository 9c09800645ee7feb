import { type Backoff, backoffDelay } from './backoff.ts';
import { boundedMap } from './bounded.ts';
import { expirationOf, type NostrEvent } from './event.ts';
import { type Log, nameOf, printable, silent } from './log.ts';
import type { PublishResult } from './ok.ts';
import type { Relays } from './relays.ts';

export type Settlement = 'done' | 'refused' | { readonly retryAt: number; readonly error: string };

/** The stored rows; `relay` is a normalised URL, times are Unix seconds, `id` is the row's. */
export interface OutboxStore {
  /** Rows to be sent to this relay by now, in the order in which they were committed. */
  due(relay: string, now: number, limit: number): { id: string; event: NostrEvent }[];
  settle(id: string, relay: string, outcome: Settlement): void;
  /** When the next row of this relay is due; null if none is pending. */
  nextDue(relay: string): number | null;
}

export interface OutboxOptions {
  readonly relays: Relays;
  readonly store: OutboxStore;
  /** Unix seconds. */
  readonly now: () => number;
  readonly log?: Log;
  /** 0 to below 1. */
  readonly random?: () => number;
  /** Publications under way at once on each relay. */
  readonly inFlight?: number;
  /** Seconds before a row is sent again, first and at most. */
  readonly retry?: Backoff;
}

export interface Outbox {
  /** Looks for due rows at once: to be called after every commit that stored some. */
  wake(): void;
  /** Resolves when no connected relay has anything due or under way: what a shutdown waits for. */
  idle(): Promise<void>;
  /** Stops sending; resolves when the answers to what is under way are stored. */
  close(): Promise<void>;
}

export const OUTBOX_RETRY: Backoff = { base: 2, max: 300 };
/** The longest sleep: rows may also come due by another hand. */
const MAX_SLEEP_MS = 60_000;
/** How long to let a failing store, or a relay that limits our rate, alone, in seconds. */
const STORE_PAUSE = 10;

interface Route {
  readonly relay: string;
  readonly underway: Set<string>;
  /** Unix seconds before which this relay gets nothing: it said that we are too fast. */
  pausedUntil: number;
  limitedTimes: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/**
 * Sends stored events to every relay until it took or refused them: always the same signed bytes, several at once, on
 * each relay at its own pace. A row counts as done only when the relay's answer was stored; a crash before that sends
 * it again, which relays answer with `duplicate`.
 */
export function createOutbox(options: OutboxOptions): Outbox {
  const { relays, store, now } = options;
  const log = options.log ?? silent;
  const random = options.random ?? Math.random;
  const capacity = options.inFlight ?? 32;
  const retry = options.retry ?? OUTBOX_RETRY;
  const attempts = boundedMap<number>(20_000);
  const routes: Route[] = relays.urls.map(relay => ({
    relay,
    underway: new Set(),
    pausedUntil: 0,
    limitedTimes: 0,
    timer: undefined,
  }));
  let isClosed = false;
  let waiting: (() => void)[] = [];

  function pause(route: Route, seconds: number): void {
    route.pausedUntil = Math.max(route.pausedUntil, now() + seconds);
  }

  function outcomeOf(route: Route, id: string, result: PublishResult): Settlement {
    const key = `${route.relay} ${id}`;
    if (result.verdict === 'done') route.limitedTimes = 0;
    if (result.verdict === 'done' || result.verdict === 'refused' || result.verdict === 'pow') {
      attempts.delete(key);
      if (result.verdict === 'done') return 'done';
      log('warn', 'relay refused an event', { relay: route.relay, id, message: printable(result.message) });
      return 'refused';
    }
    const attempt = attempts.get(key) ?? 0;
    attempts.set(key, attempt + 1);
    const delay = Math.ceil(backoffDelay(retry, attempt, random));
    if (result.prefix === 'rate-limited') pause(route, Math.ceil(backoffDelay(retry, route.limitedTimes++, random)));
    return { retryAt: now() + delay, error: printable(result.message) };
  }

  async function send(route: Route, row: { id: string; event: NostrEvent }): Promise<void> {
    route.underway.add(row.id);
    try {
      const result = await relays.publishTo(route.relay, row.event);
      store.settle(row.id, route.relay, outcomeOf(route, row.id, result));
    } catch (error) {
      onStoreFault(route, error);
    }
    route.underway.delete(row.id);
    drain(route);
  }

  function onStoreFault(route: Route, error: unknown): void {
    log('error', 'the outbox store failed', { relay: route.relay, error: nameOf(error) });
    pause(route, STORE_PAUSE);
  }

  function isLive(route: Route, row: { id: string; event: NostrEvent }): boolean {
    const expiration = expirationOf(row.event);
    if (expiration === null || expiration > now()) return true;
    store.settle(row.id, route.relay, 'refused');
    log('warn', 'an event expired before the relay took it', { relay: route.relay, id: row.id });
    return false;
  }

  /** Fills the free places of one relay. */
  function fill(route: Route): void {
    const free = capacity - route.underway.size;
    // Refilled by halves: reading the rows for every answer anew would cost more than sending them.
    if (free * 2 < capacity || now() < route.pausedUntil) return;
    const rows = store.due(route.relay, now(), capacity).filter(row => !route.underway.has(row.id));
    const live = rows.slice(0, free).filter(row => isLive(route, row));
    for (const row of live) void send(route, row);
  }

  function sleep(route: Route): void {
    const next = store.nextDue(route.relay);
    if (next === null) return;
    const delay = (Math.max(next, route.pausedUntil) - now()) * 1_000;
    // Rows that are under way are still due in the store: without the longer minimum they would keep us awake.
    const shortest = route.underway.size > 0 ? 1_000 : 50;
    route.timer = setTimeout(() => drain(route), Math.min(MAX_SLEEP_MS, Math.max(shortest, delay)));
  }

  function drain(route: Route): void {
    clearTimeout(route.timer);
    if (!isClosed && relays.isConnected(route.relay)) {
      try {
        fill(route);
        sleep(route);
      } catch (error) {
        onStoreFault(route, error);
        route.timer = setTimeout(() => drain(route), STORE_PAUSE * 1_000);
      }
    }
    if (routes.every(isQuiet)) finish();
  }

  function finish(): void {
    for (const resolve of waiting) resolve();
    waiting = [];
  }

  function isQuiet(route: Route): boolean {
    if (route.underway.size > 0) return false;
    if (isClosed || !relays.isConnected(route.relay)) return true;
    try {
      return store.due(route.relay, now(), 1).length === 0;
    } catch {
      return true;
    }
  }

  function wake(): void {
    for (const route of routes) drain(route);
  }

  const stopListening = relays.onState(url => {
    const route = routes.find(({ relay }) => relay === url);
    if (route !== undefined) drain(route);
  });
  wake();

  return {
    wake,
    idle: () =>
      new Promise(resolve => {
        waiting.push(resolve);
        if (routes.length === 0) finish();
        else wake();
      }),
    async close() {
      isClosed = true;
      stopListening();
      for (const route of routes) clearTimeout(route.timer);
      if (routes.some(route => route.underway.size > 0)) await new Promise<void>(resolve => waiting.push(resolve));
    },
  };
}

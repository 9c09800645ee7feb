import { type Backoff, backoffDelay } from './backoff.ts';
import type { NostrEvent } from './event.ts';
import { admitEvent, type Filter, type Glance } from './filter.ts';
import { prefixOf } from './ok.ts';

export interface SubscriptionHandlers {
  /** The filters as of now, asked for at every request; none: do not ask this relay at present. */
  filters(): Filter[];
  /** A request went out: stored events follow, until `onEose`. */
  onStart?(): void;
  /** A verified event that matches the filters of the request. */
  onEvent(event: NostrEvent): void;
  /** What an event that matches is worth before its signature is looked at; all are verified where it is left out. */
  glance?(event: NostrEvent): Glance;
  /** A copy of what was dealt with; its id is right, its signature was not looked at. */
  onCopy?(event: NostrEvent): void;
  /** It was not verified, and anybody may have made it up. */
  onRefused?(event: NostrEvent): void;
  /** This relay says that all stored events were sent. */
  onEose?(): void;
  /** Something that is no event, was not asked for, or is not signed by its author. */
  onInvalid?(reason: 'shape' | 'unasked' | 'signature', value: unknown): void;
}

export interface Subscription {
  /** Asks again, with fresh filters. */
  refresh(): void;
  close(): void;
}

export interface SubscribingOptions {
  readonly isConnected: () => boolean;
  readonly send: (frame: string) => boolean;
  readonly retry: Backoff;
  readonly random: () => number;
  /** As in `PublishingOptions`. */
  readonly authenticate: () => boolean;
  readonly onJunk: () => void;
  /** Runs what a timer started, so that a throwing consumer does no harm. */
  readonly guarded: (run: () => void) => void;
}

/** The subscriptions on one connection. */
export interface Subscribing {
  subscribe(key: string, handlers: SubscriptionHandlers): Subscription;
  onEvent(sub: string, value: unknown): void;
  onEose(sub: string): void;
  onClosed(sub: string, message: string): void;
  /** The connection is new: all requests go out again. */
  restart(): void;
  /** Requests that were closed for lack of authentication go out again. */
  resume(): void;
  onDown(): void;
  close(): void;
}

interface Active {
  readonly key: string;
  readonly handlers: SubscriptionHandlers;
  /** The id of the present request; each has its own, so that an EOSE of an earlier one is told apart. */
  id: string | null;
  sent: Filter[];
  closedTimes: number;
  awaitsAuth: boolean;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** Keeps subscriptions alive on one connection. Ids are `key:number`; a key has at most 48 characters. */
export function trackSubscriptions(options: SubscribingOptions): Subscribing {
  const active = new Set<Active>();
  const byId = new Map<string, Active>();
  let requests = 0;

  function forget(sub: Active): void {
    clearTimeout(sub.timer);
    if (sub.id !== null) byId.delete(sub.id);
    sub.id = null;
    sub.awaitsAuth = false;
  }
  function leave(sub: Active): void {
    const { id } = sub;
    forget(sub);
    if (id !== null) options.send(JSON.stringify(['CLOSE', id]));
  }
  function request(sub: Active): void {
    leave(sub);
    if (!options.isConnected()) return;
    const text = JSON.stringify(sub.handlers.filters());
    const filters: Filter[] = JSON.parse(text);
    if (filters.length === 0) return;
    const id = `${sub.key}:${(requests++).toString(36)}`;
    if (!options.send(`["REQ",${JSON.stringify(id)},${text.slice(1)}`)) return;
    sub.id = id;
    sub.sent = filters;
    byId.set(id, sub);
    sub.handlers.onStart?.();
  }

  return {
    subscribe(key, handlers) {
      if (key.length > 48) throw new RangeError('a subscription key has at most 48 characters');
      const sub: Active = {
        key,
        handlers,
        id: null,
        sent: [],
        closedTimes: 0,
        awaitsAuth: false,
        timer: undefined,
      };
      active.add(sub);
      request(sub);
      return {
        refresh: () => {
          if (active.has(sub)) request(sub);
        },
        close: () => {
          if (active.delete(sub)) leave(sub);
        },
      };
    },
    onEvent(id, value) {
      const sub = byId.get(id);
      if (sub === undefined) return;
      const { handlers } = sub;
      const admitted = admitEvent(value, sub.sent, event => handlers.glance?.(event) ?? 'verify');
      switch (admitted.outcome) {
        case 'verified':
          handlers.onEvent(admitted.event);
          break;
        case 'copy':
          handlers.onCopy?.(admitted.event);
          break;
        case 'refused':
          handlers.onRefused?.(admitted.event);
          break;
        case 'invalid':
          options.onJunk();
          handlers.onInvalid?.(admitted.reason, value);
      }
    },
    onEose(id) {
      const sub = byId.get(id);
      if (sub === undefined) return;
      sub.closedTimes = 0;
      sub.handlers.onEose?.();
    },
    onClosed(id, message) {
      const sub = byId.get(id);
      if (sub === undefined) return;
      forget(sub);
      sub.awaitsAuth = prefixOf(message) === 'auth-required' && options.authenticate();
      // Also while it waits for authentication: the challenge may never come.
      const delay = backoffDelay(options.retry, sub.closedTimes++, options.random);
      sub.timer = setTimeout(() => options.guarded(() => request(sub)), delay);
    },
    restart() {
      for (const sub of active) request(sub);
    },
    resume() {
      for (const sub of active) if (sub.awaitsAuth) request(sub);
    },
    onDown() {
      for (const sub of active) forget(sub);
    },
    close() {
      for (const sub of active) forget(sub);
      active.clear();
    },
  };
}

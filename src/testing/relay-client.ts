import type { NostrEvent } from '../nostr/event.ts';
import { eventBytes, readEvent, tagValue, verifyEvent } from '../nostr/event.ts';
import { type Filter, matchesAny } from '../nostr/filter.ts';
import { parseJson } from '../nostr/json.ts';
import { powOf } from '../nostr/pow.ts';
import { type RelayFaults, sentFor } from './relay-faults.ts';
import { isEphemeral, isExpired, type RelayStore, readFilter } from './relay-store.ts';

export interface RelayServerLimits {
  /** Bytes of one message; a longer one ends the connection. */
  readonly maxMessageBytes: number;
  readonly maxEventBytes: number;
  readonly maxSubscriptions: number;
  readonly maxFilters: number;
  /** Events that one filter returns. */
  readonly maxLimit: number;
  readonly maxSubIdChars: number;
  /** Seconds that an event may be dated ahead. */
  readonly maxAhead: number;
}

/** strfry's defaults. */
export const SERVER_LIMITS: RelayServerLimits = {
  maxMessageBytes: 131_072,
  maxEventBytes: 65_536,
  maxSubscriptions: 200,
  maxFilters: 200,
  maxLimit: 500,
  maxSubIdChars: 64,
  maxAhead: 900,
};

export interface RelayStats {
  connections: number;
  /** Messages of all kinds, those that were passed over in silence included. */
  frames: number;
  requests: number;
  /** Events that were offered, refused ones included. */
  published: number;
  stored: number;
  /** Events that were sent to clients. */
  sent: number;
  authenticated: number;
}

export interface ClientContext {
  readonly store: RelayStore;
  readonly faults: RelayFaults;
  readonly limits: RelayServerLimits;
  readonly stats: RelayStats;
  readonly url: string;
  /** Unix seconds. */
  now(): number;
  send(text: string): void;
  /** Sends an event to all clients that asked for it. */
  broadcast(event: NostrEvent): void;
  challenge(): string;
}

/** One connected client. */
export interface RelayClient {
  onText(text: string): void;
  /** Sends a new event if one of the subscriptions asks for it. */
  offer(event: NostrEvent): void;
  close(): void;
}

type Frame = readonly unknown[];

const REORDER_MS = 20;

/** Speaks NIP-01, NIP-11's limits, NIP-13, NIP-40 and NIP-42 with one client, with the faults that are asked for. */
export function serveClient(context: ClientContext): RelayClient {
  const { store, faults, limits, stats } = context;
  const subscriptions = new Map<string, Filter[]>();
  const timers = new Set<ReturnType<typeof setTimeout>>();
  let challenge: string | null = null;
  let isAuthenticated = false;
  let reordered: string[] = [];

  function later(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      run();
    }, ms);
    timers.add(timer);
  }
  function send(...frame: unknown[]): void {
    const text = JSON.stringify(frame);
    if (faults.silent) return;
    if (faults.delayMs > 0) later(faults.delayMs, () => context.send(text));
    else context.send(text);
  }
  function sendEvents(id: string, events: readonly NostrEvent[]): void {
    const ordered = faults.reorder ? [...events].sort((a, b) => (a.sig < b.sig ? -1 : 1)) : events;
    for (const value of ordered.flatMap(event => sentFor(event, faults))) {
      stats.sent++;
      send('EVENT', id, value);
    }
  }
  function sendReordered(id: string, event: NostrEvent): void {
    if (reordered.length === 0)
      later(REORDER_MS, () => {
        const texts = reordered.reverse();
        reordered = [];
        for (const text of texts) context.send(text);
      });
    for (const value of sentFor(event, faults)) {
      stats.sent++;
      reordered.push(JSON.stringify(['EVENT', id, value]));
    }
  }

  function demandAuth(): boolean {
    if (!faults.authRequired || isAuthenticated) return false;
    if (challenge === null) {
      challenge = context.challenge();
      send('AUTH', challenge);
    }
    return true;
  }
  function answerAuth(value: unknown): Frame {
    const event = verifyEvent(value);
    if (event === null) return ['NOTICE', 'invalid: AUTH without a valid event'];
    const isRight =
      event.kind === 22_242 &&
      challenge !== null &&
      tagValue(event, 'challenge') === challenge &&
      tagValue(event, 'relay') === context.url &&
      Math.abs(event.created_at - context.now()) <= 600;
    if (isRight) {
      isAuthenticated = true;
      stats.authenticated++;
    }
    return ['OK', event.id, isRight, isRight ? '' : 'restricted: wrong challenge, relay, kind or time'];
  }

  function refusalOf(event: NostrEvent): string | null {
    const max = Math.min(limits.maxEventBytes, faults.maxEventBytes ?? limits.maxEventBytes);
    if (demandAuth()) return 'auth-required: authenticate first';
    if (faults.rateLimited) return 'rate-limited: slow down';
    if (faults.reject !== null) return faults.reject;
    if (eventBytes(event) > max) return `invalid: event is larger than ${max} bytes`;
    if (powOf(event.id) < faults.pow) return `pow: difficulty ${powOf(event.id)} is less than ${faults.pow}`;
    if (event.created_at > context.now() + limits.maxAhead) return 'invalid: created_at is too far in the future';
    if (isExpired(event, context.now())) return 'invalid: event expired';
    return verifyEvent(event) === null ? 'invalid: bad event id or signature' : null;
  }
  function answerEvent(value: unknown): Frame {
    const event = readEvent(value);
    if (event === null) return ['NOTICE', 'invalid: that is no event'];
    stats.published++;
    const refusal = refusalOf(event);
    if (refusal !== null) return ['OK', event.id, false, refusal];
    if (faults.okButNotStored) return ['OK', event.id, true, ''];
    const outcome = isEphemeral(event.kind) ? 'stored' : store.add(event);
    if (outcome === 'duplicate') return ['OK', event.id, true, 'duplicate: have this event'];
    if (outcome === 'replaced') return ['OK', event.id, true, 'replaced: have a newer event'];
    stats.stored++;
    context.broadcast(event);
    return ['OK', event.id, true, ''];
  }

  function objectionTo(id: string, filters: readonly (Filter | null)[]): string | null {
    if (demandAuth()) return 'auth-required: authenticate first';
    if (faults.closed !== null) return faults.closed;
    if (id.length === 0 || id.length > limits.maxSubIdChars) return 'invalid: subscription id';
    if (filters.length === 0 || filters.length > limits.maxFilters) return 'invalid: number of filters';
    if (filters.includes(null)) return 'invalid: filter';
    if (!subscriptions.has(id) && subscriptions.size >= limits.maxSubscriptions) return 'error: too many subscriptions';
    return null;
  }
  function onRequest(id: string, values: readonly unknown[]): void {
    stats.requests++;
    const read = values.map(readFilter);
    const objection = objectionTo(id, read);
    if (objection !== null) {
      send('CLOSED', id, objection);
      return;
    }
    const filters = read.filter(filter => filter !== null);
    subscriptions.set(id, filters);
    const { eose } = faults;
    if (eose === 'early') send('EOSE', id);
    if (eose !== 'withhold') sendEvents(id, store.query(filters, limits.maxLimit, context.now()));
    if (eose === 'honest' || eose === 'withhold') send('EOSE', id);
    if (faults.forgetSubscriptions) subscriptions.delete(id);
  }

  function onFrame(value: unknown): void {
    const [type, subject, ...rest]: unknown[] = Array.isArray(value) ? value : [];
    if (type === 'EVENT') send(...answerEvent(subject));
    else if (type === 'AUTH') send(...answerAuth(subject));
    else if (type === 'REQ' && typeof subject === 'string') onRequest(subject, rest);
    else if (type === 'CLOSE' && typeof subject === 'string') subscriptions.delete(subject);
    else send('NOTICE', 'invalid: unknown message');
  }

  if (faults.authRequired) demandAuth();
  return {
    onText(text) {
      stats.frames++;
      if (!faults.silent) onFrame(parseJson(text, { chars: limits.maxMessageBytes, depth: 16 }));
    },
    offer(event) {
      for (const [id, filters] of subscriptions) {
        if (!matchesAny(filters, event)) continue;
        if (faults.reorder) sendReordered(id, event);
        else sendEvents(id, [event]);
      }
    },
    close() {
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
    },
  };
}

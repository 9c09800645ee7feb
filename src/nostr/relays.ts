import { boundedMap } from './bounded.ts';
import { type ConnectionOptions, connectRelay, type RelayConnection, type RelayState } from './connection.ts';
import type { NostrEvent } from './event.ts';
import type { Filter, Glance } from './filter.ts';
import type { RelayLimits } from './nip11.ts';
import { classifyOk, type PublishResult } from './ok.ts';
import type { Subscription } from './subscribing.ts';
import { normalizeRelayUrl } from './url.ts';

export interface RelaysSubscription {
  /** At most 48 characters; seen by the relays. */
  readonly key: string;
  /** Asked for at every request, separately for each relay; no filters: that relay is not asked. */
  filters(relayUrl: string): Filter[];
  /** A verified event. Once per event, or once per relay with `everyCopy`. */
  onEvent(event: NostrEvent, relayUrl: string): void;
  /** As in `SubscriptionHandlers`: before the signature is looked at. */
  glance?(event: NostrEvent, relayUrl: string): Glance;
  onCopy?(event: NostrEvent, relayUrl: string): void;
  onRefused?(event: NostrEvent, relayUrl: string): void;
  onEose?(relayUrl: string): void;
  /** A request went out to this relay: its stored events follow. */
  onStart?(relayUrl: string): void;
  onInvalid?(reason: 'shape' | 'unasked' | 'signature', relayUrl: string): void;
  /** Hands over the copies of every relay. */
  readonly everyCopy?: boolean;
  /** Ask this relay only. */
  readonly relay?: string;
}

export interface PublishReport {
  readonly relay: string;
  /** Never rejects. */
  readonly result: Promise<PublishResult>;
}

/** The set of relays. URLs are in their normalised spelling. */
export interface Relays {
  readonly urls: readonly string[];
  subscribe(subscription: RelaysSubscription): Subscription;
  /** Publishes to every relay, each for itself: wait for the one that is needed, or for all. */
  publish(event: NostrEvent): PublishReport[];
  /** Publishes to one relay; `offline` for one that is not in the set. */
  publishTo(relayUrl: string, event: NostrEvent): Promise<PublishResult>;
  isConnected(relayUrl: string): boolean;
  connectedCount(): number;
  limits(relayUrl: string): RelayLimits | null;
  /** The smallest message that a relay of the set says it takes, in bytes; null while none says. */
  maxMessageBytes(): number | null;
  /**
   * Bits of proof of work (NIP-13) that every relay of the set takes an event with: the most that one states (NIP-11), or
   * refused an event for; 0 if none does. One that wants more than `RELAY_WORK` is left out: it gets nothing of ours.
   */
  workBits(): number;
  /** Resolves when every relay was asked for its limits, or after so long. */
  introduced(timeoutMs: number): Promise<void>;
  /** Tells of every connect and disconnect; returns how to stop. */
  onState(listener: (url: string, state: RelayState) => void): () => void;
  close(): Promise<void>;
}

/** Bits of work that a relay may want of each event: about a tenth of a second, in which nothing else runs. */
export const RELAY_WORK = 14;
/** Ids of events that were handed on, per subscription. */
const REMEMBERED = 20_000;

/**
 * Connects to all of these relays, each by itself: none waits for another. Repeated spellings of one relay count once.
 * Events are verified on each connection and deduplicated only afterwards: a forged copy that carries the id of a
 * genuine event cannot hide it. Throws RelayUrlError on an address that is no relay's.
 */
export function createRelays(relayUrls: readonly string[], options: ConnectionOptions): Relays {
  const urls = [...new Set(relayUrls.map(normalizeRelayUrl))];
  const listeners = new Set<(url: string, state: RelayState) => void>();
  if (options.onState) listeners.add(options.onState);
  const onState = (url: string, state: RelayState): void => {
    for (const listener of listeners) {
      try {
        listener(url, state);
      } catch {
        options.log?.('error', 'a listener to relay states failed', { relay: url, state });
      }
    }
  };
  const connections = new Map<string, RelayConnection>();
  for (const url of urls) connections.set(url, connectRelay(url, { ...options, onState }));

  /** What relays refused an event for, where they do not state it. */
  const wanted = new Map<string, number>();

  async function publishTo(url: string, event: NostrEvent): Promise<PublishResult> {
    const result = await (connections.get(url)?.publish(event) ?? classifyOk(false, 'offline: not in the set'));
    if (result.powBits !== undefined) wanted.set(url, result.powBits);
    return result;
  }

  return {
    urls,
    publishTo,
    publish: event => urls.map(relay => ({ relay, result: publishTo(relay, event) })),
    subscribe(subscription) {
      const known = boundedMap<true>(REMEMBERED);
      const asked = [...connections.values()].filter(
        ({ url }) => subscription.relay === undefined || subscription.relay === url,
      );
      const open = asked.map(({ url, subscribe }) =>
        subscribe(subscription.key, {
          filters: () => subscription.filters(url),
          onStart: () => subscription.onStart?.(url),
          onEose: () => subscription.onEose?.(url),
          onInvalid: reason => subscription.onInvalid?.(reason, url),
          glance: event => subscription.glance?.(event, url) ?? 'verify',
          onCopy: event => subscription.onCopy?.(event, url),
          onRefused: event => subscription.onRefused?.(event, url),
          onEvent(event) {
            if (!subscription.everyCopy) {
              if (known.has(event.id)) return;
              known.set(event.id, true);
            }
            subscription.onEvent(event, url);
          },
        }),
      );
      return {
        refresh() {
          for (const one of open) one.refresh();
        },
        close() {
          for (const one of open) one.close();
        },
      };
    },
    isConnected: url => connections.get(url)?.isConnected() ?? false,
    connectedCount: () => [...connections.values()].filter(connection => connection.isConnected()).length,
    limits: url => connections.get(url)?.limits() ?? null,
    maxMessageBytes() {
      const stated = [...connections.values()].flatMap(connection => connection.limits().maxMessageBytes ?? []);
      return stated.length === 0 ? null : Math.min(...stated);
    },
    workBits() {
      const bits = [...connections].map(([url, { limits }]) => Math.max(limits().minPow ?? 0, wanted.get(url) ?? 0));
      return Math.max(0, ...bits.filter(asked => asked <= RELAY_WORK));
    },
    async introduced(timeoutMs) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<void>(resolve => {
        timer = setTimeout(resolve, timeoutMs);
      });
      await Promise.race([late, Promise.all([...connections.values()].map(({ introduced }) => introduced))]);
      clearTimeout(timer);
    },
    onState(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      await Promise.all([...connections.values()].map(connection => connection.close()));
    },
  };
}

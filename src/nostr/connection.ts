import type { AuthSigner } from './auth.ts';
import type { NostrEvent } from './event.ts';
import { parseRelayFrame, type RelayFrame } from './frame.ts';
import { keepLinked, LINK_TIMING, type LinkTiming } from './link.ts';
import { type Log, printable, silent } from './log.ts';
import { fetchRelayLimits, NO_LIMITS, type RelayLimits } from './nip11.ts';
import type { PublishResult } from './ok.ts';
import { trackPublishing } from './publishing.ts';
import type { OpenSocket } from './socket.ts';
import { type Subscription, type SubscriptionHandlers, trackSubscriptions } from './subscribing.ts';
import { normalizeRelayUrl } from './url.ts';

export type RelayState = 'connected' | 'disconnected';

export interface ConnectionTiming extends LinkTiming {
  /** Milliseconds until a publication without OK counts as failed, waiting for a connection included. */
  readonly publishMs: number;
  /** Milliseconds before a subscription that the relay closed is asked for again: first, and at most. */
  readonly resubscribeBaseMs: number;
  readonly resubscribeMaxMs: number;
}

export const CONNECTION_TIMING: ConnectionTiming = {
  ...LINK_TIMING,
  publishMs: 10_000,
  resubscribeBaseMs: 1_000,
  resubscribeMaxMs: 120_000,
};

export interface ConnectionOptions {
  /** `nodeSocket`, or `browserSocket(WebSocket)`. */
  readonly openSocket: OpenSocket;
  readonly log?: Log;
  /** 0 to below 1, for jitter: `Math.random` if left out. */
  readonly random?: () => number;
  readonly timing?: Partial<ConnectionTiming>;
  /** Without it the connection never authenticates (NIP-42). */
  readonly auth?: AuthSigner;
  readonly onState?: (url: string, state: RelayState) => void;
  /** Asks for the relay's limits (NIP-11): `fetchRelayLimits` if left out; null to go without. */
  readonly fetchLimits?: ((url: string, signal: AbortSignal) => Promise<RelayLimits | null>) | null;
}

export interface RelayConnection {
  readonly url: string;
  isConnected(): boolean;
  /** What the relay says about itself, as far as it is known yet. */
  limits(): RelayLimits;
  /** Resolves when it was asked for that once, whatever came of it. */
  readonly introduced: Promise<void>;
  /** Asks for events, now and after every reconnect. `key` has at most 48 characters. */
  subscribe(key: string, handlers: SubscriptionHandlers): Subscription;
  /** Publishes a signed event; waits for a connection and for the OK, up to the timeout. Never rejects. */
  publish(event: NostrEvent): Promise<PublishResult>;
  close(): Promise<void>;
}

/** Junk frames in one burst, and how many are forgiven a second, before a relay is cut off. */
const JUNK_BURST = 1_000;
const JUNK_PER_SECOND = 10;
/** A relay that keeps sending challenges does not get signatures without end. */
const CHALLENGES_PER_CONNECTION = 8;
const NOBODY = '0'.repeat(64);

/**
 * One relay, one connection (NIP-01): it reconnects by itself, keeps its subscriptions, verifies every event before
 * anybody sees it, authenticates once per challenge (NIP-42), and cuts off a relay that sends endless junk.
 * Throws RelayUrlError on an address that is no relay's.
 */
export function connectRelay(relayUrl: string, options: ConnectionOptions): RelayConnection {
  const url = normalizeRelayUrl(relayUrl);
  const { openSocket, auth, onState } = options;
  const log = options.log ?? silent;
  const random = options.random ?? Math.random;
  const timing = { ...CONNECTION_TIMING, ...options.timing };
  const fetchLimits = options.fetchLimits === undefined ? fetchRelayLimits : options.fetchLimits;
  const leaving = new AbortController();
  let limits = NO_LIMITS;
  let isFetching = false;
  let introduce: () => void = () => {};
  const introduced = new Promise<void>(resolve => {
    introduce = resolve;
  });
  if (fetchLimits === null) introduce();

  let challenge: string | null = null;
  let challenges = 0;
  /** `wanted`: the relay asked for authentication before it gave a challenge. */
  let authState: 'none' | 'wanted' | 'pending' | 'done' | 'failed' = 'none';
  const authIds = new Set<string>();

  let junk = 0;
  let junkSince = Date.now();

  const send = (frame: string): boolean => link.send(frame);
  /** Nothing that a consumer throws may end the connection, or the process. */
  function guarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      log('error', 'a relay handler failed', { relay: url, error: error instanceof Error ? error.name : 'unknown' });
    }
  }

  function onJunk(): void {
    const now = Date.now();
    junk = Math.max(0, junk - ((now - junkSince) / 1_000) * JUNK_PER_SECOND) + 1;
    junkSince = now;
    if (junk <= JUNK_BURST) return;
    junk = 0;
    link.cut('endless junk');
  }

  function authenticate(): boolean {
    if (auth === undefined) return false;
    if (authState === 'none') authState = 'wanted';
    return authState === 'wanted' || authState === 'pending';
  }
  function afterAuth(state: 'done' | 'failed'): void {
    authState = state;
    guarded(() => publishing.resume());
    guarded(() => subscribing.resume());
  }
  async function onChallenge(text: string): Promise<void> {
    if (auth === undefined || text === challenge || ++challenges > CHALLENGES_PER_CONNECTION) return;
    challenge = text;
    authState = 'pending';
    authIds.clear();
    let events: NostrEvent[] = [];
    try {
      events = await auth(text, url);
    } catch {
      log('error', 'the signer for relay authentication failed', { relay: url });
    }
    if (challenge !== text) return;
    for (const event of events) {
      authIds.add(event.id);
      send(JSON.stringify(['AUTH', event]));
    }
    if (events.length === 0) afterAuth('failed');
  }
  function onAuthOk(id: string, ok: boolean, message: string): void {
    authIds.delete(id);
    if (!ok) log('warn', 'relay refused authentication', { relay: url, message: printable(message) });
    if (authIds.size === 0 && authState === 'pending') afterAuth(ok ? 'done' : 'failed');
  }

  async function learnLimits(): Promise<void> {
    if (fetchLimits === null || isFetching || limits !== NO_LIMITS) return;
    isFetching = true;
    limits = (await fetchLimits(url, leaving.signal).catch(() => null)) ?? NO_LIMITS;
    isFetching = false;
    introduce();
  }

  const publishing = trackPublishing({
    send,
    authenticate,
    timeoutMs: timing.publishMs,
    maxMessageBytes: () => limits.maxMessageBytes,
  });
  const subscribing = trackSubscriptions({
    isConnected: () => link.isOpen(),
    send,
    authenticate,
    onJunk,
    guarded,
    random,
    retry: { base: timing.resubscribeBaseMs, max: timing.resubscribeMaxMs },
  });

  function onOk(id: string, ok: boolean, message: string): void {
    if (authIds.has(id)) onAuthOk(id, ok, message);
    else publishing.onOk(id, ok, message);
  }
  function onFrame(frame: RelayFrame): void {
    switch (frame.type) {
      case 'EVENT':
        subscribing.onEvent(frame.sub, frame.event);
        break;
      case 'EOSE':
        subscribing.onEose(frame.sub);
        break;
      case 'CLOSED':
        log('debug', 'relay closed a subscription', { relay: url, message: printable(frame.message) });
        subscribing.onClosed(frame.sub, frame.message);
        break;
      case 'OK':
        onOk(frame.id, frame.ok, frame.message);
        break;
      case 'AUTH':
        void onChallenge(frame.challenge);
        break;
      case 'NOTICE':
        log('debug', 'relay notice', { relay: url, message: printable(frame.message) });
        break;
      default:
        frame satisfies never;
    }
  }

  const link = keepLinked(
    url,
    {
      onOpen() {
        challenge = null;
        challenges = 0;
        authState = 'none';
        authIds.clear();
        void learnLimits();
        guarded(() => onState?.(url, 'connected'));
        guarded(() => subscribing.restart());
        guarded(() => publishing.resume());
      },
      onText(text) {
        const frame = parseRelayFrame(text);
        if (frame === null) onJunk();
        else guarded(() => onFrame(frame));
      },
      onDown() {
        subscribing.onDown();
        publishing.onDown();
        guarded(() => onState?.(url, 'disconnected'));
      },
      probe() {
        send(JSON.stringify(['REQ', 'probe', { ids: [NOBODY], limit: 1 }]));
        send(JSON.stringify(['CLOSE', 'probe']));
      },
    },
    { openSocket, log, random, timing },
  );

  return {
    url,
    isConnected: () => link.isOpen(),
    limits: () => limits,
    introduced,
    subscribe: (key, handlers) => subscribing.subscribe(key, handlers),
    publish: event => publishing.publish(event),
    async close() {
      leaving.abort();
      subscribing.close();
      publishing.close();
      await link.close();
    },
  };
}

import { curve } from '#curve';
import type { Bytes } from '../crypto/index.ts';
import type { Scheme } from '../messages/index.ts';
import {
  authEvent,
  type ConnectionOptions,
  createInbox,
  createOutbox,
  createRelays,
  DIRECTED_KIND,
  expirationOf,
  INBOX_TIMING,
  type Inbox,
  type Log,
  MAIL_KINDS,
  MAX_SKEW,
  NIP04_KIND,
  type OpenSocket,
  type Outbox,
  type Relays,
  schemeOfKind,
} from '../nostr/index.ts';
import type { Eye } from '../shell/eye.ts';
import type { KeyStore } from '../shell/keystore.ts';
import type { WalletStore } from '../store/wallet-store.ts';
import type { Actor } from './actor.ts';

/** All in milliseconds. */
export interface WalletTiming {
  /** How often it is looked for requests that nobody answered. */
  readonly resendMs: number;
  /** How often cohorts are looked at on the chain, also without a new block. */
  readonly lookMs: number;
  /** How often relays are asked for what they may have kept to themselves. */
  readonly resyncMs: number;
}

export const WALLET_TIMING: WalletTiming = { resendMs: 2_000, lookMs: 10_000, resyncMs: INBOX_TIMING.resyncMs };
/** How long relays may take to show what this wallet sent itself, before anything is answered. */
const OWN_MS = 5_000;
/** How long to wait for what relays say about themselves. */
const INTRODUCED_MS = 2_000;

export interface ConnectingParts {
  /** None: the wallet connects to nothing, and its messages are carried by hand. */
  relays: readonly string[];
  openSocket: OpenSocket;
  fetchLimits: Pick<ConnectionOptions, 'fetchLimits'>;
  store: WalletStore;
  keys: KeyStore;
  eye: Eye | null;
  actor: Actor;
  timing: WalletTiming;
  random: (length: number) => Bytes;
  now: () => number;
  log: Log;
  fail: (error: unknown) => void;
}

export interface Connecting {
  /** Connects, and answers by itself from now on; nothing happens a second time. */
  start(): void;
  /** Closes the connections, giving what is being sent two seconds. */
  stop(): Promise<void>;
  /** Connects anew where a cohort lives on relays that were not in use, or one wants to see the newest key first. */
  reachRelays(): Promise<void>;
  /** Connects, and waits a while for what the relays want of an event: before the first words of a new seat. */
  introduced(): Promise<void>;
  /** Whether messages of a cohort are carried by hand: then no answer is waited for. */
  isByHand(cohort: string): boolean;
  /** The relays in use, or those that would be. */
  urls(): readonly string[];
  /** The connections, which are made if there are none yet. */
  relays(): Relays;
  isConnected(url: string): boolean;
  maxMessageBytes(): number | null;
  /** Bits of work that a relay in use wants of every event. */
  workBits(): number;
  /** Something was stored: the outbox should look. */
  wake(): void;
  /** Asks relays again for what they may have kept to themselves. */
  askAgain(): void;
}

interface Net {
  relays: Relays;
  inbox: Inbox;
  outbox: Outbox;
}

/** The wallet's side of the relays: what it listens for, what it sends, and what runs by the clock. */
export function createConnecting(parts: ConnectingParts): Connecting {
  const { relays: ownRelays, openSocket, fetchLimits, store, keys, eye, actor, timing, random, now, log, fail } = parts;
  /** What relays keep of this wallet's own messages was read, or they had the time to show it. */
  let ownRead: Promise<unknown> = Promise.resolve();
  let ownFound: Promise<unknown> = Promise.resolve();
  let net: Net | null = null;
  const timers: ReturnType<typeof setInterval>[] = [];
  let stopTips: (() => void) | null = null;

  /** Keys that relays asked to see (NIP-42); null while none has. */
  let shown: Set<string> | null = null;

  /** Only the scheme that a membership began with: answers come in it, so nothing else is asked for. */
  const recipientsOf = (scheme: Scheme | null): string[] => {
    const isAsked = (used: Scheme | undefined): boolean => scheme === null || (used ?? 'nip44_v2') === scheme;
    const { cohorts, companionship } = actor.state();
    const own = [...cohorts.values()]
      .filter(membership => isAsked(membership.scheme))
      .flatMap(({ transport, rebinding }) => (rebinding ? [transport, rebinding.transport] : [transport]));
    const paired = companionship && isAsked(undefined) ? [companionship.key] : [];
    return [...new Set([...own, ...paired])].filter(keys.has);
  };

  /** Whether messages of a cohort are carried by hand: then no answer is waited for. */
  const isByHand = (cohort: string): boolean =>
    ownRelays.length === 0 || actor.state().cohorts.get(cohort)?.relays.length === 0;

  function urls(): string[] {
    if (ownRelays.length === 0) return [];
    const { cohorts, companionship } = actor.state();
    const theirs = [...cohorts.values()].flatMap(({ relays }) => relays);
    return [...new Set([...ownRelays, ...theirs, ...(companionship?.relays ?? [])])];
  }

  function connect(): Net {
    const relays = createRelays(urls(), {
      openSocket: openSocket,
      log,
      ...fetchLimits,
      auth: (challenge, relayUrl) => {
        const transports = recipientsOf(null);
        shown = new Set([...(shown ?? []), ...transports]);
        const sign = (secret: Bytes) => authEvent({ challenge, relayUrl, createdAt: now() }, secret, random(32));
        // Who only looks for adverts has no key yet, and such a relay shows nothing to nobody: a passing one will do.
        return transports.length === 0 ? [sign(passingKey())] : transports.map(key => keys.lend(key, sign));
      },
    });
    const inbox = createInbox({
      relays,
      kinds: MAIL_KINDS,
      recipients: kind => recipientsOf(schemeOfKind(kind)),
      cursors: store.cursors,
      seen: store.hasSeen,
      now,
      maxSkew: MAX_SKEW,
      deliver: event =>
        ownRead
          .then(() => actor.deliver(event))
          .catch(error => {
            if (error instanceof Error && error.name.startsWith('Store')) fail(error);
            throw error;
          }),
      timing: { resyncMs: timing.resyncMs },
      log,
    });
    watchOwn(relays);
    return { relays, inbox, outbox: createOutbox({ relays, store: store.outbox, now, log }) };
  }

  /**
   * A message of this wallet's own that it knows nothing of: its database is an old copy, whoever copied it, or another
   * copy is at work. Relays keep such messages for weeks, so they tell it even of a copy that was made by hand; until they
   * had the time to tell it, no request is looked at.
   */
  function watchOwn(relays: Relays): void {
    // What was put back from its words has no log of what it sent, and signs in none of its cohorts.
    const ownAuthors = (): string[] =>
      [...actor.state().cohorts.values()].flatMap(({ phase, transport }) =>
        phase.name === 'restored' ? [] : [transport],
      );
    const waiting = new Set(relays.urls);
    let done: () => void = () => {};
    ownRead = new Promise<void>(resolve => {
      const patience = setTimeout(resolve, OWN_MS);
      timers.push(patience);
      done = () => {
        clearTimeout(patience);
        resolve();
      };
    });
    relays.subscribe({
      key: 'own',
      filters: () => {
        const authors = ownAuthors();
        return authors.length === 0 ? [] : [{ kinds: [DIRECTED_KIND, NIP04_KIND], authors }];
      },
      onEvent(event) {
        const isStale = (expirationOf(event) ?? Number.POSITIVE_INFINITY) <= now();
        const isNoted = (): boolean => {
          const { doubt, companionship } = actor.state();
          // By the key of the channel, which the words made again, the lost wallet spoke until then.
          const putBack = companionship?.role === 'owner' ? companionship.restored?.at : undefined;
          return event.created_at <= Math.max(doubt?.since ?? -1, putBack ?? -1);
        };
        if (isStale || isNoted() || store.hasSent(event.id)) return;
        log('error', 'this wallet sent a message that it knows nothing of: it is an old copy, or one of two', {
          event: event.id,
        });
        ownFound = ownFound.then(() => (isNoted() ? null : actor.feed({ type: 'restored' }))).catch(fail);
      },
      onEose(url) {
        waiting.delete(url);
        if (waiting.size === 0) void ownFound.then(done);
      },
    });
    if (relays.urls.length === 0 || ownAuthors().length === 0) done();
  }

  function passingKey(): Bytes {
    let secret = random(32);
    while (!curve.isSecretKey(secret)) secret = random(32);
    return secret;
  }

  /** A store that takes nothing more is told to whoever owns the wallet, not thrown out of a timer. */
  function resend(): void {
    if (ownRelays.length === 0) return;
    try {
      actor.resend();
    } catch (error) {
      fail(error);
    }
  }

  function start(): void {
    if (net) return;
    net = connect();
    void actor.reportLostNonces().catch(fail);
    stopTips = eye?.onTip(() => void actor.lookAll().catch(fail)) ?? null;
    timers.push(setInterval(resend, timing.resendMs));
    timers.push(setInterval(() => void actor.lookAll().catch(fail), timing.lookMs));
  }

  /**
   * A cohort may live on relays that the wallet did not know, or on one that wants to see the new key first: then it
   * connects anew.
   */
  async function reachRelays(): Promise<void> {
    start();
    const known = new Set(net!.relays.urls);
    const isIntroduced = shown === null || recipientsOf(null).every(transport => shown!.has(transport));
    if (isIntroduced && urls().every(url => known.has(new URL(url).href) || known.has(url))) {
      net!.inbox.refresh();
      return;
    }
    const old = net!;
    await old.inbox.close();
    await old.outbox.close();
    await old.relays.close();
    net = connect();
  }

  return {
    start,
    async stop() {
      for (const timer of timers.splice(0)) clearInterval(timer);
      stopTips?.();
      eye?.stop();
      if (!net) return;
      await net.inbox.close();
      await Promise.race([net.outbox.idle(), new Promise(resolve => setTimeout(resolve, 2_000))]);
      await net.outbox.close();
      await net.relays.close();
      net = null;
    },
    reachRelays,
    async introduced() {
      if (ownRelays.length === 0) return;
      start();
      await net!.relays.introduced(INTRODUCED_MS);
    },
    isByHand,
    urls: () => net?.relays.urls ?? urls(),
    relays() {
      start();
      return net!.relays;
    },
    isConnected: url => net?.relays.isConnected(url) ?? false,
    maxMessageBytes: () => net?.relays.maxMessageBytes() ?? null,
    workBits: () => net?.relays.workBits() ?? 0,
    wake: () => net?.outbox.wake(),
    askAgain: () => net?.inbox.askAgain(),
  };
}

import { boundedMap } from './bounded.ts';
import type { CursorStore } from './cursor.ts';
import { serialDelivery } from './delivery.ts';
import { LIMITS, type NostrEvent } from './event.ts';
import { type Delivered, type DropReason, type InboxTiming, type Lane, openLane } from './lane.ts';
import { type Log, silent } from './log.ts';
import type { Relays } from './relays.ts';

export type { CursorStore } from './cursor.ts';
export type { Delivered, DropReason, InboxTiming } from './lane.ts';

/** Seconds that an event, or the envelope in it, may be dated ahead of our clock. */
export const MAX_SKEW = 900;

export const INBOX_TIMING: InboxTiming = {
  replayMs: 20_000,
  resyncMs: 1_800_000,
  retryBaseMs: 2_000,
  retryMaxMs: 300_000,
};

export interface InboxOptions {
  readonly relays: Relays;
  /**
   * 8252; also 4 and 1059 where an advert lists them. Each is asked for by itself: relays drop mixed filters. The first
   * is the main one: a relay that does not serve the others still counts as read.
   */
  readonly kinds: readonly number[];
  /** The x-only transport keys, hex, that mail of this kind is for; asked for at the start and at `refresh`. */
  readonly recipients: (kind: number) => readonly string[];
  readonly cursors: CursorStore;
  /** Whether an event was dealt with, durably. */
  readonly seen: (id: string) => boolean;
  /** Unix seconds. */
  readonly now: () => number;
  /** Seconds that a message may be dated ahead of us. */
  readonly maxSkew: number;
  /**
   * Takes one verified event, one at a time. The cursor waits for it; if it throws, the relay is asked again later.
   * Answers `again` for an event that it did not finish with.
   */
  readonly deliver: (event: NostrEvent, relay: string) => Promise<Delivered> | Delivered;
  /**
   * Whether an event that was never seen would get any further if it verified: asked before its signature is looked at, so
   * its author is only claimed, and nothing may be counted against that author. All are where it is left out.
   */
  readonly isWelcome?: (event: NostrEvent, relay: string) => boolean;
  /** A burst of deliveries is over, or has lasted long: what they left to be done together should be done. */
  readonly onRest?: () => void;
  /** Told of everything that was dropped, `null` for what is no event or was signed by nobody. */
  readonly onDrop?: (reason: DropReason, event: NostrEvent | null, relay: string) => void;
  /** All stored messages of this relay were delivered; again after every reconnect. */
  readonly onCaughtUp?: (relay: string) => void;
  readonly log?: Log;
  /** 0 to below 1. */
  readonly random?: () => number;
  /** Seconds that every request reaches back behind the cursor, since outboxes publish late: 24 hours. */
  readonly overlap?: number;
  /** Events asked for in one page; strfry gives 500 at most. */
  readonly pageLimit?: number;
  readonly timing?: Partial<InboxTiming>;
}

export interface Inbox {
  /** Compares the recipients with those that are subscribed, and adds or drops what changed. */
  refresh(): void;
  /** Asks every relay again for what it has stored: it may have kept a message from its subscribers. */
  askAgain(): void;
  /** Relays whose stored messages were all delivered since they last connected. */
  caughtUp(): string[];
  /** Resolves when nothing that has arrived waits for delivery. */
  idle(): Promise<void>;
  /** Stops, after the delivery that is under way. */
  close(): Promise<void>;
}

/** Recipients in one filter. */
const GROUP_SIZE = 100;
/** Above so many groups they are put together anew: relays limit subscriptions. */
const MAX_GROUPS = 4;
/** Bytes that one lane may hold back, and may have waiting. */
const LANE_BYTES = 512 * LIMITS.eventBytes;
const REMEMBERED = 10_000;

interface Group {
  readonly kind: number;
  readonly recipients: Set<string>;
  readonly lanes: Lane[];
}

/**
 * Reads directed messages from all relays: verified, in date, not seen before, one delivery at a time, and none lost
 * while a relay, or this program, was away. Each relay is read for itself; copies from several are delivered once.
 */
export function createInbox(options: InboxOptions): Inbox {
  const { relays, kinds } = options;
  const log = options.log ?? silent;
  const random = options.random ?? Math.random;
  const delivery = serialDelivery(LANE_BYTES, options.onRest);
  const dealtWith = boundedMap<true>(REMEMBERED);
  const groups = new Set<Group>();
  let names = 0;

  const lanesOf = (relay: string): Lane[] =>
    [...groups].flatMap(({ lanes }) => lanes.filter(lane => lane.relay === relay));
  const isCaughtUp = (relay: string): boolean => {
    const lanes = lanesOf(relay);
    return lanes.length > 0 && lanes.every(lane => (lane.kind === kinds[0] ? lane.isComplete() : lane.isSettled()));
  };

  const context = {
    relays,
    cursors: options.cursors,
    delivery,
    log,
    random,
    overlap: options.overlap ?? 86_400,
    maxSkew: options.maxSkew,
    pageLimit: options.pageLimit ?? 500,
    holdBytes: LANE_BYTES / 2,
    timing: { ...INBOX_TIMING, ...options.timing },
    now: options.now,
    seen: (id: string) => dealtWith.has(id) || options.seen(id),
    isWelcome: (event: NostrEvent, relay: string) => options.isWelcome?.(event, relay) ?? true,
    async deliver(event: NostrEvent, relay: string): Promise<void> {
      const outcome = await options.deliver(event, relay);
      if (outcome !== 'again') dealtWith.set(event.id, true);
    },
    onDrop: (reason: DropReason, event: NostrEvent | null, relay: string) => options.onDrop?.(reason, event, relay),
    onCaughtUp(relay: string) {
      if (isCaughtUp(relay)) options.onCaughtUp?.(relay);
    },
  };

  function open(kind: number, recipients: Set<string>): void {
    const lanes: Lane[] = [];
    groups.add({ kind, recipients, lanes });
    for (const relay of relays.urls) lanes.push(openLane({ name: `in${names++}`, relay, kind, recipients }, context));
  }
  function openAll(kind: number, recipients: readonly string[]): void {
    for (let i = 0; i < recipients.length; i += GROUP_SIZE) open(kind, new Set(recipients.slice(i, i + GROUP_SIZE)));
  }
  function leave(group: Group): void {
    groups.delete(group);
    for (const lane of group.lanes) lane.close();
  }

  function refresh(): void {
    for (const kind of kinds) refreshKind(kind);
  }
  function refreshKind(kind: number): void {
    const wanted = new Set(options.recipients(kind));
    const missing = new Set(wanted);
    const own = [...groups].filter(group => group.kind === kind);
    for (const group of own) {
      for (const recipient of group.recipients) {
        missing.delete(recipient);
        if (!wanted.has(recipient)) group.recipients.delete(recipient);
      }
      if (group.recipients.size === 0) leave(group);
    }
    if (missing.size === 0) return;
    const needed = Math.ceil(wanted.size / GROUP_SIZE);
    const present = own.filter(group => groups.has(group));
    const isScattered = present.length >= Math.max(MAX_GROUPS, needed);
    if (isScattered) for (const group of present) leave(group);
    openAll(kind, [...(isScattered ? wanted : missing)]);
  }

  const stopListening = relays.onState((url, state) => {
    if (state === 'disconnected') for (const lane of lanesOf(url)) lane.onDown();
  });
  refresh();

  return {
    refresh,
    askAgain() {
      for (const { lanes } of groups) for (const lane of lanes) lane.askAgain();
    },
    caughtUp: () => relays.urls.filter(isCaughtUp),
    idle: () => delivery.idle(),
    async close() {
      stopListening();
      for (const group of groups) leave(group);
      await delivery.close();
    },
  };
}

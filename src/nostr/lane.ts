import { backoffDelay } from './backoff.ts';
import { type CursorStore, sinceOf } from './cursor.ts';
import type { Delivery } from './delivery.ts';
import { byTimeThenId, expirationOf, type NostrEvent, tagValues } from './event.ts';
import type { Filter, Glance } from './filter.ts';
import { type Log, nameOf } from './log.ts';
import { countInto, countJunk, firstPage, nextPage, type Page, pageAgain } from './paging.ts';
import type { Relays } from './relays.ts';
import type { Subscription } from './subscribing.ts';
import { DIRECTED_KIND } from './wrap.ts';

/** Why an event went no further. The first three are a relay's doing and carry no event. */
export type DropReason = 'shape' | 'unasked' | 'signature' | 'recipient' | 'expired' | 'future' | 'duplicate';

/** `again`: the event is not dealt with yet (a part of a chunked text), and a further copy may be handed over. */
// biome-ignore lint/suspicious/noConfusingVoidType: a consumer may simply return nothing
export type Delivered = 'again' | undefined | void;

export interface InboxTiming {
  /** Milliseconds after which stored events are handed over although the relay did not say that these were all. */
  readonly replayMs: number;
  /** Milliseconds between requests for what a relay may have kept from its subscribers. */
  readonly resyncMs: number;
  /** Milliseconds before a failed delivery is tried again, first and at most. */
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
}

/** What all lanes of an inbox share. Times in seconds unless the name says otherwise. */
export interface LaneContext {
  readonly relays: Relays;
  readonly cursors: CursorStore;
  readonly delivery: Delivery;
  readonly overlap: number;
  readonly maxSkew: number;
  readonly pageLimit: number;
  readonly holdBytes: number;
  readonly timing: InboxTiming;
  readonly log: Log;
  readonly random: () => number;
  now(): number;
  seen(id: string): boolean;
  /** Whether there is any use in verifying this event; says why not by itself. */
  isWelcome(event: NostrEvent, relay: string): boolean;
  deliver(event: NostrEvent, relay: string): Promise<Delivered> | Delivered;
  onDrop(reason: DropReason, event: NostrEvent | null, relay: string): void;
  onCaughtUp(relay: string): void;
}

/** The messages of one kind, to some recipients, from one relay. */
export interface Lane {
  readonly relay: string;
  readonly kind: number;
  isComplete(): boolean;
  /** Complete, or the relay was given its time and does not end its stored events, or does not serve this kind. */
  isSettled(): boolean;
  /** The relay is gone: what it sent so far is handed over. */
  onDown(): void;
  /** Asks for the stored messages once more, as when one may have been stored and never pushed. */
  askAgain(): void;
  close(): void;
}

export interface LaneSpec {
  readonly name: string;
  readonly relay: string;
  readonly kind: number;
  /** May shrink while the lane is open. */
  readonly recipients: ReadonlySet<string>;
}

/** Gift wraps are dated up to two days back by design (NIP-59): a cursor would lose them. */
const BACKDATED_KINDS = new Set([1059]);
/** A cursor is behind by so much before it is written again: the overlap is far larger. */
const CURSOR_STEP = 60;
/** What an event costs in memory beside its content. */
const EVENT_COST = 1_024;

const cursorName = (kind: number, recipient: string): string =>
  kind === DIRECTED_KIND ? recipient : `${recipient}/${kind}`;

/**
 * Reads one relay for one kind and some recipients: first all stored events since the cursor, page by page, held back
 * and handed over oldest first; then live events as they come. The cursor moves only after the relay said that these
 * were all, and only past events that were delivered. A delivery that fails leaves it, and the relay is asked again.
 */
export function openLane(spec: LaneSpec, context: LaneContext): Lane {
  const { name, relay, kind, recipients } = spec;
  const { relays, cursors, delivery, timing, log } = context;
  const keepsCursor = !BACKDATED_KINDS.has(kind);
  /** The page that is being read; null once all are. */
  let page: Page | null = firstPage();
  let pageSub: Subscription | null = null;
  let held = new Map<string, NostrEvent>();
  let heldBytes = 0;
  let isHolding = true;
  /** Counts the requests: what was queued for an earlier one must not move the cursor of this one. */
  let epoch = 0;
  let isIntact = true;
  let isComplete = false;
  let isGivenUp = false;
  let failures = 0;
  let isClosed = false;
  const newest = new Map<string, number>();
  let patience: ReturnType<typeof setTimeout> | undefined;
  let impatience: ReturnType<typeof setTimeout> | undefined;
  let resync: ReturnType<typeof setTimeout> | undefined;

  function filter(until: number | null): Filter {
    const list = [...recipients];
    const base: Filter = { kinds: [kind], '#p': list, limit: pageLimit() };
    const stored = list.map(recipient => cursors.get(relay, cursorName(kind, recipient)));
    const since = keepsCursor ? sinceOf(stored, context.now(), context.overlap) : null;
    return { ...base, ...(since === null ? {} : { since }), ...(until === null ? {} : { until }) };
  }
  const pageLimit = (): number => Math.min(context.pageLimit, relays.limits(relay)?.maxLimit ?? context.pageLimit);

  function askAgainIn(delay: number): void {
    clearTimeout(resync);
    if (!isClosed) resync = setTimeout(() => main.refresh(), delay);
  }
  function fail(): void {
    // A burst of failures is one failure: the relay is asked again once, for all of it.
    if (!isIntact) return;
    isIntact = false;
    const { retryBaseMs: base, retryMaxMs: max } = timing;
    askAgainIn(backoffDelay({ base, max }, failures++, context.random));
  }

  function moveCursors(step: number): void {
    if (!keepsCursor) return;
    for (const [recipient, createdAt] of newest) {
      const target = Math.min(createdAt, context.now());
      const cursor = cursors.get(relay, cursorName(kind, recipient));
      if (cursor === null || target - cursor >= step) cursors.set(relay, cursorName(kind, recipient), target);
    }
  }
  function note(event: NostrEvent): void {
    for (const recipient of tagValues(event, 'p'))
      if (recipients.has(recipient)) newest.set(recipient, Math.max(newest.get(recipient) ?? 0, event.created_at));
  }

  /** Never rejects: whatever the store or a listener throws, the next event has its turn. */
  async function inTurn(event: NostrEvent, from: number, run: () => unknown): Promise<void> {
    if (isClosed) return;
    try {
      await run();
      passed(event, from);
    } catch (error) {
      log('error', 'delivery of a message failed', { relay, event: event.id, error: nameOf(error) });
      if (from === epoch) fail();
    }
  }
  const handOver = async (event: NostrEvent): Promise<void> => {
    if (context.seen(event.id)) context.onDrop('duplicate', event, relay);
    else await context.deliver(event, relay);
  };
  function passed(event: NostrEvent, from: number): void {
    if (from !== epoch) return;
    note(event);
    if (isComplete && isIntact) moveCursors(CURSOR_STEP);
  }
  /** What was dealt with moves the cursor like what is, in its turn. */
  function takeCopy(event: NostrEvent): void {
    const objection = objectionTo(event);
    context.onDrop(objection ?? 'duplicate', event, relay);
    if (objection !== null) return;
    const from = epoch;
    if (!delivery.add(name, { bytes: 0, run: () => inTurn(event, from, () => {}) })) fail();
  }
  function queue(event: NostrEvent): void {
    const from = epoch;
    const job = { bytes: event.content.length + EVENT_COST, run: () => inTurn(event, from, () => handOver(event)) };
    if (!delivery.add(name, job)) fail();
  }
  function release(): void {
    const events = [...held.values()].sort(byTimeThenId);
    held = new Map();
    heldBytes = 0;
    for (const event of events) queue(event);
  }

  function objectionTo(event: NostrEvent): DropReason | null {
    const expiration = expirationOf(event);
    const now = context.now();
    if (expiration !== null && expiration <= now) return 'expired';
    if (event.created_at > now + context.maxSkew) return 'future';
    return tagValues(event, 'p').some(recipient => recipients.has(recipient)) ? null : 'recipient';
  }
  function take(event: NostrEvent): void {
    const objection = objectionTo(event);
    if (objection !== null) context.onDrop(objection, event, relay);
    else if (!isHolding) queue(event);
    else if (!held.has(event.id)) {
      held.set(event.id, event);
      heldBytes += event.content.length + EVENT_COST;
      if (heldBytes > context.holdBytes) release();
    }
  }
  const onInvalid = (reason: DropReason): void => context.onDrop(reason, null, relay);
  function glance(event: NostrEvent): Glance {
    try {
      if (context.seen(event.id)) return 'copy';
      return context.isWelcome(event, relay) ? 'verify' : 'refuse';
    } catch {
      // A store that fails is noticed when the event is handed over, and the relay is asked again.
      return 'verify';
    }
  }

  function waitForEose(): void {
    clearTimeout(impatience);
    impatience = setTimeout(() => {
      log('warn', 'relay does not end its stored events', { relay });
      isHolding = false;
      release();
    }, timing.replayMs);
  }
  /** Counted from the first request: a relay that closes every one would start the wait anew each time. */
  function startPatience(): void {
    patience ??= setTimeout(() => {
      isGivenUp = true;
      context.onCaughtUp(relay);
    }, timing.replayMs);
  }
  function endPatience(): void {
    clearTimeout(patience);
    patience = undefined;
    isGivenUp = false;
  }
  function leavePage(): void {
    clearTimeout(impatience);
    pageSub?.close();
    pageSub = null;
  }

  function readPage(next: Page): void {
    page = next;
    waitForEose();
    pageSub = relays.subscribe({
      key: `${name}p`,
      relay,
      everyCopy: true,
      filters: () => [filter(next.until)],
      onStart: () => {
        page = pageAgain(next);
      },
      onInvalid: reason => {
        if (page !== null) countJunk(page);
        onInvalid(reason);
      },
      glance,
      onEvent: event => {
        if (page !== null) countInto(page, event);
        take(event);
      },
      onCopy: event => {
        if (page !== null) countInto(page, event);
        takeCopy(event);
      },
      onRefused: event => {
        if (page !== null) countInto(page, event);
      },
      onEose: onPageEnd,
    });
  }
  function onPageEnd(): void {
    if (page === null) return;
    leavePage();
    const next = nextPage(page);
    if (next !== null) {
      readPage(next);
      return;
    }
    page = null;
    isHolding = false;
    release();
    const from = epoch;
    delivery.add(name, { bytes: 0, run: async () => finish(from) });
  }
  function finish(from: number): void {
    if (from !== epoch || isClosed || !isIntact) return;
    try {
      moveCursors(1);
      isComplete = true;
      endPatience();
      failures = 0;
      askAgainIn(timing.resyncMs * (0.75 + context.random() / 2));
      context.onCaughtUp(relay);
    } catch (error) {
      log('error', 'the end of stored messages could not be noted', { relay, error: nameOf(error) });
      fail();
    }
  }

  const main = relays.subscribe({
    key: name,
    relay,
    everyCopy: true,
    filters: () => (recipients.size === 0 ? [] : [filter(null)]),
    onStart() {
      leavePage();
      release();
      epoch++;
      page = firstPage();
      newest.clear();
      isIntact = true;
      isComplete = false;
      isHolding = true;
      waitForEose();
      startPatience();
    },
    onInvalid(reason) {
      if (page?.until === null) countJunk(page);
      onInvalid(reason);
    },
    glance,
    onEvent(event) {
      if (page?.until === null) countInto(page, event);
      take(event);
    },
    onCopy(event) {
      if (page?.until === null) countInto(page, event);
      takeCopy(event);
    },
    onRefused(event) {
      if (page?.until === null) countInto(page, event);
    },
    onEose() {
      if (page?.until === null) onPageEnd();
    },
  });

  return {
    relay,
    kind,
    isComplete: () => isComplete,
    isSettled: () => isComplete || isGivenUp,
    onDown() {
      leavePage();
      isHolding = false;
      isComplete = false;
      endPatience();
      release();
    },
    askAgain() {
      if (isComplete) askAgainIn(0);
    },
    close() {
      isClosed = true;
      leavePage();
      endPatience();
      clearTimeout(resync);
      main.close();
    },
  };
}

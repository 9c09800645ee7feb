import { GIFT_WRAP_KIND, hasWork, type NostrEvent } from '../nostr/index.ts';
import { createBucket, createThrottle, type Throttle } from './throttle.ts';

/** What strangers and members may cost; see the template of the configuration. */
export interface DoorLimits {
  strangers_per_minute: number;
  strangers_per_relay: number;
  refusals_per_minute: number;
  member_per_minute: number;
  member_mb_per_day: number;
}

/** An event before the door, as far as it is known whose it is. */
export interface Guest {
  event: NostrEvent;
  relay: string;
  /** Who sent it, as far as that is known: a gift wrap does not say. */
  seat: { name: string } | 'stranger' | 'wrapped';
  /** Bits of proof of work that strangers owe. */
  work: number;
}

export type TurnedAway = 'no_work' | 'strangers_limited' | 'wraps_limited' | 'member_limited';

export interface Door {
  /**
   * Why there is no use in verifying an event, and null if there may be. Nothing is counted, since its author and its
   * seat are only claimed: whoever writes a member's name on forgeries uses up nothing of that member's. Of a member
   * that is too fast one passes every so often, to be told.
   */
  glance(guest: Guest): TurnedAway | null;
  /** Whether an event may be opened now. Who is let in `later` is let in by `pump`, by the same `run`. */
  admit(guest: Guest, run: () => void): 'now' | 'later' | TurnedAway;
  /** Whether a stranger may be told no once more. */
  mayRefuse(): boolean;
  /** Whether a member may be told now that it is too fast: every so often. */
  mayWarn(member: string): boolean;
  /** Lets in whoever has waited long enough. */
  pump(): void;
}

const MINUTE = 60;
const DAY = 86_400;
const MB = 1_000_000;
/** An opened gift wrap costs about a millisecond, and only then says whose it is. */
const WRAPS = { perSecond: 20, burst: 2_000 };
/** Strangers' letters are small; a member's are as large as an event may be. */
const WAITING = {
  strangers: { visits: 2_000, bytes: 8 * MB },
  wraps: { visits: 2_000, bytes: 32 * MB },
  member: { visits: 2_000, bytes: 16 * MB },
};
/** Seconds between two answers that say the same to a member that does not stop. */
const WARN_EVERY = 10;

/**
 * Who may come in, and how fast: strangers prove work where the advert asks for it, and share a lane that a relay's flood
 * fills for that relay only; each member has a lane of its own. `now` is in Unix seconds.
 */
export function createDoor(limits: DoorLimits, now: () => number): Door {
  const perMinute = (count: number, minutes: number) => ({ perSecond: count / MINUTE, burst: count * minutes });
  const strangers = createThrottle({
    visits: perMinute(limits.strangers_per_relay, 10),
    together: perMinute(limits.strangers_per_minute, 10),
    waiting: WAITING.strangers,
    now,
  });
  const wraps = createThrottle({ visits: WRAPS, waiting: WAITING.wraps, now });
  const daily = limits.member_mb_per_day * MB;
  const members = createThrottle({
    visits: perMinute(limits.member_per_minute, 5),
    bytes: { perSecond: daily / DAY, burst: daily / 4 },
    waiting: WAITING.member,
    now,
  });
  const refusals = createBucket(perMinute(limits.refusals_per_minute, 10), now);
  const warned = new Map<string, number>();

  /** The lane of a guest, the name that it goes by there, and what a full one is called. */
  function laneOf({ seat, relay }: Guest): { lane: Throttle; visitor: string; full: TurnedAway } {
    if (seat === 'wrapped') return { lane: wraps, visitor: relay, full: 'wraps_limited' };
    if (seat === 'stranger') return { lane: strangers, visitor: relay, full: 'strangers_limited' };
    return { lane: members, visitor: seat.name, full: 'member_limited' };
  }
  const owesWork = ({ event, seat, work }: Guest): boolean => seat === 'stranger' && !hasWork(event.id, work);
  const isWarned = (member: string): boolean => now() < (warned.get(member) ?? 0) + WARN_EVERY;

  return {
    glance(guest) {
      // A made-up id may promise any work: whoever lies about it is found out when the id is computed, before the signature.
      if (owesWork(guest)) return 'no_work';
      const { event, seat } = guest;
      const { lane, visitor, full } = laneOf(guest);
      if (lane.hasRoom(visitor, { id: event.id, bytes: event.content.length })) return null;
      return typeof seat === 'object' && !isWarned(seat.name) ? null : full;
    },
    admit(guest, run) {
      if (owesWork(guest)) return 'no_work';
      const { event } = guest;
      const { lane, visitor, full } = laneOf(guest);
      const admitted = lane.offer(visitor, { id: event.id, bytes: event.content.length, run });
      return admitted === 'full' ? full : admitted;
    },
    mayRefuse() {
      if (!refusals.has(1)) return false;
      refusals.take(1);
      return true;
    },
    mayWarn(member) {
      if (isWarned(member)) return false;
      warned.set(member, now());
      return true;
    },
    pump() {
      wraps.pump();
      members.pump();
      strangers.pump();
    },
  };
}

/** Whether only decryption tells who sent an event. */
export const hidesSender = (event: NostrEvent): boolean => event.kind === GIFT_WRAP_KIND;

import { GIFT_WRAP_KIND, hasWork, type NostrEvent } from '../nostr/index.ts';
import { createBucket, createThrottle } from './throttle.ts';

/** What strangers and members may cost; see the template of the configuration. */
export interface DoorLimits {
  strangers_per_minute: number;
  strangers_per_relay: number;
  refusals_per_minute: number;
  member_per_minute: number;
  member_mb_per_day: number;
}

export interface Door {
  /** Whether an event may be opened now. Who is let in `later` is let in by `pump`, by the same `run`. */
  admit(
    guest: {
      event: NostrEvent;
      relay: string;
      /** Who sent it, as far as that is known: a gift wrap does not say. */
      seat: { name: string } | 'stranger' | 'wrapped';
      /** Bits of proof of work that strangers owe. */
      work: number;
    },
    run: () => void,
  ): 'now' | 'later' | 'no_work' | 'strangers_limited' | 'wraps_limited' | 'member_limited';
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

  return {
    admit({ event, relay, seat, work }, run) {
      const visit = { id: event.id, bytes: event.content.length, run };
      if (seat === 'wrapped') {
        const admitted = wraps.offer(relay, visit);
        return admitted === 'full' ? 'wraps_limited' : admitted;
      }
      if (seat === 'stranger') {
        if (!hasWork(event.id, work)) return 'no_work';
        const admitted = strangers.offer(relay, visit);
        return admitted === 'full' ? 'strangers_limited' : admitted;
      }
      const admitted = members.offer(seat.name, visit);
      return admitted === 'full' ? 'member_limited' : admitted;
    },
    mayRefuse() {
      if (!refusals.has(1)) return false;
      refusals.take(1);
      return true;
    },
    mayWarn(member) {
      if (now() < (warned.get(member) ?? 0) + WARN_EVERY) return false;
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

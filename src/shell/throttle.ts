/** What refills by so much a second, up to `burst`. */
export interface Rate {
  perSecond: number;
  burst: number;
}

export interface Bucket {
  /** Whether there is this much now. */
  has(amount: number): boolean;
  /** Takes it, also where it is not there: then the next one waits longer. */
  take(amount: number): void;
}

/** A token bucket that begins full; `now` is in Unix seconds, and a clock that goes back refills nothing. */
export function createBucket({ perSecond, burst }: Rate, now: () => number): Bucket {
  let level = burst;
  let at = now();
  const refill = (): void => {
    const passed = Math.max(0, now() - at);
    level = Math.min(burst, level + passed * perSecond);
    at = now();
  };
  return {
    has(amount) {
      refill();
      // More than the bucket ever holds passes when it is full: it would otherwise wait for ever.
      return level >= Math.min(amount, burst);
    },
    take(amount) {
      refill();
      level -= amount;
    },
  };
}

/** One thing that somebody wants done. */
export interface Visit {
  /** What came, such as the id of an event: it waits once. */
  id: string;
  bytes: number;
  run(): void;
}

export interface ThrottleOptions {
  /** Visits of one visitor. */
  visits: Rate;
  /** Bytes of one visitor; no limit if left out. */
  bytes?: Rate;
  /** Visits of all visitors together; no limit if left out. */
  together?: Rate;
  /** What of one visitor may wait. */
  waiting: { visits: number; bytes: number };
  now: () => number;
}

export interface Throttle {
  /** Whether `offer` would not answer `full` now; takes nothing. */
  hasRoom(visitor: string, visit: Pick<Visit, 'id' | 'bytes'>): boolean;
  /** `now`: do it; `later`: it waits, and `pump` does it; `full`: so much of this visitor waits that it is not kept. */
  offer(visitor: string, visit: Visit): 'now' | 'later' | 'full';
  /** Does what may be done by now, the visitors in turn. A visit that throws is gone, and the others wait on. */
  pump(): void;
}

interface Queue {
  visits: Bucket;
  bytes: Bucket | null;
  waiting: Map<string, Visit>;
  held: number;
}

/**
 * Lets every visitor come at its own rate. Who comes faster waits in a queue of its own, of bounded size: a flood delays
 * whoever makes it and nobody else. `visitors` are few and known: relays, members.
 */
export function createThrottle(options: ThrottleOptions): Throttle {
  const { now, waiting } = options;
  const queues = new Map<string, Queue>();
  const together = options.together ? createBucket(options.together, now) : null;

  function queueOf(visitor: string): Queue {
    const known = queues.get(visitor);
    if (known) return known;
    const visits = createBucket(options.visits, now);
    const bytes = options.bytes ? createBucket(options.bytes, now) : null;
    const made: Queue = { visits, bytes, waiting: new Map(), held: 0 };
    queues.set(visitor, made);
    return made;
  }
  const mayGo = (queue: Queue, { bytes }: Pick<Visit, 'bytes'>): boolean =>
    queue.visits.has(1) && (queue.bytes?.has(bytes) ?? true) && (together?.has(1) ?? true);
  function pay(queue: Queue, { bytes }: Visit): void {
    queue.visits.take(1);
    queue.bytes?.take(bytes);
    together?.take(1);
  }

  function answer(queue: Queue, { id, bytes }: Pick<Visit, 'id' | 'bytes'>): 'known' | 'now' | 'later' | 'full' {
    if (queue.waiting.has(id)) return 'known';
    if (queue.waiting.size === 0 && mayGo(queue, { bytes })) return 'now';
    return queue.waiting.size >= waiting.visits || queue.held + bytes > waiting.bytes ? 'full' : 'later';
  }

  return {
    hasRoom: (visitor, visit) => answer(queueOf(visitor), visit) !== 'full',
    offer(visitor, visit) {
      const queue = queueOf(visitor);
      const admitted = answer(queue, visit);
      if (admitted === 'known') return 'later';
      if (admitted === 'now') pay(queue, visit);
      if (admitted !== 'later') return admitted;
      queue.waiting.set(visit.id, visit);
      queue.held += visit.bytes;
      return 'later';
    },
    pump() {
      for (let isBusy = true; isBusy; ) {
        isBusy = false;
        for (const queue of queues.values()) {
          const next = queue.waiting.values().next();
          if (next.done || !mayGo(queue, next.value)) continue;
          queue.waiting.delete(next.value.id);
          queue.held -= next.value.bytes;
          pay(queue, next.value);
          isBusy = true;
          next.value.run();
        }
      }
    },
  };
}

/** Whoever has timers: they fall silent when it dies. */
export interface Owner {
  readonly name: string;
  alive: boolean;
}

/** Time that passes only as fast as there is work: every timer of the program runs on it while it is installed. */
export interface Clock {
  /** Milliseconds. */
  ms(): number;
  /** Unix seconds. */
  now(): number;
  /** Runs something for an owner, so many milliseconds from now; what that starts belongs to the same owner. */
  later(owner: Owner, ms: number, run: () => void): () => void;
  /** Lets time pass until something is so, or for so many milliseconds; false if it never was. */
  run(until: () => boolean, limitMs: number): Promise<boolean>;
  /** How many things have happened. */
  steps(): number;
  uninstall(): void;
}

interface Entry {
  at: number;
  order: number;
  owner: Owner;
  run: () => void;
  /** Of an interval. */
  every: number | null;
  isOff: boolean;
}

const isEarlier = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** A binary heap: a day of two hundred wallets has millions of timers. */
function createQueue() {
  const heap: Entry[] = [];
  const swap = (i: number, j: number): void => {
    [heap[i], heap[j]] = [heap[j]!, heap[i]!];
  };
  return {
    peek: (): Entry | undefined => heap[0],
    push(entry: Entry): void {
      let i = heap.push(entry) - 1;
      while (i > 0) {
        const parent = (i - 1) >> 1;
        if (!isEarlier(heap[i]!, heap[parent]!)) break;
        swap(i, parent);
        i = parent;
      }
    },
    pop(): Entry | undefined {
      const first = heap[0];
      const last = heap.pop();
      if (first === undefined || last === undefined || heap.length === 0) return first;
      heap[0] = last;
      for (let i = 0; ; ) {
        const left = 2 * i + 1;
        let least = i;
        if (left < heap.length && isEarlier(heap[left]!, heap[least]!)) least = left;
        if (left + 1 < heap.length && isEarlier(heap[left + 1]!, heap[least]!)) least = left + 1;
        if (least === i) return first;
        swap(i, least);
        i = least;
      }
    },
  };
}

const nobody: Owner = { name: 'nobody', alive: true };

/**
 * Takes the place of the timers of this thread, of Date.now and of Math.random, until it is uninstalled. One thing
 * happens at a time: after each, everything that it set going runs to its end, so whatever code schedules a timer does
 * so for the owner of the thing that is happening.
 */
export function installClock(options: {
  /** Unix milliseconds. */
  startMs: number;
  random: () => number;
  /** Something that a living owner's timer threw: in a real process, its end. */
  onThrow: (owner: Owner, error: unknown) => void;
}): Clock {
  const real = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    setInterval: globalThis.setInterval,
    clearInterval: globalThis.clearInterval,
    setImmediate: globalThis.setImmediate,
    now: Date.now,
    random: Math.random,
  };
  const queue = createQueue();
  let time = options.startMs;
  let order = 0;
  let steps = 0;
  let active: Owner = nobody;

  function add(owner: Owner, ms: number, run: () => void, every: number | null): Entry {
    const entry: Entry = { at: time + Math.max(0, ms), order: order++, owner, run, every, isOff: false };
    queue.push(entry);
    return entry;
  }
  const handleOf = (entry: Entry) =>
    Object.assign(entry, { ref: () => entry, unref: () => entry, hasRef: () => false, refresh: () => entry });
  const off = (entry: unknown): void => {
    if (typeof entry === 'object' && entry !== null && 'isOff' in entry) entry.isOff = true;
  };
  const set =
    (repeats: boolean) =>
    (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
      handleOf(add(active, ms, () => run(...args), repeats ? Math.max(1, ms) : null));

  Object.assign(globalThis, {
    setTimeout: set(false),
    setInterval: set(true),
    clearTimeout: off,
    clearInterval: off,
  });
  Date.now = () => time;
  Math.random = options.random;

  /** Promises that follow from what happened are kept before anything else happens. */
  const drain = (): Promise<void> => new Promise(resolve => real.setImmediate(resolve));

  return {
    ms: () => time,
    now: () => Math.floor(time / 1_000),
    steps: () => steps,
    later(owner, ms, run) {
      const entry = add(owner, ms, run, null);
      return () => off(entry);
    },
    async run(until, limitMs) {
      const end = time + limitMs;
      await drain();
      for (;;) {
        if (until()) return true;
        const next = queue.peek();
        if (next === undefined || next.at > end) {
          time = end;
          return until();
        }
        queue.pop();
        if (next.isOff || !next.owner.alive) continue;
        time = Math.max(time, next.at);
        active = next.owner;
        steps++;
        try {
          next.run();
        } catch (error) {
          if (next.owner.alive) options.onThrow(next.owner, error);
        }
        await drain();
        active = nobody;
        if (next.every === null || next.isOff) continue;
        next.at = time + next.every;
        next.order = order++;
        queue.push(next);
      }
    },
    uninstall() {
      const { setTimeout, clearTimeout, setInterval, clearInterval } = real;
      Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval });
      Date.now = real.now;
      Math.random = real.random;
    },
  };
}

/** One thing to do, and the memory that it holds while it waits, in bytes. It never rejects. */
export interface Job {
  readonly bytes: number;
  run(): Promise<void>;
}

export interface Delivery {
  /** False if that lane's queue is full. */
  add(lane: string, job: Job): boolean;
  /** Resolves when nothing is left to do. */
  idle(): Promise<void>;
  /** Forgets what waits; resolves when the job under way is done. */
  close(): Promise<void>;
}

/** Jobs after which `onRest` does not wait for the last one. */
const BURST = 64;
/** Milliseconds of jobs after which everything else in the process comes first for once. */
const BREATHLESS_MS = 20;

/** A turn of the event loop: sockets are read, timers run. */
const breath = (): Promise<void> =>
  new Promise(resolve => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else setTimeout(resolve, 0);
  });

/**
 * Runs jobs one at a time: each lane in its order, the lanes in turn, so that a relay that floods delays itself and
 * nobody else. A lane holds at most `laneBytes`. `onRest` is called when nothing is left to do, every 64 jobs, and before
 * a long burst lets others have their turn.
 */
export function serialDelivery(laneBytes: number, onRest: () => void = () => {}): Delivery {
  const lanes = new Map<string, { jobs: Job[]; bytes: number }>();
  let running: Promise<void> | null = null;

  async function pump(): Promise<void> {
    let done = 0;
    let since = Date.now();
    while (lanes.size > 0) {
      for (const [name, lane] of lanes) {
        const job = lane.jobs.shift();
        if (job === undefined) {
          lanes.delete(name);
          continue;
        }
        lane.bytes -= job.bytes;
        await job.run();
        if (++done % BURST === 0) onRest();
        if (Date.now() - since < BREATHLESS_MS) continue;
        onRest();
        await breath();
        since = Date.now();
      }
    }
    onRest();
    running = null;
  }

  return {
    add(name, job) {
      const lane = lanes.get(name) ?? { jobs: [], bytes: 0 };
      if (lane.bytes + job.bytes > laneBytes) return false;
      lane.bytes += job.bytes;
      lane.jobs.push(job);
      lanes.set(name, lane);
      running ??= Promise.resolve().then(pump);
      return true;
    },
    idle: async () => {
      while (running !== null) await running;
    },
    async close() {
      lanes.clear();
      await running;
    },
  };
}

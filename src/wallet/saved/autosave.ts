import { type Backoff, backoffDelay } from '../../nostr/backoff.ts';
import type { Log } from '../../nostr/index.ts';
import type { Saver } from './saver.ts';

/** All in milliseconds. */
export interface AutosaveTiming {
  /** Waited after the last change, and after the first one at most. */
  quietMs: number;
  patienceMs: number;
  /** Until it is tried again while relays lack it: first, and at most. */
  retry: Backoff;
  /** How often it is looked whether relays are to be asked for every piece. */
  tickMs: number;
  /** What a command, or a shutdown, waits for relays. */
  lastMs: number;
}

export const AUTOSAVE_TIMING: AutosaveTiming = {
  quietMs: 2_000,
  patienceMs: 15_000,
  retry: { base: 30_000, max: 900_000 },
  tickMs: 3_600_000,
  lastMs: 5_000,
};

export interface Autosave {
  /** Something changed. */
  note(): void;
  start(): void;
  /** Saves what is left, for a moment at most. */
  stop(): Promise<void>;
}

/**
 * Saves after changes, not after each; again, ever more slowly, while relays lack it. It needs no queue of its own: what is
 * due follows from the wallet's log and from what relays have shown, also after a crash.
 */
export function createAutosave(
  saver: Pick<Saver, 'save' | 'due'>,
  log: Log,
  timing: AutosaveTiming = AUTOSAVE_TIMING,
): Autosave {
  let isStarted = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let tick: ReturnType<typeof setInterval> | undefined;
  let noted: number | null = null;
  /** Saves in a row that left something to do. */
  let attempts = 0;
  let hasFailed = false;
  let running: Promise<void> | null = null;

  function schedule(ms: number): void {
    clearTimeout(timer);
    timer = setTimeout(run, ms);
  }

  function run(): void {
    noted = null;
    const due = running ? null : saver.due();
    if (due) running = save(due === 'audit');
  }

  async function save(audit: boolean): Promise<void> {
    try {
      await saver.save({ audit });
      hasFailed = false;
    } catch (error) {
      hasFailed = true;
      log('warn', 'the state is not saved on relays', { error: error instanceof Error ? error.message : '' });
    }
    running = null;
    if (!isStarted) return;
    if (saver.due() === null) attempts = 0;
    else if (noted !== null && !hasFailed) schedule(timing.quietMs);
    else schedule(backoffDelay(timing.retry, attempts++, Math.random));
  }

  function note(): void {
    // After a failure the next try is due when it is due.
    if (!isStarted || hasFailed) return;
    noted ??= Date.now();
    schedule(Math.max(0, Math.min(timing.quietMs, noted + timing.patienceMs - Date.now())));
  }

  return {
    note,
    start() {
      if (isStarted) return;
      isStarted = true;
      note();
      tick = setInterval(() => {
        if (attempts === 0) run();
      }, timing.tickMs);
    },
    async stop() {
      if (!isStarted) return;
      isStarted = false;
      clearTimeout(timer);
      clearInterval(tick);
      if (!hasFailed) run();
      if (!running) return;
      let patience: ReturnType<typeof setTimeout> | undefined;
      const waited = new Promise(resolve => {
        patience = setTimeout(resolve, timing.lastMs);
      });
      await Promise.race([running, waited]);
      clearTimeout(patience);
    },
  };
}

import type { Log } from '../nostr/index.ts';
import type { Store } from '../store/index.ts';

export interface Hearing {
  /** Whether messages can arrive: a relay is connected and its stored ones were read. */
  isHearing(): boolean;
  /** To be told whenever that may have changed. */
  update(isConnected: boolean): void;
  stop(): void;
}

const HEARTBEAT_MS = 5_000;
const KEY = 'heard_until';
/** Shorter silences are a reconnect, and no news. They are credited all the same: many of them make a deadline. */
const NOTICED = 2;

/**
 * Keeps account of deaf time: while the daemon is down or without a relay, nobody can be late.
 * `onHearing` gets the seconds that were missed, before anything is judged by a deadline.
 */
export function keepHearing(options: {
  store: Store;
  now: () => number;
  log: Log;
  onHearing: (missedSeconds: number) => void;
}): Hearing {
  const { store, now, log, onHearing } = options;
  let hearing = false;
  let heardUntil = Number(store.meta(KEY) ?? now());
  const beat = (): void => {
    if (!hearing) return;
    heardUntil = now();
    try {
      store.commit({ meta: [{ key: KEY, value: String(heardUntil) }] });
    } catch (error) {
      // Whoever lent the store hears of it. What is not noted is credited as deaf time: nobody is called late for it.
      log('error', 'it could not be noted until when was heard', { error: error instanceof Error ? error.name : '' });
    }
  };
  const timer = setInterval(beat, HEARTBEAT_MS);
  return {
    isHearing: () => hearing,
    update(isConnected) {
      if (isConnected === hearing) return;
      if (isConnected) {
        hearing = true;
        const missed = Math.max(0, now() - heardUntil);
        if (missed >= NOTICED)
          log('info', 'hearing again; deadlines move by the time that was missed', { seconds: missed });
        onHearing(missed);
      } else {
        beat();
        hearing = false;
        log('warn', 'no relay can be heard: deadlines stand still');
      }
    },
    stop() {
      beat();
      clearInterval(timer);
    },
  };
}

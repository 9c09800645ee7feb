import type { Bytes } from '../crypto/index.ts';
import type { Log } from '../nostr/index.ts';
import { type ContentStore, ContentStoreError, putChecked } from './store.ts';

/** Something that is to be published once. */
export interface Publication {
  /** Its own name for ever, such as that of its signal. */
  key: string;
  bytes: () => Bytes;
}

export interface PublisherOptions {
  store: ContentStore;
  /** What may be published and is not noted as done. */
  pending: () => readonly Publication[];
  /** Notes durably that it is done, and under which address. */
  done: (key: string, cid: string) => void;
  /** Unix seconds. */
  now: () => number;
  log: Log;
}

export interface Publisher {
  /** Begins what is due, and returns at once: nobody waits for a store. */
  tick(): void;
  /** Begins nothing more and notes nothing more: what a store took meanwhile it is given again after the next start. */
  stop(): void;
}

const FIRST_WAIT = 5;
const LONGEST_WAIT = 3_600;

/**
 * Publishes one thing after another and tries again with growing pauses, from 5 seconds to an hour, what a store did not
 * take. A fault of the store is logged and stays here.
 */
export function createPublisher({ store, pending, done, now, log }: PublisherOptions): Publisher {
  const waiting = new Map<string, { until: number; wait: number }>();
  let isRunning = false;
  let isStopped = false;

  async function publish({ key, bytes }: Publication): Promise<void> {
    try {
      const cid = await putChecked(store, bytes());
      if (isStopped) return;
      done(key, cid);
      waiting.delete(key);
      log('info', 'published', { key, cid });
    } catch (error) {
      if (!(error instanceof ContentStoreError)) throw error;
      if (isStopped) return;
      const wait = Math.min((waiting.get(key)?.wait ?? FIRST_WAIT / 2) * 2, LONGEST_WAIT);
      waiting.set(key, { until: now() + wait, wait });
      log('warn', 'could not be published yet', { key, code: error.code, reason: error.message, again_in: wait });
    }
  }

  async function run(): Promise<void> {
    for (const publication of pending())
      if (!isStopped && (waiting.get(publication.key)?.until ?? 0) <= now()) await publish(publication);
  }

  return {
    tick() {
      if (isRunning || isStopped) return;
      isRunning = true;
      void run()
        .catch(error =>
          log('error', 'publishing failed', { error: error instanceof Error ? error.message : String(error) }),
        )
        .finally(() => {
          isRunning = false;
        });
    },
    stop() {
      isStopped = true;
    },
  };
}

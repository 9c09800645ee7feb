import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { keysBeside, restoreKeys } from '../shell/key-copies.ts';
import { StoreFailed } from '../store/index.ts';
import { restoreTo } from '../store/restore.ts';

/** Names the moment (Unix seconds) at which a database was put back; the daemon reads it at its start. */
export const RESTORED = 'restored_at';

/** More envelopes than a cohort sends between two backups: its sequence numbers never come twice. */
const SEQUENCE_GAP = 1_000_000;

/**
 * Puts a backup back into a state folder without a database, marked, with its keys unless newer ones are there. Throws
 * StoreFailed where there is a database, KeyFileError where the keys do not fit.
 */
export function restoreState(
  stateDir: string,
  file: string,
  now: number,
): { cohorts: number; keys: 'kept' | 'restored' } {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const database = join(stateDir, 'aggregator.db');
  if (existsSync(database))
    throw new StoreFailed(`${database} exists already: nothing is overwritten; move it away first`);
  const keys = restoreKeys(join(stateDir, 'keys.json'), keysBeside(file));
  let cohorts = 0;
  restoreTo(database, file, {
    application: 'aggregator',
    mark(store) {
      const streams = store.streams();
      cohorts = streams.length;
      const next = (stream: string): string => String(Number(store.meta(`seq:${stream}`) ?? 0) + SEQUENCE_GAP);
      return {
        meta: [
          { key: RESTORED, value: String(now) },
          ...streams.map(stream => ({ key: `seq:${stream}`, value: next(stream) })),
        ],
      };
    },
  });
  return { cohorts, keys };
}

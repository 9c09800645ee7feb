import { chmodSync, closeSync, existsSync, mkdirSync, openSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

const SIDE_FILES = ['', '-wal', '-shm', '-journal'];

// SQLite holds the database by POSIX locks, and those vanish when the same process closes any descriptor of the file.
// So nothing here ever opens an existing file: it is created (and fails if it is there), or asked about by its path.

/** The one true path of a database, so that two names of one file share one lock. Makes the folder (0700) if asked. */
export function databasePath(path: string, makeFolder: boolean): string {
  const absolute = resolve(path);
  if (makeFolder) mkdirSync(dirname(absolute), { recursive: true, mode: 0o700 });
  if (existsSync(absolute)) return realpathSync(absolute);
  const folder = dirname(absolute);
  return existsSync(folder) ? join(realpathSync(folder), basename(absolute)) : absolute;
}

/** Creates an empty file that only its owner can read; false if there is one already. */
export function createPrivate(path: string): boolean {
  try {
    closeSync(openSync(path, 'wx', 0o600));
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Takes everybody else's rights on the database and the files beside it; SQLite gives new ones the same mode. */
export function makePrivate(path: string): void {
  for (const suffix of SIDE_FILES) if (existsSync(path + suffix)) chmodSync(path + suffix, 0o600);
}

/** Bytes of a file; 0 if there is none. */
export const fileSize = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

import { StoreFailed, StoreLocked } from './errors.ts';
import { createPrivate } from './files.ts';
import { connect, type Sql } from './sql.ts';

const BUSY = 5;

/** A connection that nothing refers to is collected, and its lock with it: this keeps a store's lock as long as it lives. */
const held = new Set<Sql>();

/**
 * Takes the exclusive right to write a database, or throws StoreLocked at once; returns the way to give it back.
 * The lock is an open transaction on a database of its own beside it, so the kernel frees it when the process dies,
 * however it dies. Its file is never deleted: two processes could otherwise hold locks on two files of one name.
 */
export function takeLock(path: string): () => void {
  const file = `${path}.lock`;
  createPrivate(file);
  const lock = connect(file, { readOnly: false, timeoutMs: 0 });
  try {
    // Without a journal in memory the killed holder of the lock would leave one on disk.
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    throw error instanceof StoreFailed && (error.code & 0xff) === BUSY ? new StoreLocked(path) : error;
  }
  held.add(lock);
  return () => {
    if (held.delete(lock)) lock.close();
  };
}

import type { Store } from './types.ts';

/** What a wallet needs of a store. */
export interface WalletStore
  extends Pick<
    Store,
    'commit' | 'read' | 'meta' | 'answersFor' | 'requeue' | 'broadcasts' | 'hasSeen' | 'hasSent' | 'outbox' | 'cursors'
  > {
  /**
   * For stores whose `commit` returns before the disk has the batch: resolves when all that was committed so far is
   * there, rejects with StoreFull or StoreFailed if it never will be. Left out by a store whose `commit` waits itself.
   */
  whenStored?(): Promise<void>;
  close(): void | Promise<void>;
}

/** A key of a row: rows of one table come back in its order. */
export type RowKey = string | number;

/** One row written (`value` replaces what was there), or deleted where `value` is left out. Values are cloned. */
export interface RowWrite {
  table: TableName;
  key: RowKey;
  value?: unknown;
}

export const TABLES = ['log', 'meta', 'seen', 'outbox', 'settled', 'answers', 'cursors', 'broadcasts', 'keys'] as const;
export type TableName = (typeof TABLES)[number];

/** Tables of rows on a disk that answers later: what was written is known at once, and stored in the order of writing. */
export interface RowStore {
  /** What the tables held when they were opened, in the order of keys. Handed out once; later writes are the caller's. */
  take(table: TableName): { key: RowKey; value: unknown }[];
  /**
   * Writes all rows or none, after all that was written before. Returns the number of this write. Throws StoreFull or
   * StoreFailed once an earlier write failed: nothing overtakes it.
   */
  write(rows: readonly RowWrite[]): number;
  /** Number of the last write that has reached the disk with all before it. */
  stored(): number;
  /** Resolves when all writes so far have reached the disk; rejects with StoreFull or StoreFailed if they never will. */
  whenStored(): Promise<void>;
  /** Waits for the writes under way, closes, and lets others in. */
  close(): Promise<void>;
}

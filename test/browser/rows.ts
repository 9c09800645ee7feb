import { StoreFailed } from '../../src/store/errors.ts';
import type { RowKey, RowStore, RowWrite, TableName } from '../../src/store/wallet-store.ts';

export interface SlowDisk {
  /** Rows as a program sees them that opens the tables now. */
  open(): RowStore;
  /** Lets everything that was written reach the disk. */
  flush(): void;
  /** Loses what has not reached the disk, and takes nothing more. */
  fail(): void;
}

/** Tables whose disk answers when it is told to. What it did not take is not there for the next one to open. */
export function slowDisk(): SlowDisk {
  const tables = new Map<TableName, Map<RowKey, unknown>>();
  const tableOf = (name: TableName): Map<RowKey, unknown> => {
    if (!tables.has(name)) tables.set(name, new Map());
    return tables.get(name)!;
  };
  let queue: { rows: readonly RowWrite[]; done: () => void }[] = [];
  let failure: StoreFailed | null = null;
  let waiting: { resolve: () => void; reject: (error: Error) => void; number: number }[] = [];
  let written = 0;
  let stored = 0;

  return {
    open: () => ({
      take: table => [...tableOf(table)].map(([key, value]) => ({ key, value: structuredClone(value) })),
      write(rows) {
        if (failure) throw failure;
        const number = ++written;
        queue.push({ rows: structuredClone(rows), done: () => (stored = number) });
        return number;
      },
      stored: () => stored,
      whenStored: () => {
        if (written <= stored) return Promise.resolve();
        if (failure) return Promise.reject(failure);
        return new Promise((resolve, reject) => waiting.push({ resolve, reject, number: written }));
      },
      close: async () => {},
    }),
    flush() {
      for (const { rows, done } of queue) {
        for (const { table, key, value } of rows)
          if (value === undefined) tableOf(table).delete(key);
          else tableOf(table).set(key, value);
        done();
      }
      queue = [];
      for (const { resolve } of waiting) resolve();
      waiting = [];
    },
    fail() {
      failure = new StoreFailed('the disk is gone');
      queue = [];
      for (const { reject } of waiting) reject(failure);
      waiting = [];
    },
  };
}

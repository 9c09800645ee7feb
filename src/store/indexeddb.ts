import { isStoreFault, StoreFailed, StoreFull } from './errors.ts';
import { type TabLocks, takeTabLock } from './tab-lock.ts';
import { type RowKey, type RowStore, type RowWrite, TABLES, type TableName } from './wallet-store.ts';

/** The part of IndexedDB that is used; a browser's `indexedDB` is one. */
export interface IdbFactory {
  open(name: string, version: number): IdbOpening;
}
interface IdbEvents {
  addEventListener(type: string, listener: () => void): void;
}
interface IdbAnswer<T> extends IdbEvents {
  readonly result: T;
  readonly error: { readonly name: string } | null;
}
type IdbOpening = IdbAnswer<IdbDatabase>;
interface IdbDatabase extends IdbEvents {
  createObjectStore(name: string): unknown;
  transaction(names: string[], mode: 'readonly' | 'readwrite', options?: { durability: 'strict' }): IdbTransaction;
  close(): void;
}
interface IdbTransaction extends IdbEvents {
  readonly error: { readonly name: string } | null;
  objectStore(name: string): IdbTable;
  abort(): void;
}
interface IdbTable {
  put(value: unknown, key: RowKey): unknown;
  delete(key: RowKey): unknown;
  getAll(): IdbAnswer<unknown[]>;
  getAllKeys(): IdbAnswer<unknown[]>;
}

export interface BrowserPlatform {
  indexedDB: IdbFactory;
  locks: TabLocks;
}

/** Never lowered; a change of tables is a new number and a step in `onupgradeneeded`. */
const VERSION = 1;
const NAMES: string[] = [...TABLES];

/**
 * Opens the tables of one wallet, for this tab alone, with all they hold. Writes are gathered into transactions that run
 * one after another with `durability: 'strict'`: one has reached the disk, with all before it, when it has completed.
 * Rejects with OpenInOtherTab, StoreFull, or StoreFailed, also for a database of a newer version of this program.
 */
export async function openRows(wallet: string, { indexedDB, locks }: BrowserPlatform): Promise<RowStore> {
  let failure: StoreFailed | StoreFull | null = null;
  let onFailure = (): void => {};
  const fail = (error: StoreFailed | StoreFull): void => {
    failure ??= error;
    onFailure();
  };
  const free = await takeTabLock(locks, wallet, () =>
    fail(new StoreFailed('the wallet was taken over by another tab')),
  );
  let db: IdbDatabase;
  let held: Map<TableName, { key: RowKey; value: unknown }[]>;
  try {
    db = await open(indexedDB, `btcr2-wallet ${wallet}`);
    db.addEventListener('close', () => fail(new StoreFailed('the browser closed the database')));
    held = await readAll(db);
  } catch (error) {
    free();
    throw error;
  }

  let queue: RowWrite[] = [];
  let written = 0;
  let stored = 0;
  let working: Promise<void> | null = null;
  let isClosed = false;
  let waiting: { number: number; resolve: () => void; reject: (error: Error) => void }[] = [];

  function settle(): void {
    const done = waiting.filter(({ number }) => number <= stored);
    const lost = failure ? waiting.filter(({ number }) => number > stored) : [];
    waiting = waiting.filter(waiter => !done.includes(waiter) && !lost.includes(waiter));
    for (const { resolve } of done) resolve();
    for (const { reject } of lost) reject(failure!);
  }
  onFailure = settle;

  async function work(): Promise<void> {
    while (queue.length > 0 && !failure) {
      const rows = queue;
      const last = written;
      queue = [];
      try {
        await writeAll(db, rows);
        stored = last;
        settle();
      } catch (error) {
        fail(storeError(error));
      }
    }
    working = null;
  }

  return {
    take(table) {
      const rows = held.get(table) ?? [];
      held.delete(table);
      return rows;
    },
    write(rows) {
      if (failure) throw failure;
      if (isClosed) throw new StoreFailed('the database is closed');
      queue.push(...rows);
      written++;
      // Begun a turn later, so that what is decided in one go is one transaction.
      working ??= Promise.resolve().then(work);
      return written;
    },
    stored: () => stored,
    whenStored() {
      const number = written;
      if (number <= stored) return Promise.resolve();
      if (failure) return Promise.reject(failure);
      return new Promise((resolve, reject) => waiting.push({ number, resolve, reject }));
    },
    async close() {
      isClosed = true;
      await working;
      db.close();
      free();
    },
  };
}

function open(indexedDB: IdbFactory, name: string): Promise<IdbDatabase> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(name, VERSION);
    opening.addEventListener('upgradeneeded', () => {
      for (const table of TABLES) opening.result.createObjectStore(table);
    });
    opening.addEventListener('success', () => resolve(opening.result));
    opening.addEventListener('error', () => reject(storeError(opening.error)));
  });
}

async function readAll(db: IdbDatabase): Promise<Map<TableName, { key: RowKey; value: unknown }[]>> {
  const transaction = db.transaction(NAMES, 'readonly');
  const tables = TABLES.map(name => {
    const table = transaction.objectStore(name);
    return { name, keys: table.getAllKeys(), values: table.getAll() };
  });
  await completed(transaction);
  return new Map(
    tables.map(({ name, keys, values }) => [
      name,
      keys.result.map((key, i) => ({ key: key as RowKey, value: values.result[i] })),
    ]),
  );
}

function writeAll(db: IdbDatabase, rows: readonly RowWrite[]): Promise<void> {
  const transaction = db.transaction(NAMES, 'readwrite', { durability: 'strict' });
  const done = completed(transaction);
  try {
    for (const { table, key, value } of rows)
      if (value === undefined) transaction.objectStore(table).delete(key);
      else transaction.objectStore(table).put(value, key);
  } catch (error) {
    done.catch(() => {});
    transaction.abort();
    throw error;
  }
  return done;
}

const completed = (transaction: IdbTransaction): Promise<void> =>
  new Promise((resolve, reject) => {
    transaction.addEventListener('complete', () => resolve());
    transaction.addEventListener('abort', () => reject(storeError(transaction.error)));
  });

/** Names the browser's error, not its text, which may quote a value. */
function storeError(error: unknown): StoreFailed | StoreFull {
  if (isStoreFault(error)) return error;
  const name = error !== null && typeof error === 'object' && 'name' in error ? String(error.name) : 'unknown';
  if (name === 'QuotaExceededError') return new StoreFull(error);
  if (name === 'VersionError') return new StoreFailed('the wallet was written by a newer version of this program');
  return new StoreFailed(`the browser's database failed: ${name}`, 0, error);
}

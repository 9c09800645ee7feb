import { DatabaseSync, type DatabaseSyncInstance, type StatementSyncInstance } from '@photostructure/sqlite';
import { NotStorable, StoreCorrupt, StoreFailed, StoreFull } from './errors.ts';
import { checkText } from './json.ts';

export type SqlValue = string | number | Uint8Array | null;

/** A prepared statement. It is always run to its end, so it never holds a read transaction open between calls. */
export interface Statement<Row extends object> {
  /** The number of rows changed, and the rowid of the last one inserted. */
  run(...values: SqlValue[]): { changes: number; rowid: number };
  get(...values: SqlValue[]): Row | undefined;
  all(...values: SqlValue[]): Row[];
}

/** One connection. All its errors come out as the classes of errors.ts. */
export interface Sql {
  exec(sql: string): void;
  prepare<Row extends object = Record<string, never>>(sql: string): Statement<Row>;
  /** Runs in one IMMEDIATE transaction: what it returns is committed, what it throws undoes everything. */
  immediate<T>(run: () => T): T;
  /**
   * Runs statements that nobody has to wait for: they are written at once, and reach the disk with the next commit that
   * does wait. What they did may be forgotten when the power fails, and nothing else.
   */
  relaxed<T>(run: () => T): T;
  readonly driver: DatabaseSyncInstance;
  close(): void;
}

const FULL = 13;
const IOERR = 10;
const CORRUPT = 11;
const NOTADB = 26;
/** ENOSPC, and EDQUOT of Linux and of macOS: SQLite reports some of them as plain I/O errors. */
const NO_ROOM = new Set([28, 122, 69]);

/** SQLite's extended result code of a driver's error, or 0. */
export const sqliteCode = (error: unknown): number =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : 0;

function translate(error: unknown): unknown {
  const code = sqliteCode(error);
  if (code === 0 || !(error instanceof Error)) return error;
  const primary = code & 0xff;
  const errno = 'systemErrno' in error && typeof error.systemErrno === 'number' ? error.systemErrno : 0;
  if (primary === FULL || (primary === IOERR && NO_ROOM.has(errno))) return new StoreFull(error);
  if (primary === CORRUPT || primary === NOTADB) return new StoreCorrupt(error.message, error);
  return new StoreFailed(error.message, code, error);
}

function translated<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw translate(error);
  }
}

/** The driver binds booleans and fractions as numbers and NaN as NULL, without a word. */
function checkValue(value: unknown, index: number): void {
  const place = `parameter ${index + 1}`;
  if (typeof value === 'string') checkText(value, place);
  else if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new NotStorable(place, 'not a safe integer');
  } else if (value !== null && !(value instanceof Uint8Array))
    throw new NotStorable(place, `${typeof value} is not a database value`);
}

function statement<Row extends object>(prepared: StatementSyncInstance): Statement<Row> {
  const bind = <T>(values: SqlValue[], run: () => T): T => {
    values.forEach(checkValue);
    return translated(run);
  };
  return {
    run: (...values) =>
      bind(values, () => {
        const { changes, lastInsertRowid } = prepared.run(...values);
        return { changes, rowid: Number(lastInsertRowid) };
      }),
    get: (...values) => bind(values, () => prepared.get(...values) as Row | undefined),
    all: (...values) => bind(values, () => prepared.all(...values) as Row[]),
  };
}

function immediate<T>(driver: DatabaseSyncInstance, run: () => T): T {
  return translated(() => {
    driver.exec('BEGIN IMMEDIATE');
    try {
      const result = run();
      driver.exec('COMMIT');
      return result;
    } catch (error) {
      // A full disk may have undone the transaction already.
      if (driver.isTransaction) driver.exec('ROLLBACK');
      throw error;
    }
  });
}

function relaxed<T>(driver: DatabaseSyncInstance, run: () => T): T {
  if (driver.isTransaction) return run();
  translated(() => driver.exec('PRAGMA synchronous = NORMAL'));
  try {
    return run();
  } finally {
    translated(() => driver.exec('PRAGMA synchronous = FULL'));
  }
}

/** Opens a connection. `path` is absolute, since SQLite takes a name that begins with "file:" for a URI. */
export function connect(path: string, options: { readOnly: boolean; timeoutMs: number }): Sql {
  const driver = translated(
    () => new DatabaseSync(path, { readOnly: options.readOnly, timeout: options.timeoutMs, defensive: true }),
  );
  return {
    driver,
    exec: sql => translated(() => driver.exec(sql)),
    prepare: <Row extends object>(sql: string) => statement<Row>(translated(() => driver.prepare(sql))),
    immediate: run => immediate(driver, run),
    relaxed: run => relaxed(driver, run),
    close: () => {
      if (driver.isOpen) driver.close();
    },
  };
}

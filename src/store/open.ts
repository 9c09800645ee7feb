import { backupTo } from './backup.ts';
import { commit, prune } from './commit.ts';
import { StoreCorrupt, StoreFailed, StoreVersionError } from './errors.ts';
import { createPrivate, databasePath, fileSize, makePrivate } from './files.ts';
import { takeLock } from './lock.ts';
import { migrations } from './migrations/index.ts';
import { checkIntegrity, migrate, schemaVersion } from './schema.ts';
import { connect, type Sql } from './sql.ts';
import { tables } from './tables.ts';
import type { Store, StoreOptions } from './types.ts';

const BUSY_MS = 5_000;
const READONLY = 8;

/**
 * WAL's default is synchronous = NORMAL, which forgets the last commits when the power fails; fullfsync is what macOS
 * needs for the same promise. A log that grew in a burst is cut back to 16 MiB.
 */
const WRITER = `
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA fullfsync = ON;
PRAGMA checkpoint_fullfsync = ON;
PRAGMA foreign_keys = ON;
PRAGMA journal_size_limit = 16777216;
PRAGMA trusted_schema = OFF;
`;

/** Reads whose database it is on a connection that cannot write, so that a refused one stays as it was, byte for byte. */
function inspect(path: string, { application }: StoreOptions): number {
  const sql = connect(path, { readOnly: true, timeoutMs: BUSY_MS });
  try {
    return schemaVersion(sql, path, application);
  } finally {
    sql.close();
  }
}

function inspectAfterCrash(path: string, options: StoreOptions): void {
  try {
    inspect(path, options);
  } catch (error) {
    // Power failed while the file was being made: only a writer can roll that back, and it looks again.
    if (!(error instanceof StoreFailed && (error.code & 0xff) === READONLY)) throw error;
  }
}

/** SQLite trusts a count of pages in shared memory over the file's length, so a file that was cut off could go unnoticed. */
function checkLength(sql: Sql, path: string): void {
  if (fileSize(`${path}-wal`) > 0) return;
  const pragma = (name: string) => sql.prepare<Record<string, number>>(`PRAGMA ${name}`).get()?.[name] ?? 0;
  if (fileSize(path) < pragma('page_count') * pragma('page_size')) throw new StoreCorrupt(`${path} is cut off`);
}

/** The one connection that writes, with its settings made and its schema brought up to date. */
export function openWriter(path: string, options: StoreOptions): Sql {
  // SQLite takes an empty file for a new database and throws away the log beside it, with all that was committed.
  if (fileSize(path) === 0 && fileSize(`${path}-wal`) > 0)
    throw new StoreCorrupt(`${path} is empty, but its log is not`);
  if (!createPrivate(path) && fileSize(path) > 0) inspectAfterCrash(path, options);
  makePrivate(path);
  const sql = connect(path, { readOnly: false, timeoutMs: BUSY_MS });
  try {
    const version = schemaVersion(sql, path, options.application);
    checkLength(sql, path);
    sql.exec(WRITER);
    if (options.maxPages !== undefined) sql.exec(`PRAGMA max_page_count = ${Math.trunc(options.maxPages)}`);
    migrate(sql, version, options.application);
    if (options.check) checkIntegrity(sql, path);
    return sql;
  } catch (error) {
    sql.close();
    throw error;
  }
}

function openReader(path: string, options: StoreOptions): Sql {
  const sql = connect(path, { readOnly: true, timeoutMs: BUSY_MS });
  try {
    const version = schemaVersion(sql, path, options.application);
    if (version < migrations.length) throw new StoreVersionError(path, 'older', version, migrations.length);
    if (options.check) checkIntegrity(sql, path);
    return sql;
  } catch (error) {
    sql.close();
    throw error;
  }
}

/** Open statements keep the driver's connection half alive until they are collected, so the log is folded back first. */
function closeWriter(sql: Sql): void {
  if (!sql.driver.isOpen) return;
  try {
    sql.exec('PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)');
  } catch {
    // Nothing is lost: the next opener reads the log.
  } finally {
    sql.close();
  }
}

function storeOver(sql: Sql, path: string, close: () => void): Store {
  const table = tables(sql);
  return {
    commit: batch => commit(sql, table, batch),
    hasSeen: table.seen.has,
    hasSent: table.outbox.has,
    streams: table.log.streams,
    read: table.log.read,
    answersFor: table.answers.find,
    requeue: table.deliveries.requeue,
    outbox: table.deliveries.outbox,
    cursors: table.cursors,
    backlog: table.deliveries.backlog,
    broadcasts: table.broadcasts.open,
    artifact: table.artifacts.get,
    artifacts: table.artifacts.all,
    meta: table.meta.get,
    evidence: table.evidence.read,
    backup: target => backupTo(path, target),
    prune: (now, seenBefore) => prune(sql, table, now, seenBefore),
    close,
  };
}

/**
 * Opens the database of one program, makes it (file mode 0600, its folder 0700) or migrates it where needed.
 * Throws, and leaves the file as it was: StoreLocked at once if another writer has it, StoreVersionError for a newer
 * version's or another application's, StoreCorrupt for a file that is no database or is damaged.
 */
export function openStore(path: string, options: StoreOptions): Store {
  if (options.readonly) {
    const file = databasePath(path, false);
    const sql = openReader(file, options);
    return storeOver(sql, file, sql.close);
  }
  const file = databasePath(path, true);
  const unlock = takeLock(file);
  try {
    const sql = openWriter(file, options);
    return storeOver(sql, file, () => {
      closeWriter(sql);
      unlock();
    });
  } catch (error) {
    unlock();
    throw error;
  }
}

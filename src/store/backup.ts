import { existsSync, renameSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { backup } from '@photostructure/sqlite';
import { StoreFailed } from './errors.ts';
import { createPrivate } from './files.ts';
import { checkIntegrity } from './schema.ts';
import { connect } from './sql.ts';

const ALL_PAGES = -1;

/** A copy that nobody can read is none: SQLite looks at every page of it before it has its name. */
function verify(path: string): void {
  const copy = connect(path, { readOnly: false, timeoutMs: 0 });
  try {
    // A copy of a database in WAL mode would leave side files beside it, wherever it is opened.
    copy.exec('PRAGMA journal_mode = DELETE');
    checkIntegrity(copy, path);
  } finally {
    copy.close();
  }
}

/**
 * Copies the database as it is at one moment. The copy is made on a thread of its own from a connection of its own, in
 * one read transaction: commits go on meanwhile and are either whole in it or not at all.
 */
export async function backupTo(source: string, target: string): Promise<void> {
  const path = resolve(target);
  const unfinished = `${path}.unfinished`;
  if (existsSync(path)) throw new StoreFailed(`${path} exists already`);
  if (!createPrivate(unfinished)) throw new StoreFailed(`${unfinished} exists already: a backup runs, or was cut off`);
  const connection = connect(source, { readOnly: true, timeoutMs: 5_000 });
  try {
    await backup(connection.driver, unfinished, { rate: ALL_PAGES });
    verify(unfinished);
    renameSync(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw new StoreFailed(`no backup was made: ${error instanceof Error ? error.message : 'unknown reason'}`, 0, error);
  } finally {
    connection.close();
  }
}

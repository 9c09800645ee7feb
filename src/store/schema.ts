import { StoreCorrupt, StoreVersionError } from './errors.ts';
import type { Migration } from './migrations/index.ts';
import { migrations } from './migrations/index.ts';
import type { Sql } from './sql.ts';
import type { Application } from './types.ts';

/** SQLite's application_id: "b2ag" and "b2wa". */
const APPLICATION_ID: Record<Application, number> = { aggregator: 0x62326167, wallet: 0x62327761 };

const number = (sql: Sql, pragma: 'application_id' | 'user_version'): number =>
  sql.prepare<Record<string, number>>(`PRAGMA ${pragma}`).get()?.[pragma] ?? 0;

const isEmpty = (sql: Sql): boolean => sql.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;

/**
 * Reads whose database this is and returns its schema version, 0 for an empty one. Writes nothing.
 * Throws StoreVersionError for another application's database or one of a newer version.
 */
export function schemaVersion(sql: Sql, path: string, application: Application, steps = migrations): number {
  const expected = APPLICATION_ID[application];
  const owner = number(sql, 'application_id');
  const version = number(sql, 'user_version');
  if (owner === 0 && version === 0 && isEmpty(sql)) return 0;
  if (owner !== expected) throw new StoreVersionError(path, 'application', owner, expected);
  const newest = steps.length;
  if (version > newest) throw new StoreVersionError(path, 'newer', version, newest);
  return version;
}

/** Brings a database of `version` to the newest schema, each step in a transaction of its own together with its number. */
export function migrate(
  sql: Sql,
  version: number,
  application: Application,
  steps: readonly Migration[] = migrations,
): void {
  for (const step of steps.slice(version))
    sql.immediate(() => {
      sql.exec(step.sql);
      sql.exec(`PRAGMA application_id = ${APPLICATION_ID[application]}; PRAGMA user_version = ${step.version}`);
    });
}

/** Throws StoreCorrupt unless SQLite finds every page, index and reference whole. */
export function checkIntegrity(sql: Sql, path: string): void {
  const report = sql.prepare<{ quick_check: string }>('PRAGMA quick_check(1)').get()?.quick_check;
  if (report !== 'ok') throw new StoreCorrupt(`${path} is damaged: ${report ?? 'no report'}`);
  if (sql.prepare('PRAGMA foreign_key_check').get() !== undefined)
    throw new StoreCorrupt(`${path} is damaged: a reference leads nowhere`);
}

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { describe, expect, test } from 'vitest';
import { openStore, StoreCorrupt, StoreFailed, StoreLocked, StoreVersionError } from '../../src/store/index.ts';
import { migrations } from '../../src/store/migrations/index.ts';
import { openWriter } from '../../src/store/open.ts';
import { migrate, schemaVersion } from '../../src/store/schema.ts';
import { connect } from '../../src/store/sql.ts';
import { countSteps, step } from './steps.ts';
import { tempFolder, tempStore } from './support.ts';

const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const mode = (path: string) => statSync(path).mode & 0o777;
const aggregator = { application: 'aggregator' } as const;

function madeDatabase(): string {
  const path = join(tempFolder(), 'a.db');
  const store = openStore(path, aggregator);
  for (let n = 0; n < 5; n++) store.commit(step(n));
  store.close();
  return path;
}

/** Changes a database behind the store's back, in its one file: a connection collected later must find nothing to do. */
function run(path: string, sql: string): void {
  const raw = new DatabaseSync(path);
  raw.exec(`${sql}; PRAGMA wal_checkpoint(TRUNCATE)`);
  raw.close();
}

function caught(open: () => unknown): unknown {
  try {
    open();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('a new database', () => {
  test('is made from nothing, closed and found again', () => {
    const path = madeDatabase();
    expect(countSteps(tempStore(path, { check: true }))).toBe(5);
  });

  test('is a strict, write-ahead-logged database that syncs every commit', () => {
    const sql = openWriter(join(tempFolder(), 'a.db'), aggregator);
    const pragma = (name: string) => Object.values(sql.prepare<Record<string, unknown>>(`PRAGMA ${name}`).get()!)[0];
    expect(pragma('journal_mode')).toBe('wal');
    expect(pragma('synchronous')).toBe(2);
    expect(pragma('foreign_keys')).toBe(1);
    expect(pragma('journal_size_limit')).toBe(16_777_216);
    expect(pragma('busy_timeout')).toBe(5_000);
    expect(pragma('user_version')).toBe(migrations.length);
    const made = sql
      .prepare<{ name: string; strict: number }>('PRAGMA table_list')
      .all()
      .filter(table => !table.name.startsWith('sqlite_'));
    expect(made.map(table => table.name)).toContain('outbox');
    expect(made.filter(table => table.strict !== 1)).toEqual([]);
    sql.close();
  });

  test('is written by an SQLite without the WAL-reset bug, which 3.51.3 mended', () => {
    const sql = connect(join(tempFolder(), 'a.db'), { readOnly: false, timeoutMs: 0 });
    const version = sql.prepare<{ v: string }>('SELECT sqlite_version() AS v').get()!.v;
    const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
    expect(major * 1e6 + minor * 1e3 + patch).toBeGreaterThanOrEqual(3_051_003);
    sql.close();
  });

  test('belongs to its owner alone, with all files beside it', () => {
    const folder = join(tempFolder(), 'made', 'for it');
    const path = join(folder, 'a.db');
    tempStore(path).commit(step(0));
    expect(mode(folder)).toBe(0o700);
    for (const suffix of ['', '-wal', '-shm', '.lock']) expect([suffix, mode(path + suffix)]).toEqual([suffix, 0o600]);
  });

  test('has the same rights when it was readable by others before', () => {
    const path = madeDatabase();
    chmodSync(path, 0o644);
    tempStore(path).commit(step(5));
    expect([mode(path), mode(`${path}-wal`), mode(`${path}-shm`)]).toEqual([0o600, 0o600, 0o600]);
  });

  test('takes a name that looks like a URI for a file name', () => {
    const folder = tempFolder();
    const path = join(folder, 'file:x?mode=memory');
    tempStore(path).commit(step(0));
    expect(existsSync(path)).toBe(true);
  });

  test('is whole in its one file after it was closed', () => {
    const path = madeDatabase();
    const copy = join(tempFolder(), 'copy.db');
    execFileSync('cp', [path, copy]);
    expect(countSteps(tempStore(copy))).toBe(5);
  });
});

describe('a store in use', () => {
  // fault 46
  test('is refused to a second opener in this process, by whatever name', () => {
    const folder = tempFolder();
    const path = join(folder, 'a.db');
    const store = tempStore(path);
    symlinkSync(path, join(folder, 'b.db'));
    symlinkSync(folder, join(folder, 'here'));
    for (const name of ['a.db', 'b.db', 'here/a.db', 'here/../a.db'])
      expect(() => openStore(join(folder, name), aggregator)).toThrow(StoreLocked);
    store.commit(step(0));
    expect(countSteps(store)).toBe(1);
  });

  test('can be opened again after it was closed, and closed twice', () => {
    const path = join(tempFolder(), 'a.db');
    const store = openStore(path, aggregator);
    store.close();
    store.close();
    expect(() => store.commit(step(0))).toThrow();
    const again = tempStore(path);
    store.close();
    expect(() => openStore(path, aggregator)).toThrow(StoreLocked);
    again.commit(step(0));
    expect(countSteps(again)).toBe(1);
  });
});

describe('a database that is not ours', () => {
  // fault 50
  test('of a newer version is refused and stays as it was', () => {
    const path = madeDatabase();
    run(path, 'PRAGMA user_version = 99');
    const before = sha256(path);
    for (const readonly of [false, true]) {
      const error = caught(() => openStore(path, { ...aggregator, readonly }));
      expect(error).toBeInstanceOf(StoreVersionError);
      expect(error).toMatchObject({ reason: 'newer', found: 99, expected: migrations.length });
    }
    expect(sha256(path)).toBe(before);
    run(path, `PRAGMA user_version = ${migrations.length}`);
    expect(countSteps(tempStore(path))).toBe(5);
  });

  // fault 50
  test('of a newer version that crashed keeps its log unread', () => {
    const path = madeDatabase();
    const crashed = join(tempFolder(), 'crashed.db');
    const raw = new DatabaseSync(path);
    raw.exec('PRAGMA user_version = 99');
    for (const suffix of ['', '-wal']) execFileSync('cp', [path + suffix, crashed + suffix]);
    raw.close();
    const before = [sha256(crashed), sha256(`${crashed}-wal`)];
    expect(caught(() => openStore(crashed, aggregator))).toMatchObject({ reason: 'newer', found: 99 });
    expect([sha256(crashed), sha256(`${crashed}-wal`)]).toEqual(before);
  });

  test('of the other program is refused and stays as it was', () => {
    const path = madeDatabase();
    const before = sha256(path);
    expect(caught(() => openStore(path, { application: 'wallet' }))).toMatchObject({
      name: 'StoreVersionError',
      reason: 'application',
    });
    expect(sha256(path)).toBe(before);
  });

  test("of some stranger's program is refused and stays as it was", () => {
    const path = join(tempFolder(), 'stranger.db');
    run(path, 'CREATE TABLE log (seq INTEGER)');
    const before = sha256(path);
    expect(caught(() => openStore(path, aggregator))).toMatchObject({ reason: 'application', found: 0 });
    expect(sha256(path)).toBe(before);
  });

  test('is made by nobody when only read', () => {
    const path = join(tempFolder(), 'none.db');
    expect(() => openStore(path, { ...aggregator, readonly: true })).toThrow(StoreFailed);
    expect(existsSync(path)).toBe(false);
    expect(existsSync(`${path}.lock`)).toBe(false);
  });
});

describe('a damaged file', () => {
  test('of garbage is refused and stays as it was', () => {
    const path = join(tempFolder(), 'garbage.db');
    writeFileSync(path, 'this is no database. '.repeat(1_000));
    const before = sha256(path);
    expect(() => openStore(path, aggregator)).toThrow(StoreCorrupt);
    expect(() => openStore(path, { ...aggregator, readonly: true })).toThrow(StoreCorrupt);
    expect(sha256(path)).toBe(before);
  });

  test.each([8192, 4096, 1000, 100, 7])('cut off after %i bytes is refused', bytes => {
    const path = madeDatabase();
    truncateSync(path, bytes);
    expect(() => openStore(path, aggregator)).toThrow(StoreCorrupt);
  });

  test('cut off to nothing is refused while its log is there', () => {
    const path = madeDatabase();
    const crashed = join(tempFolder(), 'crashed.db');
    const raw = new DatabaseSync(path);
    raw.exec("INSERT INTO meta (key, value) VALUES ('k', 'v')");
    execFileSync('cp', [`${path}-wal`, `${crashed}-wal`]);
    raw.close();
    writeFileSync(crashed, '');
    const before = sha256(`${crashed}-wal`);
    expect(() => openStore(crashed, aggregator)).toThrow(StoreCorrupt);
    expect(sha256(`${crashed}-wal`)).toBe(before);
  });

  test('with junk in its middle is found by the check', () => {
    const path = madeDatabase();
    const bytes = readFileSync(path);
    // Every page but the schema's.
    bytes.fill(0xa5, 8 * 4096);
    writeFileSync(path, bytes);
    expect(() => openStore(path, { ...aggregator, check: true })).toThrow(StoreCorrupt);
  });

  test('frees the lock after it was refused', () => {
    const path = join(tempFolder(), 'a.db');
    writeFileSync(path, 'x'.repeat(5_000));
    expect(() => openStore(path, aggregator)).toThrow(StoreCorrupt);
    truncateSync(path, 0);
    expect(() => tempStore(path)).not.toThrow();
  });
});

describe('migrations', () => {
  const second = { version: 2, sql: 'CREATE TABLE extra (id INTEGER PRIMARY KEY) STRICT' };

  test('are numbered from one without gaps', () => {
    expect(migrations.map(step => step.version)).toEqual(migrations.map((_, i) => i + 1));
  });

  test('go on from the version that is there, and keep what is stored', () => {
    const path = madeDatabase();
    const sql = connect(path, { readOnly: false, timeoutMs: 0 });
    migrate(sql, 1, 'aggregator', [migrations[0]!, second]);
    expect(schemaVersion(sql, path, 'aggregator', [migrations[0]!, second])).toBe(2);
    expect(sql.prepare<{ n: number }>('SELECT count(*) AS n FROM log').get()?.n).toBe(10);
    sql.close();
  });

  test('that fail half way undo their whole step', () => {
    const path = join(tempFolder(), 'a.db');
    const sql = connect(path, { readOnly: false, timeoutMs: 0 });
    const broken = { version: 2, sql: `${second.sql}; CREATE TABLE log (again INTEGER)` };
    expect(() => migrate(sql, 0, 'aggregator', [migrations[0]!, broken])).toThrow(StoreFailed);
    expect(schemaVersion(sql, path, 'aggregator')).toBe(1);
    expect(sql.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'extra'").get()).toBeUndefined();
    sql.close();
  });

  test('are left to a writer: a reader refuses an older database', () => {
    const path = join(tempFolder(), 'a.db');
    run(path, '');
    writeFileSync(path, '');
    expect(caught(() => openStore(path, { ...aggregator, readonly: true }))).toMatchObject({ reason: 'older' });
  });
});

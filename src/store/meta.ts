import type { Sql } from './sql.ts';

/** Single named values. */
export function metaTable(sql: Sql) {
  const set = sql.prepare(
    'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  );
  const get = sql.prepare<{ value: string }>('SELECT value FROM meta WHERE key = ?');
  return {
    set: (key: string, value: string) => set.run(key, value),
    get: (key: string): string | null => get.get(key)?.value ?? null,
  };
}

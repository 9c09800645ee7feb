import { equalBytes } from '../crypto/index.ts';
import { ArtifactConflict } from './errors.ts';
import { pages } from './pages.ts';
import type { Sql } from './sql.ts';

const PAGE = 16;

/** Bytes that are written once and kept for ever, such as the leaves of every signal. */
export function artifactsTable(sql: Sql) {
  const insert = sql.prepare('INSERT INTO artifacts (stream, key, bytes) VALUES (?, ?, ?) ON CONFLICT DO NOTHING');
  const find = sql.prepare<{ bytes: Uint8Array }>('SELECT bytes FROM artifacts WHERE stream = ? AND key = ?');
  const page = sql.prepare<{ seq: number; key: string; bytes: Uint8Array }>(
    'SELECT seq, key, bytes FROM artifacts WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?',
  );
  const get = (stream: string, key: string): Uint8Array | null => find.get(stream, key)?.bytes ?? null;

  return {
    add(stream: string, key: string, bytes: Uint8Array): void {
      if (insert.run(stream, key, bytes).changes === 1) return;
      const stored = get(stream, key);
      if (stored === null || !equalBytes(stored, bytes)) throw new ArtifactConflict(stream, key);
    },
    get,
    *all(stream: string): Generator<{ key: string; bytes: Uint8Array }> {
      for (const { key, bytes } of pages(PAGE, (after, limit) => page.all(stream, after, limit))) yield { key, bytes };
    },
  };
}

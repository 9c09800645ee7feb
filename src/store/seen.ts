import { AlreadySeen } from './errors.ts';
import type { Sql } from './sql.ts';

/** Ids of consumed Nostr events. The id goes in with the state it changed, so no event is ever acted on twice. */
export function seenTable(sql: Sql) {
  const insert = sql.prepare('INSERT INTO seen (id, at) VALUES (?, ?) ON CONFLICT DO NOTHING');
  const find = sql.prepare('SELECT 1 FROM seen WHERE id = ?');
  const dropBefore = sql.prepare('DELETE FROM seen WHERE at < ?');

  return {
    add(id: string, at: number): void {
      if (insert.run(id, at).changes === 0) throw new AlreadySeen(id);
    },
    has: (id: string) => find.get(id) !== undefined,
    dropBefore: (at: number) => dropBefore.run(at),
  };
}

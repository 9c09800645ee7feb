import { AlreadyAnswered, NotStorable } from './errors.ts';
import type { Sql } from './sql.ts';
import type { NostrEvent } from './types.ts';

/** Which stored events answer which message: a repeated request gets the same bytes, and nothing is done twice. */
export function answersTable(sql: Sql) {
  const insert = sql.prepare('INSERT INTO answers (key, at) VALUES (?, ?) ON CONFLICT DO NOTHING');
  const insertEvent = sql.prepare(
    'INSERT INTO answer_events (key, position, seq) SELECT ?, ?, seq FROM outbox WHERE id = ?',
  );
  const find = sql.prepare('SELECT 1 FROM answers WHERE key = ?');
  const events = sql.prepare<{ event: string }>(
    'SELECT o.event FROM answer_events a JOIN outbox o USING (seq) WHERE a.key = ? ORDER BY a.position',
  );
  // All events of an answer stay or go together, so an answer is never repeated in part.
  const drop = sql.prepare(
    `DELETE FROM answers WHERE at < ?1 AND NOT EXISTS (
       SELECT 1 FROM answer_events a JOIN outbox o USING (seq)
       WHERE a.key = answers.key AND (o.expires_at > ?2 OR o.created_at >= ?1))`,
  );

  return {
    add(key: string, eventIds: string[], at: number): void {
      if (insert.run(key, at).changes === 0) throw new AlreadyAnswered(key);
      eventIds.forEach((id, position) => {
        if (insertEvent.run(key, position, id).changes === 0)
          throw new NotStorable('answers', 'names an event that is not in the outbox');
      });
    },
    find: (key: string): NostrEvent[] | null =>
      find.get(key) === undefined ? null : events.all(key).map(row => JSON.parse(row.event) as NostrEvent),
    dropBefore: (at: number, now: number) => drop.run(at, now),
  };
}

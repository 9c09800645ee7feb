import type { Sql } from './sql.ts';
import type { CursorStore } from './types.ts';

/** How far each relay was read for each recipient. */
export function cursorsTable(sql: Sql): CursorStore {
  const get = sql.prepare<{ at: number }>('SELECT created_at AS at FROM cursors WHERE relay = ? AND recipient = ?');
  const set = sql.prepare(
    `INSERT INTO cursors (relay, recipient, created_at) VALUES (?, ?, ?)
     ON CONFLICT (relay, recipient) DO UPDATE SET created_at = excluded.created_at`,
  );
  return {
    get: (relay, recipient) => get.get(relay, recipient)?.at ?? null,
    set: (relay, recipient, createdAt) => {
      // Forgotten, it makes a relay send what is known already.
      sql.relaxed(() => set.run(relay, recipient, createdAt));
    },
  };
}

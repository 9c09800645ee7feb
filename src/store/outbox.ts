import { NotStorable } from './errors.ts';
import { toJson } from './json.ts';
import { replaces, slotOf } from './slot.ts';
import type { Sql } from './sql.ts';
import type { OutboxItem } from './types.ts';

export interface EncodedItem extends OutboxItem {
  json: string;
  slot: string | null;
}

/** The events that wait to be published. */
export function outboxTable(sql: Sql) {
  const insert = sql.prepare(
    `INSERT INTO outbox (id, recipient, kind, event, created_at, expires_at, answers, slot, superseded, message, letter)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
  );
  const rival = sql.prepare<{ seq: number; event: string }>(
    'SELECT seq, event FROM outbox WHERE slot = ? AND superseded = 0',
  );
  const supersede = sql.prepare('UPDATE outbox SET superseded = 1 WHERE seq = ?');
  const withdraw = sql.prepare('DELETE FROM deliveries WHERE seq = ?');
  const known = sql.prepare('SELECT 1 FROM outbox WHERE id = ?');
  const drop = sql.prepare(
    `DELETE FROM outbox WHERE (expires_at <= ? OR superseded = 1)
     AND NOT EXISTS (SELECT 1 FROM answer_events a WHERE a.seq = outbox.seq)`,
  );

  /** Whether a relay would keep `item`; marks the row that it replaces. */
  function winsSlot(item: EncodedItem): boolean {
    if (item.slot === null) return true;
    const other = rival.get(item.slot);
    if (other === undefined) return true;
    if (!replaces(item.event, JSON.parse(other.event))) return false;
    supersede.run(other.seq);
    withdraw.run(other.seq);
    return true;
  }

  return {
    /** The rows as they will be stored. Throws NotStorable. */
    encode: (items: OutboxItem[]): EncodedItem[] =>
      items.map(item => {
        if (item.id !== item.event.id || item.kind !== item.event.kind)
          throw new NotStorable('outbox item', 'id or kind is not that of its event');
        return { ...item, json: toJson(item.event, 'outbox event'), slot: slotOf(item.event) };
      }),
    /** Stores one event; returns its number if it has to be sent. An id that is there already is the same event. */
    add(item: EncodedItem): number | null {
      if (known.get(item.id) !== undefined) return null;
      const wins = winsSlot(item);
      const { rowid } = insert.run(
        item.id,
        item.to,
        item.kind,
        item.json,
        item.createdAt,
        item.expiresAt,
        item.answers ?? null,
        item.slot,
        wins ? 0 : 1,
        item.message ?? null,
        item.letter ?? null,
      );
      return wins ? rowid : null;
    },
    has: (id: string): boolean => known.get(id) !== undefined,
    dropDead: (now: number) => drop.run(now),
  };
}

import { BY_HAND } from './by-hand.ts';
import { displayable } from './json.ts';
import type { Sql } from './sql.ts';
import type { Backlog, NostrEvent, OutboxStore } from './types.ts';

const ERROR_LENGTH = 200;

/**
 * What still has to reach each relay. Rows are handed out when they are committed to the relays that asked in this
 * process, and in one go to a relay that asks for the first time: so a relay added later gets all that is still live,
 * and one that was removed costs nothing.
 */
export function deliveriesTable(sql: Sql) {
  const addRelay = sql.prepare('INSERT INTO relays (url, upto) VALUES (?, 0) ON CONFLICT DO NOTHING');
  const findRelay = sql.prepare<{ id: number }>('SELECT id FROM relays WHERE url = ?');
  const catchUp = sql.prepare(
    `INSERT INTO deliveries (relay, seq, due_at, expires_at)
     SELECT r.id, o.seq, 0, o.expires_at FROM relays r JOIN outbox o ON o.seq > r.upto
     WHERE r.id = ? AND o.superseded = 0 ON CONFLICT DO NOTHING`,
  );
  const caughtUp = sql.prepare(
    `UPDATE relays SET upto = coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0) WHERE id = ?`,
  );
  const add = sql.prepare('INSERT INTO deliveries (relay, seq, due_at, expires_at) VALUES (?, ?, 0, ?)');
  const again = sql.prepare(
    `INSERT INTO deliveries (relay, seq, due_at, expires_at)
     SELECT r.id, o.seq, 0, o.expires_at FROM outbox o CROSS JOIN relays r WHERE o.id = ? AND o.superseded = 0
     ON CONFLICT (relay, seq) DO UPDATE SET due_at = 0`,
  );
  const hasExpired = sql.prepare('SELECT 1 FROM deliveries WHERE relay = ? AND expires_at <= ? LIMIT 1');
  const dropExpired = sql.prepare('DELETE FROM deliveries WHERE relay = ? AND expires_at <= ?');
  const due = sql.prepare<{ id: string; event: string }>(
    `SELECT o.id, o.event FROM deliveries d JOIN outbox o USING (seq)
     WHERE d.relay = ? AND d.due_at <= ? ORDER BY d.seq LIMIT ?`,
  );
  const nextDue = sql.prepare<{ at: number | null }>('SELECT min(due_at) AS at FROM deliveries WHERE relay = ?');
  const settled = sql.prepare('DELETE FROM deliveries WHERE relay = ? AND seq = (SELECT seq FROM outbox WHERE id = ?)');
  const retry = sql.prepare(
    'UPDATE deliveries SET due_at = ?, error = ? WHERE relay = ? AND seq = (SELECT seq FROM outbox WHERE id = ?)',
  );
  const backlog = sql.prepare<Backlog>(
    `SELECT r.url AS relay, count(*) AS pending, min(o.created_at) AS oldest,
       (SELECT error FROM deliveries e WHERE e.relay = r.id AND error IS NOT NULL ORDER BY due_at DESC LIMIT 1) AS error
     FROM deliveries d JOIN relays r ON r.id = d.relay JOIN outbox o USING (seq)
     WHERE r.url <> '${BY_HAND}' GROUP BY r.id ORDER BY r.url`,
  );
  const letters = sql.prepare<{
    id: string;
    event: string;
    message: string;
    letter: string | null;
    pending: string | null;
  }>(
    `SELECT o.id, o.event, o.message, o.letter, (SELECT group_concat(r.url, ' ') FROM deliveries d
       JOIN relays r ON r.id = d.relay WHERE d.seq = o.seq) AS pending
     FROM outbox o WHERE o.message IS NOT NULL AND o.superseded = 0 AND o.expires_at > ? ORDER BY o.seq`,
  );
  const active = new Map<string, number>();

  /** The relay's number; at its first call in this process it gets every live row that it was not given yet. */
  function relayId(url: string): number {
    const known = active.get(url);
    if (known !== undefined) return known;
    const id = sql.immediate(() => {
      addRelay.run(url);
      const { id } = findRelay.get(url)!;
      catchUp.run(id);
      caughtUp.run(id);
      return id;
    });
    active.set(url, id);
    return id;
  }

  const outbox: OutboxStore = {
    due(url, now, limit) {
      const relay = relayId(url);
      if (hasExpired.get(relay, now) !== undefined) dropExpired.run(relay, now);
      return due.all(relay, now, limit).map(row => ({ id: row.id, event: JSON.parse(row.event) as NostrEvent }));
    },
    settle(id, url, outcome) {
      const relay = relayId(url);
      // Forgotten, it costs one more sending of the same bytes, which relays know already.
      sql.relaxed(() => {
        if (typeof outcome === 'string') settled.run(relay, id);
        else retry.run(outcome.retryAt, displayable(outcome.error, ERROR_LENGTH), relay, id);
      });
    },
    nextDue: url => nextDue.get(relayId(url))?.at ?? null,
    letters(now) {
      relayId(BY_HAND);
      return letters.all(now).map(({ id, event, message, letter, pending }) => ({
        id,
        event: JSON.parse(event) as NostrEvent,
        message,
        letter,
        pending: pending === null ? [] : pending.split(' '),
      }));
    },
  };

  return {
    outbox,
    /** Within a transaction: hands new rows to every relay that is in use. */
    handOut(rows: { seq: number; expiresAt: number }[]): void {
      for (const relay of active.values()) {
        for (const row of rows) add.run(relay, row.seq, row.expiresAt);
        caughtUp.run(relay);
      }
    },
    requeue: (eventIds: string[]) =>
      sql.immediate(() => {
        for (const id of eventIds) again.run(id);
      }),
    backlog: () => backlog.all(),
  };
}

import type { Sql } from './sql.ts';
import type { Tables } from './tables.ts';
import type { Batch } from './types.ts';

/** The latest time that a batch speaks of, Unix seconds: the store has no clock of its own. */
const latest = (batch: Batch): number =>
  Math.max(
    0,
    ...[batch.seen, batch.events, batch.evidence].flatMap(rows => rows?.map(row => row.at) ?? []),
    ...(batch.outbox?.map(item => item.createdAt) ?? []),
  );

/** Stores a batch, all of it or nothing. What it throws is listed at Store.commit. */
export function commit(sql: Sql, table: Tables, batch: Batch): void {
  // Whatever can be refused without the database is refused before the transaction begins.
  const events = table.log.encode(batch.events ?? []);
  const outbox = table.outbox.encode(batch.outbox ?? []);
  const evidence = table.evidence.encode(batch.evidence ?? []);
  const at = latest(batch);

  sql.immediate(() => {
    for (const { id, at } of batch.seen ?? []) table.seen.add(id, at);
    for (const event of events) table.log.append(event);
    const sendable: { seq: number; expiresAt: number }[] = [];
    for (const item of outbox) {
      const seq = table.outbox.add(item);
      if (seq !== null) sendable.push({ seq, expiresAt: item.expiresAt });
    }
    if (sendable.length > 0) table.deliveries.handOut(sendable);
    for (const { key, eventIds } of batch.answers ?? []) table.answers.add(key, eventIds, at);
    for (const tx of batch.broadcasts ?? []) table.broadcasts.add(tx);
    for (const txid of batch.settleBroadcasts ?? []) table.broadcasts.settle(txid);
    for (const { stream, key, bytes } of batch.artifacts ?? []) table.artifacts.add(stream, key, bytes);
    for (const { key, value } of batch.meta ?? []) table.meta.set(key, value);
    for (const row of evidence) table.evidence.add(row);
  });
}

/** Drops what nothing needs any more. See Store.prune. */
export function prune(sql: Sql, table: Tables, now: number, seenBefore?: number): void {
  sql.immediate(() => {
    if (seenBefore !== undefined) {
      table.seen.dropBefore(seenBefore);
      table.answers.dropBefore(seenBefore, now);
    }
    table.outbox.dropDead(now);
  });
}

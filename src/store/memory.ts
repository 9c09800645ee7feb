import { BY_HAND } from './by-hand.ts';
import { AlreadyAnswered, AlreadySeen, NotStorable } from './errors.ts';
import { displayable, toJson } from './json.ts';
import type { Batch, Broadcast, LogRow, NostrEvent, OutboxItem } from './types.ts';
import type { RowStore, RowWrite, WalletStore } from './wallet-store.ts';

interface SentRow {
  /** Place in the outbox. */
  seq: number;
  expiresAt: number;
  /** The event, as JSON. */
  event: string;
  /** As OutboxItem has them. */
  message?: string;
  letter?: string;
  /** The write that carries it: nothing is published before it has reached the disk. */
  write: number;
}

interface BroadcastRow extends Broadcast {
  seq: number;
  settled: boolean;
  write: number;
}

interface Delivery {
  /** Unix seconds; null for what the relay took or refused. */
  dueAt: number | null;
}

const settledKey = (relay: string, id: string): string => `${relay} ${id}`;
const cursorKey = (relay: string, recipient: string): string => `${relay} ${recipient}`;

/**
 * A wallet's store over rows that are all held in memory and written behind. `commit` throws what Store.commit throws for
 * a batch that is wrong in itself; whether the disk took it, `whenStored` tells. Until then `outbox.due` and
 * `broadcasts` do not show its rows, so nothing that could be forgotten leaves the wallet. After a failed write the
 * memory is ahead of the disk: every later commit throws, and only opening again tells what is stored.
 * Events of replaceable kinds, which a wallet never sends, are not superseded here.
 */
export function walletStoreOver(rows: RowStore, now: () => number): WalletStore {
  const log: (Omit<LogRow, 'body'> & { body: string })[] = rows.take('log').map(row => row.value as never);
  const seen = new Set(rows.take('seen').map(row => row.key as string));
  const meta = new Map(rows.take('meta').map(row => [row.key as string, row.value as string]));
  const answers = new Map(rows.take('answers').map(row => [row.key as string, row.value as string[]]));
  const cursors = new Map(rows.take('cursors').map(row => [row.key as string, row.value as number]));
  const outbox = new Map<string, SentRow>();
  const deliveries = new Map<string, Map<string, Delivery>>();
  const broadcasts = new Map<string, BroadcastRow>();
  const settled = new Set(rows.take('settled').map(row => row.key as string));
  let nextLog = (log.at(-1)?.seq ?? 0) + 1;
  let nextSeq = 1;

  const kept = rows.take('outbox').map(({ key, value }) => ({ id: key as string, row: value as SentRow }));
  const expired: RowWrite[] = [];
  for (const { id, row } of kept.sort((a, b) => a.row.seq - b.row.seq)) {
    nextSeq = row.seq + 1;
    if (row.expiresAt > now()) outbox.set(id, { ...row, write: 0 });
    else expired.push({ table: 'outbox', key: id });
  }
  for (const key of settled) {
    if (outbox.has(key.slice(key.lastIndexOf(' ') + 1))) continue;
    settled.delete(key);
    expired.push({ table: 'settled', key });
  }
  const known = rows.take('broadcasts').map(row => row.value as Omit<BroadcastRow, 'write'>);
  for (const row of known.sort((a, b) => a.seq - b.seq)) broadcasts.set(row.txid, { ...row, write: 0 });
  if (expired.length > 0) rows.write(expired);

  /** What a relay still has to get; at its first call all that is live and was not settled with it. */
  function of(relay: string): Map<string, Delivery> {
    const given = deliveries.get(relay);
    if (given) return given;
    const made = new Map<string, Delivery>();
    for (const id of outbox.keys()) made.set(id, { dueAt: settled.has(settledKey(relay, id)) ? null : 0 });
    deliveries.set(relay, made);
    return made;
  }

  function commit(batch: Batch): void {
    // Whatever can be refused is refused before anything changes.
    const events = (batch.events ?? []).map(event => ({ ...event, body: toJson(event.body, `${event.type} body`) }));
    const items = (batch.outbox ?? []).filter(item => !outbox.has(item.id));
    const encoded = items.map(item => ({ item, event: encode(item) }));
    for (const { id } of batch.seen ?? []) if (seen.has(id)) throw new AlreadySeen(id);
    const added = new Set(items.map(item => item.id));
    for (const { key, eventIds } of batch.answers ?? []) {
      if (answers.has(key)) throw new AlreadyAnswered(key);
      if (eventIds.some(id => !outbox.has(id) && !added.has(id)))
        throw new NotStorable('answers', 'names an event that is not in the outbox');
    }
    if (batch.artifacts?.length || batch.evidence?.length)
      throw new NotStorable('batch', 'a wallet has neither artifacts nor evidence');

    const write: RowWrite[] = [];
    for (const { id, at } of batch.seen ?? []) write.push({ table: 'seen', key: id, value: at });
    const logged = events.map((event, i) => ({ seq: nextLog + i, ...event }));
    for (const row of logged) write.push({ table: 'log', key: row.seq, value: row });
    const sent = encoded.map(({ item, event }, i) => ({
      id: item.id,
      row: {
        seq: nextSeq + i,
        expiresAt: item.expiresAt,
        event,
        ...(item.message === undefined ? {} : { message: item.message }),
        ...(item.letter === undefined ? {} : { letter: item.letter }),
      },
    }));
    for (const { id, row } of sent) write.push({ table: 'outbox', key: id, value: row });
    for (const { key, eventIds } of batch.answers ?? []) write.push({ table: 'answers', key, value: eventIds });
    for (const { key, value } of batch.meta ?? []) write.push({ table: 'meta', key, value });
    const changed = changedBroadcasts(batch);
    for (const row of changed) write.push({ table: 'broadcasts', key: row.txid, value: row });
    const number = rows.write(write);

    for (const { id } of batch.seen ?? []) seen.add(id);
    log.push(...logged);
    nextLog += logged.length;
    nextSeq += sent.length;
    for (const { id, row } of sent) {
      outbox.set(id, { ...row, write: number });
      for (const waiting of deliveries.values()) waiting.set(id, { dueAt: 0 });
    }
    for (const { key, eventIds } of batch.answers ?? []) answers.set(key, [...eventIds]);
    for (const { key, value } of batch.meta ?? []) meta.set(key, value);
    for (const row of changed) broadcasts.set(row.txid, { ...row, write: number });
  }

  /** The first bytes of a transaction stand. Committed again, it is watched again. */
  function changedBroadcasts(batch: Batch): Omit<BroadcastRow, 'write'>[] {
    const changed = new Map<string, Omit<BroadcastRow, 'write'>>();
    for (const tx of batch.broadcasts ?? []) {
      const { txid, hex, stream, at } = changed.get(tx.txid) ?? broadcasts.get(tx.txid) ?? tx;
      const seq = broadcasts.get(txid)?.seq ?? broadcasts.size + changed.size + 1;
      changed.set(txid, { txid, hex, stream, at, seq, settled: false });
    }
    for (const txid of batch.settleBroadcasts ?? []) {
      const row = changed.get(txid) ?? broadcasts.get(txid);
      if (!row) continue;
      const { hex, stream, at, seq } = row;
      changed.set(txid, { txid, hex, stream, at, seq, settled: true });
    }
    return [...changed.values()];
  }

  const eventOf = (row: SentRow): NostrEvent => JSON.parse(row.event) as NostrEvent;

  return {
    commit,
    whenStored: rows.whenStored,
    hasSeen: id => seen.has(id),
    hasSent: id => outbox.has(id),
    *read(stream) {
      for (let i = 0; i < log.length; i++) {
        const row = log[i]!;
        if (row.stream === stream) yield { ...row, body: JSON.parse(row.body) as unknown };
      }
    },
    meta: key => meta.get(key) ?? null,
    answersFor(key) {
      const ids = answers.get(key);
      return ids ? ids.flatMap(id => (outbox.has(id) ? [eventOf(outbox.get(id)!)] : [])) : null;
    },
    requeue(eventIds) {
      const write: RowWrite[] = [];
      for (const id of eventIds.filter(known => outbox.has(known))) {
        for (const waiting of deliveries.values()) waiting.set(id, { dueAt: 0 });
        for (const key of settled) if (key.endsWith(` ${id}`)) write.push({ table: 'settled', key });
      }
      for (const { key } of write) settled.delete(key as string);
      if (write.length > 0) rows.write(write);
    },
    broadcasts: () =>
      [...broadcasts.values()]
        .filter(row => !row.settled && row.write <= rows.stored())
        .sort((a, b) => a.seq - b.seq)
        .map(({ txid, hex, stream, at }) => ({ txid, hex, stream, at })),
    outbox: {
      due(relay, at, limit) {
        const due: { id: string; event: NostrEvent }[] = [];
        for (const [id, { dueAt }] of of(relay)) {
          const row = outbox.get(id)!;
          if (dueAt === null || dueAt > at || row.expiresAt <= at || row.write > rows.stored()) continue;
          due.push({ id, event: eventOf(row) });
          if (due.length === limit) break;
        }
        return due;
      },
      settle(id, relay, outcome) {
        const waiting = of(relay).get(id);
        if (!waiting || waiting.dueAt === null) return;
        if (typeof outcome === 'object') {
          waiting.dueAt = outcome.retryAt;
          return;
        }
        const key = settledKey(relay, id);
        rows.write([{ table: 'settled', key, value: displayable(outcome, 20) }]);
        settled.add(key);
        waiting.dueAt = null;
      },
      nextDue(relay) {
        let next: number | null = null;
        for (const [id, { dueAt }] of of(relay))
          if (dueAt !== null && outbox.get(id)!.expiresAt > now()) next = Math.min(next ?? dueAt, dueAt);
        return next;
      },
      letters(at) {
        of(BY_HAND);
        return [...outbox].flatMap(([id, row]) => {
          if (row.message === undefined || row.expiresAt <= at || row.write > rows.stored()) return [];
          const pending = [...deliveries].filter(([, waiting]) => waiting.get(id)?.dueAt != null).map(([url]) => url);
          return [{ id, event: eventOf(row), message: row.message, letter: row.letter ?? null, pending }];
        });
      },
    },
    cursors: {
      get: (relay, recipient) => cursors.get(cursorKey(relay, recipient)) ?? null,
      set(relay, recipient, createdAt) {
        rows.write([{ table: 'cursors', key: cursorKey(relay, recipient), value: createdAt }]);
        cursors.set(cursorKey(relay, recipient), createdAt);
      },
    },
    close: rows.close,
  };
}

function encode(item: OutboxItem): string {
  if (item.id !== item.event.id || item.kind !== item.event.kind)
    throw new NotStorable('outbox item', 'id or kind is not that of its event');
  return toJson(item.event, 'outbox event');
}

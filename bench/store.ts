import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { type Batch, openStore } from '../src/store/index.ts';
import { timed } from './measure.ts';
import { report } from './report.ts';
import { sizes } from './sizes.ts';

const hex = (length: number): string => randomBytes(length).toString('hex');

/** What an accepted message leaves behind: its id, one event of the log, one answer that waits for two relays. */
function messageBatch(): Batch {
  const id = hex(32);
  const answer = hex(32);
  const event = {
    id: answer,
    pubkey: hex(32),
    created_at: 1_800_000_000,
    kind: 8252,
    tags: [
      ['p', hex(32)],
      ['s', hex(32)],
      ['expiration', '1802592000'],
    ],
    content: randomBytes(900).toString('base64'),
    sig: hex(64),
  };
  return {
    seen: [{ id, at: event.created_at }],
    events: [{ stream: 'bench', type: 'nonce_received', at: event.created_at, body: { envelope: hex(500) } }],
    outbox: [{ id: answer, to: hex(32), event, createdAt: event.created_at, expiresAt: 1_802_592_000, kind: 8252 }],
    answers: [{ key: `${hex(32)}:${hex(32)}`, eventIds: [answer] }],
  };
}

/** Accepted messages a second, each durable before it is acknowledged; and what a bare durable commit costs here. */
export async function run(args: readonly string[]): Promise<void> {
  for (const n of sizes(args, [2_000])) {
    const dir = mkdtempSync(join(tmpdir(), 'btcr2-bench-store-'));
    try {
      floor(dir, n);
      oneByOne(dir, n);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }
}

function floor(dir: string, n: number): void {
  const db = new DatabaseSync(join(dir, 'floor.db'));
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (id TEXT, body TEXT)');
  const insert = db.prepare('INSERT INTO t VALUES (?, ?)');
  const body = hex(1_500);
  const { ms, cpuMs } = timed(() => {
    for (let i = 0; i < n; i++) insert.run(String(i), body);
  });
  db.close();
  report({
    bench: 'store',
    what: 'one row a durable commit, SQLite alone',
    side: 'floor',
    n,
    figures: { per_second: (n * 1_000) / ms, ms_each: ms / n, cpu_ms_each: cpuMs / n },
  });
}

function oneByOne(dir: string, n: number): void {
  const path = join(dir, 'ours.db');
  const store = openStore(path, { application: 'aggregator' });
  for (const relay of ['wss://one.example', 'wss://two.example']) store.outbox.due(relay, 0, 1);
  const batches = Array.from({ length: n }, messageBatch);
  const { ms, cpuMs } = timed(() => {
    for (const batch of batches) store.commit(batch);
  });
  const settled = timed(() => {
    for (const relay of ['wss://one.example', 'wss://two.example'])
      for (const { outbox } of batches) store.outbox.settle(outbox![0]!.id, relay, 'done');
  });
  store.close();
  report({
    bench: 'store',
    what: 'accepted messages: log, seen id, answer, outbox',
    side: 'ours',
    n,
    figures: {
      per_second: (n * 1_000) / ms,
      ms_each: ms / n,
      cpu_ms_each: cpuMs / n,
      settle_ms_each: settled.ms / (2 * n),
      bytes_each: statSync(path).size / n,
    },
  });
}

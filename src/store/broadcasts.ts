import type { Sql } from './sql.ts';
import type { Broadcast } from './types.ts';

/** Raw transactions, written down before they are sent and kept for ever: any of them may still appear on chain. */
export function broadcastsTable(sql: Sql) {
  // The first bytes stand: a second copy could carry another signature. Committed again, one is watched again.
  const insert = sql.prepare(
    `INSERT INTO broadcasts (txid, hex, stream, at) VALUES (?, ?, ?, ?)
     ON CONFLICT (txid) DO UPDATE SET settled = 0`,
  );
  const settle = sql.prepare('UPDATE broadcasts SET settled = 1 WHERE txid = ?');
  const open = sql.prepare<Broadcast>('SELECT txid, hex, stream, at FROM broadcasts WHERE settled = 0 ORDER BY seq');

  return {
    add: (tx: Broadcast) => insert.run(tx.txid, tx.hex, tx.stream, tx.at),
    settle: (txid: string) => settle.run(txid),
    open: (): Broadcast[] => open.all().map(row => ({ ...row })),
  };
}

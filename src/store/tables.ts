import { answersTable } from './answers.ts';
import { artifactsTable } from './artifacts.ts';
import { broadcastsTable } from './broadcasts.ts';
import { cursorsTable } from './cursors.ts';
import { deliveriesTable } from './deliveries.ts';
import { evidenceTable } from './evidence.ts';
import { logTable } from './log.ts';
import { metaTable } from './meta.ts';
import { outboxTable } from './outbox.ts';
import { seenTable } from './seen.ts';
import type { Sql } from './sql.ts';

/** Every table with its statements, prepared once. */
export const tables = (sql: Sql) => ({
  seen: seenTable(sql),
  log: logTable(sql),
  outbox: outboxTable(sql),
  deliveries: deliveriesTable(sql),
  answers: answersTable(sql),
  cursors: cursorsTable(sql),
  broadcasts: broadcastsTable(sql),
  artifacts: artifactsTable(sql),
  meta: metaTable(sql),
  evidence: evidenceTable(sql),
});

export type Tables = ReturnType<typeof tables>;

import { toJson } from './json.ts';
import { pages } from './pages.ts';
import type { Sql } from './sql.ts';
import type { Evidence, EvidenceRow } from './types.ts';

const PAGE = 100;

/** Signed envelopes that contradict one another, and the like. */
export function evidenceTable(sql: Sql) {
  const insert = sql.prepare('INSERT INTO evidence (stream, at, reason, body) VALUES (?, ?, ?, ?)');
  const page = sql.prepare<Omit<EvidenceRow, 'body'> & { body: string }>(
    `SELECT seq, stream, at, reason, body FROM evidence
     WHERE (?1 IS NULL OR stream = ?1) AND seq > ?2 ORDER BY seq LIMIT ?3`,
  );

  return {
    /** The rows as they will be stored. Throws NotStorable. */
    encode: (rows: Evidence[]) => rows.map(row => ({ ...row, body: toJson(row.body, 'evidence body') })),
    add: (row: Omit<Evidence, 'body'> & { body: string }) => insert.run(row.stream, row.at, row.reason, row.body),
    *read(stream: string | undefined): Generator<EvidenceRow> {
      for (const row of pages(PAGE, (after, limit) => page.all(stream ?? null, after, limit)))
        yield { ...row, body: JSON.parse(row.body) };
    },
  };
}

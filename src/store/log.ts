import { toJson } from './json.ts';
import { pages } from './pages.ts';
import type { Sql } from './sql.ts';
import type { Batch, LogRow } from './types.ts';

const PAGE = 500;

/** The append-only log of what was decided, one stream a cohort (or a wallet), in one order over all streams. */
export function logTable(sql: Sql) {
  const insert = sql.prepare('INSERT INTO log (stream, type, at, body) VALUES (?, ?, ?, ?)');
  const page = sql.prepare<Omit<LogRow, 'body'> & { body: string }>(
    'SELECT seq, stream, type, at, body FROM log WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?',
  );
  const streams = sql.prepare<{ stream: string }>('SELECT stream FROM log GROUP BY stream ORDER BY min(seq)');

  return {
    /** The rows as they will be stored. Throws NotStorable. */
    encode: (events: NonNullable<Batch['events']>) =>
      events.map(event => ({ ...event, body: toJson(event.body, `${event.type} body`) })),
    append: (event: { stream: string; type: string; at: number; body: string }) =>
      insert.run(event.stream, event.type, event.at, event.body),
    streams: () => streams.all().map(row => row.stream),
    *read(stream: string): Generator<LogRow> {
      for (const row of pages(PAGE, (after, limit) => page.all(stream, after, limit)))
        yield { ...row, body: JSON.parse(row.body) };
    },
  };
}

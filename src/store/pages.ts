/**
 * All rows after one another, fetched in pages by their number. A cursor left open would keep the write-ahead log from
 * being folded back, and two loops over one prepared statement would reset each other.
 */
export function* pages<Row extends { seq: number }>(
  limit: number,
  fetch: (after: number, limit: number) => Row[],
): Generator<Row> {
  for (let after = 0; ; ) {
    const rows = fetch(after, limit);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < limit) return;
    after = last.seq;
  }
}

/** One figure, or several that belong together: everything that a reader needs to compare it with another run. */
export interface Result {
  bench: string;
  /** What was done. */
  what: string;
  /** Ours, a rival's, or the floor: the bare work that nobody can do without. */
  side: 'ours' | 'rival' | 'floor';
  /** How large: leaves, members, events. */
  n: number;
  /** Names carry their unit: `ms`, `us_per_leaf`, `mib`. */
  figures: Record<string, number>;
}

const all: Result[] = [];

const rounded = (value: number): number => Number(value.toPrecision(value >= 1_000 ? 6 : 4));

/** Prints one JSON line on standard output, and keeps the result for the table. */
export function report(result: Result): void {
  const figures = Object.fromEntries(Object.entries(result.figures).map(([name, value]) => [name, rounded(value)]));
  all.push({ ...result, figures });
  process.stdout.write(`${JSON.stringify({ ...result, figures })}\n`);
}

/** Everything that was reported, as a table for people, on standard error: the lines alone can be piped. */
export function printTable(): void {
  const rows = all.map(({ bench, what, side, n, figures }) => [
    bench,
    what,
    side,
    String(n),
    Object.entries(figures)
      .map(([name, value]) => `${name} ${value}`)
      .join('  '),
  ]);
  const widths = [0, 1, 2, 3].map(column => Math.max(...rows.map(row => row[column]!.length)));
  for (const row of rows)
    process.stderr.write(
      `${row.map((cell, i) => (i === 3 ? cell.padStart(widths[3]!) : i < 3 ? cell.padEnd(widths[i]!) : cell)).join('  ')}\n`,
    );
}

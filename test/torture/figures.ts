import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One row of the table: what a part came to. */
export interface Part {
  part: string;
  /** By which the part is played again; null where nothing in it is drawn. */
  seed: number | null;
  violations: number;
  [figure: string]: unknown;
}

// The daemon refuses variables of its own prefix that it does not know.
const FILE = 'TORTURE_FIGURES';

/** Notes what a part came to, for the table at the end; at once as a JSON line, too. */
export function note(row: Part): void {
  const line = JSON.stringify(row);
  process.stdout.write(`${line}\n`);
  const file = process.env[FILE];
  if (file !== undefined) appendFileSync(file, `${line}\n`);
}

const textOf = (value: unknown): string =>
  Array.isArray(value) ? String(value.length) : typeof value === 'number' ? value.toLocaleString('en') : String(value);

/** One line a part: its seed, its violations, and the rest of its figures. */
export function tableOf(rows: readonly Part[]): string {
  const lines = rows.map(({ part, seed, violations, ...rest }) => [
    part,
    String(seed ?? '-'),
    String(violations),
    Object.entries(rest)
      .map(([name, value]) => `${name.replaceAll('_', ' ')} ${textOf(value)}`)
      .join(', '),
  ]);
  const all = [['part', 'seed', 'violations', 'figures'], ...lines];
  const widths = [0, 1, 2].map(column => Math.max(...all.map(line => line[column]!.length)));
  return all.map(line => line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')).join('\n');
}

/** Runs before the first part; what it returns, after the last. */
export function setup(): () => void {
  const dir = mkdtempSync(join(tmpdir(), 'btcr2-torture-'));
  const file = join(dir, 'figures.jsonl');
  appendFileSync(file, '');
  process.env[FILE] = file;
  return () => {
    const rows = readFileSync(file, 'utf8')
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as Part);
    rmSync(dir, { recursive: true });
    if (rows.length > 0) process.stdout.write(`\n${tableOf(rows)}\n`);
  };
}

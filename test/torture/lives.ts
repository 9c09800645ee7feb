import { expect } from 'vitest';
import type { StrikeOptions } from '../sim/strikes.ts';
import { note } from './figures.ts';

/** What every life tells. */
export interface Life {
  seed: string;
  violations: string[];
  trace: string[];
  strikes: number;
  recovering: number;
}

/** Every so many lives each end is wanted anew, unless told otherwise. */
const BATCH = 10;
/** Ends of one life at most. */
const ENDS = 24;

/**
 * Lives so many lives, notes what they came to, and fails with the first violation of each that has one. `figuresOf` adds
 * what is told of this part alone. Returns the figures.
 */
export async function playLives<R extends Life, F extends object>(
  part: { name: string; seed: number; lives: number; batch?: number; path?: string },
  live: (options: StrikeOptions) => Promise<R>,
  figuresOf: (reports: readonly R[], sum: (of: (report: R) => number) => number) => F,
) {
  const { name, seed, lives, batch = BATCH, path = '' } = part;
  const reports: R[] = [];
  let struck = new Set<string>();
  const cells = new Set<string>();
  for (let life = 0; life < lives; life++) {
    if (life % batch === 0) struck = new Set();
    const report = await live({
      seed: `${seed}/${path}${life}`,
      most: ENDS,
      wants: (...cell) => !struck.has(cell.join()),
      onStrike(...cell) {
        struck.add(cell.join());
        cells.add(cell.join());
      },
    });
    reports.push(report);
  }
  const bad = reports.filter(({ violations }) => violations.length > 0);
  const sum = (of: (report: R) => number): number => reports.reduce((all, each) => all + of(each), 0);
  const figures = {
    lives,
    crashes: sum(({ strikes }) => strikes),
    during_recovery: sum(({ recovering }) => recovering),
    cells: cells.size,
    ...figuresOf(reports, sum),
    violations: sum(({ violations }) => violations.length),
  };
  note({ part: name, seed, ...figures });
  for (const { seed: own, violations, trace } of bad.slice(0, 3))
    process.stdout.write(`seed ${own}\n${trace.slice(-80).join('\n')}\n${violations.join('\n')}\n`);
  expect(bad.map(({ seed: own, violations }) => [own, violations[0]])).toEqual([]);
  expect(figures.during_recovery).toBeGreaterThan(0);
  return figures;
}

import { expect, test } from 'vitest';
import { type SuccessionReport, succeed } from '../sim/succession.ts';
import { note } from './figures.ts';

const SEED = Number(process.env.TORTURE_SEED ?? 20261122);
const LIVES = Number(process.env.TORTURE_SUCCESSIONS ?? 30);
/** Every so many lives each end is wanted anew. */
const BATCH = 10;

// fault 44
test(`${LIVES} cohorts end while programs do: DIDs resolve, money arrives, keys are gone`, async () => {
  const reports: SuccessionReport[] = [];
  let struck = new Set<string>();
  const cells = new Set<string>();
  for (let life = 0; life < LIVES; life++) {
    if (life % BATCH === 0) struck = new Set();
    reports.push(
      await succeed({
        seed: `${SEED}/${life}`,
        most: 24,
        wants: (...cell) => !struck.has(cell.join()),
        onStrike(...cell) {
          struck.add(cell.join());
          cells.add(cell.join());
        },
      }),
    );
  }
  const bad = reports.filter(({ violations }) => violations.length > 0);
  const sum = (of: (report: SuccessionReport) => number): number => reports.reduce((all, each) => all + of(each), 0);
  const figures = {
    lives: LIVES,
    crashes: sum(({ strikes }) => strikes),
    during_recovery: sum(({ recovering }) => recovering),
    cells: cells.size,
    steps: [...new Set(reports.flatMap(({ stages }) => [...stages]))].sort(),
    longest_s: Math.round(Math.max(...reports.map(({ seconds }) => seconds))),
    violations: sum(({ violations }) => violations.length),
  };
  note({ part: 'succession', seed: SEED, ...figures });
  for (const { seed, violations, trace } of bad.slice(0, 3))
    process.stdout.write(`seed ${seed}\n${trace.slice(-80).join('\n')}\n${violations.join('\n')}\n`);
  expect(bad.map(({ seed, violations }) => [seed, violations[0]])).toEqual([]);
  expect(figures.crashes).toBeGreaterThan(LIVES);
  expect(figures.during_recovery).toBeGreaterThan(0);
});

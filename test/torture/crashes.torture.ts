import { expect, test } from 'vitest';
import { cellsOf, type LifeReport, live } from '../sim/lives.ts';
import { coverageTable, createCoverage, PHASES } from '../sim/points.ts';
import { note } from './figures.ts';

const SEED = Number(process.env.TORTURE_SEED ?? 20261122);
/** Each with a matrix of its own. */
const SEEDS = Number(process.env.TORTURE_CRASH_SEEDS ?? 3);
const LIVES = Number(process.env.TORTURE_CRASH_LIVES ?? 32);
const ENDS = 24;

// fault 44
test('programs end before and after every act, in every phase, with torn logs, and again while they recover', async () => {
  const all = createCoverage();
  const bad: LifeReport[] = [];
  const sum = { lives: 0, crashes: 0, during_recovery: 0, signals: 0, reorgs: 0, nonces: 0, partial_signatures: 0 };
  for (let seed = 0; seed < SEEDS; seed++) {
    const coverage = createCoverage();
    for (let life = 0; life < LIVES; life++) {
      const report = await live({
        seed: `${SEED}/${seed}/${life}`,
        most: ENDS,
        wants: (...cell) => coverage.count(...cell) === 0,
        onStrike: (...cell) => {
          coverage.strike(...cell);
          all.strike(...cell);
        },
      });
      sum.lives++;
      sum.crashes += report.strikes;
      sum.during_recovery += report.recovering;
      sum.signals += report.signals;
      sum.reorgs += report.reorgs;
      sum.nonces += report.figures.nonces;
      sum.partial_signatures += report.figures.partial_signatures;
      if (report.violations.length > 0) bad.push(report);
    }
  }
  const cells = cellsOf(all);
  const points = new Set(cells.map(({ side, point }) => `${side} ${point}`));
  const phases = new Set(cells.map(({ phase }) => phase));
  const figures = { ...sum, points: points.size, phases: phases.size, cells: cells.length };
  process.stdout.write(`${coverageTable(all)}\n`);
  note({ part: 'crashes', seed: SEED, ...figures, violations: bad.flatMap(({ violations }) => violations).length });
  for (const { seed, violations, trace } of bad.slice(0, 3))
    process.stdout.write(`seed ${seed}\n${trace.slice(-80).join('\n')}\n${violations.join('\n')}\n`);
  expect(bad.map(({ seed, violations }) => [seed, violations[0]])).toEqual([]);
  expect(points.size).toBeGreaterThanOrEqual(40);
  expect([...PHASES].filter(phase => !phases.has(phase))).toEqual([]);
  expect(sum.during_recovery).toBeGreaterThan(0);
  expect(sum.crashes).toBeGreaterThan(LIVES * SEEDS);
});

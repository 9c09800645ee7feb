import { expect, test } from 'vitest';
import { CEREMONIES, type CeremonyReport, perform } from '../sim/ceremonies.ts';
import { note } from './figures.ts';

const SEED = Number(process.env.TORTURE_SEED ?? 20261122);
const LIVES = Number(process.env.TORTURE_CEREMONIES ?? 20);
/** Every so many lives each end is wanted anew. */
const BATCH = 10;

// faults 22, 30, 44
test.each(CEREMONIES)(`programs end in ${LIVES} cohorts with a %s`, async ceremony => {
  const reports: CeremonyReport[] = [];
  let struck = new Set<string>();
  const cells = new Set<string>();
  for (let life = 0; life < LIVES; life++) {
    if (life % BATCH === 0) struck = new Set();
    reports.push(
      await perform(ceremony, {
        seed: `${SEED}/${ceremony}/${life}`,
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
  const sum = (of: (report: CeremonyReport) => number): number => reports.reduce((all, each) => all + of(each), 0);
  const figures = {
    lives: LIVES,
    crashes: sum(({ strikes }) => strikes),
    during_recovery: sum(({ recovering }) => recovering),
    cells: cells.size,
    signals: sum(({ signals }) => signals),
    climbed: sum(({ climbed }) => climbed),
    spends: sum(({ spends }) => spends),
    refunds: sum(({ refunds }) => refunds),
    partial_signatures: sum(({ partial_signatures }) => partial_signatures),
    violations: sum(({ violations }) => violations.length),
  };
  note({ part: ceremony, seed: SEED, ...figures });
  for (const { seed, violations, trace } of bad.slice(0, 3))
    process.stdout.write(`seed ${seed}\n${trace.slice(-80).join('\n')}\n${violations.join('\n')}\n`);
  expect(bad.map(({ seed, violations }) => [seed, violations[0]])).toEqual([]);
  expect(figures.crashes).toBeGreaterThan(LIVES);
  expect(figures.during_recovery).toBeGreaterThan(0);
  if (ceremony !== 'cancel') expect(figures.climbed).toBeGreaterThan(0);
  if (ceremony === 'cancel') expect(figures.spends).toBeGreaterThan(0);
  if (ceremony !== 'ladder') expect(figures.refunds).toBeGreaterThanOrEqual(figures.signals);
});

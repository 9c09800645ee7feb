import { expect, test } from 'vitest';
import { type CompanionshipReport, keepCompany } from '../sim/companionship.ts';
import { note } from './figures.ts';

const SEED = Number(process.env.TORTURE_SEED ?? 20261122);
const LIVES = Number(process.env.TORTURE_COMPANIONS ?? 16);
/** Every so many lives each end is wanted anew. */
const BATCH = 8;

// faults 22, 44
test(`${LIVES} owners announce through their companions while programs end: one signature a version, every DID resolves`, async () => {
  const reports: CompanionshipReport[] = [];
  let struck = new Set<string>();
  const cells = new Set<string>();
  for (let life = 0; life < LIVES; life++) {
    if (life % BATCH === 0) struck = new Set();
    reports.push(
      await keepCompany({
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
  const sum = (of: (report: CompanionshipReport) => number): number => reports.reduce((all, each) => all + of(each), 0);
  const figures = {
    lives: LIVES,
    crashes: sum(({ strikes }) => strikes),
    of_owners: sum(each => each.struck.owner),
    of_companions: sum(each => each.struck.companion),
    during_recovery: sum(({ recovering }) => recovering),
    cells: cells.size,
    signals: sum(({ signals }) => signals),
    violations: sum(({ violations }) => violations.length),
  };
  note({ part: 'companion', seed: SEED, ...figures });
  for (const { seed, violations, trace } of bad.slice(0, 3))
    process.stdout.write(`seed ${seed}\n${trace.slice(-80).join('\n')}\n${violations.join('\n')}\n`);
  expect(bad.map(({ seed, violations }) => [seed, violations[0]])).toEqual([]);
  expect(figures.of_owners).toBeGreaterThan(0);
  expect(figures.of_companions).toBeGreaterThan(0);
  expect(figures.during_recovery).toBeGreaterThan(0);
});

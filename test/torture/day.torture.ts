import { expect, test } from 'vitest';
import { liveADay } from '../sim/day.ts';
import { note } from './figures.ts';

const SEED = Number(process.env.TORTURE_SEED ?? 20261122);
const COHORTS = Number(process.env.TORTURE_DAY_COHORTS ?? 20);
const MEMBERS = Number(process.env.TORTURE_DAY_MEMBERS ?? 10);
const HOURS = 24;
const UPDATES = 3;

test(`${HOURS} hours of ${COHORTS} cohorts of ${MEMBERS}: every round ends, every DID resolves`, async () => {
  const { violations, trace, figures } = await liveADay({
    seed: `${SEED}`,
    cohorts: COHORTS,
    members: MEMBERS,
    hours: HOURS,
    updates: UPDATES,
  });
  note({ part: 'day', seed: SEED, ...figures, violations: violations.length });
  if (violations.length > 0) process.stdout.write(`${trace.slice(-100).join('\n')}\n${violations.join('\n')}\n`);
  expect(violations).toEqual([]);
  expect(figures.signals).toBeGreaterThanOrEqual(COHORTS);
  expect(figures.byzantine).toBeGreaterThanOrEqual(Math.min(5, COHORTS / 4));
  expect(figures.downtimes).toBeGreaterThan(COHORTS);
});

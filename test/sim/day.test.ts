import { expect, test } from 'vitest';
import { liveADay } from './day.ts';

/** A few hours of a few cohorts; `npm run torture` has a whole day of many. */
test('a day of outages, reorganizations and a byzantine member ends with every DID resolved', {
  timeout: 300_000,
}, async () => {
  const { violations, trace, figures } = await liveADay({
    seed: 'morning',
    cohorts: 2,
    members: 3,
    hours: 8,
    updates: 2,
  });
  expect(violations, trace.slice(-80).join('\n')).toEqual([]);
  expect(figures.signals).toBeGreaterThanOrEqual(2 * 2);
  expect(figures.outages).toBeGreaterThan(5);
  expect(figures.downtimes).toBeGreaterThan(2);
  expect(figures.byzantine).toBe(1);
});

import { expect, test } from 'vitest';
import { succeed } from './succession.ts';

/** A slice; `npm run torture` has more of it. */
// fault 44
test.each([1, 2])(
  'a cohort ends, with DIDs, money and keys, while its programs end at any point (%i)',
  {
    timeout: 300_000,
  },
  async n => {
    const struck = new Set<string>();
    const report = await succeed({
      seed: `end/${n}`,
      most: 15,
      wants: (...cell) => !struck.has(cell.join()),
      onStrike: (...cell) => struck.add(cell.join()),
    });
    expect(report.violations, report.trace.slice(-60).join('\n')).toEqual([]);
    expect(report.strikes).toBeGreaterThan(5);
  },
);

import { expect, test } from 'vitest';
import { live } from './lives.ts';

/** A slice of the crash matrix; `npm run torture` has all of it. */
// faults 22, 44
test.each([1, 2, 3])(
  'a cohort lives on while its programs end at any point (life %i)',
  { timeout: 300_000 },
  async n => {
    const struck = new Set<string>();
    const report = await live({
      seed: `slice/${n}`,
      most: 20,
      wants: (...cell) => !struck.has(cell.join()),
      onStrike: (...cell) => struck.add(cell.join()),
    });
    expect(report.violations, report.trace.slice(-60).join('\n')).toEqual([]);
    expect(report.strikes).toBe(struck.size);
    expect(report.strikes).toBeGreaterThan(5);
    expect(report.signals).toBeGreaterThan(1);
    expect(report.figures.partial_signatures).toBeGreaterThan(5);
  },
);

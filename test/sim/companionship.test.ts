import { expect, test } from 'vitest';
import { keepCompany } from './companionship.ts';

/** A slice; `npm run torture` has more of it. */
// faults 22, 44
test.each([1, 2])(
  'an owner and its companion announce together while programs end at any point (%i)',
  {
    timeout: 300_000,
  },
  async n => {
    const struck = new Set<string>();
    const report = await keepCompany({
      seed: `pair/${n}`,
      most: 15,
      wants: (...cell) => !struck.has(cell.join()),
      onStrike: (...cell) => struck.add(cell.join()),
    });
    expect(report.violations, report.trace.slice(-60).join('\n')).toEqual([]);
    expect(report.strikes).toBeGreaterThan(5);
    expect(report.signals).toBeGreaterThan(1);
  },
);

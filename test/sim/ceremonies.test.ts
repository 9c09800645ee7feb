import { expect, test } from 'vitest';
import { CEREMONIES, perform } from './ceremonies.ts';

/** A slice of the long proof, in every `npm test`. */
// faults 22, 30, 44
test.each(CEREMONIES)(
  'programs end in the midst of a %s, and nothing is lost or signed twice',
  {
    timeout: 300_000,
  },
  async ceremony => {
    const struck = new Set<string>();
    const report = await perform(ceremony, {
      seed: `slice/${ceremony}`,
      most: 20,
      wants: (...cell) => !struck.has(cell.join()),
      onStrike: (...cell) => struck.add(cell.join()),
    });
    expect(report.violations, report.trace.slice(-60).join('\n')).toEqual([]);
    expect(report.strikes).toBeGreaterThan(5);
    expect(report.signals).toBeGreaterThan(1);
    if (ceremony === 'cancel') expect(report.spends).toBeGreaterThan(0);
    if (ceremony === 'refund') expect(report.refunds).toBeGreaterThan(report.signals);
  },
);

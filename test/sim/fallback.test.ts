import { expect, test } from 'vitest';
import { fallBack } from './fallback.ts';

/** A slice of the long proof, in every `npm test`. */
// faults 22, 44, 55
test('members fall silent and programs end in the midst of a fallback: one signal, the same bytes, nothing lost', {
  timeout: 300_000,
}, async () => {
  const struck = new Set<string>();
  const report = await fallBack({
    seed: 'slice/fallback',
    most: 20,
    wants: (...cell) => !struck.has(cell.join()),
    onStrike: (...cell) => struck.add(cell.join()),
  });
  expect(report.violations, report.trace.slice(-60).join('\n')).toEqual([]);
  expect(report.strikes).toBeGreaterThan(5);
  expect(report.signals).toBeGreaterThan(1);
  expect(report.fallbacks).toBeGreaterThan(0);
});

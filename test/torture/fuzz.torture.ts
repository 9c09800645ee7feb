import { expect, test } from 'vitest';
import { note } from './figures.ts';
import { fuzz, fuzzTable } from './fuzz.ts';

const COUNT = Number(process.env.BTCR2_TEST_FUZZ ?? 200_000);
const SEED = Number(process.env.BTCR2_TEST_SEED ?? (Date.now() % 2 ** 31) + 1);

test('malformed events and envelopes: no throw, no change of state, bounded memory and disk', async () => {
  const report = await fuzz(COUNT, SEED);
  process.stdout.write(`${fuzzTable(report)}\n`);
  const { heapMb, diskMb } = report;
  note({ part: 'fuzz', seed: SEED, thrown: COUNT, heap_mb: heapMb, disk_mb: diskMb, violations: 0 });
  expect(Object.values(report.thrown).reduce((a, b) => a + b)).toBe(COUNT);
  expect(report.dropped.fault ?? 0).toBe(0);
  expect(report.heapMb).toBeLessThan(600);
  // Of what strangers send nothing lasts; a member's refusals are kept, and its own rate bounds them.
  expect(report.diskMb).toBeLessThan(400);
});

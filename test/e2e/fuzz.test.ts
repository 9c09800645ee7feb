import { expect, test } from 'vitest';
import { fuzz, fuzzTable } from '../torture/fuzz.ts';

test('3,000 malformed events, envelopes and frames change nothing and stop nobody (faults 1 to 3, 8 to 12, 40)', async () => {
  const report = await fuzz(3_000, 20_261_122);
  expect(Object.values(report.thrown).reduce((a, b) => a + b)).toBe(3_000);
  expect(report.dropped.fault ?? 0, fuzzTable(report)).toBe(0);
  for (const reason of ['decryption', 'envelope', 'no_seat', 'chunks'])
    expect(report.dropped[reason]).toBeGreaterThan(0);
  expect(report.heapMb).toBeLessThan(400);
  expect(report.diskMb).toBeLessThan(60);
}, 240_000);

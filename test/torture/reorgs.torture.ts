import { expect, test } from 'vitest';
import { note } from './figures.ts';
import { FATES, PHASES, tableOf } from './reorgs/phases.ts';
import { playReorgs } from './reorgs/run.ts';

const DEPTHS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

test('reorganizations of 1 to 10 blocks in every phase after a broadcast: the chain is followed, nothing is lost or told twice', async () => {
  const cells = await playReorgs(DEPTHS);
  process.stdout.write(`${tableOf(cells)}\n`);
  const orphaned = cells.reduce((sum, cell) => sum + cell.orphaned, 0);
  note({ part: 'reorgs', seed: null, cells: cells.length, orphaned_signals: orphaned, violations: 0 });
  expect(cells).toHaveLength(DEPTHS.length * PHASES.length);
  expect(new Set(cells.map(({ phase, fate }) => `${phase} ${fate}`)).size).toBe(PHASES.length * FATES.length);
  expect(cells.filter(({ moved }) => moved).length).toBeGreaterThan(0);
});

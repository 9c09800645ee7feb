import { expect, test } from 'vitest';
import { PHASES } from './reorgs/phases.ts';
import { playReorgs } from './reorgs/run.ts';

/** A slice of the long proof, in every `npm test`; `npm run torture` goes through depths 1 to 10. */
test('a reorganization of 7 blocks in every phase after a broadcast: the chain is followed, nothing is lost or told twice', {
  timeout: 600_000,
}, async () => {
  const cells = await playReorgs([7]);
  expect(cells).toHaveLength(PHASES.length);
  expect(cells.filter(({ orphaned }) => orphaned > 0).length).toBeGreaterThanOrEqual(6);
});

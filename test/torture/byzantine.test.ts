import { expect, test } from 'vitest';
import { playSessions } from './byzantine/run.ts';

/** A slice of the long proof, in every `npm test`; `npm run torture` plays 2,000. */
// fault 22
test('60 misbehaving sessions of three members: exact blame, nothing signed twice, all end well', {
  timeout: 240_000,
}, async () => {
  const { rows } = await playSessions(60, 20261122);
  expect(rows.filter(({ trials }) => trials > 0).length).toBeGreaterThanOrEqual(60);
});

import { expect, test } from 'vitest';
import { FALLBACK_KINDS, FALLBACK_TERMS } from './byzantine/fallback-kinds.ts';
import { LADDER_KINDS, LADDER_TERMS } from './byzantine/ladder-kinds.ts';
import { playSessions } from './byzantine/run.ts';
import { SPEND_KINDS, SPEND_TERMS } from './byzantine/spend-kinds.ts';

/** A slice of the long proof, in every `npm test`; `npm run torture` plays 2,000. */
// fault 22
test('60 misbehaving sessions of three members: exact blame, nothing signed twice, all end well', {
  timeout: 240_000,
}, async () => {
  const { rows } = await playSessions(60, 20261122);
  expect(rows.filter(({ trials }) => trials > 0).length).toBeGreaterThanOrEqual(60);
});

// faults 16, 18, 20, 30
test('every way to spoil one step or one refund of a ladder: exact blame, and no step is complete without its refund', {
  timeout: 240_000,
}, async () => {
  const { rows } = await playSessions(LADDER_KINDS.length, 20261122, { kinds: LADDER_KINDS, terms: LADDER_TERMS });
  expect(rows.map(({ trials }) => trials)).toEqual(LADDER_KINDS.map(() => 1));
});

// faults 18, 19, 20, 55
test('every way to spoil a fallback: the others finish it, evidence is exact, wallets refuse lies by their codes', {
  timeout: 240_000,
}, async () => {
  const { rows } = await playSessions(FALLBACK_KINDS.length, 20261122, {
    kinds: FALLBACK_KINDS,
    terms: FALLBACK_TERMS,
  });
  expect(rows.map(({ trials }) => trials)).toEqual(FALLBACK_KINDS.map(() => 1));
});

// faults 16, 18, 20
test('every way to spoil a cancel, a move or a refund: exact blame, money goes where all agreed, wallets refuse lies by their codes', {
  timeout: 240_000,
}, async () => {
  const { rows } = await playSessions(SPEND_KINDS.length, 20261122, { kinds: SPEND_KINDS, terms: SPEND_TERMS });
  expect(rows.map(({ trials }) => trials)).toEqual(SPEND_KINDS.map(() => 1));
});

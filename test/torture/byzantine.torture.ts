import { expect, test } from 'vitest';
import { FALLBACK_KINDS, FALLBACK_TERMS } from './byzantine/fallback-kinds.ts';
import { KINDS } from './byzantine/kinds.ts';
import { LADDER_KINDS, LADDER_TERMS } from './byzantine/ladder-kinds.ts';
import { playSessions, tableOf } from './byzantine/run.ts';
import { SPEND_KINDS, SPEND_TERMS } from './byzantine/spend-kinds.ts';
import { note } from './figures.ts';

const SESSIONS = Number(process.env.TORTURE_BYZANTINE ?? 2_000);
const SEED = Number(process.env.TORTURE_SEED ?? 20261122);

test(`${SESSIONS} sessions of three members, each spoilt by one party: exact blame, nothing signed twice, all end well`, async () => {
  const report = await playSessions(SESSIONS, SEED);
  process.stdout.write(`${tableOf(report)}\n`);
  note({ part: 'byzantine', seed: SEED, sessions: SESSIONS, kinds: KINDS.length, violations: 0 });
  if (SESSIONS >= KINDS.length) expect(report.rows.filter(({ trials }) => trials === 0)).toEqual([]);
  expect(report.rows.reduce((sum, { trials }) => sum + trials, 0)).toBe(SESSIONS);
});

/** Of longer kinds of session. */
const SOME = Math.ceil(SESSIONS / 10);

test(`${SOME} sessions with a fee ladder and refunds, each spoilt in one of its eight transactions`, async () => {
  const report = await playSessions(SOME, SEED, { kinds: LADDER_KINDS, terms: LADDER_TERMS });
  process.stdout.write(`${tableOf(report)}\n`);
  note({ part: 'byzantine ladder', seed: SEED, sessions: SOME, kinds: LADDER_KINDS.length, violations: 0 });
  if (SOME >= LADDER_KINDS.length) expect(report.rows.filter(({ trials }) => trials === 0)).toEqual([]);
  expect(report.rows.reduce((sum, { trials }) => sum + trials, 0)).toBe(SOME);
});

const FEW = Math.ceil(SESSIONS / 20);

test.each([
  ['sessions that come to a fallback', 'byzantine fallback', FALLBACK_KINDS, FALLBACK_TERMS],
  ['cancels, moves and refunds', 'byzantine spend', SPEND_KINDS, SPEND_TERMS],
] as const)(`${FEW} %s, each spoilt by one party`, async (_, part, kinds, terms) => {
  const report = await playSessions(FEW, SEED, { kinds, terms });
  process.stdout.write(`${tableOf(report)}\n`);
  note({ part, seed: SEED, sessions: FEW, kinds: kinds.length, violations: 0 });
  if (FEW >= kinds.length) expect(report.rows.filter(({ trials }) => trials === 0)).toEqual([]);
  expect(report.rows.reduce((sum, { trials }) => sum + trials, 0)).toBe(FEW);
});

import { expect, test } from 'vitest';
import { FALLBACK_KINDS, FALLBACK_TERMS } from './byzantine/fallback-kinds.ts';
import { KINDS } from './byzantine/kinds.ts';
import { LADDER_KINDS, LADDER_TERMS } from './byzantine/ladder-kinds.ts';
import { playSessions, tableOf } from './byzantine/run.ts';
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

/** Of each of the longer kinds of session. */
const SOME = Math.ceil(SESSIONS / 10);

test(`${SOME} sessions with a fee ladder and refunds, each spoilt in one of its eight transactions`, async () => {
  const report = await playSessions(SOME, SEED, { kinds: LADDER_KINDS, terms: LADDER_TERMS });
  process.stdout.write(`${tableOf(report)}\n`);
  note({ part: 'byzantine ladder', seed: SEED, sessions: SOME, kinds: LADDER_KINDS.length, violations: 0 });
  if (SOME >= LADDER_KINDS.length) expect(report.rows.filter(({ trials }) => trials === 0)).toEqual([]);
  expect(report.rows.reduce((sum, { trials }) => sum + trials, 0)).toBe(SOME);
});

const FEW = Math.ceil(SESSIONS / 20);

test(`${FEW} sessions that come to a fallback, each spoilt there`, async () => {
  const report = await playSessions(FEW, SEED, { kinds: FALLBACK_KINDS, terms: FALLBACK_TERMS });
  process.stdout.write(`${tableOf(report)}\n`);
  note({ part: 'byzantine fallback', seed: SEED, sessions: FEW, kinds: FALLBACK_KINDS.length, violations: 0 });
  if (FEW >= FALLBACK_KINDS.length) expect(report.rows.filter(({ trials }) => trials === 0)).toEqual([]);
  expect(report.rows.reduce((sum, { trials }) => sum + trials, 0)).toBe(FEW);
});

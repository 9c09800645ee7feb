import { expect, test } from 'vitest';
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

const LADDERS = Math.ceil(SESSIONS / 10);

test(`${LADDERS} sessions with a fee ladder and refunds, each spoilt in one of its eight transactions`, async () => {
  const report = await playSessions(LADDERS, SEED, { kinds: LADDER_KINDS, terms: LADDER_TERMS });
  process.stdout.write(`${tableOf(report)}\n`);
  note({ part: 'byzantine ladder', seed: SEED, sessions: LADDERS, kinds: LADDER_KINDS.length, violations: 0 });
  if (LADDERS >= LADDER_KINDS.length) expect(report.rows.filter(({ trials }) => trials === 0)).toEqual([]);
  expect(report.rows.reduce((sum, { trials }) => sum + trials, 0)).toBe(LADDERS);
});

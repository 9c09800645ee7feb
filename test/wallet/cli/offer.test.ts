import { describe, expect, test } from 'vitest';
import { fallbackWarnings, N_OF_N, offerRows, yearlyCost } from '../../../src/wallet/cli/offer.ts';
import { advertEvent, advertOf, NOW } from './harness.ts';

const rowsOf = (...given: Parameters<typeof advertEvent>): Map<string, string> =>
  new Map(offerRows(advertOf(advertEvent(...given)), NOW));

test('shows price, fee cap, funder, deadlines, policy and what a year costs', () => {
  const rows = rowsOf('demo');
  expect(rows.get('advert')).toBe('demo, open; the offer ends in 1 h');
  expect(rows.get('beacon')).toBe('SMTBeacon on regtest, 2 to 5 members');
  expect(rows.get('price')).toBe('1,500 sat to join, 0 sat for each announcement');
  expect(rows.get('')).toBe('pay what you like');
  expect(rows.get('fees')).toBe('at most 12,345 sat a signal; the members pay them, by sending to the beacon address');
  expect(rows.get('signals')).toBe(
    'once 4 updates wait, or 1 d after the last if any waits; never sooner than 1 h after the last',
  );
  expect(rows.get('deadlines')).toBe(
    '2 h to confirm the cohort; in each round 10 min to be there, 30 min to check, 30 min to sign',
  );
  expect(rows.get('policy')).toBe('keypath: only all members together can spend from the address');
  expect(rows.get('a year')).toBe(
    'about 365 signals, so 256 kB of proofs for each DID, to be kept for ever; fees of at most 4,505,925 sat',
  );
});

describe('proofs a year', () => {
  const yearOf = (interval: number, min_interval = 0) =>
    yearlyCost({ frequency: { interval, min_interval, pending_updates: 1 }, fee_cap: 1_000 });
  test('are 700 bytes a signal', () => {
    expect(yearOf(86_400)).toEqual({ signals: 365, proof_bytes: 255_500, fees_sats: 365_000 });
    expect(yearOf(31_557_600)).toEqual({ signals: 1, proof_bytes: 700, fees_sats: 1_000 });
  });
  test('are finite even for terms without an interval', () => {
    expect(yearOf(0).signals).toBe(8_766);
  });
});

test('a cohort of a fixed size that signals at once says so', () => {
  const rows = rowsOf('demo', {
    cohort_size: { min: 3, max: 3 },
    frequency: { interval: 60, min_interval: 0, pending_updates: 1 },
  });
  expect(rows.get('beacon')).toBe('SMTBeacon on regtest, 3 members');
  expect(rows.get('signals')).toBe('as soon as an update waits');
});

test('a fallback policy is told in plain words: who else can publish, and after how long', () => {
  const policy = {
    type: 'fallback',
    threshold: 'n-1',
    recovery_key: '11'.repeat(32),
    recovery_delay_blocks: 4_320,
  } as const;
  expect(rowsOf('demo', { policy, cohort_size: { min: 3, max: 5 } }).get('policy')).toBe(
    `fallback: all members together, or all but one, or after 4,320 blocks the operator alone (${'11'.repeat(32)})`,
  );
  expect(fallbackWarnings({ policy }).join(' ')).toMatch(
    /all members but one can sign.*destroy every DID behind it, yours too.*operator alone.*4,320 blocks/,
  );
  expect(fallbackWarnings({ policy: { type: 'keypath' } })).toEqual([]);
});

test('the warning says what n-of-n means', () => {
  expect(N_OF_N.join(' ')).toMatch(
    /one member that is offline blocks all.*lost cohort key freezes the beacon for good/,
  );
});

import { expect, test } from 'vitest';
import { cohortOf, describeNews, type News } from '../../../src/wallet/cli/news.ts';
import { DID_ONE } from './harness.ts';

const cohort = 'c'.repeat(64);
const session_id = 'ab'.repeat(32);
const signal_bytes = 'cd'.repeat(32);
const txid = 'ef'.repeat(32);
const session = {
  session_id,
  round: 3,
  attempt: 2,
  outpoint: { txid, vout: 0, value_sats: 100_000 },
  signal_bytes,
  steps: [
    { unsigned_hex: '00', txid, fee_sats: 154 },
    { unsigned_hex: '00', txid, fee_sats: 1_540 },
  ],
  updates: [{ did: DID_ONE, version: 2, announcement: 'aa'.repeat(32) }],
};

const LINES: [News, string | null][] = [
  [{ type: 'seated', cohort }, 'has a seat; waiting for the other members'],
  [{ type: 'set_signed', cohort, sig: '00' }, 'cohort set checked and signed'],
  [{ type: 'cohort_ready', cohort, signatures: [], challenge: '' }, 'ready: 2 members, beacon bcrt1pbeacon'],
  [{ type: 'membership_ended', cohort, reason: 'cancelled' }, 'membership ended: cancelled'],
  [{ type: 'did_registered', cohort, did: DID_ONE, proven: true }, 'registered one'],
  [
    { type: 'registration_refused', cohort, did: DID_ONE, code: 'did_taken', text: 'somebody has it' },
    'registration of one refused: somebody has it (did_taken)',
  ],
  [
    { type: 'session_checked', cohort, session },
    'request checked: round 3, attempt 2, session abababababab, 1 own update, fee at most 1,540 sat',
  ],
  [
    { type: 'session_vetoed', cohort, session_id, code: 'fee_too_high', text: 'above the cap' },
    'vetoed session abababababab: above the cap (fee_too_high)',
  ],
  [{ type: 'session_signed', cohort, session_id, agg_nonce: [], sig: [] }, 'signed session abababababab'],
  [{ type: 'fallback_checked', cohort, session_id, steps: [] }, null],
  [
    { type: 'fallback_signed', cohort, session_id, sig: [] },
    'signed the fallback of session abababababab: one member did not sign, the others go on',
  ],
  [
    { type: 'recovery_seen', cohort, txid, signal: null },
    `the operator's recovery key took money from this beacon, by ${txid}: no member agreed to that; it is no signal`,
  ],
  [
    { type: 'recovery_seen', cohort, txid, signal: signal_bytes },
    `the operator's recovery key published ${signal_bytes} under this beacon, by ${txid}: no member agreed to that, and it may destroy every DID behind it`,
  ],
  [
    { type: 'signal_seen', cohort, signal_bytes, status: 'broadcast', txid, height: null },
    `signal cdcdcdcdcdcd broadcast: ${txid}`,
  ],
  [
    { type: 'signal_seen', cohort, signal_bytes, status: 'confirmed', txid, height: 112 },
    `signal cdcdcdcdcdcd confirmed in block 112: ${txid}`,
  ],
  [
    { type: 'signal_seen', cohort, signal_bytes, status: 'final', txid, height: 112 },
    `signal cdcdcdcdcdcd final in block 112: ${txid}`,
  ],
  [
    { type: 'signal_seen', cohort, signal_bytes, status: 'unseen', txid: null, height: null },
    'signal cdcdcdcdcdcd is not on the chain any more',
  ],
  [
    { type: 'abort_told', cohort, round: 3, reason: 'vetoed', text: 'a member said no' },
    'the aggregator called round 3 off: a member said no (vetoed)',
  ],
  [{ type: 'asked', cohort, envelope_id: 'e', slot: 'opt_in' }, null],
  [{ type: 'answered', envelope_id: 'e' }, null],
];

test.each(LINES)('%j', (news, line) => {
  const view = { beacon_address: 'bcrt1pbeacon', members: 2 };
  expect(describeNews(news, view, did => (did === DID_ONE ? 'one' : did))).toBe(line);
});

test('knows which cohort it is about, if any', () => {
  expect(cohortOf({ type: 'seated', cohort })).toBe(cohort);
  expect(cohortOf({ type: 'refused', text: '' })).toBeNull();
});

test('words of a peer cannot steer the terminal', () => {
  const hostile = 'x\u001b[2J\u202e\ny';
  for (const news of [
    { type: 'membership_ended', cohort, reason: hostile },
    { type: 'abort_told', cohort, round: 1, reason: hostile, text: hostile },
    { type: 'registration_refused', cohort, did: DID_ONE, code: hostile, text: hostile },
    { type: 'refused', text: hostile },
  ] satisfies News[])
    expect(describeNews(news, undefined)).not.toMatch(/[\p{Cc}\p{Cf}]/u);
});

import { describe, expect, test } from 'vitest';
import { readTerms, termsHash } from '../../src/messages/index.ts';
import { xOnlyOfName } from './samples.ts';

/** Where a refund goes. */
const HOME = 'bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202';
const TERMS = {
  v: 1,
  id: 'demo-1',
  type: 'SMTBeacon',
  cohort_size: { min: 2, max: 20 },
  btc_network: 'regtest',
  frequency: { interval: 86_400, min_interval: 3600, pending_updates: 10 },
  latency: { cohort_set: 3600, presence: 3600, nonce: 3600, signature: 3600 },
  dids: { min: 0, max: 100 },
  financials: { enrolment: 0, per_announcement: 0, text: 'free of charge' },
  funder: 'operator',
  fee_cap: 5000,
  flow: 'push',
  privacy: 'none',
  bit_order: 'spec',
  signal_output: 'last',
  policy: { type: 'keypath' },
  admission: 'open',
  unproven_dids: false,
  communication: ['nip44_v2'],
  transport_key: xOnlyOfName('hot key'),
  return_address: 'nostr:nprofile1demo',
  aggregator_did: 'did:btcr2:k1demo',
};

const read = (changes: object) => readTerms(JSON.stringify({ ...TERMS, ...changes }));
const fieldOf = (changes: object) => {
  const result = read(changes);
  return result.ok ? null : result.field;
};

test('terms are read, with the hash of the text as it stands', () => {
  const text = JSON.stringify(TERMS);
  expect(readTerms(text)).toEqual({ ok: true, terms: TERMS, terms_hash: termsHash(text) });
  const spaced = JSON.stringify(TERMS, null, 1);
  expect(readTerms(spaced)).toMatchObject({ ok: true, terms: TERMS });
  expect(termsHash(spaced)).not.toBe(termsHash(text));
});

test("the seed's beacon names are understood, and never written", () => {
  expect(read({ type: 'SMTAggregatorBeacon' })).toMatchObject({ ok: true, terms: { type: 'SMTBeacon' } });
  expect(read({ type: 'CIDAggregatorBeacon' })).toMatchObject({ ok: true, terms: { type: 'CASBeacon' } });
  for (const type of ['SingletonBeacon', 'toString', '__proto__', 5]) expect(fieldOf({ type })).toBe('type');
});

describe('refinements', () => {
  const cases: [string, object, string][] = [
    ['more seats at least than at most', { cohort_size: { min: 5, max: 4 } }, 'cohort_size'],
    ['a cohort of one', { cohort_size: { min: 1, max: 4 } }, 'cohort_size.min'],
    ['more DIDs at least than at most', { dids: { min: 3, max: 2 } }, 'dids'],
    ['no DIDs at all', { dids: { min: 0, max: 0 } }, 'dids.max'],
    ['an interval shorter than the least one', { frequency: { ...TERMS.frequency, interval: 60 } }, 'frequency'],
    ['a trigger of no updates', { frequency: { ...TERMS.frequency, pending_updates: 0 } }, 'frequency.pending_updates'],
    ['a deadline of no time', { latency: { ...TERMS.latency, nonce: 0 } }, 'latency.nonce'],
    ['the signal first, on mainnet', { btc_network: 'bitcoin', signal_output: 'first' }, 'signal_output'],
    ['a fee cap under a transaction', { fee_cap: 199 }, 'fee_cap'],
    ['an immense fee cap', { fee_cap: 1_000_001 }, 'fee_cap'],
    ['a network of nobody', { btc_network: 'testnet' }, 'btc_network'],
    ['a policy of nobody', { policy: { type: 'anybody' } }, 'policy.type'],
    ['a fallback that says half', { policy: { type: 'fallback' } }, 'policy.threshold'],
    ['no way to speak', { communication: [] }, 'communication'],
    ['an id that would not fit in a tag', { id: 'a'.repeat(65) }, 'id'],
    ['an id with a space', { id: 'a b' }, 'id'],
    ['an upper-case transport key', { transport_key: TERMS.transport_key.toUpperCase() }, 'transport_key'],
    ['a return address of another kind', { return_address: 'https://example.com' }, 'return_address'],
    ['control characters in the text', { financials: { ...TERMS.financials, text: '\u001b[2J' } }, 'financials.text'],
    ['another version', { v: 2 }, 'v'],
    ['a refund to nowhere', { refund: { address: 'bc1qnothere00000', delay_blocks: 65_535 } }, 'refund.address'],
    [
      'a refund that a round does not outlive',
      {
        frequency: { ...TERMS.frequency, interval: 100_000, min_interval: 0 },
        refund: { address: HOME, delay_blocks: 144 },
      },
      'refund.delay_blocks',
    ],
  ];
  test.each(cases)('%s', (_, changes, field) => {
    expect(fieldOf(changes)).toBe(field);
  });

  test('the signal first is for demonstration, off mainnet', () => {
    expect(read({ signal_output: 'first' }).ok).toBe(true);
    expect(read({ btc_network: 'bitcoin' }).ok).toBe(true);
  });

  test('a refund outlives the interval and the phases of a round', () => {
    // 86,400 s and three phases of an hour each: 162 blocks.
    const refund = (delay_blocks: number) => ({ refund: { address: HOME, delay_blocks } });
    expect([read(refund(162)).ok, read(refund(163)).ok]).toEqual([false, true]);
    expect(read({ ...refund(163), btc_network: 'bitcoin' })).toMatchObject({ ok: false, field: 'refund.address' });
  });

  test('extra fields, other JSON, and too much of it', () => {
    expect(read({ extra: 1 }).ok).toBe(false);
    for (const text of ['', 'null', '[]', '"terms"', '1']) expect(readTerms(text).ok).toBe(false);
    expect(readTerms('['.repeat(10_000))).toMatchObject({ ok: false, text: 'too_deep' });
    expect(readTerms(' '.repeat(20_000))).toMatchObject({ ok: false, text: 'too_large' });
  });
});

import { type Terms, termsSchema } from '../src/messages/terms.ts';
import { didOfIdentity } from '../src/nostr/advert.ts';

const KEY = '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798';

/** Terms of the plain form, for benches that need no daemon to write them. */
export const plainTerms = (changes: Partial<Terms> = {}): Terms =>
  termsSchema.parse({
    v: 1,
    id: 'bench',
    type: 'SMTBeacon',
    cohort_size: { min: 2, max: 10 },
    btc_network: 'regtest',
    frequency: { interval: 604_800, min_interval: 0, pending_updates: 1 },
    latency: { cohort_set: 3_600, presence: 3_600, nonce: 3_600, signature: 3_600 },
    dids: { min: 0, max: 1_000 },
    financials: { enrolment: 0, per_announcement: 0 },
    funder: 'operator',
    fee_cap: 2_000,
    flow: 'push',
    privacy: 'none',
    bit_order: 'spec',
    signal_output: 'last',
    policy: { type: 'keypath' },
    admission: 'open',
    unproven_dids: false,
    communication: ['nip44_v2'],
    transport_key: KEY,
    return_address: 'nostr:nprofile1bench',
    aggregator_did: didOfIdentity(KEY, 'regtest'),
    ...changes,
  });

import { join } from 'node:path';
import { DEFAULT_LIMITS } from './limits.ts';

const HOUR = 3_600;
const DAY = 24 * HOUR;

/** People and their phones answer within hours; a test chain is driven by programs, and by hand. */
const PACE = {
  people: {
    frequency: { interval: DAY, min_interval: HOUR, pending_updates: 10 },
    latency: { cohort_set: DAY, presence: HOUR, nonce: 6 * HOUR, signature: 6 * HOUR },
    cohort_size: { min: 3, max: 20 },
    fee_blocks: 6,
    expires_in: 7 * DAY,
    poll_ms: 30_000,
  },
  regtest: {
    frequency: { interval: 300, min_interval: 0, pending_updates: 1 },
    latency: { cohort_set: 120, presence: 30, nonce: 60, signature: 60 },
    cohort_size: { min: 2, max: 10 },
    fee_blocks: 3,
    expires_in: DAY,
    poll_ms: 1_000,
  },
};

/**
 * What holds where nothing is configured: hours for people, seconds on regtest; files beside the configuration file
 * (`base`). Network, chain backend and its address have no default.
 */
export function defaultSettings({
  network,
  backend,
  base,
  isTty,
}: {
  network: unknown;
  backend: unknown;
  base: string;
  isTty: boolean;
}): Record<string, unknown> {
  const { frequency, latency, cohort_size, fee_blocks, expires_in, poll_ms } =
    network === 'regtest' ? PACE.regtest : PACE.people;
  return {
    mainnet: false,
    state_dir: join(base, 'state'),
    identity: { key_file: join(base, 'identity.key') },
    relays_file: join(base, 'relays.json'),
    by_hand: false,
    chain: backend === 'bitcoind' ? { poll_ms, wallet: 'btcr2-aggregator' } : { poll_ms },
    advert: {
      type: 'SMTBeacon',
      cohort_size,
      frequency,
      latency,
      dids: { min: 0, max: 1_000 },
      financials: { enrolment: 0, per_announcement: 0 },
      funder: 'operator',
      fee_cap: 10_000,
      fee_ladder: { steps: 4, factor: 2, blocks: fee_blocks },
      flow: 'push',
      privacy: 'none',
      bit_order: 'spec',
      signal_output: 'last',
      policy: { type: 'keypath' },
      admission: 'open',
      unproven_dids: false,
      communication: ['nip44_v2'],
      expires_in,
    },
    admission: { invites: [], allowlist: [] },
    limits: { ...DEFAULT_LIMITS },
    profile: { name: 'did:btcr2 aggregator', about: 'Announces did:btcr2 updates for cohorts of wallets.' },
    cas: {},
    log: { level: 'info', format: isTty ? 'text' : 'json' },
  };
}

import { TRANSCRIPT_TYPE, type Transcript } from '../../src/blame/index.ts';
import type { Config } from '../../src/config.ts';
import { loadConfig } from '../../src/config.ts';
import type {
  AdvertExport,
  AdvertSummary,
  AggregatorApi,
  CohortDetail,
  CohortSummary,
  DaemonStatus,
  EvidenceSummary,
  RecoveryOffer,
  RecoverySummary,
  RoundDetail,
  SpendSummary,
} from '../../src/operator/api.ts';
import { OperatorError } from '../../src/operator/api.ts';
import type { SuccessionSummary } from '../../src/operator/succession-api.ts';

export const COHORT = 'ab'.repeat(32);
export const NOW = 1_800_000_000;

export const advert: AdvertSummary = {
  cohort: COHORT,
  advert_id: 'demo',
  status: 'open',
  type: 'SMTBeacon',
  seats: { taken: 1, min: 2, max: 5 },
  expires_at: NOW + 7_200,
};

export const exported: AdvertExport = {
  event: {
    id: COHORT,
    pubkey: COHORT,
    created_at: NOW,
    kind: 38_252,
    tags: [['d', 'demo']],
    content: '{}',
    sig: COHORT,
  },
  document: null,
  link: 'nostr+btcr2://long',
  short_link: 'nostr+btcr2://short',
};

export const cohort: CohortSummary = {
  ...advert,
  phase: 'formed',
  beacon_address: 'bcrt1pexample',
  dids: 1_234,
  pending_updates: 3,
  signals: 7,
  round: 'round 8, attempt 1: 2 of 3 members are present',
  balance_sats: 1_234_567,
  runway: { at_cap: 123, at_estimate: 1_000 },
  suggested_deposit_sats: 100_330,
  alarms: ['a stranger paid the beacon'],
};

export const round: RoundDetail = {
  round: 7,
  stage: 'closed',
  attempt: 1,
  session_id: 'cd'.repeat(32),
  txid: 'ef'.repeat(32),
  status: 'final (6 confirmations)',
  height: 100_001,
  updates: 1,
  signal_bytes: '01'.repeat(32),
  outpoint: { txid: '02'.repeat(32), vout: 0, value_sats: 50_000 },
  fee_sats: 462,
  step: { number: 2, of: 4 },
  hex: '03'.repeat(154),
  open_sessions: [{ session_id: '04'.repeat(32), attempt: 1, authorized: 2, members: 3 }],
  announcements: [{ did: 'did:btcr2:k1example', version: 2, announcement: '05'.repeat(32), cid: 'bafkreiexample' }],
  map_cid: 'bafkreimap',
  map_published: true,
};

export const detail = (config: Config): CohortDetail => ({
  ...cohort,
  terms: {
    v: 1,
    id: 'demo',
    btc_network: 'regtest',
    transport_key: COHORT,
    return_address: 'nostr:nprofile1x',
    aggregator_did: 'did:btcr2:k1example',
    ...termsOf(config),
  },
  members: [
    { participant_pk: `02${COHORT}`, transport: COHORT, seated_at: NOW - 60, dids: 1_234, heard: false },
    { participant_pk: `03${COHORT}`, transport: COHORT, seated_at: NOW - 30, dids: 0, heard: null },
  ],
  registered: [{ did: 'did:btcr2:k1example', member: `02${COHORT}`, proven: true, version: 2, pending: 3 }],
  rounds: [round],
  alarm_details: [],
});

function termsOf({ advert: { expires_in, ...terms } }: Config): Omit<Config['advert'], 'expires_in'> {
  return terms;
}

export const status: DaemonStatus = {
  version: '1.2.3',
  pid: 42,
  uptime_seconds: 7_500,
  network: 'regtest',
  identity: COHORT,
  npub: 'npub1example',
  did: 'did:btcr2:k1example',
  relays: [
    { url: 'ws://a', connected: true, pending: 0, error: null },
    { url: 'ws://b', connected: false, pending: 1_500, error: 'blocked: you' },
  ],
  hearing: true,
  chain: { kind: 'esplora', height: 100_001, reachable: true },
  dropped: { duplicate: 40, no_seat: 1_200 },
  cohorts: [cohort],
};

export const kept: EvidenceSummary = {
  id: 4,
  cohort: COHORT,
  at: NOW - 60,
  reason: 'invalid_signature',
  participant_pk: `02${COHORT}`,
  session_id: 'cd'.repeat(32),
  round: 7,
};

/** Of the right form, and showing nothing: its seat is nobody's. */
export const transcript: Transcript = {
  type: TRANSCRIPT_TYPE,
  v: 1,
  reason: 'invalid_signature',
  participant_pk: `02${COHORT}`,
  advert: { aggregator: COHORT, network: 'regtest', terms_hash: COHORT },
  seats: [{ transport_key: COHORT, proof: COHORT.repeat(2) }],
  session: null,
  envelopes: [{}],
};

const spend: SpendSummary = {
  session_id: COHORT,
  purpose: 'cancel',
  to: 'bcrt1pexample',
  outpoint: { txid: COHORT, vout: 1, value_sats: 100_000 },
  fee_sats: 222,
  txid: COHORT,
  status: 'nonces',
  heard: 0,
  members: 3,
  hex: null,
};

/** As a cohort with a fallback policy offers it; the keys are of nobody. */
const offer: RecoveryOffer = {
  network: 'regtest',
  participant_pubkeys: [],
  policy: { type: 'keypath' },
  outpoint: spend.outpoint,
  to: 'bcrt1pexample',
  fee_sats: 222,
  unsigned_hex: '00',
  txid: COHORT,
};
const { outpoint, to, fee_sats, txid } = offer;
const recovery: RecoverySummary = { outpoint, to, fee_sats, txid, hex: '00' };

const ending: SuccessionSummary = {
  cohort: COHORT,
  advert_id: 'demo',
  beacon_address: 'bcrt1pexample',
  stage: 'updating',
  deadline: NOW + 86_400,
  text: 'we move on',
  successor: {
    cohort: COHORT,
    advert_id: 'next',
    phase: 'formed',
    beacon_address: 'bcrt1pnext',
    seats: { taken: 2, min: 2, max: 3 },
  },
  members: [{ participant_pk: `02${COHORT}`, departure: 'leaving', key_deleted: false }],
  listing: [{ did: 'did:btcr2:k1example', member: `02${COHORT}`, update_waits: false }],
  unknown_dids: 1,
  money: [{ outpoint: `${COHORT}:0`, value_sats: 100_000 }],
  waits_for: ['an update of did:btcr2:k1example'],
  next: ['round open demo'],
};

/** An api that answers the same every time, and keeps what it was asked. */
export function fakeApi(config: Config, over: Partial<AggregatorApi> = {}): { api: AggregatorApi; asked: unknown[][] } {
  const asked: unknown[][] = [];
  const answer =
    <T>(method: string, value: T) =>
    async (request?: unknown): Promise<T> => {
      asked.push([method, request]);
      return value;
    };
  const api: AggregatorApi = {
    status: answer('status', status),
    advertCreate: answer('advertCreate', advert),
    advertList: answer('advertList', [advert]),
    compose: answer('compose', []),
    composed: answer('composed', { events: 0 }),
    deliver: answer('deliver', { outcome: 'not_ours' as const, field: 'to', text: 'for somebody else' }),
    advertClose: answer('advertClose', { ...advert, status: 'closed' }),
    advertExport: answer('advertExport', exported),
    cohortList: answer('cohortList', [cohort]),
    cohortShow: answer('cohortShow', detail(config)),
    roundList: answer('roundList', [round]),
    roundShow: answer('roundShow', round),
    evidenceList: answer('evidenceList', [kept]),
    evidenceExport: answer('evidenceExport', transcript),
    cohortEnd: answer('cohortEnd', ending),
    cohortSuccession: answer('cohortSuccession', ending),
    memberMark: answer('memberMark', ending),
    archiveExport: answer('archiveExport', {
      folder: '/a',
      files: [{ file: '/a/demo-abababababab.jsonl', cohort: COHORT, advert_id: 'demo', records: 12 }],
    }),
    spendList: answer('spendList', [spend]),
    spendStart: answer('spendStart', spend),
    recoveryOffer: answer('recoveryOffer', offer),
    recoverySend: answer('recoverySend', recovery),
    alarmClear: answer('alarmClear', detail(config)),
    backup: answer('backup', { database: '/b', keys: '/b.keys.json', keep: ['/identity.key'] }),
    roundOpen: async () => {
      throw new OperatorError('wrong_phase', 'no cohort is formed');
    },
    ...over,
  };
  return { api, asked };
}

/** A configuration that loads, in a folder where `init` was run. */
export const configIn = (dir: string): Config => loadConfig({ env: {}, cwd: dir, home: dir });

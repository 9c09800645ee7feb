import { curve } from '#curve';
import { sha256, toHex, utf8 } from '../../src/crypto/index.ts';
import type { Body, Message, MessageType } from '../../src/messages/index.ts';

export const draw = (label: string) => sha256(utf8(label));
export const hash = (label: string): string => toHex(draw(label));
export const secretOf = (name: string) => draw(`secret of ${name}`);
export const keyOf = (name: string): string => toHex(curve.publicKey(secretOf(name)));
export const xOnlyOfName = (name: string): string => keyOf(name).slice(2);

const sig = 'ab'.repeat(64);
const address = 'bcrt1pqqqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0sj9hjuh';
const did = 'did:btcr2:k1qqp0f6v2u5zqg4v7zj0q2t0x9w8y7z6';
const session_id = hash('session');
const nonce: [string, string] = [keyOf('r1'), keyOf('r2')];
const keys = [keyOf('ada'), keyOf('bob')].sort();
const base64url = 'A'.repeat(43);
const proof = { id: base64url, nonce: base64url, updateId: base64url, collapsed: base64url, hashes: [base64url] };
const evidence = { proofs: { [did]: proof } };
const signal = { session_id, signal_bytes: hash('bytes'), txid: hash('tx'), height: 800_000, evidence };
const session = { session_id, beacon_address: address };

/** One valid body of every type. */
export const SAMPLES: { [T in MessageType]: Body<T> } = {
  opt_in: {
    advert_id: 'demo-1',
    terms_hash: hash('terms'),
    participant_pubkey: keyOf('ada'),
    return_interact: 'nostr:nprofile1demo',
    proof: sig,
    admission: { invite: 'welcome' },
  },
  cohort_set: {
    advert_id: 'demo-1',
    participant_pubkeys: keys,
    beacon_address: address,
    policy: { type: 'keypath' },
    attempt: 1,
  },
  fallback_authorization_request: { ...session, pending_beacon_signal: ['cHNidP8='] },
  fallback_signature: { ...session, txids: [hash('tx')], sig: [sig] },
  authorize_spend_request: {
    ...session,
    round: 1,
    attempt: 1,
    purpose: 'cancel',
    to: address,
    pending_spend: ['cHNidP8='],
  },
  spend_status: { ...session, purpose: 'cancel', txid: hash('tx'), transactions: ['00'] },
  cohort_set_ack: { beacon_address: address, attempt: 1, sig },
  cohort_ready: {
    advert_id: 'demo-1',
    participant_pubkeys: keys,
    beacon_address: address,
    policy: { type: 'keypath' },
    signatures: [sig, sig],
    challenge: hash('challenge'),
  },
  did_registration: {
    beacon_address: address,
    participant_pk: keyOf('ada'),
    did,
    proof: { verification_method: `${did}#initialKey`, sig },
    sidecar: { updates: [] },
  },
  did_update: { beacon_address: address, participant_pk: keyOf('ada'), did, invocation: { patch: [] } },
  update_opportunity: {
    beacon_address: address,
    round: 1,
    attempt: 1,
    opportunity_id: hash('chance'),
    deadline: 1_800_000_000,
  },
  update_response: {
    beacon_address: address,
    opportunity_id: hash('chance'),
    wants_signal: true,
    entries: [{ did, none: true }],
  },
  presence: { beacon_address: address, round: 1, attempt: 1 },
  presence_ack: { beacon_address: address, round: 1, attempt: 1 },
  authorize_beacon_signal_request: {
    ...session,
    round: 1,
    attempt: 1,
    signal_bytes: hash('bytes'),
    pending_beacon_signal: ['cHNidP8BAF4CAAAA'],
    evidence,
  },
  nonce: { ...session, nonce_points: [nonce] },
  veto: { session_id, code: 'wrong_announcement', text: 'not what I sent' },
  nonce_lost: { session_id },
  aggregated_nonce: { ...session, agg_nonce: [['00'.repeat(33), nonce[1]]] },
  signal_authorization: { ...session, agg_nonce: [nonce], sig: ['cd'.repeat(32)] },
  signal_status: {
    ...session,
    status: 'confirmed',
    txid: hash('tx'),
    transactions: ['0200'],
    block_hash: hash('block'),
    height: 800_000,
    confirmations: 1,
  },
  round_aborted: {
    session_id: null,
    round: 1,
    attempt: 1,
    reason: 'not_heard',
    text: 'not every member answered',
    open: false,
    blame: [],
    not_heard: [keyOf('bob')],
    evidence: [{ anything: 1 }],
  },
  proof_request: { beacon_address: address, did, from_height: 0 },
  proofs: { beacon_address: address, did, signals: [signal, { ...signal, txid: null, height: null }] },
  rebind: { participant_pk: keyOf('ada'), transport_key: xOnlyOfName('ada'), counter: 1, sig },
  leave: { participant_pk: keyOf('ada'), reason: 'moving away' },
  key_deleted: { participant_pk: keyOf('ada'), beacon_address: address },
  cohort_status: {
    beacon_address: address,
    number: 1,
    leaving: [keyOf('ada')],
    gone: [],
    succession: {
      stage: 'updating',
      deadline: 1_900_000_000,
      successor: { terms_hash: hash('terms'), link: 'nostr+btcr2://eyJ2IjoxfQ', beacon_address: address },
    },
    text: 'this cohort ends',
  },
  ack: { accepted: 'did_registration', did, index: hash('index'), proven: true, signals: [signal] },
  rejection: { code: 'wrong_phase', text: 'not now', field: 'body.attempt' },
  companion_pair: { network: 'regtest', proof: sig },
  companion_policy: {
    policy: {
      version: 1,
      fee_cap: 2_000,
      expires_at: 1_900_000_000,
      adverts: [{ anything: 1 }],
      dids: [did],
      revoked: false,
    },
    sig,
  },
  companion_withdraw: { did, announcement: hash('update') },
  companion_sync: {
    sessions: [{ cohort: hash('cohort'), session_ids: [session_id], heir_key: hash('heir') }],
  },
  companion_state: {
    policy_version: 1,
    revoked: false,
    text: null,
    cohorts: [
      {
        cohort: hash('cohort'),
        phase: 'ready',
        text: null,
        participant_pk: keyOf('ada'),
        beacon: {
          participant_pubkeys: keys,
          beacon_address: address,
          signatures: [sig, sig],
          challenge: hash('challenge'),
        },
        heir: { transport_key: hash('heir'), counter: 1, sig },
      },
    ],
    released: [{ did, announcement: hash('update'), text: 'withdrawn' }],
  },
  companion_signed: {
    cohort: hash('cohort'),
    session_id,
    round: 1,
    attempt: 1,
    outpoint: { txid: hash('tx'), vout: 0, value_sats: 20_000 },
    signal_bytes: hash('bytes'),
    steps: [{ unsigned_hex: '0200', txid: hash('tx'), fee_sats: 200 }],
    evidence,
  },
  refund_request: { beacon_address: address, outpoint: { txid: hash('tx'), vout: 0, value_sats: 20_000 } },
  companion_end: { cohort: hash('cohort'), release: address, delete_key: true, abandon: false },
  companion_kept: {
    policy: {
      version: 1,
      fee_cap: 2_000,
      expires_at: 1_900_000_000,
      adverts: [{ anything: 1 }],
      dids: [did],
      revoked: false,
    },
    sig,
    dids: [{ did, cohorts: [hash('cohort')], sidecar: { updates: [] } }],
  },
};

export const messageOf = <T extends MessageType>(type: T): Message => ({ type, body: SAMPLES[type] }) as Message;

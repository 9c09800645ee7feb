import { describe, expect, test } from 'vitest';
import type { Envelope, Message } from '../../../src/messages/index.ts';
import {
  beaconOf,
  decide,
  emptyWallet,
  evolve,
  type Input,
  jobsOf,
  provenBeaconOf,
  type WalletState,
} from '../../../src/wallet/core.ts';
import { drawHex, newController } from '../../cohort/members.ts';
import { drafted } from './driver.ts';
import { hashOf, lied, submitted } from './given.ts';

const NOW = 1_900_000_000;
const env = { now: NOW, chain: null };

/** What a wallet decides and stores; why nothing happened, or null. */
function feed(state: WalletState, input: Input): string | null {
  const decision = decide(state, input, env);
  if (!('events' in decision)) return 'drop' in decision ? decision.drop : decision.refuse;
  for (const event of decision.events) evolve(state, { ...event, at: NOW });
  return null;
}

/** Ada's wallet is lost; another one is made from her seed. It has her DID and her seat, and no cohort key. */
async function restored() {
  const { wallet, liar } = lied();
  const one = newController('one');
  const made = await drafted(one, 'first');
  const {
    phase: _,
    joined_at: __,
    last_abort: ___,
    rebinding: ____,
    rebind_counter: _____,
    ...agreed
  } = wallet.membership(liar.cohort);
  const { participant_pubkeys, beacon_address, script_hex } = wallet.beacon(liar.cohort);
  const state = emptyWallet();
  const documents = [one.document, made.document];
  const updates = [{ version: 2, announcement: hashOf(made), update: made.update }];
  const did = {
    did: one.did,
    name: null,
    network: 'regtest' as const,
    public_key: `02${'1'.repeat(64)}`,
    genesis: null,
  };
  const beacon = { participant_pubkeys, beacon_address, script_hex };
  const cohort: Input = { ...agreed, type: 'restore_cohort', beacon, dids: [one.did] };
  expect(feed(state, { type: 'restore_did', ...did, documents, updates })).toBeNull();
  expect(feed(state, cohort)).toBeNull();
  const envelope = (message: Message): Envelope => ({
    ...message,
    v: 1,
    id: drawHex(message.type),
    from: agreed.terms.transport_key,
    to: agreed.transport,
    cohort: liar.cohort,
    seq: 1,
    created_at: NOW,
    sig: '00'.repeat(64),
  });
  return { state, one, made, cohort, envelope, beacon_address, membership: () => state.cohorts.get(liar.cohort)! };
}

// faults 22, 48
describe('a restored wallet', () => {
  test('has nothing to sign with, says nothing in a round, and has no work that needs a cohort key', async () => {
    const { state, envelope, beacon_address, membership } = await restored();
    const before = structuredClone(state);
    const session_id = drawHex('session');
    const round = { beacon_address, round: 1, attempt: 1 };
    const messages: Message[] = [
      { type: 'presence', body: round },
      { type: 'update_opportunity', body: { ...round, opportunity_id: drawHex('o'), deadline: NOW + 60 } },
      {
        type: 'authorize_beacon_signal_request',
        body: {
          ...round,
          session_id,
          signal_bytes: drawHex('bytes'),
          pending_beacon_signal: ['cHNidP8='],
          evidence: { proofs: {} },
        },
      },
      {
        type: 'aggregated_nonce',
        body: { beacon_address, session_id, agg_nonce: [[`02${drawHex('a')}`, `03${drawHex('b')}`]] },
      },
    ];
    for (const message of messages)
      expect(decide(state, { type: 'message', envelope: envelope(message) }, env)).toEqual({
        drop: `${message.type}: this wallet was restored without the cohort key`,
      });
    expect(jobsOf(state)).toEqual([]);
    expect(beaconOf(membership())).toBeNull();
    expect(provenBeaconOf(membership())?.beacon_address).toBe(beacon_address);
    expect(state).toEqual(before);
  });

  test('contradicts no update that was there: of its version only the same bytes are announced', async () => {
    const { state, one, made } = await restored();
    expect(state.dids.get(one.did)).toMatchObject({ restored: true, updates: [{ version: 2, state: 'locked' }] });
    const rival = await drafted(one, 'rival');
    const submit = (from: typeof made): string | null =>
      feed(state, { type: 'submit_update', did: one.did, update: from.update, document: from.document, cohorts: [] });
    expect(submit(rival)).toMatch(/version 2 has the update .* which is locked/);
    expect(submit(made)).toBeNull();
    // The same bytes once more are no word about what else may have been signed.
    expect(state.dids.get(one.did)).toMatchObject({ restored: true, updates: [{ state: 'locked' }] });
    const next = await drafted(one, 'next', { document: made.document, version: 2 });
    expect(submit(next)).toBeNull();
    expect(state.dids.get(one.did)?.restored).toBe(false);
  });

  test('is told by the chain what is final, and never of an update that is under way since', async () => {
    const { state, one, made } = await restored();
    expect(feed(state, { type: 'restored_final', did: one.did, announcements: [drawHex('another')] })).toBeNull();
    expect(state.dids.get(one.did)?.updates).toMatchObject([{ state: 'locked' }]);
    expect(feed(state, { type: 'restored_final', did: one.did, announcements: [hashOf(made)] })).toBeNull();
    expect(state.dids.get(one.did)?.updates).toMatchObject([{ state: 'final' }]);
    const { wallet, liar } = lied();
    liar.registered(one.did);
    wallet.addDid(one);
    const sent = await submitted({ wallet, liar }, one, 'first');
    feed(wallet.state, { type: 'restored_final', did: one.did, announcements: [sent.announcement] });
    expect(wallet.state.dids.get(one.did)?.updates[0]?.state).not.toBe('final');
  });

  test('takes an update that its record lacked, and it alone; one of a DID that was never lost is nobody else’s to make', async () => {
    const { state, one, made } = await restored();
    const next = await drafted(one, 'next', { document: made.document, version: 2 });
    const updates = [made, next].map((each, i) => ({
      version: i + 2,
      announcement: hashOf(each),
      update: each.update,
    }));
    const body = { type: 'restore_did' as const, did: one.did, name: null, network: 'regtest' as const };
    const later: Input = {
      ...body,
      public_key: '02',
      genesis: null,
      documents: [one.document, made.document, next.document],
      updates,
    };
    expect(feed(state, later)).toBeNull();
    expect(state.dids.get(one.did)).toMatchObject({
      restored: true,
      updates: [
        { version: 2, state: 'locked' },
        { version: 3, state: 'locked', announcement: hashOf(next) },
      ],
    });
    expect(feed(state, later)).toMatch(/already/);
    const { wallet } = lied();
    wallet.addDid(one);
    expect(feed(wallet.state, later)).toMatch(/already/);
    expect(wallet.state.dids.get(one.did)?.updates).toEqual([]);
  });

  test('is put back once, and gives no seat away', async () => {
    const { state, one, cohort, membership } = await restored();
    expect(feed(state, cohort)).toMatch(/in cohort .* already/);
    expect(feed(state, { type: 'leave', cohort: membership().cohort, reason: 'bye' })).toMatch(/no seat to give back/);
    const body = { type: 'restore_did' as const, did: one.did, name: null, network: 'regtest' as const };
    const again: Input = { ...body, public_key: '02', genesis: null, documents: [one.document], updates: [] };
    expect(feed(state, again)).toMatch(/already/);
  });
});

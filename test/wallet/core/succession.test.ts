import { describe, expect, test } from 'vitest';
import type { Body } from '../../../src/messages/index.ts';
import { jobsOf } from '../../../src/wallet/core.ts';
import { held, lied, sign, submitted, threeDids } from './given.ts';
import type { Liar } from './liar.ts';
import { sentOf } from './wallet.ts';

const status = (liar: Liar, changes: Partial<Body<'cohort_status'>> = {}) =>
  liar.say({
    type: 'cohort_status',
    body: { beacon_address: liar.address, number: 1, leaving: [], gone: [], succession: null, text: 'so', ...changes },
  });

const retire = (liar: Liar, { listing = [] as string[], abandon = false } = {}) =>
  ({ type: 'retire', cohort: liar.cohort, listing, abandon }) as const;

describe('what an aggregator says of the end', () => {
  test('is kept, the newest of it, and changes nothing else', () => {
    const { wallet, liar } = lied();
    const before = wallet.log.length;
    const said = status(liar, {
      number: 2,
      succession: {
        stage: 'moving',
        deadline: 2_000_000_000,
        successor: { terms_hash: 'ab'.repeat(32), link: 'nostr+btcr2://eyJ2IjoxfQ', beacon_address: liar.address },
      },
    });
    expect(said.events).toMatchObject([{ type: 'status_told', status: { number: 2 } }]);
    expect(said.effects).toEqual([]);
    // Held back by a relay, it came late.
    expect(status(liar, { number: 1 }).events).toEqual([]);
    expect(status(liar, { number: 3, beacon_address: liar.address.replace(/.$/, 'q') }).dropped).toMatch(
      /another beacon/,
    );
    expect(wallet.log).toHaveLength(before + 1);
    expect(wallet.beacon(liar.cohort)).toMatchObject({ release: null, status: { number: 2 } });
  });
});

describe('leaving a cohort that stands', () => {
  test('is a word to the aggregator, which ends nothing', () => {
    const { wallet, liar } = lied();
    const [asked] = wallet.feed({ type: 'leave', cohort: liar.cohort, reason: 'moving' }).sent;
    liar.say({ type: 'ack', body: { accepted: 'leave' } }, { in_reply_to: asked!.id });
    expect(wallet.membership(liar.cohort).phase.name).toBe('ready');
    expect(wallet.beacon(liar.cohort).leaving).toBe(true);
    expect([...wallet.state.asked.values()].filter(({ slot }) => slot === 'leave')).toEqual([]);
  });

  test('is refused while an own DID lists the beacon, unless it is forced', () => {
    const { wallet, liar } = lied();
    const leave = { type: 'leave', cohort: liar.cohort, reason: 'moving', listing: ['did:btcr2:one'] } as const;
    expect(wallet.feed({ ...leave, listing: [...leave.listing] }).refused).toMatch(/did:btcr2:one still lists/);
    expect(sentOf(wallet.feed({ ...leave, listing: [...leave.listing], force: true }), 'leave')).toHaveLength(1);
  });
});

describe('a cohort key is deleted', () => {
  test('only after nothing needs it: neither a DID, nor an update, nor a session, nor money', async () => {
    const given = await threeDids();
    const { wallet, liar, world, good, one } = given;
    const refused = (changes = {}) => wallet.feed(retire(liar, changes)).refused;
    expect(refused({ listing: [one.did], abandon: true })).toMatch(/still lists/);
    expect(refused()).toMatch(/100000 sat are at the address/);

    const { authorization } = sign(given, good);
    expect(refused({ abandon: true })).toMatch(/version 2 of .* is locked/);
    const hex = liar.complete(good, authorization);
    world.chain.submit(hex);
    world.chain.mine(5);
    wallet.look(liar.cohort);
    expect(refused({ abandon: true })).toMatch(/is broadcast/);
    world.chain.mine(1);
    wallet.look(liar.cohort);
    expect(refused()).toMatch(/\d+ sat are at the address/);
    const { eye } = wallet;
    wallet.eye = () => null;
    expect(refused({ abandon: true })).toMatch(/chain cannot be read/);
    wallet.eye = eye;
    expect(wallet.feed(retire(liar, { abandon: true })).events).toMatchObject([{ type: 'retired' }]);
  });

  test('not while what spends from the address may still be undone', async () => {
    const given = lied();
    const { wallet, liar, world, outpoint } = given;
    world.chain.spend(outpoint);
    world.chain.mine(5);
    expect(wallet.feed(retire(liar)).refused).toMatch(/not yet 6 blocks deep/);
    world.chain.mine(1);
    wallet.look(liar.cohort);
    expect(wallet.feed(retire(liar)).refused).toBeNull();
  });

  test('and then nothing is signed, rebound, registered or left there, after a restart neither; proofs are fetched', async () => {
    const given = await threeDids();
    const { wallet, liar, world, good, one, parts } = given;
    const { authorization } = sign(given, good);
    const hex = liar.complete(good, authorization);
    world.chain.submit(hex);
    world.chain.mine(6);
    wallet.look(liar.cohort);
    const [said] = wallet.feed(retire(liar, { abandon: true })).sent;
    expect(said).toMatchObject({
      type: 'key_deleted',
      body: { participant_pk: wallet.membership(liar.cohort).participant_pk, beacon_address: liar.address },
    });
    liar.say({ type: 'ack', body: { accepted: 'key_deleted' } }, { in_reply_to: said!.id });
    expect([...wallet.state.asked.values()].filter(({ slot }) => slot === 'key_deleted')).toEqual([]);
    wallet.restart();

    expect(jobsOf(wallet.state)).toEqual([]);
    const again = liar.request({ ...parts, updates: {}, round: 2, attempt: 1, outpoint: liar.deposit() });
    expect(sentOf(liar.ask(again), 'veto')).toMatchObject([{ session_id: again.session_id, code: 'key_deleted' }]);
    expect(sentOf(liar.ask(good), 'veto')).toMatchObject([{ code: 'key_deleted' }]);
    expect(
      liar.say({ type: 'presence', body: { beacon_address: liar.address, round: 3, attempt: 1 } }).dropped,
    ).toMatch(/key was deleted/);
    const { cohort } = liar;
    expect(wallet.feed({ type: 'leave', cohort, reason: 'bye' }).refused).toMatch(/retired/);
    expect(wallet.rebind(cohort, 9).refused).toMatch(/deleted/);
    expect(wallet.feed({ type: 'agree_release', cohort, to: null }).refused).toMatch(/retired/);
    expect(wallet.feed(retire(liar)).refused).toMatch(/retired/);

    // The aggregator's word is still heard, and a signal that others made is still proven.
    expect(status(liar).events).toHaveLength(1);
    const update = wallet.state.dids.get(one.did)!.updates[0]!;
    expect(update.state).toBe('final');
    expect(wallet.look(cohort).refused).toBeNull();
    const evidence = liar.evidence({ ...parts, updates: {}, seed: 'cd'.repeat(32) }, one.did);
    const proofs = { beacon_address: liar.address, did: one.did, signals: [evidence] };
    expect(liar.say({ type: 'proofs', body: proofs }).events).toMatchObject([{ type: 'evidence_kept' }]);
  });

  test('an update that a reorganization took out is watched on', async () => {
    const given = lied();
    const { wallet, liar, world } = given;
    const one = held(given, 'one');
    const made = await submitted(given, one, 'first');
    const good = liar.request({
      updates: { [one.did]: made.announcement },
      shown: [one.did],
      outpoint: given.outpoint,
    });
    world.chain.submit(liar.complete(good, sign(given, good).authorization));
    world.chain.mine(6);
    wallet.look(liar.cohort);
    wallet.feed(retire(liar, { abandon: true }));
    world.chain.undo(6, 'mempool');
    wallet.look(liar.cohort);
    expect(wallet.state.dids.get(one.did)!.updates[0]!.state).toBe('broadcast');
    world.chain.mine(6);
    wallet.look(liar.cohort);
    expect(wallet.state.dids.get(one.did)!.updates[0]!.state).toBe('final');
  });
});

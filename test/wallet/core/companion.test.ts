import { describe, expect, test } from 'vitest';
import { toHex } from '../../../src/crypto/index.ts';
import { announcementOf } from '../../../src/did/index.ts';
import type { Envelope, Message } from '../../../src/messages/index.ts';
import { HEIR_COUNTER } from '../../../src/wallet/companion/heir.ts';
import { asCompanion, asOwner } from '../../../src/wallet/companion/pair.ts';
import { openSessions } from '../../../src/wallet/core.ts';
import { addService, draw, xOnly } from '../../cohort/members.ts';
import {
  ask,
  COMPANION,
  EXPIRES,
  issue,
  ONE_TIME,
  OWNER,
  type Paired,
  paired,
  pairProof,
  signPolicy,
  standing,
  unpaired,
} from '../../protocol/pairing.ts';
import { deliver, fund, mine, newOwned, register, submit } from '../../protocol/scene.ts';
import { newWallet, sealed, sentOf, typesOf, updateState } from './wallet.ts';

const pairing = xOnly(ONE_TIME);
const STRANGER = draw('key of a stranger');

/** A message by any key to the companion, or by the companion's key to its owner. */
function letter(
  { scene }: Paired,
  message: Message,
  { from = OWNER, to = xOnly(COMPANION), cohort = pairing }: { from?: Uint8Array; to?: string; cohort?: string } = {},
): Envelope {
  return sealed({ secret: from }, { message, to, cohort, seq: 1_000, created_at: scene.world.now });
}

const fundOf = ({ scene }: Paired): void => fund({ ...scene, wallets: scene.wallets });

const isDrawn = (type: Envelope['type']) => (envelope: Envelope) => envelope.type === type;

describe('pairing', () => {
  test('given the pairing string, when its owner asks, then each knows the other, and nobody else', async () => {
    const pair = await unpaired('pair');
    const { scene, owner, companion } = pair;
    ask(owner);
    deliver(scene);
    expect(asCompanion(companion.state)).toMatchObject({ owner: xOnly(OWNER), policy: null });
    expect(asOwner(owner.state)).toMatchObject({ phase: 'paired', told: { policy_version: 0, cohorts: [] } });
  });

  test('a second owner, who saw the same string, is refused, and the first stays', async () => {
    const pair = await unpaired('second-owner');
    const { scene, owner, companion } = pair;
    ask(owner);
    deliver(scene);
    const other = newWallet(scene.world, 'other');
    scene.wallets.push(other);
    ask(other, STRANGER);
    deliver(scene);
    expect(asCompanion(companion.state)?.owner).toBe(xOnly(OWNER));
    expect(other.state.companionship).toMatchObject({ phase: 'ended', refusal: { code: 'key_in_use' } });
  });

  test('the same request again, as a relay replays it, changes nothing and gets the same answer', async () => {
    const pair = await unpaired('replay');
    const { scene, owner, companion } = pair;
    const [asked] = ask(owner).sent;
    deliver(scene);
    const again = companion.receive(asked!);
    expect(again).toMatchObject({ events: [], sent: [{ type: 'companion_state', in_reply_to: asked!.id }] });
  });

  test('a proof for another key, or by another one-time key, is not even answered', async () => {
    const pair = await unpaired('forged');
    const { companion } = pair;
    for (const proof of [pairProof(OWNER, xOnly(COMPANION)), pairProof(STRANGER, xOnly(COMPANION), STRANGER)]) {
      const forged = letter(pair, { type: 'companion_pair', body: { network: 'regtest', proof } }, { from: STRANGER });
      expect(companion.receive(forged)).toMatchObject({ dropped: expect.stringMatching(/pairing string/), sent: [] });
    }
    const proof = pairProof(OWNER, xOnly(COMPANION));
    const elsewhere = letter(pair, { type: 'companion_pair', body: { network: 'signet', proof } });
    expect(companion.receive(elsewhere).dropped).toMatch(/pairing string/);
    expect(asCompanion(companion.state)?.owner).toBeNull();
  });

  test('an old pairing string opens nothing', async () => {
    const pair = await unpaired('expired');
    const { scene, owner, companion } = pair;
    scene.world.now += 3_600;
    ask(owner);
    deliver(scene);
    expect(asCompanion(companion.state)?.owner).toBeNull();
    expect(owner.state.companionship).toMatchObject({ phase: 'ended', refusal: { code: 'not_admitted' } });
  });

  test('an owner has one companion, a companion one owner, and neither is the other', async () => {
    const { scene, owner, companion } = await paired('one-each');
    const key = owner.hold(draw('another key'));
    const more = { key, network: 'regtest' as const, pairing, relays: [] };
    const second = { ...more, type: 'companion_pair' as const, companion: xOnly(STRANGER), proof: '00'.repeat(64) };
    expect(owner.feed(second).refused).toMatch(/a companion already/);
    expect(companion.feed(second).refused).toMatch(/a companion itself/);
    const opening = { ...more, type: 'companion_open' as const, expires_at: EXPIRES };
    expect(owner.feed(opening).refused).toMatch(/has a companion/);
    expect(companion.feed(opening).refused).toMatch(/has an owner: another one/);
    const whole = newWallet(scene.world, 'whole');
    whole.addDid(newOwned(scene, owner, 'whole'));
    expect(whole.feed(opening).refused).toMatch(/has DIDs or cohorts/);
  });

  test('a companion makes no DIDs and joins nothing by itself', async () => {
    const { scene, companion, owner } = await paired('no-will-of-its-own');
    expect(companion.addDid(newOwned(scene, owner, 'own')).refused).toMatch(/is a companion/);
    const other = { ...scene.offer.advert, cohort: '77'.repeat(32) };
    expect(companion.join(other).refused).toMatch(/policy of the owner does not name this cohort/);
  });
});

describe('the policy', () => {
  test('is taken from the owner alone', async () => {
    const pair = await paired('signer');
    const { companion } = pair;
    const before = asCompanion(companion.state)!.policy!;
    const policy = { ...before, version: before.version + 1, fee_cap: 1_000_000 };
    const forged: Message = { type: 'companion_policy', body: { policy, sig: signPolicy(policy, STRANGER) } };
    expect(companion.receive(letter(pair, forged, { from: STRANGER })).dropped).toMatch(/not from the owner/);
    const outcome = companion.receive(letter(pair, forged));
    expect(sentOf(outcome, 'rejection')).toMatchObject([{ code: 'invalid_signature' }]);
    expect(asCompanion(companion.state)!.policy).toEqual(before);
  });

  test('of an older version, or a second one of the same version, is refused; the same again is answered', async () => {
    const pair = await paired('counter');
    const { scene, owner, companion } = pair;
    const old = asCompanion(companion.state)!.policy!;
    const now = issue(owner, { fee_cap: 500 });
    deliver(scene);
    const say = (policy: typeof now) =>
      companion.receive(letter(pair, { type: 'companion_policy', body: { policy, sig: signPolicy(policy) } }));
    expect(sentOf(say(old), 'rejection')).toMatchObject([{ code: 'counter_too_low' }]);
    expect(sentOf(say({ ...now, fee_cap: 900 }), 'rejection')).toMatchObject([{ code: 'equivocation' }]);
    expect(sentOf(say(now), 'companion_state')).toMatchObject([{ policy_version: now.version }]);
    expect(asCompanion(companion.state)!.policy).toEqual(now);
  });

  test('names adverts that verify, and no blinded one', async () => {
    const pair = await paired('adverts');
    const { companion } = pair;
    const before = asCompanion(companion.state)!.policy!;
    const [event] = before.adverts;
    const policy = { ...before, version: before.version + 1, adverts: [{ ...event, sig: '00'.repeat(64) }] };
    const outcome = companion.receive(
      letter(pair, { type: 'companion_policy', body: { policy, sig: signPolicy(policy) } }),
    );
    expect(sentOf(outcome, 'rejection')).toMatchObject([{ code: 'wrong_advert' }]);
  });

  test('when it has expired, nothing is signed and nothing taken; a new one makes it go on', async () => {
    const pair = await standing('expiry');
    const { scene, owner, companion, one } = pair;
    fundOf(pair);
    scene.world.now = EXPIRES;
    await submit(scene, owner, one);
    deliver(scene);
    expect(updateState(owner, one.did)).toEqual(['refused']);
    issue(owner, { expires_at: EXPIRES + 86_400 });
    deliver(scene);
    await submit(scene, owner, one, { patch: addService('later') });
    deliver(scene);
    expect(openSessions(companion.beacon(scene.cohort))).toHaveLength(1);
  });

  test('that expires between the nonce and the signature is heeded', async () => {
    const pair = await standing('between');
    const { scene, owner, companion, one, cohort } = pair;
    fundOf(pair);
    await submit(scene, owner, one);
    deliver(scene, isDrawn('aggregated_nonce'));
    scene.world.now = EXPIRES;
    deliver(scene);
    expect(openSessions(companion.beacon(cohort))).toEqual([]);
    expect(companion.sent.filter(({ type }) => type === 'signal_authorization')).toEqual([]);
    expect(sentOf(companion, 'veto')).toMatchObject([
      { code: 'policy_forbids', text: expect.stringMatching(/expired/) },
    ]);
  });

  test('that is revoked ends it: what was not signed for is free, and no policy follows', async () => {
    const pair = await standing('revoked');
    const { scene, owner, companion, one, cohort } = pair;
    fundOf(pair);
    await submit(scene, owner, one);
    deliver(scene, isDrawn('aggregated_nonce'));
    issue(owner, { revoked: true });
    deliver(scene, isDrawn('aggregated_nonce'));
    deliver(scene);
    expect(openSessions(companion.beacon(cohort))).toEqual([]);
    expect(updateState(owner, one.did)).toEqual(['replaced']);
    expect(owner.state.companionship).toMatchObject({ phase: 'revoked', reason: 'revoked' });
    const before = asCompanion(companion.state)!.policy!;
    const policy = { ...before, version: before.version + 1, revoked: false };
    const outcome = companion.receive(
      letter(pair, { type: 'companion_policy', body: { policy, sig: signPolicy(policy) } }),
    );
    expect(sentOf(outcome, 'rejection')).toMatchObject([{ code: 'wrong_phase' }]);
  });

  test('that is revoked frees what reached it too late, too; and nothing is given to it any more', async () => {
    const pair = await standing('crossed');
    const { scene, owner, one } = pair;
    await submit(scene, owner, one);
    expect(updateState(owner, one.did)).toEqual(['locked']);
    const crossing = owner.mail.splice(0);
    issue(owner, { revoked: true });
    await submit(scene, owner, one, { patch: addService('another') });
    expect(updateState(owner, one.did)).toEqual(['locked']);
    deliver(scene);
    expect(owner.state.companionship).toMatchObject({ phase: 'revoked', reason: 'revoked' });
    expect(updateState(owner, one.did)).toEqual(['locked']);
    owner.mail.push(...crossing);
    deliver(scene);
    expect(updateState(owner, one.did)).toEqual(['refused']);
    // Nobody would ever sign for it there.
    await submit(scene, owner, one, { patch: addService('another') });
    expect(updateState(owner, one.did)).toEqual(['refused']);
    expect(owner.mail).toEqual([]);
  });
});

describe('a companion that is revoked', () => {
  test('still says what it signed before, and its owner, who had not heard of it, has the proof', async () => {
    const pair = await standing('revoked-unheard');
    const { scene, owner, companion, one, cohort } = pair;
    fundOf(pair);
    await submit(scene, owner, one);
    deliver(scene, isDrawn('companion_signed'));
    // What the relays forgot.
    companion.mail = [];
    issue(owner, { revoked: true });
    deliver(scene);
    expect(owner.state.companionship).toMatchObject({ phase: 'revoked' });
    expect(asOwner(owner.state)).toBeNull();
    expect(owner.beacon(cohort).sessions.size).toBe(1);
    mine(scene, 6);
    expect(updateState(owner, one.did)).toEqual(['final']);
    // Its owner is free to take another.
    const key = owner.hold(draw('another channel'));
    const next = { key, companion: xOnly(STRANGER), pairing: xOnly(draw('another pairing')), relays: [] };
    const asked = { ...next, type: 'companion_pair' as const, network: 'regtest' as const, proof: '00'.repeat(64) };
    expect(owner.feed(asked).refused).toBeNull();
  });
});

describe('a round', () => {
  test('is signed while the owner sleeps; the owner follows it on the chain when it wakes', async () => {
    const pair = await standing('asleep');
    const { scene, owner, companion, one, cohort } = pair;
    fundOf(pair);
    const update = await submit(scene, owner, one);
    deliver(scene, isDrawn('companion_signed'));
    // What the relays forgot in the meantime.
    companion.mail = [];
    expect(updateState(companion, one.did)).toEqual(['locked']);
    expect(owner.beacon(cohort).sessions.size).toBe(0);
    expect(updateState(owner, one.did)).toEqual(['locked']);
    mine(scene, 6);
    expect(updateState(owner, one.did)).toEqual(['locked']);

    owner.feed({ type: 'companion_sync' });
    deliver(scene);
    mine(scene);
    expect(updateState(owner, one.did)).toEqual(['final']);
    const [held] = owner.beacon(cohort).signals.values();
    expect(held!.proofs.has(one.did)).toBe(true);
    const [session] = owner.beacon(cohort).sessions.values();
    expect(session).toMatchObject({ updates: [{ did: one.did, announcement: toHex(announcementOf(update)) }] });
    expect(asCompanion(companion.state)!.acknowledged.has(session!.session_id)).toBe(true);
    owner.feed({ type: 'companion_sync' });
    deliver(scene);
    expect(companion.sent.filter(({ type }) => type === 'companion_signed')).toHaveLength(2);
  });

  test('that announces another update of the owner’s DID than the owner’s is not signed', async () => {
    const pair = await standing('another-update');
    const { scene, owner, companion, one } = pair;
    fundOf(pair);
    await submit(scene, owner, one);
    // The companion never had it: what the aggregator announces is nobody's but its own.
    const [given] = owner.mail.splice(0);
    const { body } = given as Extract<Envelope, { type: 'did_update' }>;
    const at = scene.offer.advert.terms.transport_key;
    const transport = draw(`transport key of companion in ${scene.cohort}`);
    scene.aggregator.receive(
      sealed(
        { secret: transport },
        { message: { type: 'did_update', body }, to: at, cohort: scene.cohort, seq: 500, created_at: scene.world.now },
      ),
    );
    deliver(scene);
    expect(sentOf(companion, 'veto')).toMatchObject([{ code: 'wrong_announcement' }]);
    expect(companion.sent.filter(({ type }) => type === 'nonce')).toEqual([]);
  });

  test('above the owner’s fee cap is not signed, though the advert allows it', async () => {
    const pair = await standing('fee');
    const { scene, owner, companion, one } = pair;
    fundOf(pair);
    issue(owner, { fee_cap: 100 });
    await submit(scene, owner, one);
    deliver(scene);
    expect(sentOf(companion, 'veto')).toMatchObject([
      { code: 'policy_forbids', text: expect.stringMatching(/exceeds the owner's cap of 100/) },
    ]);
    expect(companion.sent.filter(({ type }) => type === 'nonce')).toEqual([]);
  });

  test('with an update of a DID that the policy names no more is not signed, not even at the last moment', async () => {
    const pair = await standing('left-out');
    const { scene, owner, companion, one, cohort } = pair;
    fundOf(pair);
    await submit(scene, owner, one);
    deliver(scene, isDrawn('aggregated_nonce'));
    issue(owner, { dids: [] });
    deliver(scene, isDrawn('aggregated_nonce'));
    deliver(scene);
    expect(sentOf(companion, 'veto')).toMatchObject([{ code: 'policy_forbids' }]);
    expect(openSessions(companion.beacon(cohort))).toEqual([]);
  });
});

describe('what the owner gives to its companion', () => {
  test('a DID that the policy does not name is not registered', async () => {
    const pair = await paired('unnamed');
    const { scene, owner, companion } = pair;
    const one = newOwned(scene, owner, 'unnamed');
    expect(() => register(scene, owner, one)).toThrow();
    expect(owner.beacon(scene.cohort).registrations.get(one.did)).toMatchObject({
      name: 'refused',
      code: 'not_admitted',
    });
    expect(companion.state.dids.size).toBe(0);
  });

  test('a registration, an update, a question: from nobody but the owner', async () => {
    const pair = await standing('strangers');
    const { scene, owner, companion, one, cohort } = pair;
    await submit(scene, owner, one);
    const { beacon_address } = companion.beacon(cohort);
    const asking: Message[] = [
      ...owner.sent.filter(({ type }) => type === 'did_registration' || type === 'did_update'),
      { type: 'proof_request', body: { beacon_address, did: one.did } },
      { type: 'companion_withdraw', body: { did: one.did, announcement: '11'.repeat(32) } },
      { type: 'companion_sync', body: { sessions: [] } },
    ].map(({ type, body }) => ({ type, body }) as Message);
    expect(asking).toHaveLength(5);
    for (const message of asking)
      for (const about of [cohort, pairing]) {
        const outcome = companion.receive(letter(pair, message, { from: STRANGER, cohort: about }));
        expect(outcome).toMatchObject({ dropped: expect.stringMatching(/not from the owner/), sent: [], events: [] });
      }
  });

  test('two updates of one version: the second is refused until the first is given back', async () => {
    const pair = await standing('two');
    const { scene, owner, companion, one, cohort } = pair;
    const first = await submit(scene, owner, one);
    deliver(scene);
    expect(updateState(owner, one.did)).toEqual(['locked']);
    const second = { patch: addService('second') };
    await submit(scene, owner, one, second);
    expect(owner.mail).toEqual([]);
    expect(updateState(owner, one.did)).toEqual(['locked']);

    const announcement = toHex(announcementOf(first));
    owner.feed({ type: 'companion_withdraw', did: one.did, announcement });
    deliver(scene);
    expect(updateState(owner, one.did)).toEqual(['replaced']);
    await submit(scene, owner, one, second);
    deliver(scene);
    expect(updateState(companion, one.did).sort()).toEqual(['acked', 'replaced']);
    fundOf(pair);
    const [session] = owner.beacon(cohort).sessions.values();
    expect(session!.updates).toHaveLength(1);
    expect(session!.updates[0]!.announcement).not.toBe(announcement);
  });

  test('a companion that gave an update up does not take it again, in whatever order relays bring it', async () => {
    const pair = await standing('late');
    const { scene, owner, companion, one } = pair;
    const update = await submit(scene, owner, one);
    const [late] = owner.mail.splice(0);
    const announcement = toHex(announcementOf(update));
    owner.feed({ type: 'companion_withdraw', did: one.did, announcement });
    deliver(scene);
    expect(updateState(owner, one.did)).toEqual(['replaced']);
    const outcome = companion.receive(late!);
    expect(sentOf(outcome, 'rejection')).toMatchObject([{ code: 'version_taken' }]);
    expect(companion.state.dids.get(one.did)!.updates).toEqual([]);
  });

  test('an update that a partial signature left for is not given back', async () => {
    const pair = await standing('signed');
    const { scene, owner, one } = pair;
    fundOf(pair);
    const update = await submit(scene, owner, one);
    deliver(scene, isDrawn('companion_signed'));
    const announcement = toHex(announcementOf(update));
    owner.feed({ type: 'companion_withdraw', did: one.did, announcement });
    deliver(scene);
    expect(updateState(owner, one.did)).toEqual(['locked']);
    expect(asOwner(owner.state)!.refusal).toMatchObject({ code: 'version_taken' });
  });

  test('what the aggregator refuses is free again', async () => {
    const pair = await standing('aggregator-refuses');
    const { scene, owner, companion, one } = pair;
    // Signed for another document than the one that the aggregator knows.
    const document = { ...one.document, service: [] };
    await submit(scene, owner, { ...one, document });
    deliver(scene);
    expect(updateState(companion, one.did)).toEqual(['refused']);
    expect(updateState(owner, one.did)).toEqual(['replaced']);
    expect(asOwner(owner.state)!.told!.released).toMatchObject([{ text: expect.stringMatching(/update_invalid/) }]);
    await submit(scene, owner, one);
    deliver(scene);
    expect(updateState(companion, one.did).sort()).toEqual(['acked', 'refused']);
  });

  test('the same update again is acknowledged again, and forwarded once', async () => {
    const pair = await standing('again');
    const { scene, owner, companion, one } = pair;
    await submit(scene, owner, one);
    const [given] = owner.mail;
    deliver(scene);
    const outcome = companion.receive(given!);
    expect(outcome).toMatchObject({ events: [], sent: [{ type: 'ack', in_reply_to: given!.id }] });
    expect(companion.sent.filter(({ type }) => type === 'did_update')).toHaveLength(1);
  });

  test('an update sent as its hash alone is refused before it leaves, and by the companion', async () => {
    const pair = await standing('bare');
    const { scene, owner, companion, one, cohort } = pair;
    const update = await submit(scene, owner, one, { bare: true });
    expect(owner.mail).toEqual([]);
    const { beacon_address } = owner.beacon(cohort);
    const { participant_pk } = owner.membership(cohort);
    const announcement = toHex(announcementOf(update));
    const body = { beacon_address, participant_pk, did: one.did, announcement, target_version_id: 2 };
    const outcome = companion.receive(letter(pair, { type: 'did_update', body }, { cohort }));
    expect(sentOf(outcome, 'rejection')).toMatchObject([{ code: 'update_invalid' }]);
  });
});

describe('what an owner believes', () => {
  test('a companion that says it gave an update up after it signed for it opens no lock', async () => {
    const pair = await standing('liar');
    const { scene, owner, one, cohort } = pair;
    fundOf(pair);
    const update = await submit(scene, owner, one);
    deliver(scene);
    expect(owner.beacon(cohort).sessions.size).toBe(1);
    const told = asOwner(owner.state)!.told!;
    const released = [{ did: one.did, announcement: toHex(announcementOf(update)), text: 'withdrawn' }];
    const lie: Message = { type: 'companion_state', body: { ...told, released } };
    owner.receive(letter(pair, lie, { from: COMPANION, to: xOnly(OWNER) }));
    expect(updateState(owner, one.did)).toEqual(['locked']);
  });

  test('nobody but the companion, and of it nothing that an aggregator says', async () => {
    const pair = await standing('stranger-to-the-owner');
    const { scene, owner, cohort } = pair;
    const told = asOwner(owner.state)!.told!;
    const state: Message = { type: 'companion_state', body: { ...told, revoked: true } };
    const to = xOnly(OWNER);
    expect(owner.receive(letter(pair, state, { from: STRANGER, to })).dropped).toMatch(/not from the companion/);
    expect(asOwner(owner.state)?.phase).toBe('paired');
    const { beacon_address } = owner.beacon(cohort);
    const presence: Message = { type: 'presence', body: { beacon_address, round: 1, attempt: 1 } };
    const from = COMPANION;
    expect(owner.receive(letter(pair, presence, { from, to, cohort })).dropped).toMatch(
      /nothing that a companion says/,
    );
    expect(owner.receive(letter(pair, presence, { from: scene.offer.transport, to, cohort })).dropped).toMatch(
      /not from the companion/,
    );
  });

  test('a set that not everybody signed, or with another address, is not the owner’s', async () => {
    for (const [name, bend] of [
      ['signature', (beacon: Beacon) => ({ ...beacon, signatures: beacon.signatures.map(() => 'ab'.repeat(64)) })],
      ['address', (beacon: Beacon) => ({ ...beacon, beacon_address: `${beacon.beacon_address.slice(0, -1)}q` })],
    ] as const) {
      const isReady = (envelope: Envelope): boolean =>
        envelope.type === 'companion_state' && envelope.body.cohorts.some(({ phase }) => phase === 'ready');
      const pair = await paired(`bent-${name}`, isReady);
      const { owner, companion, scene } = pair;
      const ready = companion.mail.find(isReady) as Extract<Envelope, { type: 'companion_state' }>;
      const cohorts = ready.body.cohorts.map(view => ({ ...view, beacon: bend(view.beacon!) }));
      const bent: Message = { type: 'companion_state', body: { ...ready.body, cohorts } };
      const outcome = owner.receive(letter(pair, bent, { from: COMPANION, to: xOnly(OWNER) }));
      expect(outcome.refused, name).not.toBeNull();
      expect(owner.membership(scene.cohort).phase.name).not.toBe('ready');
      expect(typesOf(owner.receive(ready))).toContain('cohort_ready');
    }
  });

  test('a companion put back from a copy promises nothing of what it may have signed', async () => {
    const pair = await standing('copy');
    const { scene, owner, companion, one } = pair;
    const copy = [...companion.log];
    fundOf(pair);
    const update = await submit(scene, owner, one);
    deliver(scene, isDrawn('companion_signed'));
    companion.mail = [];
    companion.putBack(copy);
    const announcement = toHex(announcementOf(update));
    owner.feed({ type: 'companion_withdraw', did: one.did, announcement });
    deliver(scene);
    expect(updateState(owner, one.did)).toEqual(['locked']);
    expect(asOwner(owner.state)!.told!.text).toMatch(/in doubt/);
  });

  test('of a companion that is lost the owner takes over the seat: it fetches what was signed, and shuts the companion out', async () => {
    const pair = await standing('heir');
    const { scene, owner, companion, one, cohort } = pair;
    const heir = owner.hold(draw('heir of the owner'));
    owner.feed({ type: 'companion_heir', cohort, transport_key: heir });
    owner.feed({ type: 'companion_sync' });
    deliver(scene);
    expect(asOwner(owner.state)!.told!.cohorts).toMatchObject([
      { heir: { transport_key: heir, counter: HEIR_COUNTER } },
    ]);
    fundOf(pair);
    await submit(scene, owner, one);
    deliver(scene, isDrawn('companion_signed'));
    // The companion dies, and what it had to say to its owner with it.
    companion.mail = [];
    scene.wallets.splice(scene.wallets.indexOf(companion), 1);

    owner.feed({ type: 'companion_lost', reason: 'lost' });
    expect(owner.membership(cohort)).toMatchObject({ phase: { name: 'restored' }, rebinding: { transport: heir } });
    deliver(scene);
    expect(owner.membership(cohort)).toMatchObject({ transport: heir, rebind_counter: HEIR_COUNTER });
    mine(scene, 6);
    const { phase } = owner.membership(cohort);
    const [held] = phase.name === 'restored' ? phase.beacon.signals.values() : [];
    expect(held).toMatchObject({ seen: { status: 'final' } });
    expect(held!.proofs.has(one.did)).toBe(true);
    expect(updateState(owner, one.did)).toEqual(['final']);
    // Found again, it has no voice there any more.
    const before = scene.aggregator.state;
    companion.rebind(cohort, HEIR_COUNTER - 1);
    for (const envelope of companion.mail.splice(0)) scene.aggregator.receive(envelope);
    expect(scene.aggregator.state.seats.get(owner.membership(cohort).participant_pk)?.transport).toBe(heir);
    expect(before.seats.get(owner.membership(cohort).participant_pk)?.transport).toBe(heir);
  });

  test('an heir that the cohort key did not sign for is none', async () => {
    const pair = await standing('false-heir');
    const { scene, owner, cohort } = pair;
    const heir = owner.hold(draw('heir of the owner'));
    owner.feed({ type: 'companion_heir', cohort, transport_key: heir });
    const told = asOwner(owner.state)!.told!;
    const lie = { transport_key: heir, counter: HEIR_COUNTER, sig: 'ab'.repeat(64) };
    const body = { ...told, cohorts: told.cohorts.map(view => ({ ...view, heir: lie })) };
    owner.receive(letter(pair, { type: 'companion_state', body }, { from: COMPANION, to: xOnly(OWNER) }));
    owner.feed({ type: 'companion_lost', reason: 'lost' });
    expect(owner.membership(cohort)).toMatchObject({ phase: { name: 'ready' }, rebinding: null });
    expect(owner.mail.filter(({ type }) => type === 'rebind')).toEqual([]);
    deliver(scene);
  });

  test('a companion that is lost leaves what it had locked, and its owner free to pair anew', async () => {
    const pair = await standing('lost');
    const { scene, owner, one } = pair;
    await submit(scene, owner, one);
    deliver(scene);
    owner.feed({ type: 'companion_lost', reason: 'lost' });
    expect(updateState(owner, one.did)).toEqual(['locked']);
    expect(asOwner(owner.state)).toBeNull();
    await submit(scene, owner, one, { patch: addService('another') });
    expect(updateState(owner, one.did)).toEqual(['locked']);
  });
});

type Beacon = NonNullable<Extract<Envelope, { type: 'companion_state' }>['body']['cohorts'][number]['beacon']>;

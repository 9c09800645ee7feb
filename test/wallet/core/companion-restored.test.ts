import { describe, expect, test } from 'vitest';
import { toHex } from '../../../src/crypto/index.ts';
import { announcementOf, makeSidecar } from '../../../src/did/index.ts';
import type { Body, Envelope, Message } from '../../../src/messages/index.ts';
import { nextPolicy } from '../../../src/wallet/companion/owner.ts';
import { asCompanion, asOwner } from '../../../src/wallet/companion/pair.ts';
import { jobsOf } from '../../../src/wallet/core.ts';
import { itemsOf, recordOf } from '../../../src/wallet/saved/record.ts';
import { addService, draw, newController, updateOf, xOnly } from '../../cohort/members.ts';
import {
  COMPANION,
  fileOf,
  HEIR,
  issue,
  ONE_TIME,
  OWNER,
  type Paired,
  putBack,
  putDid,
  signPolicy,
  standing,
} from '../../protocol/pairing.ts';
import { deliver, fund, mine, newOwned, register, submit } from '../../protocol/scene.ts';
import { sealed, sentOf, updateState } from './wallet.ts';

const isSigned = (envelope: Envelope): boolean => envelope.type === 'companion_signed';

/** A message by the companion's key to its owner. */
const fromCompanion = ({ scene }: Paired, message: Message, secret = COMPANION): Envelope =>
  sealed({ secret }, { message, to: xOnly(OWNER), cohort: xOnly(ONE_TIME), seq: 5_000, created_at: scene.world.now });

const keptOf = ({ companion }: Paired): Body<'companion_kept'> => sentOf(companion, 'companion_kept').at(-1)!;
const isKept = (envelope: Envelope): boolean => envelope.type === 'companion_kept';

describe('a recovery record', () => {
  test('names the companion of a seat, and the word of its cohort key for an heir; it has no secret', async () => {
    const pair = await standing('record');
    const { scene, owner, companion, cohort } = pair;
    owner.hold(HEIR);
    owner.feed({ type: 'companion_heir', cohort, transport_key: xOnly(HEIR) });
    owner.feed({ type: 'companion_sync' });
    deliver(scene);
    const known = {
      companion: xOnly(COMPANION),
      pairing: xOnly(ONE_TIME),
      relays: ['wss://relay.example'],
      heir: { transport_key: xOnly(HEIR) },
    };
    const file = fileOf(owner.state);
    expect(file.cohorts).toMatchObject([{ transport: xOnly(OWNER), companion: known }]);
    // The same from relays, where each piece stands alone.
    const saved = recordOf(itemsOf(owner.state, 'regtest'), { network: 'regtest', made_at: 0 });
    expect(saved).toMatchObject({ ok: true, record: { recovery: { cohorts: file.cohorts } } });
    const text = JSON.stringify([file, itemsOf(owner.state, 'regtest')]);
    for (const secret of [...owner.secrets(), ...companion.secrets(), ONE_TIME])
      expect(text).not.toContain(toHex(secret));
    // Of a companion that was given up only the seat that was taken over is left.
    owner.feed({ type: 'companion_lost', reason: 'lost' });
    expect(fileOf(owner.state).cohorts[0]!.companion).toBeUndefined();
  });
});

describe('an owner that was put back from its words', () => {
  test('speaks to its companion again: it gets the updates and the DID that its file lacks, and goes on', async () => {
    const pair = await standing('again');
    const { scene, owner, companion, one, cohort } = pair;
    fund(scene);
    const stale = fileOf(owner.state);
    const two = newOwned(scene, owner, 'two');
    issue(owner, { dids: [one.did, two.did] });
    deliver(scene);
    register(scene, owner, two);
    const update = await submit(scene, owner, one);
    // The companion signs, and the owner is lost before it hears of it.
    deliver(scene, isSigned);
    companion.mail = [];
    const again = putBack(pair, owner, stale, [one]);
    expect(again.membership(cohort)).toMatchObject({ phase: { name: 'restored' }, companion: xOnly(COMPANION) });
    expect(updateState(again, one.did)).toEqual([]);
    deliver(scene);

    expect(asOwner(again.state)).toMatchObject({ phase: 'paired', policy: { dids: [one.did, two.did] } });
    expect(again.membership(cohort).phase.name).toBe('ready');
    expect(again.state.dids.get(one.did)!.updates).toMatchObject([
      { announcement: toHex(announcementOf(update)), state: 'locked' },
    ]);
    // What it lacks altogether is put back by its shell, with the keys of the seed.
    const lacking = asOwner(again.state)!.restored!.kept!.find(({ did }) => did === two.did)!;
    putDid(again, two, lacking.sidecar);
    expect([...again.beacon(cohort).registrations.keys()].sort()).toEqual([one.did, two.did].sort());
    mine(scene, 6);
    expect(updateState(again, one.did)).toEqual(['final']);

    const next = await updateOf(two, addService('next'));
    again.submit(two, next, two.document, [cohort]);
    deliver(scene);
    mine(scene, 6);
    expect(updateState(again, two.did)).toEqual(['final']);
    // It never had a key to sign with, and has no work that needs one.
    expect(again.sent.map(({ type }) => type)).not.toContain('nonce');
    expect(jobsOf(again.state)).toEqual([]);
  });

  test('signs nothing for a DID that was put back before the companion has answered, its own beacon neither', async () => {
    const pair = await standing('silent');
    const { scene, owner, companion, one, cohort } = pair;
    const stale = fileOf(owner.state);
    await submit(scene, owner, one);
    deliver(scene);
    const again = putBack(pair, owner, stale, [one]);
    const rival = await updateOf(one, addService('rival'));
    const tried = again.submit(one, rival, one.document, []);
    expect(tried.refused).toMatch(/the companion has not said yet what it holds of/);
    deliver(scene);
    expect(again.submit(one, rival, one.document, []).refused).toMatch(/version 2 has the update .* which is locked/);
    expect(again.submit(one, rival, one.document, [cohort]).refused).toMatch(/which is locked/);
    expect(updateState(companion, one.did)).toEqual(['acked']);
  });

  test('that gives its companion up may go on at its own word, and fetches what was signed by the heir of its file', async () => {
    const pair = await standing('lost-both');
    const { scene, owner, companion, one, cohort } = pair;
    owner.hold(HEIR);
    owner.feed({ type: 'companion_heir', cohort, transport_key: xOnly(HEIR) });
    owner.feed({ type: 'companion_sync' });
    deliver(scene);
    fund(scene);
    const update = await submit(scene, owner, one);
    const file = fileOf(owner.state);
    deliver(scene, isSigned);
    companion.mail = [];
    scene.wallets.splice(scene.wallets.indexOf(companion), 1);
    const again = putBack(pair, owner, file, [one]);
    deliver(scene);
    expect(asOwner(again.state)).toMatchObject({ phase: 'asked' });
    again.feed({ type: 'companion_lost', reason: 'lost' });
    expect(again.membership(cohort)).toMatchObject({
      phase: { name: 'restored' },
      rebinding: { transport: xOnly(HEIR) },
    });
    deliver(scene);
    mine(scene, 6);
    expect(updateState(again, one.did)).toEqual(['final']);
    expect(toHex(announcementOf(update))).toBe(again.state.dids.get(one.did)!.updates[0]!.announcement);
  });

  test('believes nothing of a companion that shows no policy of its own key, or another companion’s', async () => {
    const pair = await standing('impostor');
    const { scene, owner, companion, one } = pair;
    const stale = fileOf(owner.state);
    const again = putBack(pair, owner, stale, [one]);
    deliver(scene, isKept);
    const kept = keptOf(pair);
    const [told] = sentOf(companion, 'companion_state').slice(-1);
    const state: Message = { type: 'companion_state', body: told! };
    expect(again.receive(fromCompanion(pair, state)).dropped).toMatch(/has not shown a policy/);
    const other = { ...kept.policy, fee_cap: kept.policy.fee_cap + 1 };
    for (const bent of [
      { ...kept, policy: other },
      { ...kept, policy: other, sig: signPolicy(other, draw('a stranger')) },
      { ...kept, sig: 'ab'.repeat(64) },
    ]) {
      const outcome = again.receive(fromCompanion(pair, { type: 'companion_kept', body: bent }));
      expect(outcome.refused).toMatch(/shows no policy that this wallet signed/);
    }
    const stranger = fromCompanion(pair, { type: 'companion_kept', body: kept }, draw('a stranger'));
    expect(again.receive(stranger).dropped).toMatch(/not from the companion/);
    expect(asOwner(again.state)).toMatchObject({ phase: 'asked', policy: null });
    expect(again.receive(fromCompanion(pair, { type: 'companion_kept', body: kept })).refused).toBeNull();
    expect(asOwner(again.state)!.phase).toBe('paired');
    // Once: what comes later does not take its place.
    expect(again.receive(fromCompanion(pair, { type: 'companion_kept', body: kept })).dropped).toMatch(/asked for/);
  });

  test('takes no other seat for its own, whatever the companion says', async () => {
    const pair = await standing('other-seat');
    const { scene, owner, companion, one, bob, cohort } = pair;
    const file = fileOf(owner.state);
    const told = asOwner(owner.state)!.told!;
    const again = putBack(pair, owner, file, [one]);
    deliver(scene, ({ type }) => type === 'companion_state');
    companion.mail = [];
    const seat = { ...told.cohorts[0]!, participant_pk: bob.membership(cohort).participant_pk };
    const bent: Message = { type: 'companion_state', body: { ...told, cohorts: [seat] } };
    expect(again.receive(fromCompanion(pair, bent)).refused).toMatch(/is another one than was put back/);
    expect(again.membership(cohort).phase.name).toBe('restored');
    const honest: Message = { type: 'companion_state', body: told };
    expect(again.receive(fromCompanion(pair, honest)).refused).toBeNull();
    expect(again.membership(cohort).phase.name).toBe('ready');
  });

  test('takes no update that its own key did not make, and none that the companion gave up', async () => {
    const pair = await standing('forged-kept');
    const { scene, owner, one } = pair;
    const stale = fileOf(owner.state);
    const first = await submit(scene, owner, one);
    deliver(scene);
    owner.feed({ type: 'companion_withdraw', did: one.did, announcement: toHex(announcementOf(first)) });
    deliver(scene);
    const again = putBack(pair, owner, stale, [one]);
    deliver(scene, isKept);
    const kept = keptOf(pair);
    expect(kept.dids).toMatchObject([{ did: one.did, sidecar: { updates: [] } }]);
    const mallory = newController('mallory');
    const forged = await updateOf({ ...one, secret: mallory.secret }, addService('forged'));
    const dids = [{ ...kept.dids[0]!, sidecar: { ...makeSidecar({ updates: [forged] }) } }];
    again.receive(fromCompanion(pair, { type: 'companion_kept', body: { ...kept, dids } }));
    expect(updateState(again, one.did)).toEqual([]);
  });

  test('and the wallet that was thought lost: the companion takes one policy of a version, one update of a version', async () => {
    const pair = await standing('two-owners');
    const { scene, owner, companion, one, cohort } = pair;
    const again = putBack(pair, owner, fileOf(owner.state), [one]);
    deliver(scene);
    // Both act on what they know; neither hears what the other asked.
    const theirs = issue(again, { fee_cap: 1_500 });
    deliver(scene);
    scene.wallets[0] = owner;
    const held = asOwner(owner.state)!;
    const ours = { ...nextPolicy(held, { fee_cap: 900 })!, version: theirs.version };
    owner.feed({ type: 'companion_issue', policy: ours, sig: signPolicy(ours) });
    deliver(scene);
    expect(asCompanion(companion.state)!.policy).toEqual(theirs);
    expect(sentOf(companion, 'rejection')).toMatchObject([{ code: 'equivocation' }]);
    const mine_ = await submit(scene, owner, one);
    deliver(scene);
    scene.wallets[0] = again;
    const rival = await updateOf(one, addService('rival'));
    again.submit(one, rival, one.document, [cohort]);
    deliver(scene);
    expect(companion.state.dids.get(one.did)!.updates.map(({ announcement }) => announcement)).toEqual([
      toHex(announcementOf(mine_)),
    ]);
    expect(sentOf(companion, 'rejection').at(-1)).toMatchObject({ code: 'version_taken' });
  });

  test('is told nothing that is another owner’s: a stranger who asks is not answered', async () => {
    const pair = await standing('nosy');
    const { scene, companion } = pair;
    const asking: Message = { type: 'companion_sync', body: { sessions: [], kept: true } };
    const secret = draw('a stranger');
    const envelope = sealed(
      { secret },
      { message: asking, to: xOnly(COMPANION), cohort: xOnly(ONE_TIME), seq: 1, created_at: scene.world.now },
    );
    expect(companion.receive(envelope)).toMatchObject({
      dropped: expect.stringMatching(/not from the owner/),
      sent: [],
    });
  });
});

describe('a seat of a companion that this wallet has no more', () => {
  test('lets nobody speak to it as an aggregator: no work for a key that was never here', async () => {
    const pair = await standing('old-companion');
    const { scene, owner, cohort } = pair;
    owner.feed({ type: 'companion_lost', reason: 'lost' });
    const key = owner.hold(draw('another channel'));
    const proof = '00'.repeat(64);
    const pairing = xOnly(draw('another pairing'));
    owner.feed({
      type: 'companion_pair',
      key,
      network: 'regtest',
      companion: xOnly(draw('next')),
      pairing,
      relays: [],
      proof,
    });
    const { beacon_address } = owner.beacon(cohort);
    const presence: Message = { type: 'presence', body: { beacon_address, round: 1, attempt: 1 } };
    const envelope = sealed(
      { secret: COMPANION },
      { message: presence, to: xOnly(OWNER), cohort, seq: 9_000, created_at: scene.world.now },
    );
    expect(owner.receive(envelope)).toMatchObject({ dropped: expect.stringMatching(/has no more/), sent: [] });
  });
});

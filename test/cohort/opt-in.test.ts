import { afterEach, describe, expect, test } from 'vitest';
import { decide } from '../../src/cohort/index.ts';
import { admissionStatement, optInStatement, rebindStatement, type Terms } from '../../src/messages/index.ts';
import {
  type Cohort,
  deliver,
  formed,
  IDENTITY,
  join,
  optIn,
  refusal,
  START,
  sentOf,
  startCohort,
  typesOf,
} from './driver.ts';
import { draw, drawHex, type Member, newMember, schnorr, xOnly } from './members.ts';

const started: Cohort[] = [];
const start = (changes: Partial<Terms> = {}, options = {}): Cohort => {
  const cohort = startCohort(changes, options);
  started.push(cohort);
  return cohort;
};
afterEach(() => {
  for (const cohort of started.splice(0)) cohort.expectRestartable();
});

/** As `optIn`, with the proof over other words or by another key. */
const proofOver = (
  cohort: Cohort,
  member: Member,
  changes: Partial<Parameters<typeof optInStatement>[0]>,
  secret = member.secret,
) =>
  optIn(cohort, member, {
    proof: schnorr(
      optInStatement({
        aggregator: IDENTITY,
        network: cohort.terms.btc_network,
        terms_hash: cohort.state.advert.terms_hash,
        transport_key: member.transport,
        ...changes,
      }),
      secret,
    ),
  });

describe('a seat', () => {
  test('is taken, and the answer counts seats', () => {
    const cohort = start();
    const ada = newMember('ada');
    const envelope = cohort.envelope(ada, optIn(cohort, ada));
    const outcome = cohort.give({ type: 'message', envelope, admission: { invites: [], allowlist: [] } });
    expect(outcome.events).toEqual([
      {
        type: 'seat_taken',
        participant_pk: ada.pk,
        transport: ada.transport,
        return_interact: 'nostr:nprofile1member',
        proof: envelope.type === 'opt_in' ? envelope.body.proof : null,
      },
    ]);
    expect(sentOf(outcome, 'ack')).toMatchObject([
      {
        to: ada.transport,
        in_reply_to: envelope.id,
        body: { accepted: 'opt_in', participant_pubkey: ada.pk, seats: { taken: 1, min: 2, max: 3 } },
      },
    ]);
  });

  test('asked for twice is the same seat', () => {
    const cohort = start();
    const ada = join(cohort, 'ada');
    join(cohort, 'bob');
    const again = cohort.tell(ada, optIn(cohort, ada));
    expect(again.events).toEqual([]);
    expect(sentOf(again, 'ack')[0]?.body).toMatchObject({ accepted: 'opt_in', seats: { taken: 2 } });
    expect(cohort.state.seats.size).toBe(2);
  });

  test('is confirmed again after the cohort was formed', () => {
    const cohort = formed();
    started.push(cohort);
    const [ada] = cohort.members as [Member];
    const again = cohort.tell(ada, optIn(cohort, ada));
    expect(sentOf(again, 'ack')).toHaveLength(1);
    expect(again.events).toEqual([]);
  });
});

describe('refused', () => {
  const cohort = startCohort();
  const ada = newMember('ada');
  const refused = (message = optIn(cohort, ada), member = ada) => refusal(cohort.tell(member, message));
  // In Bitcoin's curve no point has this x.
  const offCurve = `02${'0'.repeat(63)}5`;

  // fault 64
  test('another advert or other terms', () => {
    expect(refused(optIn(cohort, ada, { advert_id: 'another' }))).toMatchObject({
      code: 'wrong_advert',
      field: 'body.advert_id',
    });
    expect(refused(optIn(cohort, ada, { terms_hash: drawHex('other terms') }))).toMatchObject({
      code: 'wrong_terms',
      field: 'body.terms_hash',
    });
  });

  // fault 13
  test('a key off the curve, naming the field', () => {
    expect(refused(optIn(cohort, ada, { participant_pubkey: offCurve }))).toMatchObject({
      code: 'invalid_key',
      field: 'body.participant_pubkey',
    });
  });

  // fault 15
  test('a proof of possession by another key, or of other words', () => {
    const wrong = { code: 'invalid_proof', field: 'body.proof' };
    expect(refused(proofOver(cohort, ada, {}, draw('another key')))).toMatchObject(wrong);
    expect(refused(proofOver(cohort, ada, { terms_hash: drawHex('x') }))).toMatchObject(wrong);
    expect(refused(proofOver(cohort, ada, { aggregator: drawHex('x') }))).toMatchObject(wrong);
    expect(refused(proofOver(cohort, ada, { network: 'bitcoin' }))).toMatchObject(wrong);
    expect(refused(proofOver(cohort, ada, { transport_key: drawHex('x') }))).toMatchObject(wrong);
    expect(refused(optIn(cohort, ada, { proof: 'ff'.repeat(64) }))).toMatchObject(wrong);
  });

  // fault 15
  test("a proof that was grafted onto a thief's envelope", () => {
    const thief = newMember('thief');
    const stolen = optIn(cohort, ada);
    expect(refused(stolen, thief)).toMatchObject({ code: 'invalid_proof' });
  });

  // fault 14
  test('a cohort key with a seat, under another transport key', () => {
    const taken = startCohort();
    const bob = join(taken, 'bob');
    const twin = { ...newMember('twin'), secret: bob.secret, pk: bob.pk };
    expect(refusal(taken.tell(twin, optIn(taken, twin)))).toMatchObject({
      code: 'key_in_use',
      field: 'body.participant_pubkey',
    });
  });

  test('a second cohort key over one transport key', () => {
    const taken = startCohort();
    const bob = join(taken, 'bob');
    const twin = { ...newMember('twin'), transport: bob.transport, transportSecret: bob.transportSecret };
    expect(refusal(taken.tell(twin, optIn(taken, twin)))).toMatchObject({ code: 'already_seated' });
  });

  test('when all seats are taken', () => {
    const full = start();
    for (const name of ['a', 'b', 'c']) {
      const member = newMember(name);
      full.only({
        type: 'message',
        envelope: full.envelope(member, optIn(full, member)),
        admission: { invites: [], allowlist: [] },
      });
    }
    const late = newMember('late');
    const envelope = full.envelope(late, optIn(full, late));
    const outcome = full.only({ type: 'message', envelope, admission: { invites: [], allowlist: [] } });
    expect(refusal(outcome)).toMatchObject({ code: 'cohort_full' });
  });

  test.each(['closed', 'cancelled'] as const)('after the advert was %s', status => {
    const over = start();
    over.only({ type: 'set_status', status });
    const envelope = over.envelope(ada, optIn(over, ada));
    const outcome = over.only({ type: 'message', envelope, admission: { invites: [], allowlist: [] } });
    expect(refusal(outcome)).toMatchObject({ code: 'advert_closed' });
  });

  test('after the advert expired', () => {
    const over = start({}, { expires_at: START + 100 });
    over.now = START + 100;
    const envelope = over.envelope(ada, optIn(over, ada));
    const outcome = over.only({ type: 'message', envelope, admission: { invites: [], allowlist: [] } });
    expect(refusal(outcome)).toMatchObject({ code: 'advert_expired' });
  });

  test('while a set is being signed, and once it is', () => {
    const later = start();
    for (const name of ['a', 'b', 'c']) join(later, name);
    expect(later.state.phase.name).toBe('confirming');
    const late = newMember('late');
    expect(refusal(later.tell(late, optIn(later, late)))).toMatchObject({ code: 'cohort_full' });
    deliver(later);
    expect(refusal(later.tell(late, optIn(later, late)))).toMatchObject({ code: 'cohort_full' });
  });
});

describe('admission', () => {
  const policy = { invites: ['golden ticket'], allowlist: [xOnly(draw('listed'))] };

  test('by invitation', () => {
    const cohort = start({ admission: 'invite' });
    const ada = newMember('ada');
    const shown = [
      undefined,
      { invite: 'guess' },
      { invite: '' },
      { pubkey: policy.allowlist[0]!, sig: 'ab'.repeat(64) },
    ];
    for (const admission of shown)
      expect(refusal(cohort.tell(ada, optIn(cohort, ada, admission ? { admission } : {}), policy))).toMatchObject({
        code: 'not_admitted',
        field: 'body.admission',
      });
    const welcome = cohort.tell(ada, optIn(cohort, ada, { admission: { invite: 'golden ticket' } }), policy);
    expect(typesOf(welcome)).toEqual(['seat_taken']);
  });

  test('by a listed key that vouches for one transport key at one advert', () => {
    const cohort = start({ admission: 'allowlist' });
    const ada = newMember('ada');
    const vouch = (changes: Partial<Parameters<typeof admissionStatement>[0]> = {}, secret = draw('listed')) => ({
      pubkey: xOnly(secret),
      sig: schnorr(
        admissionStatement({
          aggregator: IDENTITY,
          terms_hash: cohort.state.advert.terms_hash,
          transport_key: ada.transport,
          ...changes,
        }),
        secret,
      ),
    });
    const shown = [
      undefined,
      { invite: 'golden ticket' },
      vouch({}, draw('unlisted')),
      vouch({ transport_key: drawHex('another member') }),
      vouch({ terms_hash: drawHex('another advert') }),
      vouch({ aggregator: drawHex('another aggregator') }),
      { ...vouch(), sig: 'ab'.repeat(64) },
    ];
    for (const admission of shown)
      expect(refusal(cohort.tell(ada, optIn(cohort, ada, admission ? { admission } : {}), policy))).toMatchObject({
        code: 'not_admitted',
      });
    expect(typesOf(cohort.tell(ada, optIn(cohort, ada, { admission: vouch() }), policy))).toEqual(['seat_taken']);
  });
});

describe('leave', () => {
  const leave = (member: Member) => ({ type: 'leave', body: { participant_pk: member.pk, reason: '' } }) as const;

  test('gives the seat back while members are sought', () => {
    const cohort = start();
    const ada = join(cohort, 'ada');
    const outcome = cohort.tell(ada, leave(ada));
    expect(outcome.events).toEqual([{ type: 'seats_dropped', participant_pubkeys: [ada.pk], reason: 'left' }]);
    expect(sentOf(outcome, 'ack')[0]).toMatchObject({ to: ada.transport, body: { accepted: 'leave' } });
    expect(cohort.state.seats.size).toBe(0);
    expect(typesOf(cohort.tell(ada, optIn(cohort, ada)))).toEqual(['seat_taken']);
  });

  test('while a set is being signed brings a smaller set to the others', () => {
    const cohort = start();
    const [ada, bob, eve] = ['ada', 'bob', 'eve'].map(name => join(cohort, name)) as [Member, Member, Member];
    cohort.mail = [];
    const outcome = cohort.tell(ada, leave(ada));
    expect(typesOf(outcome)).toEqual(['seats_dropped', 'set_failed', 'set_proposed']);
    expect(
      sentOf(outcome, 'cohort_set')
        .map(sent => sent.to)
        .sort(),
    ).toEqual([bob.transport, eve.transport].sort());
    deliver(cohort);
    expect(cohort.beacon.participant_pubkeys).toEqual([bob.pk, eve.pk].sort());
  });

  test("is for one's own seat only, and gives nothing back once the address depends on it", () => {
    const cohort = start();
    const [ada, bob] = ['ada', 'bob', 'eve'].map(name => join(cohort, name)) as [Member, Member, Member];
    expect(refusal(cohort.tell(ada, leave(bob)))).toMatchObject({ code: 'wrong_member' });
    deliver(cohort);
    expect(typesOf(cohort.tell(ada, leave(ada)))).toEqual(['member_leaving']);
    expect(cohort.state.seats.has(ada.pk)).toBe(true);
  });

  test('after the end says that it is over', () => {
    const cohort = start();
    const ada = join(cohort, 'ada');
    cohort.give({ type: 'set_status', status: 'cancelled' });
    expect(refusal(cohort.tell(ada, leave(ada))).text).toMatch(/ended/);
  });
});

describe('rebind', () => {
  const rebind = (cohort: Cohort, member: Member, counter: number, changes: object = {}) => {
    const about = { cohort: cohort.id, participant_pk: member.pk, transport_key: member.transport, counter };
    const sig = schnorr(rebindStatement(about), member.secret);
    const { cohort: _, ...body } = about;
    return { type: 'rebind', body: { ...body, sig, ...changes } } as const;
  };
  const moved = (member: Member, name: string): Member => {
    const { transport, transportSecret } = newMember(name);
    return { ...member, transport, transportSecret };
  };

  test('gives a member a new transport key; the old one is nobody', () => {
    const cohort = formed();
    started.push(cohort);
    const [ada] = cohort.members as [Member];
    const adaAgain = moved(ada, 'new phone');
    const outcome = cohort.tell(adaAgain, rebind(cohort, adaAgain, 1));
    expect(typesOf(outcome)).toEqual(['member_rebound']);
    expect(sentOf(outcome, 'ack')[0]).toMatchObject({
      to: adaAgain.transport,
      body: { accepted: 'rebind', counter: 1 },
    });
    const late = cohort.tell(ada, {
      type: 'presence_ack',
      body: { beacon_address: cohort.beacon.address, round: 1, attempt: 1 },
    });
    expect(late.dropped).not.toBeNull();
    const repeated = cohort.tell(adaAgain, rebind(cohort, adaAgain, 1));
    expect(sentOf(repeated, 'ack')).toHaveLength(1);
    expect(repeated.events).toEqual([]);
  });

  // fault 62
  test('an old one that is replayed does not take the seat back', () => {
    const cohort = formed();
    const [ada] = cohort.members as [Member];
    const second = moved(ada, 'second phone');
    const third = moved(ada, 'third phone');
    const first = cohort.envelope(second, rebind(cohort, second, 1));
    const admission = { invites: [], allowlist: [] };
    cohort.give({ type: 'message', envelope: first, admission });
    cohort.tell(third, rebind(cohort, third, 2));
    const replay = cohort.give({ type: 'message', envelope: first, admission });
    expect(refusal(replay)).toMatchObject({ code: 'counter_too_low', field: 'body.counter' });
    expect(cohort.state.transports.get(third.transport)).toBe(ada.pk);
  });

  test('every refusal', () => {
    const cohort = formed();
    const [ada, bob] = cohort.members as [Member, Member];
    const thief = newMember('thief');
    const adaAgain = moved(ada, 'new phone');
    const refused = (sender: Member, message: ReturnType<typeof rebind>) => refusal(cohort.tell(sender, message));
    expect(refused(thief, rebind(cohort, thief, 1))).toMatchObject({ code: 'not_a_member' });
    expect(refused(thief, rebind(cohort, adaAgain, 1))).toMatchObject({ code: 'invalid_message' });
    expect(refused(thief, rebind(cohort, moved(ada, 'thief'), 1, { sig: 'ab'.repeat(64) }))).toMatchObject({
      code: 'invalid_proof',
    });
    const elsewhere = rebindStatement({
      cohort: drawHex('another cohort'),
      participant_pk: ada.pk,
      transport_key: adaAgain.transport,
      counter: 1,
    });
    expect(refused(adaAgain, rebind(cohort, adaAgain, 1, { sig: schnorr(elsewhere, ada.secret) }))).toMatchObject({
      code: 'invalid_proof',
    });
    const asBob = { ...ada, transport: bob.transport, transportSecret: bob.transportSecret };
    expect(refused(asBob, rebind(cohort, asBob, 1))).toMatchObject({ code: 'key_in_use' });
  });
});

describe('strangers and misuse', () => {
  // fault 2
  test('a sender without a seat is dropped, whatever it says', () => {
    const cohort = formed();
    const stranger = newMember('stranger');
    const outcome = cohort.tell(stranger, { type: 'nonce_lost', body: { session_id: drawHex('session') } });
    expect(outcome).toEqual({ events: [], effects: [], dropped: 'the sender has no seat' });
  });

  test("the aggregator's own messages are not for members to send", () => {
    const cohort = formed();
    const [ada] = cohort.members as [Member];
    const body = { beacon_address: cohort.beacon.address, round: 1, attempt: 1 };
    expect(refusal(cohort.tell(ada, { type: 'presence', body }))).toMatchObject({
      code: 'unknown_type',
      field: 'type',
    });
  });

  test('work before there is a beacon is refused politely', () => {
    const cohort = start();
    const ada = join(cohort, 'ada');
    expect(refusal(cohort.tell(ada, { type: 'nonce_lost', body: { session_id: drawHex('session') } }))).toMatchObject({
      code: 'wrong_phase',
    });
  });

  test('there is one beginning', () => {
    const cohort = start();
    const env = { now: START, entropy: drawHex('e'), chain: null };
    const create = {
      type: 'create',
      cohort: cohort.id,
      terms: cohort.terms,
      terms_hash: cohort.state.advert.terms_hash,
      identity: IDENTITY,
      expires_at: START,
    } as const;
    expect(decide(cohort.state, create, env)).toHaveProperty('drop');
    expect(decide(null, { type: 'advance' }, env)).toHaveProperty('drop');
  });
});

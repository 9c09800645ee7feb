import { afterEach, describe, expect, test } from 'vitest';
import { curve } from '#curve';
import { fromHex } from '../../src/crypto/index.ts';
import { cohortSetStatement, type Terms, xOnlyOf } from '../../src/messages/index.ts';
import {
  answer,
  type Cohort,
  deliver,
  formed,
  IDENTITY,
  join,
  optIn,
  refusal,
  START,
  sentOf,
  silent,
  startCohort,
  typesOf,
} from './driver.ts';
import { type Member, newMember } from './members.ts';

const started: Cohort[] = [];
afterEach(() => {
  for (const cohort of started.splice(0)) cohort.expectRestartable();
});

/** Three seats are taken and the set is out. */
function proposed(changes: Partial<Terms> = {}, options = {}) {
  const cohort = startCohort(changes, options);
  started.push(cohort);
  const [ada, bob, eve] = ['ada', 'bob', 'eve'].map(name => join(cohort, name)) as [Member, Member, Member];
  expect(cohort.state.phase.name).toBe('confirming');
  return { cohort, ada, bob, eve };
}

const attemptOf = (cohort: Cohort) => (cohort.state.phase.name === 'confirming' ? cohort.state.phase.attempt : null);

describe('a full cohort', () => {
  test('is proposed to every member, and the advert says full', () => {
    const { cohort, ada, bob, eve } = proposed();
    expect(cohort.state.advert.status).toBe('full');
    expect(cohort.log.map(event => event.type)).toContain('advert_status_changed');
    const sets = sentOf({ effects: cohort.sent }, 'cohort_set');
    expect(sets.map(set => set.to).sort()).toEqual([ada, bob, eve].map(member => member.transport).sort());
    expect(sets[0]?.body).toMatchObject({ attempt: 1, policy: { type: 'keypath' }, advert_id: 'demo' });
    expect(sets[0]?.body.participant_pubkeys).toEqual([ada.pk, bob.pk, eve.pk].sort());
  });

  test('is formed when all have signed, and everybody gets every signature', () => {
    const { cohort } = proposed();
    deliver(cohort);
    const ready = sentOf({ effects: cohort.sent }, 'cohort_ready');
    expect(ready).toHaveLength(3);
    const { participant_pubkeys, signatures, beacon_address, challenge } = ready[0]!.body;
    const statement = cohortSetStatement({
      aggregator: IDENTITY,
      network: 'regtest',
      terms_hash: cohort.state.advert.terms_hash,
      participant_pubkeys,
      beacon_address,
    });
    for (const [i, key] of participant_pubkeys.entries())
      expect(curve.verifySchnorr(statement, fromHex(xOnlyOf(key)), fromHex(signatures[i]!))).toBe(true);
    expect(challenge).toBe(cohort.beacon.challenge);
    expect(beacon_address).toBe(cohort.beacon.address);
  });

  test('answers a repeated signature with the finished set', () => {
    const cohort = formed();
    const [ada] = cohort.members as [Member];
    const set = sentOf({ effects: cohort.sent }, 'cohort_set').find(each => each.to === ada.transport)!;
    const ack = answer(cohort, ada, { ...set, type: 'send', message: { type: 'cohort_set', body: set.body } })!;
    const outcome = cohort.tell(ada, ack);
    expect(outcome.events).toEqual([]);
    expect(sentOf(outcome, 'cohort_ready').map(ready => ready.to)).toEqual([ada.transport]);
  });
});

describe('a signature', () => {
  test('is refused for another set, address, attempt or key', () => {
    const { cohort, ada, bob } = proposed();
    const mail = cohort.mail.find(sent => sent.to === ada.transport && sent.message.type === 'cohort_set')!;
    const ack = answer(cohort, ada, mail)!;
    if (ack.type !== 'cohort_set_ack') throw new Error(ack.type);
    const changed = (changes: object) => ({ ...ack, body: { ...ack.body, ...changes } });
    expect(refusal(cohort.tell(ada, changed({ attempt: 2 })))).toMatchObject({
      code: 'wrong_phase',
      field: 'body.attempt',
    });
    expect(refusal(cohort.tell(ada, changed({ beacon_address: `${ack.body.beacon_address}q` })))).toMatchObject({
      code: 'wrong_address',
    });
    expect(refusal(cohort.tell(ada, changed({ sig: 'ab'.repeat(64) })))).toMatchObject({ code: 'invalid_signature' });
    expect(refusal(cohort.tell(bob, ack))).toMatchObject({ code: 'invalid_signature', field: 'body.sig' });
    expect(typesOf(cohort.tell(ada, ack))).toEqual(['set_signed']);
    expect(cohort.tell(ada, ack)).toEqual({ events: [], effects: [], dropped: null });
  });

  test('is refused while no set is out', () => {
    const cohort = startCohort();
    const ada = join(cohort, 'ada');
    const body = { beacon_address: 'bcrt1pqqqqqqqqqqqqqq', attempt: 1, sig: 'ab'.repeat(64) };
    expect(refusal(cohort.tell(ada, { type: 'cohort_set_ack', body }))).toMatchObject({ code: 'wrong_phase' });
  });
});

// fault 55
describe('a silent member', () => {
  test('is reminded once, and alone', () => {
    const { cohort, eve } = proposed();
    deliver(cohort, silent(eve, 'cohort_set'));
    expect(cohort.wait(299).events).toEqual([]);
    const reminder = cohort.wait(1);
    expect(typesOf(reminder)).toEqual(['reminded']);
    expect(sentOf(reminder, 'cohort_set').map(set => set.to)).toEqual([eve.transport]);
    expect(cohort.wait(100).events).toEqual([]);
  });

  test('loses its seat at the deadline, is told, and a smaller set follows', () => {
    const { cohort, ada, bob, eve } = proposed();
    deliver(cohort, silent(eve, 'cohort_set'));
    cohort.wait(300);
    cohort.mail = [];
    const outcome = cohort.wait(300);
    expect(typesOf(outcome)).toEqual(['seats_dropped', 'set_failed', 'set_proposed']);
    expect(sentOf(outcome, 'rejection')).toMatchObject([{ to: eve.transport, body: { code: 'seat_dropped' } }]);
    expect(attemptOf(cohort)).toBe(2);
    deliver(cohort);
    expect(cohort.beacon.participant_pubkeys).toEqual([ada.pk, bob.pk].sort());
    const late = cohort.tell(eve, { type: 'leave', body: { participant_pk: eve.pk, reason: '' } });
    expect(late.dropped).not.toBeNull();
  });

  test('that answers after the reminder is in', () => {
    const { cohort, eve } = proposed();
    deliver(cohort, silent(eve, 'cohort_set'));
    cohort.wait(300);
    deliver(cohort);
    expect(cohort.beacon.participant_pubkeys).toHaveLength(3);
  });

  test('opens the advert again where too few are left, and the next member completes the set', () => {
    const { cohort, eve, bob } = proposed({ cohort_size: { min: 3, max: 3 } });
    deliver(cohort, silent(eve, 'cohort_set'));
    const outcome = cohort.wait(600);
    expect(cohort.state.advert.status).toBe('open');
    expect(outcome.effects).toContainEqual({ type: 'publish_advert', status: 'open' });
    expect(cohort.state.phase).toEqual({ name: 'recruiting', attempts: 1 });
    const dan = newMember('dan');
    cohort.members.push(dan);
    const joined = cohort.tell(dan, optIn(cohort, dan));
    expect(typesOf(joined)).toEqual(['seat_taken', 'set_proposed', 'advert_status_changed']);
    deliver(cohort);
    expect(cohort.beacon.participant_pubkeys).toContain(dan.pk);
    expect(cohort.beacon.participant_pubkeys).toContain(bob.pk);
  });

  test('is given the time that the daemon was deaf', () => {
    const { cohort, eve } = proposed();
    deliver(cohort, silent(eve, 'cohort_set'));
    cohort.now += 10_000;
    cohort.only({ type: 'was_deaf', seconds: 10_000 });
    expect(cohort.advance().events).toEqual([]);
    expect(typesOf(cohort.wait(300))).toEqual(['reminded']);
    expect(typesOf(cohort.wait(300))).toContain('seats_dropped');
  });
});

describe('an advert that ends', () => {
  test('with enough members becomes a smaller cohort', () => {
    const cohort = startCohort({}, { expires_at: START + 1000 });
    started.push(cohort);
    join(cohort, 'ada');
    join(cohort, 'bob');
    expect(cohort.wait(999).events).toEqual([]);
    expect(typesOf(cohort.wait(1))).toEqual(['set_proposed', 'advert_status_changed']);
    deliver(cohort);
    expect(cohort.beacon.participant_pubkeys).toHaveLength(2);
  });

  test.each(['closed', 'cancelled'] as const)('with too few is over when %s, and they are told', status => {
    const cohort = startCohort();
    started.push(cohort);
    const ada = join(cohort, 'ada');
    const outcome = cohort.give({ type: 'set_status', status });
    expect(typesOf(outcome)).toEqual(['advert_status_changed', 'cohort_ended']);
    expect(outcome.effects).toContainEqual({ type: 'publish_advert', status });
    expect(sentOf(outcome, 'rejection')).toMatchObject([{ to: ada.transport, body: { code: 'advert_closed' } }]);
    expect(cohort.wait(1_000_000).events).toEqual([]);
  });

  test('by time with too few says closed, not open', () => {
    const cohort = startCohort({}, { expires_at: START + 1000 });
    started.push(cohort);
    join(cohort, 'ada');
    const outcome = cohort.wait(1000);
    expect(typesOf(outcome)).toEqual(['advert_status_changed', 'cohort_ended']);
    expect(outcome.effects).toContainEqual({ type: 'publish_advert', status: 'closed' });
  });

  test('closed early, with enough members, goes on', () => {
    const cohort = startCohort();
    join(cohort, 'ada');
    join(cohort, 'bob');
    expect(typesOf(cohort.give({ type: 'set_status', status: 'closed' }))).toContain('set_proposed');
    deliver(cohort);
    expect(cohort.state.phase.name).toBe('formed');
  });

  test('cancelled while the set is being signed ends it', () => {
    const { cohort } = proposed();
    const outcome = cohort.give({ type: 'set_status', status: 'cancelled' });
    expect(typesOf(outcome)).toContain('cohort_ended');
    expect(sentOf(outcome, 'rejection')).toHaveLength(3);
  });

  test('and the silent member together leave nothing behind', () => {
    const { cohort, eve } = proposed({ cohort_size: { min: 3, max: 3 } }, { expires_at: START + 300 });
    deliver(cohort, silent(eve, 'cohort_set'));
    const outcome = cohort.wait(600);
    expect(typesOf(outcome)).toEqual(['seats_dropped', 'set_failed', 'advert_status_changed', 'cohort_ended']);
    expect(cohort.state.phase.name).toBe('ended');
  });

  test('published again is known by both events', () => {
    const cohort = startCohort();
    started.push(cohort);
    const outcome = cohort.give({ type: 'refresh' });
    expect(outcome.effects).toEqual([{ type: 'publish_advert', status: 'open' }]);
    expect(cohort.state.advert.event_ids.size).toBe(2);
    expect(cohort.state.advert.event_ids).toContain(cohort.id);
  });

  test('saying the same status twice says nothing', () => {
    const cohort = startCohort();
    expect(cohort.give({ type: 'set_status', status: 'open' })).toEqual({ events: [], effects: [], dropped: null });
  });
});

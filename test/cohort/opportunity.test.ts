import { afterEach, describe, expect, test } from 'vitest';
import { roundBlocker } from '../../src/cohort/index.ts';
import { toHex } from '../../src/crypto/index.ts';
import { announcementOf, applyPatch, parseDocument, type SignedUpdate } from '../../src/did/index.ts';
import type { Body, Message, OpportunityEntry, Terms } from '../../src/messages/index.ts';
import {
  type Cohort,
  checkControl,
  deliver,
  formed,
  fund,
  type Outcome,
  refusal,
  register,
  registration,
  sentOf,
  silent,
  typesOf,
  until,
  update,
} from './driver.ts';
import { addService, type Controller, drawHex, type Member, newController, updateOf } from './members.ts';

const started: Cohort[] = [];
afterEach(() => {
  for (const cohort of started.splice(0)) cohort.expectRestartable();
});

const DAY = 86_400;
const PULL: Partial<Terms> = { flow: 'pull', frequency: { interval: DAY, min_interval: 0, pending_updates: 1 } };

/** Ada holds two DIDs, bob one, eve none; a deposit is there, and members have just been asked. */
function asked(changes: Partial<Terms> = {}) {
  const cohort = formed({ ...PULL, ...changes });
  started.push(cohort);
  const [ada, bob, eve] = cohort.members as [Member, Member, Member];
  fund(cohort);
  const [one, two] = [register(cohort, ada, 'one'), register(cohort, ada, 'two')];
  const three = register(cohort, bob, 'three');
  const opened = cohort.wait(DAY);
  expect(typesOf(opened)).toEqual(['round_opened']);
  return { cohort, ada, bob, eve, one, two, three, opened };
}

const opportunityOf = (cohort: Cohort): string => {
  const stage = cohort.beacon.round?.stage;
  if (stage?.name !== 'presence' || !stage.opportunity) throw new Error('no opportunity is open');
  return stage.opportunity.id;
};

const response = (cohort: Cohort, entries: OpportunityEntry[], changes: Partial<Body<'update_response'>> = {}) =>
  ({
    type: 'update_response',
    body: {
      beacon_address: cohort.beacon.address,
      opportunity_id: opportunityOf(cohort),
      wants_signal: entries.some(entry => !('none' in entry)),
      entries,
      ...changes,
    },
  }) satisfies Message;

const none = ({ did }: Controller): OpportunityEntry => ({ did, none: true });
const whole = ({ did }: Controller, update: SignedUpdate): OpportunityEntry => ({ did, invocation: { ...update } });
const bare = ({ did }: Controller, announcement: string, target_version_id = 2): OpportunityEntry => ({
  did,
  announcement,
  target_version_id,
});
const hashOf = (signed: SignedUpdate): string => toHex(announcementOf(signed));

const acked = (outcome: Outcome) => {
  const [ack] = sentOf(outcome, 'ack');
  if (ack?.body.accepted !== 'update_response') throw new Error('expected the ack of a response');
  return ack.body;
};

const states = (cohort: Cohort, { did }: Controller) =>
  (cohort.beacon.updates.get(did) ?? []).map(queued => [queued.version, queued.announcement, queued.state]);

describe('an opportunity', () => {
  test('goes to every member, and their answers make the signal', async () => {
    const { cohort, ada, bob, eve, one, two, three, opened } = asked();
    const offers = sentOf(opened, 'update_opportunity');
    expect(new Set(offers.map(offer => offer.to))).toEqual(new Set([ada, bob, eve].map(member => member.transport)));
    expect(offers[0]?.body).toMatchObject({ round: 1, attempt: 1, opportunity_id: opportunityOf(cohort) });
    const signed = await updateOf(one, addService('first'));
    const outcome = cohort.tell(ada, response(cohort, [whole(one, signed), none(two)]));
    expect(typesOf(outcome)).toEqual(['update_queued', 'presence_heard']);
    expect(acked(outcome).announcements).toEqual([hashOf(signed)]);
    cohort.tell(bob, response(cohort, [none(three)]));
    expect(typesOf(cohort.tell(eve, response(cohort, [])))).toEqual(['presence_heard', 'session_requested']);
    deliver(cohort);
    expect(cohort.beacon.round?.stage.name).toBe('announced');
    expect(cohort.beacon.round?.frozen).toMatchObject({ leaf_count: 3, updates: [{ announcement: hashOf(signed) }] });
  });

  test('that nobody wants passes without a signal; the next one comes after the interval', () => {
    const { cohort, ada, bob, eve, one, two, three } = asked();
    cohort.tell(ada, response(cohort, [none(one), none(two)]));
    cohort.tell(bob, response(cohort, [none(three)]));
    const outcome = cohort.tell(eve, response(cohort, []));
    expect(typesOf(outcome)).toEqual(['presence_heard', 'opportunity_passed']);
    expect(sentOf(outcome, 'round_aborted')).toHaveLength(3);
    expect(cohort.beacon.signals).toEqual([]);
    expect(typesOf(cohort.wait(DAY - 1))).toEqual([]);
    expect(typesOf(cohort.wait(1))).toEqual(['round_opened']);
    expect(cohort.beacon.round?.number).toBe(2);
  });

  test.each([
    ['says so of nothing', (two: Controller) => none(two)],
    ['sends again what is final', (two: Controller, past: string) => bare(two, past)],
  ])('passes also where a member that wants a signal %s', async (_, entryOf) => {
    const { cohort, ada, bob, eve, one, two, three } = asked();
    const past = drawHex('announced before');
    cohort.tell(ada, response(cohort, [none(one), bare(two, past)]));
    cohort.tell(bob, response(cohort, [none(three)]));
    cohort.tell(eve, response(cohort, []));
    deliver(cohort);
    cohort.mine(7);
    expect(states(cohort, two)).toEqual([[2, past, 'final']]);
    cohort.wait(DAY);
    cohort.tell(ada, response(cohort, [none(one), entryOf(two, past)], { wants_signal: true }));
    cohort.tell(bob, response(cohort, [none(three)]));
    const outcome = cohort.tell(eve, response(cohort, [], { wants_signal: true }));
    expect(typesOf(outcome)).toEqual(['presence_heard', 'opportunity_passed']);
    expect(cohort.beacon).toMatchObject({ failures: 0, round_requested: false });
    expect(cohort.beacon.signals).toHaveLength(1);
  });

  test('is asked once more of those who have not answered, then ended, and nobody is blamed', () => {
    const { cohort, ada, bob, one, two, eve } = asked();
    cohort.tell(ada, response(cohort, [none(one), none(two)]));
    const id = opportunityOf(cohort);
    const reminder = cohort.wait(30);
    expect(typesOf(reminder)).toEqual(['reminded']);
    const again = sentOf(reminder, 'update_opportunity');
    expect(new Set(again.map(offer => offer.to))).toEqual(new Set([bob.transport, eve.transport]));
    expect(again.map(offer => offer.body.opportunity_id)).toEqual([id, id]);
    const late = cohort.envelope(bob, response(cohort, []));
    const end = cohort.wait(30);
    expect(typesOf(end)).toEqual(['round_aborted']);
    expect(sentOf(end, 'round_aborted')[0]?.body).toMatchObject({ reason: 'not_heard', blame: [], open: false });
    expect(sentOf(end, 'round_aborted')[0]?.body.not_heard.sort()).toEqual([bob.pk, eve.pk].sort());
    const tooLate = cohort.give({ type: 'message', envelope: late, admission: { invites: [], allowlist: [] } });
    expect(refusal(tooLate)).toMatchObject({ code: 'wrong_session', field: 'body.opportunity_id' });
    // Another one comes by itself, under another id.
    cohort.wait(600);
    expect(opportunityOf(cohort)).not.toBe(id);
  });

  test('says in words why none comes', () => {
    const { cohort } = asked();
    deliver(cohort, () => 'ignore');
    cohort.wait(60);
    const env = { now: cohort.now, entropy: drawHex('e'), chain: cohort.chain.view(cohort.beacon.script_hex) };
    expect(roundBlocker(cohort.state, cohort.beacon, env)).toMatch(/^waiting until/);
  });
});

describe('an answer is refused', () => {
  const refused = async (
    change: (given: ReturnType<typeof asked>, signed: SignedUpdate) => Message,
  ): Promise<Body<'rejection'>> => {
    const given = asked();
    const signed = await updateOf(given.one, addService('first'));
    const outcome = given.cohort.tell(given.ada, change(given, signed));
    expect(given.cohort.beacon.updates.size).toBe(0);
    return refusal(outcome);
  };

  const cases: [string, (given: ReturnType<typeof asked>, signed: SignedUpdate) => Message, object][] = [
    [
      'for another opportunity',
      ({ cohort }) => response(cohort, [], { opportunity_id: drawHex('another') }),
      { code: 'wrong_session', field: 'body.opportunity_id' },
    ],
    [
      'for another beacon',
      ({ cohort }) => response(cohort, [], { beacon_address: 'bcrt1pqqqqqqqqqqqqqq' }),
      { code: 'wrong_address' },
    ],
    [
      'with a DID left out',
      ({ cohort, one }, signed) => response(cohort, [whole(one, signed)]),
      { code: 'invalid_message', field: 'body.entries' },
    ],
    [
      'with two entries for one DID',
      ({ cohort, one, two }, signed) => response(cohort, [whole(one, signed), none(one), none(two)]),
      { code: 'invalid_message', text: 'two entries for one DID' },
    ],
    [
      "with somebody else's DID",
      ({ cohort, one, two, three }) => response(cohort, [none(one), none(two), none(three)]),
      { code: 'invalid_message', field: 'body.entries' },
    ],
    [
      'with a DID that nobody registered',
      ({ cohort, one, two }) => response(cohort, [none(one), none(two), none(newController('stranger'))]),
      { code: 'invalid_message', field: 'body.entries' },
    ],
    [
      'with a finished leaf',
      ({ cohort, one, two }) => response(cohort, [{ did: one.did, leaf: drawHex('leaf') }, none(two)]),
      { code: 'invalid_message', field: 'body.entries.0' },
    ],
    [
      'with an update that would destroy its DID',
      ({ cohort, one, two }, signed) =>
        response(cohort, [none(two), { did: one.did, invocation: { ...signed, patch: [] } }]),
      { code: 'update_invalid', field: 'body.entries.1.invocation.proof.proofValue' },
    ],
    [
      'with one bad entry among good ones, as a whole',
      ({ cohort, one, two }, signed) => response(cohort, [whole(one, signed), bare(two, drawHex('gap'), 5)]),
      { code: 'version_gap', field: 'body.entries.1.target_version_id' },
    ],
  ];
  test.each(cases)('%s', async (_, change, expected) => expect(await refused(change)).toMatchObject(expected));

  test('where no opportunity is open', async () => {
    const { cohort, ada, bob, eve, one, two, three } = asked();
    const signed = await updateOf(one, addService('first'));
    const good = response(cohort, [whole(one, signed), none(two)]);
    cohort.tell(ada, good);
    cohort.tell(bob, response(cohort, [none(three)]));
    cohort.tell(eve, response(cohort, []));
    expect(cohort.beacon.round?.stage.name).toBe('nonces');
    expect(refusal(cohort.tell(ada, good))).toMatchObject({ code: 'wrong_session' });
  });

  test('as an update sent without being asked, and as a mere word of presence', async () => {
    const { cohort, ada, one } = asked();
    const signed = await updateOf(one, addService('first'));
    expect(refusal(cohort.tell(ada, update(cohort, ada, one.did, signed)))).toMatchObject({ code: 'wrong_phase' });
    const { number: round, attempt } = cohort.beacon.round!;
    const here = { type: 'presence_ack', body: { beacon_address: cohort.beacon.address, round, attempt } } as const;
    expect(cohort.tell(ada, here)).toEqual({ events: [], effects: [], dropped: null });
  });
});

describe('an answer', () => {
  test('that comes twice is acknowledged twice and counts once', async () => {
    const { cohort, ada, one, two } = asked();
    const signed = await updateOf(one, addService('first'));
    cohort.tell(ada, response(cohort, [whole(one, signed), none(two)]));
    const again = cohort.tell(ada, response(cohort, [whole(one, signed), none(two)]));
    expect(again.events).toEqual([]);
    expect(acked(again).announcements).toEqual([hashOf(signed)]);
    // The first one counts, and an ack never says that another was taken.
    const other = cohort.tell(ada, response(cohort, [bare(one, drawHex('other')), { did: two.did, invocation: {} }]));
    expect(other.events).toEqual([]);
    expect(acked(other).announcements).toEqual([]);
    expect(states(cohort, one)).toEqual([[2, hashOf(signed), 'queued']]);
  });

  test('may lack a DID that came to be held after the question went out', () => {
    const { cohort, bob, eve, three } = asked();
    const late = newController('late');
    cohort.now += 1;
    cohort.tell(bob, registration(cohort, bob, late));
    checkControl(cohort, late);
    expect(acked(cohort.tell(bob, response(cohort, [none(three)]))).announcements).toEqual([]);
    expect(refusal(cohort.tell(eve, response(cohort, [none(late)])))).toMatchObject({ code: 'invalid_message' });
  });

  test('of a DID registered between question and freeze makes a leaf of it in this signal', async () => {
    const { cohort, ada, bob, eve, one, two, three } = asked();
    const signed = await updateOf(one, addService('first'));
    cohort.tell(ada, response(cohort, [whole(one, signed), none(two)]));
    cohort.tell(eve, response(cohort, []));
    register(cohort, bob, 'late');
    const outcome = cohort.tell(bob, response(cohort, [none(three)]));
    expect(typesOf(outcome)).toContain('session_requested');
    expect(cohort.beacon.round?.frozen?.leaf_count).toBe(4);
    deliver(cohort);
    expect(cohort.beacon.round?.stage.name).toBe('announced');
  });
});

describe('an open session in the pull flow', () => {
  test('is retried with plain presence, the same outpoint and the same set', async () => {
    const { cohort, ada, bob, eve, one, two, three } = asked();
    const signed = await updateOf(one, addService('first'));
    cohort.tell(ada, response(cohort, [whole(one, signed), none(two)]));
    cohort.tell(bob, response(cohort, [none(three)]));
    cohort.tell(eve, response(cohort, []));
    const frozen = structuredClone(cohort.beacon.round!.frozen!);
    deliver(cohort, silent(eve, 'aggregated_nonce'));
    const before = cohort.sent.length;
    cohort.wait(600);
    expect(cohort.beacon.round?.stage.name).toBe('waiting');
    cohort.wait(3600);
    const stage = cohort.beacon.round?.stage;
    expect(stage).toMatchObject({ name: 'presence', opportunity: null });
    const types = cohort.sent.slice(before).map(sent => sent.message.type);
    expect(types).toContain('presence');
    expect(types).not.toContain('update_opportunity');
    // An update that comes meanwhile cannot: there is no opportunity.
    const answer: Message = {
      type: 'update_response',
      body: { beacon_address: cohort.beacon.address, opportunity_id: drawHex('x'), wants_signal: false, entries: [] },
    };
    expect(refusal(cohort.tell(ada, answer))).toMatchObject({ code: 'wrong_session' });
    deliver(cohort);
    expect(cohort.beacon.round?.frozen).toEqual(frozen);
    expect(cohort.beacon.round?.stage.name).toBe('announced');
  });

  test('that ended without a signal returns its updates: announced again though nobody sends them again', async () => {
    const { cohort, ada, bob, eve, one, two, three } = asked();
    const signed = await updateOf(one, addService('first'));
    cohort.tell(ada, response(cohort, [whole(one, signed), none(two)]));
    cohort.tell(bob, response(cohort, [none(three)]));
    cohort.tell(eve, response(cohort, []));
    deliver(cohort, until('aggregated_nonce'));
    cohort.mail = [];
    const { txid, vout } = cohort.beacon.round!.frozen!.outpoint;
    cohort.chain.spend({ txid, vout });
    cohort.mine(6);
    expect(states(cohort, one)).toEqual([[2, hashOf(signed), 'returned']]);
    fund(cohort);
    cohort.give({ type: 'open_round' });
    cohort.mail = [];
    const rival = await updateOf(one, addService('rival'));
    expect(refusal(cohort.tell(ada, response(cohort, [whole(one, rival), none(two)])))).toMatchObject({
      code: 'version_taken',
      field: 'body.entries.0.invocation.targetVersionId',
    });
    cohort.tell(ada, response(cohort, [none(one), none(two)]));
    cohort.tell(bob, response(cohort, [none(three)]));
    cohort.tell(eve, response(cohort, []));
    expect(cohort.beacon.round?.frozen?.updates).toEqual([{ did: one.did, announcement: hashOf(signed), version: 2 }]);
  });
});

describe('bare hashes', () => {
  const everybody = (given: ReturnType<typeof asked>, entry: OpportunityEntry): Outcome => {
    const { cohort, ada, bob, eve, two, three } = given;
    cohort.tell(bob, response(cohort, [none(three)]));
    cohort.tell(eve, response(cohort, []));
    return cohort.tell(ada, response(cohort, [entry, none(two)]));
  };

  test('follow the rules of versions, and are never announced twice', () => {
    const given = asked();
    const { cohort, one } = given;
    const first = drawHex('first');
    everybody(given, bare(one, first));
    deliver(cohort);
    cohort.mine(7);
    expect(states(cohort, one)).toEqual([[2, first, 'final']]);
    cohort.wait(DAY);
    for (const [hash, version, code] of [
      [drawHex('rival'), 2, 'version_taken'],
      [drawHex('gap'), 4, 'version_gap'],
    ] as const) {
      const no = cohort.tell(given.ada, response(cohort, [bare(one, hash, version), none(given.two)]));
      expect(refusal(no)).toMatchObject({ code, field: 'body.entries.0.target_version_id' });
    }
    // The same hash again, even under another number, is what it was.
    const again = everybody(given, bare(one, first, 3));
    expect(typesOf(again)).toEqual(['presence_heard', 'opportunity_passed']);
    cohort.wait(DAY);
    everybody(given, bare(one, drawHex('next'), 3));
    expect(cohort.beacon.round?.frozen?.updates).toMatchObject([{ announcement: drawHex('next'), version: 3 }]);
  });

  test('are replaced until they are frozen, by whole updates too, and the other way round', async () => {
    const cohort = formed({ frequency: { interval: 10 ** 8, min_interval: 0, pending_updates: 100 } });
    started.push(cohort);
    const [ada] = cohort.members as [Member];
    const one = register(cohort, ada, 'one');
    const push = (announcement: string, target_version_id = 2): Outcome =>
      cohort.tell(ada, {
        type: 'did_update',
        body: {
          beacon_address: cohort.beacon.address,
          participant_pk: ada.pk,
          did: one.did,
          announcement,
          target_version_id,
        },
      });
    push(drawHex('a'));
    push(drawHex('b'));
    expect(states(cohort, one)).toEqual([[2, drawHex('b'), 'queued']]);
    const signed = await updateOf(one, addService('first'));
    cohort.tell(ada, update(cohort, ada, one.did, signed));
    expect(states(cohort, one)).toEqual([[2, hashOf(signed), 'queued']]);
    push(drawHex('c'));
    expect(states(cohort, one)).toEqual([[2, drawHex('c'), 'queued']]);
    fund(cohort);
    cohort.give({ type: 'open_round' });
    deliver(cohort, until('aggregated_nonce'));
    expect(states(cohort, one)).toEqual([[2, drawHex('c'), 'frozen']]);
    expect(refusal(push(drawHex('d')))).toMatchObject({ code: 'version_taken', field: 'body.target_version_id' });
    expect(refusal(cohort.tell(ada, update(cohort, ada, one.did, signed)))).toMatchObject({ code: 'version_taken' });
    // What nobody here has seen cannot be built on with a check, and is taken on the member's own account.
    const document = parseDocument(applyPatch(one.document, addService('first')), one.did);
    const next = await updateOf(one, addService('second'), { document, version: 2 });
    const [ack] = sentOf(cohort.tell(ada, update(cohort, ada, one.did, next)), 'ack');
    expect(ack?.body).toMatchObject({ verified: false, state: 'waiting' });
    deliver(cohort);
    cohort.mine(7);
    expect(states(cohort, one)).toEqual([
      [2, drawHex('c'), 'final'],
      [3, hashOf(next), 'queued'],
    ]);
  });
});

describe('proofs', () => {
  test("nobody gets a leaf's nonce and update by its other name", async () => {
    const { cohort, ada, bob, eve, one, two, three } = asked();
    const signed = await updateOf(one, addService('first'));
    cohort.tell(ada, response(cohort, [whole(one, signed), none(two)]));
    cohort.tell(bob, response(cohort, [none(three)]));
    cohort.tell(eve, response(cohort, []));
    const { index } = cohort.beacon.registry.get(one.did)!;
    const ask = (did: string) =>
      refusal(cohort.tell(bob, { type: 'proof_request', body: { beacon_address: cohort.beacon.address, did } }));
    expect(ask(one.did)).toMatchObject({ code: 'did_not_yours' });
    expect(ask(index)).toMatchObject({ code: 'invalid_did', field: 'body.did' });
  });
});

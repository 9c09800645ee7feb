import { afterEach, describe, expect, test } from 'vitest';
import { curve } from '#curve';
import { verifySignal } from '../../src/bitcoin/index.ts';
import { announceable } from '../../src/cohort/index.ts';
import { concatBytes, fromHex, toHex } from '../../src/crypto/index.ts';
import { type Body, checkEnvelope, type Message } from '../../src/messages/index.ts';
import {
  answer,
  type Cohort,
  deliver,
  fund,
  keySetOf,
  type Outcome,
  roundOpen,
  type Sent,
  sentOf,
  sessionOpen,
  silent,
  typesOf,
  until,
  update,
} from './driver.ts';
import { addService, drawHex, drawNonces, type Member, newMember, updateOf, walletMusig } from './members.ts';

const started: Cohort[] = [];
afterEach(() => {
  for (const cohort of started.splice(0)) cohort.expectRestartable();
});

const watched = <T extends { cohort: Cohort }>(made: T): T => {
  started.push(made.cohort);
  return made;
};

/** Everybody was asked for nonces, and nobody answered. */
async function noncesAsked() {
  const made = watched(await roundOpen());
  deliver(made.cohort, until('authorize_beacon_signal_request'));
  const [ada, bob, eve] = made.cohort.members as [Member, Member, Member];
  return { ...made, ada, bob, eve, session_id: sessionOf(made.cohort) };
}

/** The aggregated nonce is out. */
async function signing() {
  const made = watched(await sessionOpen());
  const [ada, bob, eve] = made.cohort.members as [Member, Member, Member];
  return { ...made, ada, bob, eve, session_id: sessionOf(made.cohort) };
}

function sessionOf(cohort: Cohort): string {
  const stage = cohort.beacon.round?.stage;
  if (!stage || !('session' in stage)) throw new Error(`no session in ${stage?.name}`);
  return stage.session.id;
}

const mailFor = (cohort: Cohort, member: Member, type: Message['type']): Sent =>
  cohort.mail.find(sent => sent.to === member.transport && sent.message.type === type)!;

/** The one abort that everybody was told of. */
function aborted(cohort: Cohort, outcome: Outcome): Body<'round_aborted'> {
  const told = sentOf(outcome, 'round_aborted');
  expect(told.map(sent => sent.to).sort()).toEqual(cohort.members.map(member => member.transport).sort());
  expect(new Set(told.map(sent => JSON.stringify(sent.body))).size).toBe(1);
  return told[0]!.body;
}

/** Evidence stands on its own: each envelope verifies without its carrier, and is by the one who is blamed. */
function expectProof(cohort: Cohort, evidence: readonly unknown[], by: Member, types: string[]): void {
  const read = evidence.map(each => checkEnvelope(JSON.parse(JSON.stringify(each))));
  expect(read.map(each => each.ok && each.envelope.type)).toEqual(types);
  for (const each of read) expect(each.ok && cohort.state.transports.get(each.envelope.from)).toBe(by.pk);
}

describe('before the aggregated nonce, an abort frees the updates', () => {
  // fault 56
  test('a veto, whose reason everybody hears', async () => {
    const { cohort, bob, session_id, ada, controller } = await noncesAsked();
    const outcome = cohort.tell(bob, {
      type: 'veto',
      body: { session_id, code: 'wrong_announcement', text: 'not mine' },
    });
    const body = aborted(cohort, outcome);
    expect(body).toMatchObject({ session_id, reason: 'veto', open: false, blame: [], not_heard: [] });
    expect(body.text).toContain('wrong_announcement: not mine');
    expectProof(cohort, body.evidence, bob, ['veto']);
    expect(cohort.beacon.round).toBeNull();
    expect(announceable(cohort.beacon)).toHaveLength(1);
    const rival = await updateOf(controller, addService('rival'));
    expect(typesOf(cohort.tell(ada, update(cohort, ada, controller.did, rival)))).toEqual(['update_queued']);
  });

  // fault 55
  test('silence, which is reported and not blamed', async () => {
    const { cohort, eve } = await noncesAsked();
    deliver(cohort, silent(eve, 'authorize_beacon_signal_request'));
    cohort.wait(300);
    const outcome = cohort.wait(300);
    expect(aborted(cohort, outcome)).toMatchObject({
      reason: 'not_heard',
      open: false,
      blame: [],
      not_heard: [eve.pk],
      evidence: [],
    });
    expect(cohort.beacon.round).toBeNull();
    expect(announceable(cohort.beacon)).toHaveLength(1);
  });

  test('silence at the presence question', async () => {
    const { cohort } = watched(await roundOpen());
    const eve = cohort.members[2]!;
    deliver(cohort, silent(eve, 'presence'));
    const outcome = cohort.wait(60);
    expect(aborted(cohort, outcome)).toMatchObject({ session_id: null, reason: 'not_heard', not_heard: [eve.pk] });
  });

  test('then another round, later each time', async () => {
    const { cohort } = watched(await roundOpen());
    const eve = cohort.members[2]!;
    const waits: number[] = [];
    for (let i = 1; i <= 9; i++) {
      expect(cohort.beacon.round?.number).toBe(i);
      deliver(cohort, silent(eve, 'presence'));
      cohort.wait(60);
      waits.push(cohort.beacon.not_before - cohort.now);
      cohort.wait(waits.at(-1)!);
    }
    expect(waits).toEqual([60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
    deliver(cohort);
    expect(cohort.beacon.failures).toBe(0);
    expect(cohort.beacon.round?.stage.name).toBe('announced');
  });

  // fault 16
  test('a nonce that is no point: its sender is blamed, with its own signature as proof', async () => {
    const { cohort, eve, session_id } = await noncesAsked();
    const offCurve = `02${'0'.repeat(63)}5`;
    for (const points of [[offCurve, eve.pk] as const, [eve.pk, '00'.repeat(33)] as const]) {
      const fresh = watched(await roundOpen()).cohort;
      deliver(fresh, until('authorize_beacon_signal_request'));
      const body = { session_id: sessionOf(fresh), beacon_address: fresh.beacon.address, nonce_points: [[...points]] };
      const outcome = fresh.tell(fresh.members[2]!, { type: 'nonce', body: body as Body<'nonce'> });
      const { reason, blame, evidence, open } = aborted(fresh, outcome);
      expect({ reason, blame, open }).toEqual({ reason: 'invalid_nonce', blame: [eve.pk], open: false });
      expectProof(fresh, evidence, fresh.members[2]!, ['nonce']);
      expect(sentOf(outcome, 'rejection')).toMatchObject([{ to: eve.transport, body: { code: 'invalid_nonce' } }]);
      expect(fresh.beacon.round).toBeNull();
    }
    expect(cohort.beacon.round?.stage).toMatchObject({ name: 'nonces', session: { id: session_id } });
  });

  test('a wrong number of nonces is refused, and asked for no further', async () => {
    const { cohort, eve, session_id } = await noncesAsked();
    const pair: [string, string] = [eve.pk, eve.pk];
    const body = { session_id, beacon_address: cohort.beacon.address, nonce_points: [pair, pair] };
    const outcome = cohort.tell(eve, { type: 'nonce', body });
    expect(sentOf(outcome, 'rejection')[0]?.body).toMatchObject({ code: 'invalid_nonce' });
    expect(outcome.events).toEqual([]);
  });

  test('a wallet that restarted gets another round soon; one that asks on and on waits like any failure', async () => {
    const { cohort } = watched(await roundOpen());
    const bob = cohort.members[1]!;
    const waits: number[] = [];
    for (let i = 0; i < 5; i++) {
      deliver(cohort, until('authorize_beacon_signal_request'));
      cohort.mail = [];
      const outcome = cohort.tell(bob, { type: 'nonce_lost', body: { session_id: sessionOf(cohort) } });
      expect(aborted(cohort, outcome)).toMatchObject({ reason: 'nonce_lost', blame: [], open: false });
      waits.push(cohort.beacon.not_before - cohort.now);
      cohort.mail = [];
      cohort.wait(waits.at(-1)!);
    }
    expect(waits).toEqual([1, 1, 1, 480, 960]);
  });

  // fault 27
  test('an outpoint that is spent elsewhere ends the round at once', async () => {
    const { cohort } = await noncesAsked();
    const { outpoint } = cohort.beacon.round!.frozen!;
    const thief = cohort.chain.spend(outpoint);
    const outcome = cohort.advance();
    expect(aborted(cohort, outcome)).toMatchObject({ reason: 'outpoint_spent', open: false });
    expect(cohort.beacon.round).toBeNull();
    expect([...cohort.beacon.alarms.keys()]).toEqual([`foreign_spend:${thief}`]);
    expect(announceable(cohort.beacon).map(queued => queued.state)).toEqual(['queued']);
  });
});

describe('fault 5, equivocation: the first counts, both are kept, the operator is told', () => {
  const kept = (outcome: Outcome) =>
    outcome.effects.flatMap(effect => (effect.type === 'keep_evidence' ? [effect.transcript.envelopes] : []))[0] ?? [];

  test('two nonces', async () => {
    const { cohort, bob } = await noncesAsked();
    const request = mailFor(cohort, bob, 'authorize_beacon_signal_request');
    const first = answer(cohort, bob, request)!;
    const second = answer(cohort, bob, request)!;
    expect(typesOf(cohort.tell(bob, first))).toEqual(['nonce_received']);
    expect(cohort.tell(bob, first)).toEqual({ events: [], effects: [], dropped: null });
    const outcome = cohort.tell(bob, second);
    expect(typesOf(outcome)).toEqual(['alarm_raised']);
    expect(sentOf(outcome, 'rejection')).toMatchObject([{ to: bob.transport, body: { code: 'equivocation' } }]);
    expectProof(cohort, kept(outcome), bob, ['nonce', 'nonce']);
    expect([...cohort.beacon.alarms.values()]).toMatchObject([{ code: 'equivocation', halts: false }]);
    expect([...cohort.beacon.alarms.values()][0]!.text).toContain(bob.pk);
    // Once is proof enough: whoever goes on fills no disk.
    const third = cohort.tell(bob, answer(cohort, bob, request)!);
    expect(typesOf(third)).toEqual([]);
    expect(kept(third)).toEqual([]);
    expect(sentOf(third, 'rejection')).toMatchObject([{ body: { code: 'equivocation' } }]);
    const { stage } = cohort.beacon.round!;
    expect('session' in stage && stage.session.nonces.get(bob.pk)?.body).toEqual(first.body);
  });

  test('another nonce when the session is open', async () => {
    const { cohort, bob, session_id } = await signing();
    const [request] = sentOf({ effects: cohort.sent }, 'authorize_beacon_signal_request').filter(
      sent => sent.to === bob.transport,
    );
    const body = {
      session_id,
      beacon_address: cohort.beacon.address,
      nonce_points: drawNonces(bob, keySetOf(cohort), request!.body, request!.body.pending_beacon_signal, cohort.terms),
    };
    const outcome = cohort.tell(bob, { type: 'nonce', body });
    expect(sentOf(outcome, 'rejection')[0]?.body.code).toBe('equivocation');
    expectProof(cohort, kept(outcome), bob, ['nonce', 'nonce']);
    expect(sentOf(outcome, 'aggregated_nonce')).toEqual([]);
  });

  test('two partial signatures, the second of them wrong', async () => {
    const { cohort, bob } = await signing();
    const first = answer(cohort, bob, mailFor(cohort, bob, 'aggregated_nonce'))!;
    if (first.type !== 'signal_authorization') throw new Error(first.type);
    expect(typesOf(cohort.tell(bob, first))).toEqual(['authorization_received']);
    expect(cohort.tell(bob, first)).toEqual({ events: [], effects: [], dropped: null });
    const outcome = cohort.tell(bob, { ...first, body: { ...first.body, sig: ['ab'.repeat(32)] } });
    expect(sentOf(outcome, 'rejection')[0]?.body.code).toBe('equivocation');
    expectProof(cohort, kept(outcome), bob, ['signal_authorization', 'signal_authorization']);
    expect(cohort.beacon.round?.stage.name).toBe('signatures');
    deliver(cohort);
    expect(cohort.beacon.round?.stage.name).toBe('announced');
  });

  test('another partial signature, under an aggregated nonce that never was', async () => {
    const { cohort, bob, ada } = await signing();
    const first = answer(cohort, bob, mailFor(cohort, bob, 'aggregated_nonce'))!;
    if (first.type !== 'signal_authorization') throw new Error(first.type);
    cohort.tell(bob, first);
    const agg_nonce: Body<'nonce'>['nonce_points'] = [[ada.pk, bob.pk]];
    const outcome = cohort.tell(bob, { ...first, body: { ...first.body, agg_nonce } });
    expect(sentOf(outcome, 'rejection')[0]?.body.code).toBe('equivocation');
    expectProof(cohort, kept(outcome), bob, ['signal_authorization', 'signal_authorization']);
  });
});

// fault 18
describe('a bad partial signature', () => {
  const order = 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141';

  test.each([
    ['another scalar', 'ab'.repeat(32)],
    ['zero', '00'.repeat(32)],
    ['the group order', order],
    ['the largest number', 'ff'.repeat(32)],
  ])('%s: its sender is blamed, with nonce and signature as proof', async (_, sig) => {
    const { cohort, eve, bob, session_id } = await signing();
    const good = answer(cohort, eve, mailFor(cohort, eve, 'aggregated_nonce'))!;
    if (good.type !== 'signal_authorization') throw new Error(good.type);
    const outcome = cohort.tell(eve, { ...good, body: { ...good.body, sig: [sig] } });
    const { reason, blame, evidence, open } = aborted(cohort, outcome);
    expect({ reason, blame, open }).toEqual({ reason: 'invalid_signature', blame: [eve.pk], open: true });
    expectProof(cohort, evidence, eve, ['nonce', 'signal_authorization']);
    expect(cohort.beacon.round).toMatchObject({ stage: { name: 'waiting' }, open: [{ id: session_id }] });
    // The good ones of the same session are welcome all the same, from whoever sends them.
    deliver(cohort, member => (member === bob ? 'answer' : 'hold'));
    expect([...cohort.beacon.round!.open[0]!.sigs.keys()]).toEqual([bob.pk]);
  });

  // fault 19
  test("another member's: the sender is blamed, not the owner", async () => {
    const { cohort, eve, bob } = await signing();
    const stolen = answer(cohort, bob, mailFor(cohort, bob, 'aggregated_nonce'))!;
    const outcome = cohort.tell(eve, stolen);
    expect(aborted(cohort, outcome).blame).toEqual([eve.pk]);
    expect(typesOf(cohort.tell(bob, stolen))).toEqual(['authorization_received']);
  });

  test('a wrong number of them is refused and changes nothing', async () => {
    const { cohort, eve } = await signing();
    const good = answer(cohort, eve, mailFor(cohort, eve, 'aggregated_nonce'))!;
    if (good.type !== 'signal_authorization') throw new Error(good.type);
    const outcome = cohort.tell(eve, { ...good, body: { ...good.body, sig: [good.body.sig[0]!, good.body.sig[0]!] } });
    expect(outcome.events).toEqual([]);
    expect(sentOf(outcome, 'rejection')[0]?.body.code).toBe('invalid_signature');
  });

  test('late, for an attempt that is over, is refused without another end', async () => {
    const { cohort, eve } = await signing();
    const good = answer(cohort, eve, mailFor(cohort, eve, 'aggregated_nonce'))!;
    if (good.type !== 'signal_authorization') throw new Error(good.type);
    cohort.wait(600);
    expect(cohort.beacon.round?.stage.name).toBe('waiting');
    const outcome = cohort.tell(eve, { ...good, body: { ...good.body, sig: ['ab'.repeat(32)] } });
    expect(outcome.events).toEqual([]);
    expect(sentOf(outcome, 'rejection')[0]?.body.code).toBe('invalid_signature');
  });
});

// fault 17
describe('nonces that cancel to infinity', () => {
  const negated = (hex: string): string => toHex(curve.pointCompress(curve.pointNegate(fromHex(hex)), true));

  /** Bob draws honestly, eve answers with the negation of his points: their sum is infinity. */
  async function cancelling(withAda: boolean) {
    const made = watched(await roundOpen({}, withAda ? ['ada', 'bob', 'eve'] : ['ada', 'eve']));
    const { cohort } = made;
    deliver(cohort, until('authorize_beacon_signal_request'));
    const eve = cohort.members.at(-1)!;
    const bob = cohort.members.at(-2)!;
    const session_id = sessionOf(cohort);
    const honest = answer(cohort, bob, mailFor(cohort, bob, 'authorize_beacon_signal_request'))!;
    if (honest.type !== 'nonce') throw new Error(honest.type);
    const [[first, second]] = honest.body.nonce_points as [[string, string]];
    if (withAda)
      cohort.tell(made.ada, answer(cohort, made.ada, mailFor(cohort, made.ada, 'authorize_beacon_signal_request'))!);
    cohort.mail = [];
    cohort.tell(bob, honest);
    const body = { ...honest.body, nonce_points: [[negated(first), negated(second)] as [string, string]] };
    const outcome = cohort.tell(eve, { type: 'nonce', body });
    return { ...made, bob, eve, session_id, outcome };
  }

  test('alone: infinity goes out in its encoding, and who cannot sign is found', async () => {
    const { cohort, bob, eve, outcome } = await cancelling(false);
    expect(typesOf(outcome)).toEqual(['nonce_received', 'nonces_aggregated']);
    const infinity = '00'.repeat(33);
    expect(sentOf(outcome, 'aggregated_nonce')[0]?.body.agg_nonce).toEqual([[infinity, infinity]]);
    deliver(cohort, member => (member === bob ? 'answer' : 'hold'));
    expect([...cohort.beacon.round!.open[0]!.sigs.keys()]).toEqual([bob.pk]);
    const [aggregated] = sentOf(outcome, 'aggregated_nonce');
    const forged = { ...aggregated!.body, sig: ['ab'.repeat(32)] };
    const blamed = cohort.tell(eve, { type: 'signal_authorization', body: forged });
    expect(aborted(cohort, blamed).blame).toEqual([eve.pk]);
  });

  test('among others: the rest of the sum stays, and the honest parts verify', async () => {
    const { cohort, ada, bob, eve, outcome } = await cancelling(true);
    const own = cohort.beacon.round!.open[0]!.nonces.get(ada.pk)!.body.nonce_points;
    expect(sentOf(outcome, 'aggregated_nonce')[0]?.body.agg_nonce).toEqual(own);
    deliver(cohort, member => (member === eve ? 'ignore' : 'answer'));
    expect([...cohort.beacon.round!.open[0]!.sigs.keys()].sort()).toEqual([ada.pk, bob.pk].sort());
  });

  test('and a conspiracy that does know its secrets signs, validly', async () => {
    const { cohort } = watched(await roundOpen({}, ['ada', 'eve']));
    deliver(cohort, until('authorize_beacon_signal_request'));
    const points = cohort.members.map(member => {
      const message = answer(cohort, member, mailFor(cohort, member, 'authorize_beacon_signal_request'))!;
      return { member, message };
    });
    cohort.mail = [];
    for (const { member, message } of points) cohort.tell(member, message);
    deliver(cohort);
    const [signal] = cohort.beacon.signals;
    expect(verifySignal(signal!.hex, cohort.beacon.script_hex, signal!.frozen.outpoint.value_sats)).toBe(true);
  });
});

describe('after the aggregated nonce the session is open', () => {
  /** Eve never signs; the others do; the attempt is over. */
  async function stalled() {
    const made = await signing();
    deliver(made.cohort, silent(made.eve, 'aggregated_nonce'));
    const held = answer(made.cohort, made.eve, sentAgg(made.cohort, made.eve))!;
    made.cohort.wait(300);
    made.cohort.mail = [];
    const outcome = made.cohort.wait(300);
    return { ...made, held, outcome };
  }
  const sentAgg = (cohort: Cohort, member: Member): Sent =>
    cohort.sent.findLast(sent => sent.to === member.transport && sent.message.type === 'aggregated_nonce')!;

  // fault 55
  test('silence ends the attempt, not the session: nothing is freed', async () => {
    const { cohort, eve, ada, controller, session_id, outcome } = await stalled();
    expect(typesOf(outcome)).toEqual(['attempt_ended']);
    expect(aborted(cohort, outcome)).toMatchObject({
      session_id,
      reason: 'not_heard',
      open: true,
      blame: [],
      not_heard: [eve.pk],
    });
    expect(cohort.beacon.round?.stage.name).toBe('waiting');
    expect(announceable(cohort.beacon)).toEqual([]);
    const rival = await updateOf(controller, addService('rival'));
    const refused = cohort.tell(ada, update(cohort, ada, controller.did, rival));
    expect(sentOf(refused, 'rejection')[0]?.body.code).toBe('version_taken');
  });

  test('is tried again with the same outpoint and the same bytes under a new id, whatever comes in meanwhile', async () => {
    const { cohort, session_id } = await stalled();
    const frozen = structuredClone(cohort.beacon.round!.frozen);
    cohort.chain.deposit(cohort.beacon.script_hex, 5_000_000);
    cohort.chain.feeRate = 5;
    cohort.mail = [];
    const outcome = cohort.wait(60);
    expect(typesOf(outcome)).toEqual(['presence_asked']);
    expect(sentOf(outcome, 'presence')[0]?.body).toMatchObject({ round: 1, attempt: 2 });
    deliver(cohort, until('aggregated_nonce'));
    expect(cohort.beacon.round?.frozen).toEqual(frozen);
    const [old, again] = cohort.beacon.round!.open;
    expect(old?.id).toBe(session_id);
    expect(again?.id).not.toBe(session_id);
    expect(again?.attempt).toBe(2);
    expect(again?.steps[0]?.fee_sats).toBe(770);
    deliver(cohort);
    const [signal] = cohort.beacon.signals;
    expect(signal).toMatchObject({ session_id: again?.id, frozen });
    cohort.mine(6);
    expect(cohort.beacon.round).toBeNull();
    expect(cohort.beacon.signals).toHaveLength(1);
  });

  // fault 7
  test('a late partial signature completes the first attempt, in whatever stage the second is', async () => {
    for (const stage of ['waiting', 'presence', 'nonces', 'signatures'] as const) {
      const { cohort, eve, held, session_id } = await stalled();
      if (stage !== 'waiting') {
        cohort.mail = [];
        cohort.wait(60);
        const holds = {
          presence: 'presence',
          nonces: 'authorize_beacon_signal_request',
          signatures: 'aggregated_nonce',
        } as const;
        deliver(cohort, until(holds[stage]));
      }
      expect(cohort.beacon.round?.stage.name).toBe(stage);
      const outcome = cohort.tell(eve, held);
      expect(typesOf(outcome)).toContain('signal_completed');
      const [signal] = cohort.beacon.signals;
      expect(signal?.session_id).toBe(session_id);
      expect(verifySignal(signal!.hex, cohort.beacon.script_hex, signal!.frozen.outpoint.value_sats)).toBe(true);
      // What is on its way for the second attempt does no harm.
      deliver(cohort);
      cohort.mine(6);
      expect(cohort.beacon.round).toBeNull();
      expect(cohort.beacon.signals).toMatchObject([{ session_id, seen: { status: 'final' } }]);
      expect(cohort.beacon.alarms.size).toBe(0);
    }
  });

  test('a veto or a wallet that lost its nonces ends the attempt only', async () => {
    const { cohort, bob, session_id } = await signing();
    bob.nonces.clear();
    const lost = cohort.tell(bob, { type: 'nonce_lost', body: { session_id } });
    expect(aborted(cohort, lost)).toMatchObject({ reason: 'nonce_lost', open: true });
    cohort.mail = [];
    cohort.wait(1);
    deliver(cohort, until('aggregated_nonce'));
    const second = sessionOf(cohort);
    const veto = cohort.tell(bob, { type: 'veto', body: { session_id: second, code: 'fee', text: 'too high' } });
    expect(aborted(cohort, veto)).toMatchObject({ session_id: second, reason: 'veto', open: true });
    expect(cohort.beacon.round?.open).toHaveLength(2);
    cohort.mail = [];
    cohort.wait(120);
    deliver(cohort);
    // All three attempts are over the same transaction, and only the last one was signed by all.
    expect(cohort.beacon.signals).toMatchObject([{ attempt: 3 }]);
    expect([session_id, second]).not.toContain(cohort.beacon.signals[0]!.session_id);
  });

  test('who has signed has nothing to lose', async () => {
    const { cohort, bob, session_id } = await signing();
    deliver(cohort, member => (member === bob ? 'answer' : 'hold'));
    const outcome = cohort.tell(bob, { type: 'nonce_lost', body: { session_id } });
    expect(outcome.events).toEqual([]);
    expect(sentOf(outcome, 'rejection')[0]?.body.code).toBe('wrong_phase');
  });

  test('an attempt that fails at presence or nonces leaves the session open', async () => {
    const { cohort, eve } = await stalled();
    cohort.mail = [];
    cohort.wait(60);
    deliver(cohort, silent(eve, 'presence'));
    const outcome = cohort.wait(60);
    expect(typesOf(outcome)).toEqual(['attempt_ended']);
    expect(aborted(cohort, outcome)).toMatchObject({ open: true, attempt: 2, not_heard: [eve.pk] });
    expect(cohort.beacon.round?.stage.name).toBe('waiting');
    cohort.mail = [];
    cohort.wait(3600);
    deliver(cohort);
    expect(cohort.beacon.signals).toHaveLength(1);
  });

  test('with no chain in sight it waits', async () => {
    const { cohort } = await stalled();
    cohort.chainUp = false;
    expect(cohort.wait(100_000).events).toEqual([]);
    cohort.chainUp = true;
    expect(typesOf(cohort.advance())).toEqual(['presence_asked']);
  });

  test('the pinned outpoint spent by somebody: it waits for the chain, and takes no other deposit', async () => {
    const { cohort } = await stalled();
    fund(cohort);
    cohort.mail = [];
    expect(cohort.beacon.round?.stage.name).toBe('waiting');
    const cancel = cohort.chain.spend(cohort.beacon.round!.frozen!.outpoint);
    expect(typesOf(cohort.wait(10_000))).toEqual(['alarm_raised']);
    cohort.chain.evict(cancel);
    expect(typesOf(cohort.advance())).toEqual(['alarm_cleared', 'presence_asked']);
  });

  // fault 26
  test('the pinned outpoint reorganized away: it waits for it', async () => {
    const { cohort } = await stalled();
    cohort.chain.undo(6, 'mempool');
    expect(cohort.wait(10_000).events).toEqual([]);
    cohort.chain.mine(6);
    expect(typesOf(cohort.advance())).toEqual(['presence_asked']);
  });
});

// fault 55a
describe('deaf time', () => {
  test('moves the deadline of every stage that waits for members', async () => {
    const stages = { presence: 60, authorize_beacon_signal_request: 600, aggregated_nonce: 600 } as const;
    for (const [type, wait] of Object.entries(stages) as [keyof typeof stages, number][]) {
      const { cohort } = watched(await roundOpen());
      deliver(cohort, until(type));
      cohort.now += 5000;
      expect(typesOf(cohort.only({ type: 'was_deaf', seconds: 5000 }))).toEqual(['deaf_time_credited']);
      expect(cohort.advance().events).toEqual([]);
      expect(typesOf(cohort.wait(wait / 2))).toEqual(['reminded']);
      expect(cohort.wait(wait / 2 - 1).events).toEqual([]);
      cohort.mail = [];
      expect(sentOf(cohort.wait(1), 'round_aborted')).toHaveLength(3);
    }
  });

  test('after the reminder moves the deadline, and reminds nobody twice', async () => {
    const { cohort } = watched(await roundOpen());
    cohort.wait(30);
    cohort.now += 1000;
    cohort.only({ type: 'was_deaf', seconds: 1000 });
    expect(cohort.wait(29).events).toEqual([]);
    expect(typesOf(cohort.wait(1))).toContain('round_aborted');
  });

  test('is nothing to note while nobody is waited for', async () => {
    const { cohort } = await signing();
    deliver(cohort);
    expect(cohort.give({ type: 'was_deaf', seconds: 100 }).events).toEqual([]);
    expect(cohort.give({ type: 'was_deaf', seconds: 0 }).events).toEqual([]);
  });
});

describe('whoever is no member', () => {
  test('is dropped in a round, with whatever message', async () => {
    const { cohort, session_id } = await signing();
    const stranger = newMember('stranger');
    const session = { session_id, beacon_address: cohort.beacon.address };
    const pair: [string, string] = [stranger.pk, stranger.pk];
    const messages: Message[] = [
      { type: 'presence_ack', body: { beacon_address: cohort.beacon.address, round: 1, attempt: 1 } },
      { type: 'nonce', body: { ...session, nonce_points: [pair] } },
      { type: 'veto', body: { session_id, code: 'x', text: '' } },
      { type: 'nonce_lost', body: { session_id } },
      { type: 'signal_authorization', body: { ...session, agg_nonce: [pair], sig: [drawHex('sig')] } },
    ];
    for (const message of messages) {
      const outcome = cohort.tell(stranger, message);
      expect(outcome).toEqual({ events: [], effects: [], dropped: 'the sender has no seat' });
    }
  });
});

test("a wallet's own check agrees: the sum of all nonces is the aggregated nonce", async () => {
  const { cohort } = await signing();
  const [session] = cohort.beacon.round!.open;
  const nonces = cohort.beacon.participant_pubkeys.map(key => {
    const [[first, second]] = session!.nonces.get(key)!.body.nonce_points as [[string, string]];
    return concatBytes(fromHex(first), fromHex(second));
  });
  expect(session!.agg_nonce![0]!.join('')).toBe(toHex(walletMusig.nonceAgg(nonces)));
});

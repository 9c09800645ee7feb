import { afterEach, describe, expect, test } from 'vitest';
import { curve } from '#curve';
import { fallbackVsize, parseTx, signalBytesOf, verifyFallback } from '../../src/bitcoin/index.ts';
import { judgeTranscript } from '../../src/blame/index.ts';
import { treeKeysOf } from '../../src/cohort/keys.ts';
import { toHex } from '../../src/crypto/index.ts';
import type { Body, Message, Terms } from '../../src/messages/index.ts';
import {
  answer,
  type Cohort,
  deliver,
  fallbackMessages,
  type Outcome,
  refusal,
  roundOpen,
  sentOf,
  sessionOpen,
  silent,
  startCohort,
  typesOf,
  until,
} from './driver.ts';
import { draw, drawHex, type Member, schnorr, xOnly } from './members.ts';

const POLICY = {
  type: 'fallback',
  threshold: 'n-1',
  recovery_key: xOnly(draw('recovery key')),
  recovery_delay_blocks: 144,
} as const;
const TERMS: Partial<Terms> = { policy: POLICY, cohort_size: { min: 3, max: 3 } };

const started: Cohort[] = [];
afterEach(() => {
  for (const cohort of started.splice(0)) cohort.expectRestartable();
});

const membersOf = (cohort: Cohort) => cohort.members as [Member, Member, Member];

/** Every member has sent its nonces, and eve does not sign. */
async function overdue(changes: Partial<Terms> = {}) {
  const made = await sessionOpen({ ...TERMS, ...changes });
  const { cohort } = made;
  started.push(cohort);
  const [ada, bob, eve] = membersOf(cohort);
  deliver(cohort, silent(eve, 'aggregated_nonce'));
  return { ...made, ada, bob, eve };
}

/** As `overdue`, and the others are asked to go on without her. */
async function asked(changes: Partial<Terms> = {}) {
  const made = await overdue(changes);
  const outcome = made.cohort.wait(600);
  const [request] = sentOf(outcome, 'fallback_authorization_request');
  const { session } = made.cohort.beacon.round!.stage as { session: { id: string } };
  return { ...made, outcome, request: request!.body, session_id: session.id };
}

const signature = (
  cohort: Cohort,
  member: Member,
  { pending_beacon_signal, ...session }: Body<'fallback_authorization_request'>,
  changes: Partial<Body<'fallback_signature'>> = {},
): Message => {
  const sig = fallbackMessages(cohort, pending_beacon_signal).map(each => schnorr(each, member.secret));
  const txids = cohort.beacon.round!.open.at(-1)!.fallback!.steps.map(step => step.txid);
  return { type: 'fallback_signature', body: { ...session, txids, sig, ...changes } };
};

const isWhole = (cohort: Cohort, hex: string, valueSats: number): boolean => {
  const { participant_pubkeys, policy, script_hex: scriptHex } = cohort.beacon;
  return verifyFallback(hex, { scriptHex, valueSats }, treeKeysOf(participant_pubkeys, policy)!);
};

describe('the policy', () => {
  test.each<[string, string, Partial<Terms>]>([
    ['two members', 'cohort_size.min', { cohort_size: { min: 2, max: 3 } }],
    ['more signatures than a message holds', 'cohort_size.max', { cohort_size: { min: 3, max: 51 }, fee_cap: 10_000 }],
    ['a cap that pays for no fallback', 'fee_cap', { fee_cap: 213 }],
    [
      'a recovery while a round can be open',
      'policy.recovery_delay_blocks',
      { latency: { cohort_set: 60, presence: 600, nonce: 600, signature: 43_200 } },
    ],
    ['no delay', 'policy.recovery_delay_blocks', { policy: { ...POLICY, recovery_delay_blocks: 143 } }],
    [
      'a delay beyond 16 bits',
      'policy.recovery_delay_blocks',
      { policy: { ...POLICY, recovery_delay_blocks: 65_536 } },
    ],
    ['another threshold', 'policy.threshold', { policy: { ...POLICY, threshold: 2 as never } }],
    ['no key', 'policy.recovery_key', { policy: { ...POLICY, recovery_key: '02' } }],
  ])('%s is refused by its field, %s', (_, field, changes) => {
    expect(() => startCohort({ ...TERMS, ...changes })).toThrow(`${field}: `);
  });
});

describe('when the key path misses its deadline', () => {
  // fault 55
  test('all but one go on by the fallback: the same outpoint, the same bytes, in a transaction of two signatures', async () => {
    const { cohort, eve, outcome, request, session_id, controller } = await asked();
    expect(typesOf(outcome)).toEqual(['attempt_ended', 'fallback_requested']);
    expect(sentOf(outcome, 'round_aborted')[0]?.body).toMatchObject({
      reason: 'not_heard',
      not_heard: [eve.pk],
      blame: [],
      open: true,
    });
    expect(sentOf(outcome, 'fallback_authorization_request').map(({ to }) => to)).toHaveLength(3);
    expect(request.session_id).toBe(session_id);
    deliver(cohort, silent(eve, 'fallback_authorization_request', 'aggregated_nonce'));
    const [signal] = cohort.beacon.signals;
    const { outpoint, signal_bytes } = signal!.frozen;
    expect(isWhole(cohort, signal!.hex, outpoint.value_sats)).toBe(true);
    const { inputs, vsize } = parseTx(signal!.hex);
    expect(inputs).toMatchObject([{ txid: outpoint.txid, vout: outpoint.vout }]);
    expect(inputs[0]!.witness.filter(item => item.length === 128)).toHaveLength(2);
    expect(toHex(signalBytesOf(signal!.hex)!)).toBe(signal_bytes);
    expect(vsize).toBe(fallbackVsize(3, true));
    expect(signal!.fee_sats).toBeGreaterThanOrEqual(vsize);
    expect(cohort.chain.has(signal!.txid)).toBe(true);
    const told = sentOf({ effects: cohort.sent }, 'signal_status');
    expect(told.at(-1)?.body).toMatchObject({ txid: signal!.txid, transactions: [signal!.hex] });
    cohort.mine(6);
    expect(cohort.beacon.round).toBeNull();
    expect(cohort.beacon.alarms.size).toBe(0);
    expect(cohort.beacon.updates.get(controller.did)?.[0]?.state).toBe('final');
  });

  test('not a second before it, and never where a member has not checked the session', async () => {
    const { cohort } = await overdue();
    const before = cohort.wait(599);
    expect(typesOf(before)).toEqual(['reminded']);
    expect(sentOf({ effects: cohort.sent }, 'fallback_authorization_request')).toEqual([]);

    const made = await roundOpen(TERMS);
    started.push(made.cohort);
    const [, , eve] = membersOf(made.cohort);
    deliver(made.cohort, silent(eve, 'authorize_beacon_signal_request'));
    const over = made.cohort.wait(600);
    expect(typesOf(over)).toEqual(['round_aborted']);
    made.cohort.wait(600);
    deliver(made.cohort, silent(eve, 'authorize_beacon_signal_request'));
    made.cohort.wait(600);
    expect(sentOf({ effects: made.cohort.sent }, 'fallback_authorization_request')).toEqual([]);
  });

  test('not where the terms have none: the session waits for its members', async () => {
    const { cohort } = await sessionOpen();
    deliver(cohort, silent(cohort.members[2]!, 'aggregated_nonce'));
    cohort.wait(600);
    expect(cohort.beacon.round?.stage.name).toBe('waiting');
    expect(sentOf({ effects: cohort.sent }, 'fallback_authorization_request')).toEqual([]);
  });

  test('not after a veto, which says that something about the session is wrong', async () => {
    const { cohort, eve } = await overdue();
    const { session } = cohort.beacon.round!.stage as { session: { id: string } };
    cohort.tell(eve, { type: 'veto', body: { session_id: session.id, code: 'evidence_missing', text: 'no proof' } });
    cohort.wait(600);
    expect(cohort.beacon.round?.stage.name).toBe('presence');
    expect(sentOf({ effects: cohort.sent }, 'fallback_authorization_request')).toEqual([]);
  });

  test('after a signature that does not verify, whose member is blamed, the others go on all the same', async () => {
    const { cohort, eve } = await overdue();
    const sent = cohort.sent.findLast(
      ({ to, message }) => to === eve.transport && message.type === 'aggregated_nonce',
    )!;
    const honest = answer(cohort, eve, sent) as Extract<Message, { type: 'signal_authorization' }>;
    const blamed = cohort.tell(eve, { ...honest, body: { ...honest.body, sig: ['11'.repeat(32)] } });
    expect(sentOf(blamed, 'round_aborted')[0]?.body).toMatchObject({ reason: 'invalid_signature', blame: [eve.pk] });
    cohort.mail = [];
    cohort.wait(600);
    deliver(cohort, silent(eve, 'fallback_authorization_request', 'presence'));
    expect(cohort.beacon.signals).toHaveLength(1);
  });

  test('a late signature by the key path is welcome: what is complete first goes out', async () => {
    const { cohort, eve } = await asked();
    const late = cohort.sent.findLast(
      ({ to, message }) => to === eve.transport && message.type === 'aggregated_nonce',
    )!;
    const outcome = cohort.tell(eve, answer(cohort, eve, late)!);
    expect(typesOf(outcome).slice(0, 2)).toEqual(['authorization_received', 'signal_completed']);
    const [signal] = cohort.beacon.signals;
    expect(parseTx(signal!.hex).inputs[0]!.witness).toHaveLength(1);
    // The fallback, signed by the others meanwhile, is another step of the same signal: if it is mined, it is the success.
    deliver(cohort);
    expect(signal!.steps).toHaveLength(2);
    cohort.mine(6);
    expect(cohort.beacon.signals[0]?.seen.status).toBe('final');
  });

  test('a fallback that a member published itself is the success that it is, after the attempt was called off', async () => {
    const { cohort, request, ada, bob } = await asked();
    cohort.mail = [];
    cohort.broadcasts = false;
    for (const member of [ada, bob]) cohort.tell(member, signature(cohort, member, request));
    const [signal] = cohort.beacon.signals;
    cohort.broadcasts = true;
    cohort.chain.submit(signal!.hex);
    cohort.mine(6);
    expect(cohort.beacon.signals).toMatchObject([{ txid: signal!.txid, seen: { status: 'final' } }]);
    expect(cohort.beacon.alarms.size).toBe(0);
  });

  test('with a fee ladder every step is signed, each larger by what a replacement of that size has to pay', async () => {
    const { cohort, eve, request } = await asked({ fee_ladder: { steps: 3, factor: 2, blocks: 3 } });
    expect(request.pending_beacon_signal).toHaveLength(3);
    deliver(cohort, silent(eve, 'fallback_authorization_request', 'aggregated_nonce'));
    const { steps } = cohort.beacon.signals[0]!;
    const complete = steps.filter(step => step.hex !== null);
    expect(complete).toHaveLength(3);
    for (const [i, { fee_sats }] of complete.entries())
      expect(fee_sats - (complete[i - 1]?.fee_sats ?? 0)).toBeGreaterThanOrEqual(fallbackVsize(3, true));
  });
});

describe('signatures of a fallback', () => {
  test('are asked for again, at half its time and with every later attempt, and complete it whenever they come', async () => {
    const { cohort, request, ada, bob, eve } = await asked();
    cohort.mail = [];
    cohort.tell(ada, signature(cohort, ada, request));
    const reminded = cohort.wait(300);
    const asks = (outcome: Outcome) => sentOf(outcome, 'fallback_authorization_request').map(({ to }) => to);
    expect(asks(reminded).sort()).toEqual([bob.transport, eve.transport].sort());
    cohort.mail = [];
    const over = cohort.wait(300);
    expect(sentOf(over, 'round_aborted')[0]?.body).toMatchObject({ reason: 'not_heard', open: true });
    expect(sentOf(over, 'round_aborted')[0]?.body.not_heard.toSorted()).toEqual([bob.pk, eve.pk].sort());
    const again = cohort.wait(600);
    expect(typesOf(again)).toContain('presence_asked');
    expect(asks(again).sort()).toEqual([bob.transport, eve.transport].sort());
    cohort.mail = [];
    const done = cohort.tell(bob, signature(cohort, bob, request));
    expect(typesOf(done).slice(0, 2)).toEqual(['fallback_signed', 'signal_completed']);
  });

  test('of a wrong session, address or transaction are refused politely', async () => {
    const { cohort, ada, request } = await asked();
    const refused = (changes: Partial<Body<'fallback_signature'>>) =>
      refusal(cohort.tell(ada, signature(cohort, ada, request, changes)));
    expect(refused({ session_id: drawHex('another') })).toMatchObject({ code: 'wrong_session' });
    expect(refused({ beacon_address: 'bcrt1pother0000000' })).toMatchObject({ code: 'wrong_address' });
    expect(refused({ txids: [drawHex('another')] })).toMatchObject({ code: 'wrong_session', field: 'body.txids' });
    expect(refused({ sig: ['11'.repeat(64), '11'.repeat(64)] })).toMatchObject({ code: 'invalid_signature' });
  });

  // fault 18
  test('that do not verify are kept as evidence that anybody can judge, and the others go on', async () => {
    const { cohort, ada, bob, eve, request } = await asked();
    const bad = cohort.tell(eve, signature(cohort, eve, request, { sig: ['11'.repeat(64)] }));
    expect(sentOf(bad, 'rejection')[0]?.body.code).toBe('invalid_signature');
    expect(verdictOf(bad)).toMatchObject({ shown: true, fault: 'invalid_fallback_signature', participant_pk: eve.pk });
    expect([...cohort.beacon.alarms.values()]).toMatchObject([{ code: 'invalid_signature', halts: false }]);
    // Of another member's hand it is as wrong, and a second one proves no more.
    const lent = signature(cohort, ada, request).body as Body<'fallback_signature'>;
    const again = cohort.tell(eve, signature(cohort, eve, request, { sig: lent.sig }));
    expect(again.events).toEqual([]);
    for (const member of [ada, bob]) cohort.tell(member, signature(cohort, member, request));
    expect(cohort.beacon.signals).toHaveLength(1);
  });

  // fault 5
  test('of two kinds for one session: the first counts, both are kept', async () => {
    const { cohort, ada, request } = await asked();
    cohort.tell(ada, signature(cohort, ada, request));
    expect(typesOf(cohort.tell(ada, signature(cohort, ada, request)))).toEqual([]);
    const other = fallbackMessages(cohort, request.pending_beacon_signal).map(each =>
      toHex(curve.signSchnorr(each, ada.secret, draw('other'))),
    );
    const two = cohort.tell(ada, signature(cohort, ada, request, { sig: other }));
    expect(sentOf(two, 'rejection')[0]?.body.code).toBe('equivocation');
    expect(verdictOf(two)).toMatchObject({ shown: true, fault: 'two_fallback_signatures', participant_pk: ada.pk });
  });

  test('a good one convicts nobody, whatever the transcript is said to show', async () => {
    const { cohort, eve, ada, request } = await asked();
    const bad = cohort.tell(eve, signature(cohort, eve, request, { sig: ['11'.repeat(64)] }));
    const transcript = transcriptIn(bad)!;
    const good = cohort.envelope(eve, signature(cohort, eve, request));
    expect(judgeTranscript({ ...transcript, envelopes: [good as never] })).toMatchObject({ shown: false });
    const { session } = transcript;
    const { policy: _, ...plain } = session!;
    const { fallback: __, ...bare } = session!;
    const longer = { ...session!, policy: { ...POLICY, recovery_delay_blocks: 145 } };
    for (const other of [plain, bare, longer, { ...session!, funding: null }])
      expect(judgeTranscript({ ...transcript, session: other })).toMatchObject({ shown: false });
    expect(judgeTranscript({ ...transcript, participant_pk: ada.pk })).toMatchObject({ shown: false });
  });

  test('one veto ends nothing, two do: then too few are left', async () => {
    const { cohort, ada, bob, session_id } = await asked();
    cohort.mail = [];
    const veto: Message = { type: 'veto', body: { session_id, code: 'version_locked', text: 'no' } };
    expect(typesOf(cohort.tell(ada, veto))).toEqual(['fallback_vetoed']);
    expect(typesOf(cohort.tell(ada, veto))).toEqual([]);
    expect(typesOf(cohort.tell(bob, veto))).toEqual(['fallback_vetoed', 'attempt_ended']);
    expect(cohort.beacon.round?.stage.name).toBe('waiting');
  });

  test('one member that restarts again and again does not keep the others from going on', async () => {
    const { cohort, eve, session_id } = await asked();
    const lost = cohort.tell(eve, { type: 'nonce_lost', body: { session_id } });
    expect(refusal(lost).code).toBe('wrong_phase');
    expect(cohort.beacon.round?.stage.name).toBe('fallback');
  });
});

test('a new attempt of the key path is made first where a member only lost its nonces', async () => {
  const { cohort, eve } = await overdue();
  const { session } = cohort.beacon.round!.stage as { session: { id: string } };
  cohort.tell(eve, { type: 'nonce_lost', body: { session_id: session.id } });
  cohort.wait(1);
  deliver(cohort, until('aggregated_nonce'));
  expect(cohort.beacon.round?.stage.name).toBe('signatures');
  deliver(cohort);
  expect(parseTx(cohort.beacon.signals[0]!.hex).inputs[0]!.witness).toHaveLength(1);
});

const transcriptIn = ({ effects }: Outcome) =>
  effects.flatMap(effect => (effect.type === 'keep_evidence' ? [effect.transcript] : []))[0];

const verdictOf = (outcome: Outcome) => judgeTranscript(transcriptIn(outcome)!);

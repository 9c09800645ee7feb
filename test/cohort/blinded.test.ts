import { afterEach, describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../src/crypto/index.ts';
import { jcs } from '../../src/did/index.ts';
import type { Body, Message, SignalEvidence, Terms } from '../../src/messages/index.ts';
import { readTerms } from '../../src/messages/index.ts';
import { leafIndex, leafValue, type SmtProof, unblindProof, verifySmtProof } from '../../src/smt/index.ts';
import {
  type Cohort,
  checkControl,
  contentOf,
  deliver,
  formed,
  fund,
  type Outcome,
  refusal,
  registration,
  sentOf,
  silent,
  typesOf,
} from './driver.ts';
import { draw, drawHex, type Member, newController } from './members.ts';

const started: Cohort[] = [];
afterEach(() => {
  for (const cohort of started.splice(0)) cohort.expectRestartable();
});

const DAY = 86_400;
const BLINDED: Partial<Terms> = {
  flow: 'pull',
  privacy: 'blinded',
  frequency: { interval: DAY, min_interval: 0, pending_updates: 1 },
};
const indexOf = (did: string): string => toHex(leafIndex(did));

const byIndex = (cohort: Cohort, member: Member, did: string): Message => ({
  type: 'did_registration',
  body: { beacon_address: cohort.beacon.address, participant_pk: member.pk, did: indexOf(did) },
});

const [ONE, TWO] = [newController('one'), newController('two')];
const nonce = (label: string) => draw(`nonce ${label}`);
const UPDATE = draw('an update that the aggregator never sees');
const leafOf = (label: string, announcement?: Uint8Array): string =>
  toHex(leafValue({ nonce: nonce(label), ...(announcement ? { announcement } : {}) }));

const response = (cohort: Cohort, leaves: Record<string, string>, wants_signal = true) => {
  const stage = cohort.beacon.round?.stage;
  if (stage?.name !== 'presence' || !stage.opportunity) throw new Error('no opportunity is open');
  const body: Body<'update_response'> = {
    beacon_address: cohort.beacon.address,
    opportunity_id: stage.opportunity.id,
    wants_signal,
    entries: Object.entries(leaves).map(([did, leaf]) => ({ did: indexOf(did), leaf })),
  };
  return { type: 'update_response', body } as const satisfies Message;
};

/** Ada holds the index of one DID, bob that of another, eve none; members have just been asked. */
function asked() {
  const cohort = formed(BLINDED);
  started.push(cohort);
  const [ada, bob, eve] = cohort.members as [Member, Member, Member];
  fund(cohort);
  cohort.tell(ada, byIndex(cohort, ada, ONE.did));
  cohort.tell(bob, byIndex(cohort, bob, TWO.did));
  expect(typesOf(cohort.wait(DAY))).toEqual(['round_opened']);
  return { cohort, ada, bob, eve };
}

/** As `asked`, and everybody answered: ada's leaf holds an update, bob's none. */
function frozen() {
  const given = asked();
  const { cohort, ada, bob, eve } = given;
  cohort.tell(ada, response(cohort, { [ONE.did]: leafOf('one', UPDATE) }));
  cohort.tell(bob, response(cohort, { [TWO.did]: leafOf('two') }, false));
  const outcome = cohort.tell(eve, response(cohort, {}, true));
  expect(typesOf(outcome)).toEqual(['presence_heard', 'session_requested']);
  return { ...given, outcome };
}

const acked = (outcome: Outcome) => {
  const [ack] = sentOf(outcome, 'ack');
  if (ack?.body.accepted !== 'did_registration') throw new Error('expected the ack of a registration');
  return ack.body;
};
const proofOf = ({ evidence }: Pick<SignalEvidence, 'evidence'>, index: string): SmtProof =>
  'proofs' in evidence ? evidence.proofs[index]! : expect.fail('a tree gives proofs');

describe('an index', () => {
  test('is registered alone, provisionally, and the aggregator is told no DID', () => {
    const { cohort, ada } = asked();
    const { did } = newController('three');
    const outcome = cohort.tell(ada, byIndex(cohort, ada, did));
    expect(acked(outcome)).toEqual({
      accepted: 'did_registration',
      did: indexOf(did),
      index: indexOf(did),
      proven: false,
      signals: [],
    });
    expect(cohort.beacon.checks.size).toBe(0);
    expect(jcs(cohort.log.slice(1))).not.toContain('did:btcr2:');
    const again = cohort.tell(ada, byIndex(cohort, ada, did));
    expect([again.events, acked(again)]).toEqual([[], acked(outcome)]);
  });

  test.each([
    ['with a proof, which names the DID', { proof: { verification_method: ONE.method, sig: '00'.repeat(64) } }],
    ['with a sidecar, which names it too', { sidecar: { genesisDocument: {} } }],
  ])('is refused %s', (_, more) => {
    const { cohort, eve } = asked();
    const message = byIndex(cohort, eve, newController('three').did) as Extract<Message, { type: 'did_registration' }>;
    const bad = { ...message, body: { ...message.body, ...more } };
    expect(refusal(cohort.tell(eve, bad))).toMatchObject({ code: 'invalid_message' });
  });

  test('that another member holds is refused, and so is one beyond the limit, or where DIDs are due', () => {
    const { cohort, bob } = asked();
    expect(refusal(cohort.tell(bob, byIndex(cohort, bob, ONE.did)))).toMatchObject({ code: 'did_taken' });
    const small = formed({ ...BLINDED, dids: { min: 0, max: 1 } });
    const [ada] = small.members as [Member];
    small.tell(ada, byIndex(small, ada, 'did:btcr2:a'));
    expect(refusal(small.tell(ada, byIndex(small, ada, 'did:btcr2:b')))).toMatchObject({ code: 'did_limit' });
    const open = formed();
    expect(refusal(open.tell(open.members[0]!, byIndex(open, open.members[0]!, ONE.did)))).toMatchObject({
      code: 'invalid_did',
    });
  });

  test('goes to whoever proves control of its DID, and the member that loses it is told which', () => {
    const { cohort, ada, bob } = asked();
    cohort.tell(bob, registration(cohort, bob, ONE));
    const outcome = checkControl(cohort, ONE);
    expect(sentOf(outcome, 'ack')).toMatchObject([
      { to: bob.transport, body: { did: indexOf(ONE.did), proven: true } },
    ]);
    const told = sentOf(outcome, 'rejection');
    expect(told).toMatchObject([{ to: ada.transport, body: { code: 'did_taken', field: indexOf(ONE.did) } }]);
    expect(cohort.beacon.registry.get(indexOf(ONE.did))).toMatchObject({ member: bob.pk, proven: true, known: null });
    expect(Object.fromEntries(cohort.beacon.held)).toEqual({ [ada.pk]: 0, [bob.pk]: 2 });
  });

  test('whose leaf is in an opportunity already is empty there after it changed hands', () => {
    const { cohort, ada, bob, eve } = asked();
    cohort.tell(ada, response(cohort, { [ONE.did]: leafOf('one', UPDATE) }));
    cohort.now += 1;
    cohort.tell(bob, registration(cohort, bob, ONE));
    checkControl(cohort, ONE);
    // Bob may have answered before he learned that the index is his.
    cohort.tell(bob, response(cohort, { [TWO.did]: leafOf('two') }));
    const outcome = cohort.tell(eve, response(cohort, {}));
    const request = sentOf(outcome, 'authorize_beacon_signal_request').find(sent => sent.to === bob.transport)!;
    const proof = proofOf(request.body, indexOf(ONE.did));
    expect(verifySmtProof(leafIndex(ONE.did), proof, 'spec')).toBe(true);
    const toAda = sentOf(outcome, 'authorize_beacon_signal_request').find(sent => sent.to === ada.transport)!;
    expect(toAda.body.evidence).toEqual({ proofs: {} });
  });

  test('that was the only leaf takes the opportunity with it: nothing would be announced', () => {
    const { cohort, ada, bob, eve } = asked();
    cohort.tell(bob, response(cohort, { [TWO.did]: leafOf('two') }, false));
    cohort.tell(eve, response(cohort, {}));
    cohort.now += 1;
    cohort.tell(eve, registration(cohort, eve, TWO));
    checkControl(cohort, TWO);
    cohort.tell(eve, registration(cohort, eve, ONE));
    checkControl(cohort, ONE);
    expect(typesOf(cohort.tell(ada, response(cohort, {})))).toEqual(['presence_heard', 'opportunity_passed']);
  });

  // fault 58
  test.each(['in an open session', 'in a signal'])('that is a leaf %s never changes hands', where => {
    const { cohort, bob } = frozen();
    deliver(cohort, where === 'in a signal' ? undefined : silent(bob, 'aggregated_nonce'));
    if (where === 'in a signal') cohort.mine(7);
    expect(cohort.beacon.signals).toHaveLength(where === 'in a signal' ? 1 : 0);
    expect(refusal(cohort.tell(bob, registration(cohort, bob, ONE)))).toMatchObject({ code: 'did_taken' });
  });
});

describe('an answer', () => {
  test.each([
    ['a whole update', { did: indexOf(ONE.did), invocation: {} }],
    ['a bare hash', { did: indexOf(ONE.did), announcement: drawHex('hash'), target_version_id: 2 }],
    ['word that there is none', { did: indexOf(ONE.did), none: true as const }],
  ])('holds finished leaves only, not %s', (_, entry) => {
    const { cohort, ada } = asked();
    const message = response(cohort, {});
    const bad = { ...message, body: { ...message.body, entries: [entry] } };
    expect(refusal(cohort.tell(ada, bad))).toMatchObject({ code: 'invalid_message', field: 'body.entries.0' });
  });

  test('names indices: a DID is nothing that is registered', () => {
    const { cohort, ada } = asked();
    const message = response(cohort, {});
    const entries = [{ did: ONE.did, leaf: leafOf('one') }];
    const bad = { ...message, body: { ...message.body, entries } };
    expect(refusal(cohort.tell(ada, bad))).toMatchObject({ code: 'invalid_message', field: 'body.entries' });
  });

  test('by which nobody wants a signal makes none, and without a leaf a wish counts for nothing', () => {
    const { cohort, ada, bob, eve } = asked();
    cohort.tell(ada, response(cohort, { [ONE.did]: leafOf('one') }, false));
    cohort.tell(bob, response(cohort, { [TWO.did]: leafOf('two') }, false));
    expect(typesOf(cohort.tell(eve, response(cohort, {}, true)))).toEqual(['presence_heard', 'opportunity_passed']);
    expect(cohort.beacon.signals).toEqual([]);
  });
});

describe('a blinded signal', () => {
  test('gives each member proofs of its own indices, without a word about what the leaves hold', () => {
    const { ada, outcome, cohort } = frozen();
    const requests = sentOf(outcome, 'authorize_beacon_signal_request');
    const own = requests.find(sent => sent.to === ada.transport)!.body;
    expect(own.opportunity_id).toBe(cohort.beacon.round?.frozen?.blinded?.opportunity_id);
    if (!('proofs' in own.evidence)) throw new Error('a tree gives proofs');
    expect(Object.keys(own.evidence.proofs)).toEqual([indexOf(ONE.did)]);
    const proof = proofOf(own, indexOf(ONE.did));
    expect(Object.keys(proof).sort()).toEqual(['collapsed', 'hashes', 'id']);
    const whole = unblindProof(proof, { nonce: nonce('one'), announcement: UPDATE });
    expect(verifySmtProof(leafIndex(ONE.did), whole, 'spec')).toBe(true);
    expect(verifySmtProof(leafIndex(ONE.did), proof, 'spec')).toBe(false);
    expect(jcs(requests.map(sent => sent.body))).not.toMatch(/nonce|updateId/);
  });

  test('is retried with the same leaves after plain presence; a late index is empty in it', () => {
    const { cohort, ada, bob, eve } = frozen();
    const before = structuredClone(cohort.beacon.round!.frozen!);
    deliver(cohort, silent(bob, 'aggregated_nonce'));
    const late = newController('late').did;
    const signals = acked(cohort.tell(eve, byIndex(cohort, eve, late))).signals;
    expect(signals.map(signal => signal.signal_bytes)).toEqual([before.signal_bytes]);
    expect(verifySmtProof(leafIndex(late), proofOf(signals[0]!, indexOf(late)), 'spec')).toBe(true);
    cohort.wait(600);
    cohort.wait(3600);
    expect(cohort.beacon.round?.stage).toMatchObject({ name: 'presence', opportunity: null });
    expect(refusal(cohort.tell(ada, { type: 'update_response', body: { ...emptyAnswer(cohort) } }))).toMatchObject({
      code: 'wrong_session',
    });
    deliver(cohort);
    expect(cohort.beacon.round?.stage.name).toBe('announced');
    expect(cohort.beacon.round?.frozen).toEqual(before);
    const toEve = cohort.sent.findLast(
      sent => sent.to === eve.transport && sent.message.type === 'authorize_beacon_signal_request',
    );
    const body = toEve?.message.body as Body<'authorize_beacon_signal_request'>;
    expect(verifySmtProof(leafIndex(late), proofOf(body, indexOf(late)), 'spec')).toBe(true);
  });

  test('tells nobody whether an index of another member is in it', () => {
    const { cohort, bob } = frozen();
    deliver(cohort);
    const ask = (did: string) =>
      cohort.tell(bob, { type: 'proof_request', body: { beacon_address: cohort.beacon.address, did } });
    expect(refusal(ask(indexOf(ONE.did)))).toMatchObject({ code: 'did_not_yours' });
    expect(refusal(ask(ONE.did))).toMatchObject({ code: 'invalid_did' });
    const [proofs] = sentOf(ask(indexOf(TWO.did)), 'proofs');
    const proof = unblindProof(proofOf(proofs!.body.signals[0]!, indexOf(TWO.did)), { nonce: nonce('two') });
    expect(verifySmtProof(leafIndex(TWO.did), proof, 'spec')).toBe(true);
    expect(fromHex(proofs!.body.signals[0]!.signal_bytes)).toHaveLength(32);
  });
});

const emptyAnswer = (cohort: Cohort): Body<'update_response'> => ({
  beacon_address: cohort.beacon.address,
  opportunity_id: drawHex('no opportunity'),
  wants_signal: false,
  entries: [],
});

test('terms by which a member could hold more DIDs than an answer has room for are no terms', () => {
  const dids = { min: 0, max: 10_001 };
  expect(readTerms(contentOf({ ...BLINDED, dids }))).toMatchObject({ ok: false, field: 'dids.max' });
  expect(readTerms(contentOf({ dids }))).toMatchObject({ ok: true });
});

import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { judgeTranscript, readTranscript } from '../../src/blame/index.ts';
import { type Daemon, startDaemon } from '../../src/daemon.ts';
import { MAX_UPDATE_LENGTH } from '../../src/did/index.ts';
import { admissionStatement, type Message } from '../../src/messages/index.ts';
import { configOf, log, until } from './harness.ts';
import { addService, rawGenesisDid, rawKeyDid, rawUpdate } from './raw-did.ts';
import {
  advertise,
  advertOf,
  formCohort,
  openRawMember,
  publicKeyOf,
  type RawMember,
  randomSecret,
  schnorr,
} from './raw-member.ts';
import { stage } from './stage.ts';

let aggregator: Daemon;
const at = stage();
const listed = randomSecret();

beforeAll(async () => {
  const config = configOf(at.world);
  const admission = { invites: ['golden ticket'], allowlist: [publicKeyOf(listed).slice(2)] };
  aggregator = await startDaemon({ ...config, admission }, { log: log('aggregator') });
}, 180_000);
afterAll(async () => {
  await aggregator?.stop();
});

type Create = Parameters<Daemon['api']['advertCreate']>[0];

const advertised = (over: Create = {}) => advertise(aggregator, at.relay, { cohort_size: { min: 2, max: 2 }, ...over });

async function formed(over: Create = {}) {
  const { cohort, advert, member } = await advertised(over);
  const [ada, bob] = [member(), member()];
  const ready = await formCohort([ada, bob]);
  return { cohort, advert, member, ada, bob, ready };
}

const show = (cohort: string) => aggregator.api.cohortShow({ cohort });
/** All that the cohort is, save what moves by itself. */
async function facts(cohort: string) {
  const { members, registered, rounds, phase, seats, pending_updates, signals, alarms } = await show(cohort);
  return { members, registered, rounds, phase, seats, pending_updates, signals, alarms };
}

/** Sends and expects this refusal: code, a text that says why, and the field. */
async function refuse(
  who: RawMember,
  message: Message | { type: string; body: unknown },
  code: string,
  text: RegExp,
  field?: string,
  over: Parameters<RawMember['send']>[1] = {},
): Promise<void> {
  expect(await who.refused(message, over)).toEqual({
    code,
    text: expect.stringMatching(text),
    ...(field === undefined ? {} : { field }),
  });
}

const OFF_CURVE = `02${'00'.repeat(31)}05`;
const HASH = 'ab'.repeat(32);

// fault 15
test('opt-ins: each reason for which a seat is not given', async () => {
  const { cohort, advert, member } = await advertised();
  const ada = member();
  const before = await facts(cohort);
  await refuse(ada, ada.optIn({ advert_id: 'another' }), 'wrong_advert', /this is the advert/, 'body.advert_id');
  await refuse(ada, ada.optIn({ terms_hash: HASH }), 'wrong_terms', /hash to/, 'body.terms_hash');
  await refuse(
    ada,
    ada.optIn({ participant_pubkey: OFF_CURVE }),
    'invalid_key',
    /no point on secp256k1/,
    'body.participant_pubkey',
  );
  await refuse(
    ada,
    ada.optIn({ participant_pubkey: ada.transport }),
    'invalid_message',
    /33 bytes/,
    'body.participant_pubkey',
  );
  // Made for another transport key: a proof cannot be carried over.
  const thief = member();
  const { body } = ada.optIn() as Extract<Message, { type: 'opt_in' }>;
  await refuse(thief, { type: 'opt_in', body }, 'invalid_proof', /not a signature of this cohort key/, 'body.proof');
  await refuse(
    ada,
    ada.optIn({ participant_pubkey: thief.pk }),
    'invalid_proof',
    /not a signature of this cohort key/,
    'body.proof',
  );
  await refuse(ada, ada.optIn(), 'wrong_cohort', /serves the cohort/, 'cohort', { cohort: HASH });
  expect(await facts(cohort)).toEqual(before);

  expect((await ada.ask(ada.optIn())).body).toMatchObject({ accepted: 'opt_in', seats: { taken: 1, min: 2, max: 2 } });
  const other = openRawMember(advert, [at.relay.url], { cohort: ada.cohortSecret });
  onTestFinished(() => other.close());
  await refuse(other, other.optIn(), 'key_in_use', /under another transport key/, 'body.participant_pubkey');
  const twin = openRawMember(advert, [at.relay.url], { transport: ada.transportSecret });
  onTestFinished(() => twin.close());
  await refuse(twin, twin.optIn(), 'already_seated', /has a seat already/, 'envelope.from');
  // Asked again in other words, the same seat is confirmed.
  expect((await ada.ask(ada.optIn())).body).toMatchObject({ accepted: 'opt_in', seats: { taken: 1 } });
  expect((await show(cohort)).members).toHaveLength(1);

  const bob = member();
  expect((await bob.ask(bob.optIn())).type).toBe('ack');
  await Promise.all([ada, bob].map(each => each.next('cohort_ready')));
  const late = member();
  await refuse(late, late.optIn(), 'cohort_full', /seats are taken/);
});

test('opt-ins: closed and expired adverts, invitations and lists', async () => {
  const closing = await advertised();
  await aggregator.api.advertClose({ advert: closing.cohort, status: 'cancelled' });
  const late = closing.member();
  await refuse(late, late.optIn(), 'advert_closed', /takes no more members/);

  const invited = await advertised({ admission: 'invite' });
  const eve = invited.member();
  await refuse(eve, eve.optIn(), 'not_admitted', /by invitation/, 'body.admission');
  await refuse(
    eve,
    eve.optIn({ admission: { invite: 'paper ticket' } }),
    'not_admitted',
    /by invitation/,
    'body.admission',
  );
  expect((await eve.ask(eve.optIn({ admission: { invite: 'golden ticket' } }))).type).toBe('ack');

  const vouched = await advertised({ admission: 'allowlist' });
  const dan = vouched.member();
  const voucher = (secret: Uint8Array, transport_key: string) => ({
    pubkey: publicKeyOf(secret).slice(2),
    sig: schnorr(
      admissionStatement({
        aggregator: vouched.advert.identity,
        terms_hash: vouched.advert.terms_hash,
        transport_key,
      }),
      secret,
    ),
  });
  await refuse(dan, dan.optIn(), 'not_admitted', /for listed keys/, 'body.admission');
  await refuse(
    dan,
    dan.optIn({ admission: voucher(randomSecret(), dan.transport) }),
    'not_admitted',
    /for listed keys/,
    'body.admission',
  );
  await refuse(
    dan,
    dan.optIn({ admission: voucher(listed, eve.transport) }),
    'not_admitted',
    /did not sign for this transport key/,
    'body.admission',
  );
  expect((await dan.ask(dan.optIn({ admission: voucher(listed, dan.transport) }))).type).toBe('ack');

  const short = await advertised({ expires_in: 1 });
  await until('the offer is over', async () => (await show(short.cohort)).phase === 'ended');
  const tardy = short.member();
  await refuse(tardy, tardy.optIn(), 'advert_expired', /has expired/);
});

test('cohort sets, leaving and new transport keys', async () => {
  const { cohort, member } = await advertised();
  const [ada, bob] = [member(), member()];
  ada.habits.ack = false;
  expect((await ada.ask(ada.optIn())).type).toBe('ack');
  const early = { participant_pubkeys: [ada.pk, bob.pk], beacon_address: 'bcrt1qqqqqqqqqqqqqqqqqq', attempt: 1 };
  await refuse(ada, ada.setAck(early), 'wrong_phase', /no cohort set is waiting/);
  const raw = rawKeyDid();
  const ask: Message = {
    type: 'did_registration',
    body: { beacon_address: early.beacon_address, participant_pk: ada.pk, did: raw.did },
  };
  await refuse(ada, ask, 'wrong_phase', /the cohort is recruiting/);

  expect((await bob.ask(bob.optIn())).type).toBe('ack');
  const { body: set } = await ada.next('cohort_set');
  await refuse(ada, ada.setAck({ ...set, attempt: 7 }), 'wrong_phase', /set is number 1/, 'body.attempt');
  await refuse(
    ada,
    ada.setAck({ ...set, beacon_address: early.beacon_address }),
    'wrong_address',
    /the set makes/,
    'body.beacon_address',
  );
  await refuse(
    ada,
    ada.setAck({ ...set, participant_pubkeys: [ada.pk, ada.pk] }),
    'invalid_signature',
    /did not sign this set/,
    'body.sig',
  );
  const leave = (participant_pk: string): Message => ({ type: 'leave', body: { participant_pk, reason: 'bored' } });
  await refuse(ada, leave(bob.pk), 'wrong_member', /another seat/, 'body.participant_pk');
  expect((await show(cohort)).phase).toBe('confirming');
  await ada.send(ada.setAck(set));
  await ada.next('cohort_ready');
  await refuse(ada, leave(bob.pk), 'wrong_member', /another seat/, 'body.participant_pk');
  // The address is made of all keys: a wish to leave is passed on, and takes nobody out.
  expect((await ada.ask(leave(ada.pk))).body).toEqual({ accepted: 'leave' });
  expect((await show(cohort)).members).toHaveLength(2);

  const moved = openRawMember(advertOf(at.relay, cohort), [at.relay.url], { cohort: ada.cohortSecret });
  onTestFinished(() => moved.close());
  const nobody = member();
  await refuse(nobody, nobody.rebind(nobody.transport, 1), 'not_a_member', /has no seat/, 'body.participant_pk');
  await refuse(
    moved,
    moved.rebind(nobody.transport, 1),
    'invalid_message',
    /from the new transport key/,
    'body.transport_key',
  );
  const forged = moved.rebind(moved.transport, 1) as Extract<Message, { type: 'rebind' }>;
  await refuse(
    moved,
    { ...forged, body: { ...forged.body, counter: 2 } },
    'invalid_proof',
    /did not sign this/,
    'body.sig',
  );
  const bobToo = openRawMember(advertOf(at.relay, cohort), [at.relay.url], {
    cohort: ada.cohortSecret,
    transport: bob.transportSecret,
  });
  onTestFinished(() => bobToo.close());
  await refuse(
    bobToo,
    bobToo.rebind(bob.transport, 1),
    'key_in_use',
    /belongs to another member/,
    'body.transport_key',
  );
  expect((await moved.ask(moved.rebind(moved.transport, 3))).body).toEqual({ accepted: 'rebind', counter: 3 });
  await refuse(ada, ada.rebind(ada.transport, 3), 'counter_too_low', /last counter was 3/, 'body.counter');
  expect((await show(cohort)).members.map(each => each.transport).sort()).toEqual(
    [moved.transport, bob.transport].sort(),
  );
});

test('registrations', async () => {
  const { cohort, ada, bob } = await formed({ dids: { min: 0, max: 2 } });
  const raw = rawKeyDid();
  const wrong = (over: object): Message => {
    const { type, body } = ada.register(raw) as Extract<Message, { type: 'did_registration' }>;
    return { type, body: { ...body, ...over } };
  };
  const before = await facts(cohort);
  await refuse(
    ada,
    wrong({ beacon_address: 'bcrt1qqqqqqqqqqqqqqqqqq' }),
    'wrong_address',
    /beacon is bcrt1p/,
    'body.beacon_address',
  );
  await refuse(ada, wrong({ participant_pk: bob.pk }), 'wrong_member', /another member/, 'body.participant_pk');
  await refuse(ada, wrong({ did: 'did:btcr2:k1garbage' }), 'invalid_did', /not a did:btcr2/, 'body.did');
  await refuse(ada, ada.register(rawKeyDid('signet')), 'invalid_did', /on regtest/, 'body.did');
  await refuse(ada, wrong({ did: 'did:btc1:k1q5p' }), 'invalid_did', /not a did:btcr2/, 'body.did');
  await refuse(ada, wrong({ did: 7 }), 'invalid_message', /./, 'body.did');
  await refuse(ada, wrong({ extra: 1 }), 'invalid_message', /./, 'body.extra');
  const { proof: _, ...unproven } = (ada.register(raw) as Extract<Message, { type: 'did_registration' }>).body;
  await refuse(
    ada,
    { type: 'did_registration', body: unproven },
    'control_not_proven',
    /with proof of control only/,
    'body.proof',
  );
  const stranger = rawKeyDid();
  await refuse(
    ada,
    ada.register({ ...raw, secret: stranger.secret }),
    'control_not_proven',
    /not a signature/,
    'body.proof.sig',
  );
  await refuse(
    ada,
    ada.register({ ...raw, method: `${raw.did}#other` }),
    'control_not_proven',
    /neither an authentication nor/,
    'body.proof.verification_method',
  );
  const hidden = rawGenesisDid();
  await refuse(ada, ada.register({ ...hidden, sidecar: {} }), 'document_unknown', /does not resolve/, 'body.sidecar');
  expect(await facts(cohort)).toEqual(before);

  const first = ada.draft(ada.register(raw));
  await ada.post(first);
  const ack = await until('the registration', () => ada.repliesTo(first.id)[0]);
  expect(ack.body).toMatchObject({ accepted: 'did_registration', did: raw.did, proven: true, signals: [] });
  await refuse(bob, bob.register(raw), 'did_taken', /same or a later version/, 'body.did');
  expect((await ada.ask(ada.register(hidden))).type).toBe('ack');
  await refuse(ada, ada.register(rawKeyDid()), 'did_limit', /allows 2 DIDs/, 'body.did');
  expect((await show(cohort)).registered.map(each => [each.did, each.member])).toEqual([
    [raw.did, ada.pk],
    [hidden.did, ada.pk],
  ]);

  const proofs = (over: object): Message => ({
    type: 'proof_request',
    body: { beacon_address: ada.ready().beacon_address, did: raw.did, ...over },
  });
  await refuse(
    ada,
    proofs({ beacon_address: 'bcrt1qqqqqqqqqqqqqqqqqq' }),
    'wrong_address',
    /beacon is/,
    'body.beacon_address',
  );
  await refuse(bob, proofs({}), 'did_not_yours', /another member/, 'body.did');
  await refuse(ada, proofs({ session_id: HASH }), 'not_available', /no such signal/, 'body.session_id');
  expect((await ada.ask(proofs({}))).body).toMatchObject({ signals: [] });
});

// fault 59
test('updates', async () => {
  const { cohort, ada, bob } = await formed({ frequency: { interval: 3600, min_interval: 0, pending_updates: 50 } });
  const raw = rawKeyDid();
  expect((await ada.ask(ada.register(raw))).type).toBe('ack');
  const { update, announcement, document } = await rawUpdate(raw, addService('one'));
  const before = await facts(cohort);
  await refuse(
    ada,
    ada.update(raw, update, { beacon_address: 'bcrt1qqqqqqqqqqqqqqqqqq' }),
    'wrong_address',
    /beacon is/,
    'body.beacon_address',
  );
  await refuse(
    ada,
    ada.update(raw, update, { participant_pk: bob.pk }),
    'wrong_member',
    /another member/,
    'body.participant_pk',
  );
  await refuse(bob, bob.update(raw, update), 'did_not_yours', /another member/, 'body.did');
  await refuse(ada, ada.update(rawKeyDid(), update), 'did_not_registered', /register the DID first/, 'body.did');
  await refuse(
    ada,
    ada.update(raw, { ...update, junk: 'x'.repeat(MAX_UPDATE_LENGTH) }),
    'update_too_large',
    /at most/,
    'body.invocation',
  );
  await refuse(
    ada,
    ada.update(raw, { ...update, '@context': update['@context'].toReversed() }),
    'update_invalid',
    /./,
    'body.invocation.@context.0',
  );
  await refuse(
    ada,
    ada.update(raw, { ...update, proof: { ...update.proof, capability: 'urn:zcap:root:other' } }),
    'update_invalid',
    /capability is of another DID/,
    'body.invocation.proof.capability',
  );
  await refuse(
    ada,
    ada.update(raw, { ...update, patch: addService('forged') }),
    'update_invalid',
    /proof does not verify/,
    'body.invocation.proof.proofValue',
  );
  const elsewhere = await rawUpdate(raw, addService('x'), { document });
  await refuse(
    ada,
    ada.update(raw, elsewhere.update),
    'update_invalid',
    /made for another document/,
    'body.invocation.sourceHash',
  );
  const third = await rawUpdate(raw, addService('three'), { document, version: 2 });
  await refuse(
    ada,
    ada.update(raw, third.update),
    'version_gap',
    /known here is version 1/,
    'body.invocation.targetVersionId',
  );
  expect(await facts(cohort)).toEqual(before);

  const queued = { accepted: 'did_update', target_version_id: 2, verified: true, state: 'queued' };
  expect((await ada.ask(ada.update(raw, update))).body).toMatchObject({ ...queued, announcement });
  await refuse(
    ada,
    ada.update(raw, third.update),
    'version_gap',
    /may still be replaced/,
    'body.invocation.targetVersionId',
  );
  const better = await rawUpdate(raw, addService('better'));
  expect((await ada.ask(ada.update(raw, better.update))).body).toMatchObject({
    ...queued,
    announcement: better.announcement,
  });
  expect(await facts(cohort)).toMatchObject({ pending_updates: 1, registered: [{ did: raw.did, pending: 2 }] });
});

// fault 6
test('signing: nonces, authorizations, vetoes; blame with evidence; late, and deactivated at the end', {
  timeout: 30_000,
}, async () => {
  const latency = { cohort_set: 20, presence: 2, nonce: 20, signature: 20 };
  const { cohort, ada, bob, ready } = await formed({ latency });
  const raw = rawGenesisDid(ready.beacon_address);
  expect((await ada.ask(ada.register(raw))).type).toBe('ack');
  await at.node.fund(ready.beacon_address, 50_000);
  await at.node.mine(6);
  for (const member of [ada, bob]) Object.assign(member.habits, { nonces: false, sign: false });
  const last = await rawUpdate(raw, [{ op: 'add', path: '/deactivated', value: true }]);
  const noSession: Message = { type: 'nonce_lost', body: { session_id: HASH } };
  await refuse(ada, noSession, 'wrong_session', /no round is open/, 'body.session_id');
  expect((await ada.ask(ada.update(raw, last.update))).type).toBe('ack');

  const { body: asked } = await ada.next('authorize_beacon_signal_request');
  await bob.next('authorize_beacon_signal_request');
  const { session_id, beacon_address } = asked;
  const mine = ada.nonce(asked) as Extract<Message, { type: 'nonce' }>;
  const nonce = (over: object): Message => ({ type: 'nonce', body: { ...mine.body, ...over } });
  await refuse(ada, nonce({ session_id: HASH }), 'wrong_session', /no such session/, 'body.session_id');
  await refuse(
    ada,
    nonce({ beacon_address: 'bcrt1qqqqqqqqqqqqqqqqqq' }),
    'wrong_address',
    /beacon is/,
    'body.beacon_address',
  );
  const [points] = mine.body.nonce_points;
  await refuse(
    ada,
    nonce({ nonce_points: [points, points] }),
    'invalid_nonce',
    /1 nonces are due/,
    'body.nonce_points',
  );
  await refuse(ada, noSession, 'wrong_session', /no such session/, 'body.session_id');
  const veto: Message = { type: 'veto', body: { session_id: HASH, code: 'x', text: 'y' } };
  await refuse(ada, veto, 'wrong_session', /no such session/, 'body.session_id');
  const tooEarly: Message = {
    type: 'signal_authorization',
    body: { session_id, beacon_address, agg_nonce: [points!], sig: [HASH] },
  };
  await refuse(ada, tooEarly, 'wrong_session', /no such session is open/, 'body.session_id');
  await ada.send(mine);
  await refuse(ada, ada.nonce(asked), 'equivocation', /came first/);
  // Off the curve: whoever signed that is to blame, and everybody gets the proof.
  const bad: Message = { type: 'nonce', body: { session_id, beacon_address, nonce_points: [[OFF_CURVE, OFF_CURVE]] } };
  const sent = bob.draft(bad);
  await bob.post(sent);
  const answer = await until('the refusal', () => bob.repliesTo(sent.id)[0]);
  expect(answer.body).toMatchObject({ code: 'invalid_nonce', field: 'body.nonce_points.0' });
  for (const member of [ada, bob])
    expect((await member.next('round_aborted')).body).toMatchObject({
      session_id,
      reason: 'invalid_nonce',
      open: false,
      blame: [bob.pk],
      not_heard: [],
      evidence: [sent],
    });

  const second = await ada.next('authorize_beacon_signal_request', ({ body }) => body.session_id !== session_id);
  const id = second.body.session_id;
  await bob.next('authorize_beacon_signal_request', ({ body }) => body.session_id === id);
  await refuse(ada, mine, 'wrong_session', /no such session is waiting/, 'body.session_id');
  await ada.send(ada.nonce(second.body));
  await bob.send(bob.nonce(second.body));
  const { body: aggregated } = await ada.next('aggregated_nonce');
  await refuse(ada, ada.nonce(second.body), 'equivocation', /came first/);
  const right = bob.authorization(aggregated) as Extract<Message, { type: 'signal_authorization' }>;
  const authorize = (over: object): Message => ({ type: 'signal_authorization', body: { ...right.body, ...over } });
  await refuse(bob, authorize({ session_id: HASH }), 'wrong_session', /no such session/, 'body.session_id');
  await refuse(
    bob,
    authorize({ beacon_address: 'bcrt1qqqqqqqqqqqqqqqqqq' }),
    'wrong_address',
    /beacon is/,
    'body.beacon_address',
  );
  await refuse(bob, authorize({ agg_nonce: [points] }), 'wrong_session', /another aggregated nonce/, 'body.agg_nonce');
  const [sig] = right.body.sig;
  await refuse(bob, authorize({ sig: [sig, sig] }), 'invalid_signature', /1 signatures are due/, 'body.sig');
  const hers = ada.authorization(aggregated) as Extract<Message, { type: 'signal_authorization' }>;
  await ada.send(hers);
  await refuse(ada, { ...hers, body: { ...hers.body, sig: [HASH] } }, 'equivocation', /came first/);
  const lost: Message = { type: 'nonce_lost', body: { session_id: id } };
  await refuse(ada, lost, 'wrong_phase', /has authorized the session already/, 'body.session_id');
  const spoiled = bob.draft(authorize({ sig: [HASH] }));
  await bob.post(spoiled);
  const blamed = await until('the refusal', () => bob.repliesTo(spoiled.id)[0]);
  expect(blamed.body).toMatchObject({ code: 'invalid_signature', field: 'body.sig.0' });
  for (const member of [ada, bob]) {
    const { body } = await member.next('round_aborted', each => each.body.reason === 'invalid_signature');
    expect(body).toMatchObject({ session_id: id, open: true, blame: [bob.pk], not_heard: [] });
    expect(body.evidence.at(-1)).toEqual(spoiled);
  }
  expect((await show(cohort)).round).toMatch(/open; the next attempt with the same outpoint and bytes/);
  const kept = await aggregator.api.evidenceList({ cohort });
  expect(kept.map(({ reason, participant_pk, session_id }) => [reason, participant_pk, session_id])).toEqual([
    ['equivocation', ada.pk, session_id],
    ['invalid_nonce', bob.pk, session_id],
    ['equivocation', ada.pk, id],
    ['equivocation', ada.pk, id],
    ['invalid_signature', bob.pk, id],
  ]);
  const verdicts = await Promise.all(
    kept.map(async each => {
      const file = JSON.stringify(await aggregator.api.evidenceExport({ id: each.id }));
      const read = readTranscript(file);
      return read.ok ? judgeTranscript(read.transcript) : read.text;
    }),
  );
  expect(verdicts).toMatchObject([
    { shown: true, fault: 'two_nonces', participant_pk: ada.pk },
    { shown: true, fault: 'invalid_nonce', participant_pk: bob.pk },
    { shown: true, fault: 'two_nonces', participant_pk: ada.pk },
    { shown: true, fault: 'two_authorizations', participant_pk: ada.pk },
    { shown: true, fault: 'invalid_signature', participant_pk: bob.pk },
  ]);
  expect((await show(cohort)).alarms.join()).toContain(`${ada.pk} signed two different nonces`);
  await refuse(ada, lost, 'wrong_session', /no such session is under way/, 'body.session_id');
  // Late, and welcome: it is the last one that was missing.
  await bob.send(right);
  await until('the signal', async () => (await show(cohort)).rounds[0]?.status?.startsWith('broadcast'));
  await at.node.mine(6);
  await until('final', async () => (await show(cohort)).rounds[0]?.status?.startsWith('final'));
  await refuse(ada, ada.register(raw), 'deactivated', /is deactivated/, 'body.did');
  const after = await rawUpdate(raw, addService('more'), { document: last.document, version: 2 });
  await refuse(ada, ada.update(raw, after.update), 'deactivated', /is deactivated/, 'body.did');
  const again = await rawUpdate(raw, addService('other'));
  await refuse(ada, ada.update(raw, again.update), 'version_taken', /is final/, 'body.invocation.targetVersionId');
  await refuse(bob, bob.register(raw), 'did_taken', /was in a signal already/, 'body.did');
});

// fault 4
test('a message that comes again gets the stored answer, byte for byte, and nothing is done twice', async () => {
  const { cohort, ada } = await formed({ frequency: { interval: 3600, min_interval: 0, pending_updates: 50 } });
  const raw = rawKeyDid();
  const { update } = await rawUpdate(raw, addService('one'));
  const messages = [
    ada.draft(ada.register(raw)),
    ada.draft(ada.update(raw, update)),
    ada.draft(ada.update(rawKeyDid(), update)),
  ];
  const answers = [];
  for (const message of messages) {
    await ada.post(message);
    answers.push(await until('an answer', () => ada.repliesTo(message.id)[0]));
  }
  expect(answers.map(answer => answer.type)).toEqual(['ack', 'ack', 'rejection']);
  const before = await facts(cohort);
  const fromAggregator = () => at.relay.events().filter(event => event.pubkey === ada.draft(ada.optIn()).to);
  const events = fromAggregator();
  // The very event again, and the same message under other event ids.
  await ada.publish(ada.wrap(JSON.stringify(messages[0])));
  for (const message of [...messages, ...messages]) await ada.post(message);
  // A relay that lost what it had gets the same bytes again.
  await at.relay.restart({ wipe: true });
  const copies = ada.copies.length;
  for (const message of messages) await ada.post(message);
  for (const [i, message] of messages.entries()) {
    const [copy] = await until('the stored answer', () => {
      const found = ada.copies.slice(copies).filter(envelope => envelope.in_reply_to === message.id);
      return found.length > 0 && found;
    });
    expect(copy).toEqual(answers[i]);
  }
  const ids = new Set(events.map(event => event.id));
  expect(fromAggregator().filter(event => !ids.has(event.id))).toEqual([]);
  expect(await facts(cohort)).toEqual(before);
});

// fault 2
test('other versions and types: politely refused for members, silence for strangers, whose messages change nothing', async () => {
  const { cohort, advert, member, ada } = await formed();
  const raw = rawKeyDid();
  const body = { beacon_address: ada.ready().beacon_address, participant_pk: ada.pk, did: raw.did };
  await refuse(ada, ada.optIn(), 'unsupported_version', /speaks version 1/, 'v', { v: 2 });
  await refuse(ada, { type: 'teapot', body: {} }, 'unknown_type', /known types: opt_in/, 'type');
  await refuse(
    ada,
    { type: 'presence', body: { beacon_address: body.beacon_address, round: 1, attempt: 1 } },
    'unknown_type',
    /is for the aggregator to send/,
    'type',
  );
  await refuse(ada, { type: 'veto', body: { session_id: 'short' } }, 'invalid_message', /./, 'body.session_id');

  const before = await facts(cohort);
  const stranger = member();
  const grafted = ada.draft(ada.register(raw));
  await stranger.send({ type: 'teapot', body: {} });
  await stranger.send(stranger.optIn(), { v: 2 });
  await refuse(stranger, { type: 'opt_in', body: { advert_id: 7 } }, 'invalid_message', /./, 'body.advert_id');
  await stranger.send({ type: 'did_registration', body });
  await stranger.send({ type: 'veto', body: { session_id: HASH, code: 'x', text: 'y' } });
  await stranger.send({ type: 'leave', body: { participant_pk: ada.pk, reason: 'me' } });
  // A member's own words in a stranger's event, and words of nobody.
  await stranger.post(grafted);
  await stranger.post({ ...grafted, sig: 'ff'.repeat(64) });
  await stranger.post('{"v":1');
  await stranger.post('['.repeat(30_000));
  await stranger.post(JSON.stringify({ ...grafted, __proto__: { x: 1 }, id: HASH }));
  await ada.send(ada.optIn(), { created_at: Math.floor(Date.now() / 1000) + 3600 });
  // What is answered comes after all that: so the rest was passed over in silence.
  await refuse(stranger, stranger.optIn(), 'cohort_full', /seats are taken/);
  expect(stranger.heard).toHaveLength(2);
  expect(await facts(cohort)).toEqual(before);
  expect(advert.cohort).toBe(cohort);
});

import { beforeAll, describe, expect, test } from 'vitest';
import { buildSignal } from '../../src/bitcoin/index.ts';
import { judgeTranscript, readTranscript, type Transcript, verdictWords } from '../../src/blame/index.ts';
import { completed } from '../../src/cohort/transcript.ts';
import { fromHex } from '../../src/crypto/index.ts';
import { type Body, type Envelope, rebindStatement, type SeatProof, signEnvelope } from '../../src/messages/index.ts';
import {
  answer,
  type Cohort,
  deliver,
  type Outcome,
  roundOpen,
  type Sent,
  sentOf,
  sessionOpen,
  until,
} from '../cohort/driver.ts';
import { draw, drawHex, type Member, newMember, schnorr } from '../cohort/members.ts';

/** As it comes out of a file. */
function asFile(transcript: Transcript): Transcript {
  const read = readTranscript(JSON.stringify(transcript));
  if (!read.ok) throw new Error(read.text);
  return read.transcript;
}

const verdictOn = (transcript: Transcript) => judgeTranscript(asFile(transcript));

const keptOf = ({ effects }: Outcome): Transcript =>
  effects.flatMap(effect => (effect.type === 'keep_evidence' ? [effect.transcript] : []))[0]!;

const mailFor = (cohort: Cohort, member: Member, type: Sent['message']['type']): Sent =>
  cohort.sent.findLast(sent => sent.to === member.transport && sent.message.type === type)!;

/** A round whose nonces are asked for. */
async function asked() {
  const made = await roundOpen();
  deliver(made.cohort, until('authorize_beacon_signal_request'));
  const [ada, bob, eve] = made.cohort.members as [Member, Member, Member];
  return { ...made, ada, bob, eve };
}

async function signing() {
  const made = await sessionOpen();
  const [ada, bob, eve] = made.cohort.members as [Member, Member, Member];
  return { ...made, ada, bob, eve };
}

function authorizationBy(cohort: Cohort, member: Member): Body<'signal_authorization'> {
  const message = answer(cohort, member, mailFor(cohort, member, 'aggregated_nonce'))!;
  if (message.type !== 'signal_authorization') throw new Error(message.type);
  return message.body;
}

async function badSignature() {
  const made = await signing();
  const { cohort, eve } = made;
  const good = authorizationBy(cohort, eve);
  const outcome = cohort.tell(eve, { type: 'signal_authorization', body: { ...good, sig: ['ab'.repeat(32)] } });
  return { ...made, good, outcome, transcript: keptOf(outcome) };
}

describe('what a transcript shows, to whoever has nothing but the file', () => {
  test('a partial signature that does not verify', async () => {
    const { cohort, eve, transcript } = await badSignature();
    const verdict = verdictOn(transcript);
    expect(verdict).toMatchObject({ shown: true, fault: 'invalid_signature', participant_pk: eve.pk });
    expect(verdictWords(verdict).join('\n')).toContain(`the member ${eve.pk} signed a partial signature`);
    expect(transcript.session).toMatchObject({ cohort: cohort.id, round: 1, attempt: 1 });
  });

  test('a nonce that is no point', async () => {
    const { cohort, eve } = await asked();
    const stage = cohort.beacon.round!.stage;
    const session_id = 'session' in stage ? stage.session.id : '';
    const nonce_points: Body<'nonce'>['nonce_points'] = [[`02${'0'.repeat(63)}5`, eve.pk]];
    const body = { session_id, beacon_address: cohort.beacon.address, nonce_points };
    const transcript = keptOf(cohort.tell(eve, { type: 'nonce', body }));
    expect(verdictOn(transcript)).toMatchObject({ shown: true, fault: 'invalid_nonce', participant_pk: eve.pk });
  });

  // fault 5
  test('two nonces, and two signatures', async () => {
    const before = await asked();
    const request = mailFor(before.cohort, before.bob, 'authorize_beacon_signal_request');
    before.cohort.tell(before.bob, answer(before.cohort, before.bob, request)!);
    const twice = keptOf(before.cohort.tell(before.bob, answer(before.cohort, before.bob, request)!));
    expect(verdictOn(twice)).toMatchObject({ shown: true, fault: 'two_nonces', participant_pk: before.bob.pk });

    const { cohort, bob } = await signing();
    const good = authorizationBy(cohort, bob);
    cohort.tell(bob, { type: 'signal_authorization', body: good });
    const body = { ...good, sig: [drawHex('another')] };
    const transcript = keptOf(cohort.tell(bob, { type: 'signal_authorization', body }));
    expect(verdictOn(transcript)).toMatchObject({ shown: true, fault: 'two_authorizations', participant_pk: bob.pk });
  });

  test('also in another order, and across a rebind of the transport key', async () => {
    const { transcript } = await badSignature();
    expect(verdictOn({ ...transcript, envelopes: transcript.envelopes.toReversed() }).shown).toBe(true);

    const { cohort, eve } = await signing();
    const good = authorizationBy(cohort, eve);
    const later: Member = { ...eve, ...renamed('eve, later') };
    const { transport: transport_key, pk: participant_pk } = later;
    const statement = rebindStatement({ cohort: cohort.id, participant_pk, transport_key, counter: 1 });
    const rebind = { participant_pk, transport_key, counter: 1, sig: schnorr(statement, eve.secret) };
    cohort.tell(later, { type: 'rebind', body: rebind });
    const body = { ...good, sig: ['ab'.repeat(32)] };
    const moved = keptOf(cohort.tell(later, { type: 'signal_authorization', body }));
    expect(moved.seats).toHaveLength(2);
    expect(verdictOn(moved)).toMatchObject({ shown: true, fault: 'invalid_signature', participant_pk: eve.pk });
  });

  test('a signature only with the transaction that paid the outpoint, which may come later', async () => {
    const { cohort, eve } = await signing();
    const good = authorizationBy(cohort, eve);
    cohort.chainUp = false;
    const body = { ...good, sig: ['ab'.repeat(32)] };
    const transcript = keptOf(cohort.tell(eve, { type: 'signal_authorization', body }));
    expect(transcript.session?.funding).toBeNull();
    expect(verdictOn(transcript)).toMatchObject({ shown: false, why: expect.stringContaining('is missing') });
    const view = cohort.chain.view(cohort.beacon.script_hex);
    expect(verdictOn(completed(transcript, view))).toMatchObject({ shown: true, fault: 'invalid_signature' });
    expect(completed(transcript, null)).toEqual(transcript);
  });
});

const renamed = (name: string): Pick<Member, 'transport' | 'transportSecret'> => {
  const { transport, transportSecret } = newMember(name);
  return { transport, transportSecret };
};

describe('what must not convict an honest member', () => {
  /** Bob is honest, and has signed in two attempts of one round; whoever forges holds all that he ever sent. */
  async function honest() {
    const { cohort, ada, bob, eve } = await signing();
    const envelopes: Envelope[] = [];
    const say = (message: Parameters<Cohort['envelope']>[1]) => {
      const envelope = cohort.envelope(bob, message);
      envelopes.push(envelope);
      cohort.give({ type: 'message', envelope, admission: { invites: [], allowlist: [] } });
    };
    const first = cohort.beacon.round!.open[0]!;
    envelopes.push(first.nonces.get(bob.pk)!);
    say({ type: 'signal_authorization', body: authorizationBy(cohort, bob) });
    // Eve spoils the attempt, and her transcript is the mould for the forgeries.
    const good = authorizationBy(cohort, eve);
    const outcome = cohort.tell(eve, { type: 'signal_authorization', body: { ...good, sig: ['ab'.repeat(32)] } });
    const mould = keptOf(outcome);
    cohort.mail = [];
    cohort.wait(3600);
    deliver(cohort, until('aggregated_nonce'));
    const second = cohort.beacon.round!.open[1]!;
    envelopes.push(second.nonces.get(bob.pk)!);
    say({ type: 'signal_authorization', body: authorizationBy(cohort, bob) });
    const [n1, a1, n2, a2] = envelopes as [Envelope, Envelope, Envelope, Envelope];
    const seats = cohort.state.seats.get(bob.pk)!.proofs;
    const accused = { ...mould, participant_pk: bob.pk, seats };
    const with_ = (...said: object[]): Transcript => ({
      ...accused,
      envelopes: said as Record<string, unknown>[],
    });
    return { cohort, ada, bob, eve, n1, a1, n2, a2, with_, accused, mould, second };
  }
  type Honest = Awaited<ReturnType<typeof honest>>;
  let given: Honest;
  beforeAll(async () => {
    given = await honest();
  });

  const otherValue = ({ accused }: Honest): Partial<Transcript> => {
    const session = accused.session!;
    return { session: { ...session, funding: session.funding!.replace(/a086010000000000/, 'a186010000000000') } };
  };

  const forgeries: [string, (given: Honest) => Transcript, RegExp][] = [
    ['what he did say, whole', ({ with_, n1, a1 }) => with_(n1, a1), /verifies/],
    ['the same in another order', ({ with_, n1, a1 }) => with_(a1, n1), /verifies/],
    ['the same twice', ({ with_, n1, a1 }) => with_(n1, n1, a1, a1), /verifies/],
    ['all that he ever said', ({ with_, n1, a1, n2, a2 }) => with_(n2, a1, n1, a2), /verifies|described/],
    ['his nonce of another session', ({ with_, n2, a1 }) => with_(n2, a1), /nonces .* missing/],
    ['his signature of another session', ({ with_, n1, a2 }) => with_(n1, a2), /nonces .* missing/],
    ['a session that is not the one he signed', ({ with_, n2, a2 }) => with_(n2, a2), /not the one/],
    ['no session at all', ({ with_, n1, a1 }) => ({ ...with_(n1, a1), session: null }), /missing/],
    [
      'another value of the outpoint',
      given => ({ ...given.with_(given.n1, given.a1), ...otherValue(given) }),
      /outpoint/,
    ],
    [
      'another output of the funding transaction',
      ({ with_, n1, a1, accused: { session } }) => ({
        ...with_(n1, a1),
        session: { ...session!, outpoint: { ...session!.outpoint, vout: 1 } },
      }),
      /not the one|outpoint/,
    ],
    [
      'other keys in the set',
      ({ with_, n1, a1, accused: { session }, bob, eve }) => ({
        ...with_(n1, a1),
        session: { ...session!, participant_pubkeys: [bob.pk, eve.pk], funding: null },
      }),
      /not the one/,
    ],
    [
      'another transaction',
      ({ with_, n1, a1, cohort, accused: { session } }) => ({
        ...with_(n1, a1),
        session: { ...session!, transactions: [otherTransaction(cohort)] },
      }),
      /not the one/,
    ],
    [
      'another round',
      ({ with_, n1, a1, accused: { session } }) => ({ ...with_(n1, a1), session: { ...session!, round: 2 } }),
      /not the one/,
    ],
    [
      'no transaction that paid the outpoint',
      ({ with_, n1, a1, accused: { session } }) => ({ ...with_(n1, a1), session: { ...session!, funding: null } }),
      /value .* not proven/,
    ],
    [
      'his signature, altered',
      ({ with_, n1, a1 }) => with_(n1, { ...a1, body: { ...a1.body, sig: ['ab'.repeat(32)] } }),
      /envelope 2 is not authentic/,
    ],
    [
      'his nonce, altered, and given a fresh id',
      ({ with_, n1, a1, ada }) => with_({ ...n1, body: { ...n1.body, nonce_points: [[ada.pk, ada.pk]] } }, a1),
      /envelope 1 is not authentic/,
    ],
    [
      'an envelope that somebody else signed in his name',
      ({ with_, n1, eve }) => with_(n1, forged(n1, eve.transportSecret)),
      /envelope 2 is not authentic/,
    ],
    [
      "another member's bad signature",
      ({ with_, mould: { envelopes } }) => with_(...envelopes),
      /envelope 1 is not by the accused/,
    ],
    [
      "another member's bad signature, and the seat of that member",
      ({ with_, mould: { envelopes, seats } }) => ({ ...with_(...envelopes), seats }),
      /did not authorize/,
    ],
    [
      'a transport key that he never had',
      ({ with_, n1, eve, accused: { seats } }) => ({
        ...with_(forged(n1, eve.transportSecret, eve.transport)),
        seats: [{ ...seats[0]!, transport_key: eve.transport }],
      }),
      /did not authorize/,
    ],
    [
      'his seat with another aggregator',
      ({ with_, n1, a1, accused: { advert } }) => ({
        ...with_(n1, a1),
        advert: { ...advert, aggregator: drawHex('another') },
      }),
      /did not authorize/,
    ],
    [
      'a rebind that he never made',
      ({ with_, n1, eve, cohort }) => ({
        ...with_(forged(n1, eve.transportSecret, eve.transport)),
        seats: [rebindBy(cohort, eve)],
      }),
      /did not authorize/,
    ],
    [
      'a veto',
      ({ with_, bob, cohort, n1 }) => with_(vetoBy(cohort, bob, (n1.body as Body<'nonce'>).session_id)),
      /nothing in it/,
    ],
  ];

  test.each(forgeries)('%s', (_, forge, why) => {
    const verdict = verdictOn(forge(given));
    expect(verdict).toMatchObject({ shown: false });
    expect(verdict.shown ? '' : verdict.why).toMatch(why);
    expect(verdictWords(verdict)[0]).toBe('This shows nothing.');
  });

  test('and the forgers had a good mould: the one who did it is still convicted by it', () => {
    const { mould, eve } = given;
    expect(verdictOn(mould)).toMatchObject({ shown: true, participant_pk: eve.pk });
  });

  const otherTransaction = (cohort: Cohort): string =>
    buildSignal({
      prevout: cohort.beacon.round!.frozen!.outpoint,
      scriptHex: cohort.beacon.script_hex,
      signalBytes: draw('other bytes'),
      feeSats: 500,
    }).unsignedHex;

  const vetoBy = (cohort: Cohort, member: Member, session_id: string): Envelope =>
    cohort.envelope(member, { type: 'veto', body: { session_id, code: 'no', text: 'no' } });

  /** The message again, signed by somebody else. */
  function forged(envelope: Envelope, secret: Uint8Array, from = envelope.from): Envelope {
    const { id: _, sig: __, v: ___, ...draft } = envelope;
    const other = { ...draft, from, body: { ...draft.body, nonce_points: [['02'.repeat(33), '03'.repeat(33)]] } };
    return signEnvelope(other as Parameters<typeof signEnvelope>[0], secret, draw('aux'));
  }

  function rebindBy(cohort: Cohort, thief: Member): SeatProof {
    const statement = rebindStatement({
      cohort: cohort.id,
      participant_pk: thief.pk,
      transport_key: thief.transport,
      counter: 9,
    });
    const sig = schnorr(statement, thief.secret);
    return { transport_key: thief.transport, rebind: { cohort: cohort.id, counter: 9, sig } };
  }
});

describe('the file', () => {
  test.each<[string, string, RegExp]>([
    ['no JSON', 'x', /no JSON/],
    ['too deep', '['.repeat(100), /nested too deeply/],
    ['too large', ' '.repeat(4_000_001), /too large/],
    ['something else', '{}', /type/],
    ['of another version', '{"type":"btcr2-aggregator/transcript","v":2}', /v:/],
  ])('%s is refused, and the field is named', (_, text, why) => {
    const read = readTranscript(text);
    expect(read.ok).toBe(false);
    expect(read.ok ? '' : read.text).toMatch(why);
  });

  test('a transcript with a field more or less is refused', async () => {
    const { transcript } = await badSignature();
    expect(readTranscript(JSON.stringify({ ...transcript, guilty: true })).ok).toBe(false);
    const { seats: _, ...less } = transcript;
    expect(readTranscript(JSON.stringify(less))).toMatchObject({ ok: false, text: expect.stringContaining('seats') });
  });
});

test('members are told with the same words as proof, and who they are of', async () => {
  const { cohort, eve, outcome, transcript } = await badSignature();
  const told = sentOf(outcome, 'round_aborted');
  expect(told).toHaveLength(3);
  for (const { body } of told) {
    expect(body.blame).toEqual([eve.pk]);
    expect(body.seats).toEqual(transcript.seats);
    expect(body.evidence).toEqual(transcript.envelopes);
  }
  expect(fromHex(cohort.beacon.participant_pubkeys[0]!)).toHaveLength(33);
});

import { curve } from '#curve';
import { finalizeSignal, type SigningSession, signalSighash, signedTogether, verifySignal } from '../bitcoin/index.ts';
import { type Bytes, concatBytes, fromHex, toHex } from '../crypto/index.ts';
import { accept, nothing, refuse } from './answer.ts';
import { decideFallbackVeto } from './fallback.ts';
import type { Decision, Effect, Env } from './inputs.ts';
import { keySetOf, musig } from './keys.ts';
import { type AttemptEnd, deadlines, tell } from './rounds.ts';
import type { Beacon, CohortState, EnvelopeOf, NoncePair, Round, Session, Stage } from './state.ts';
import { transcriptOf } from './transcript.ts';

export const joinNonce = ([first, second]: NoncePair): Bytes => concatBytes(fromHex(first, 33), fromHex(second, 33));
export const splitNonce = (nonce: Bytes): NoncePair => [toHex(nonce.subarray(0, 33)), toHex(nonce.subarray(33))];

const sameJson = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Members signing together: a round's session, or that of a spend that announces nothing. */
export interface Ceremony {
  state: CohortState;
  beacon: Beacon;
  env: Env;
  /** Where it stands; another stage than these two while it rests. */
  stage: Stage;
  /** Sessions whose aggregated nonce went out: late parts of them are welcome. */
  open: readonly Session[];
  end: (why: AttemptEnd) => Decision;
  /** The request once more, to some of the members. */
  ask: (session: Session, members: readonly string[]) => Effect[];
}

/** Seed D5: a member has checked the request and sends public nonces. */
export function decideNonce(ceremony: Ceremony, envelope: EnvelopeOf<'nonce'>, member: string): Decision {
  const { state, beacon, stage } = ceremony;
  const { body } = envelope;
  const context = (session: Session): Context => ({ ceremony, session, member });
  const open = ceremony.open.find(session => session.id === body.session_id);
  if (open) {
    const counted = open.nonces.get(member)!;
    return sameJson(counted.body.nonce_points, body.nonce_points)
      ? accept([], ...sendAggregatedNonce(state, beacon, open, [member]))
      : equivocation(context(open), envelope, counted, 'nonces');
  }
  if (stage.name !== 'nonces' || stage.session.id !== body.session_id)
    return refuse(envelope, 'wrong_session', 'no such session is waiting for nonces', 'body.session_id');
  if (body.beacon_address !== beacon.address)
    return refuse(envelope, 'wrong_address', `this cohort's beacon is ${beacon.address}`, 'body.beacon_address');
  const first = stage.session.nonces.get(member);
  if (first)
    return sameJson(first.body.nonce_points, body.nonce_points)
      ? nothing
      : equivocation(context(stage.session), envelope, first, 'nonces');
  const due = signedTogether(stage.session).length;
  if (body.nonce_points.length !== due)
    return refuse(envelope, 'invalid_nonce', `${due} nonces are due`, 'body.nonce_points');
  const bad = body.nonce_points.findIndex(pair => pair.some(point => !curve.isCompressedPoint(fromHex(point))));
  if (bad >= 0)
    return blame(
      context(stage.session),
      refuse(envelope, 'invalid_nonce', 'this is no point on secp256k1', `body.nonce_points.${bad}`),
      { reason: 'invalid_nonce', text: 'a member sent a nonce that is no point on the curve', envelopes: [envelope] },
    );
  return accept([{ type: 'nonce_received', participant_pk: member, envelope }]);
}

/** Where a member said what it is judged by. */
interface Context {
  ceremony: Ceremony;
  session: Session;
  member: string;
}

type Said = EnvelopeOf<'nonce'> | EnvelopeOf<'signal_authorization'>;

const transcript = ({ ceremony, session, member }: Context, reason: string, envelopes: Said[]) =>
  transcriptOf({ ...ceremony, session, member }, { reason, envelopes });

const keep = (context: Context, reason: string, envelopes: Said[]): Effect => ({
  type: 'keep_evidence',
  transcript: transcript(context, reason, envelopes),
});

/** Two signed answers for one slot: the first counts, both are kept, and the operator is told, once a slot. */
function equivocation(context: Context, envelope: Said, first: Said, what: string): Decision {
  const refused = refuse(envelope, 'equivocation', `other ${what} for this session came first, and they count`);
  const { ceremony, session, member } = context;
  const key = `equivocation:${session.id}:${what}:${member}`;
  // A third and a fourth prove no more, and would fill the disk.
  if ('drop' in refused || ceremony.beacon.alarms.has(key)) return refused;
  const text = `${member} signed two different ${what} for session ${session.id}: both are kept as evidence`;
  return accept(
    [{ type: 'alarm_raised', key, alarm: { code: 'equivocation', text, halts: false } }],
    ...refused.effects,
    keep(context, 'equivocation', [first, envelope]),
  );
}

/** Ends the attempt with the name of the culprit, and with its own words as proof: for all members, and kept. */
function blame(
  context: Context,
  answer: Decision,
  { reason, text, envelopes }: { reason: 'invalid_nonce' | 'invalid_signature'; text: string; envelopes: Said[] },
): Decision {
  const end = context.ceremony.end({
    reason,
    text,
    blame: [context.member],
    evidence: envelopes,
    seats: transcript(context, reason, envelopes).seats,
  });
  if ('drop' in answer || 'drop' in end) return end;
  return accept([...answer.events, ...end.events], ...answer.effects, ...end.effects, keep(context, reason, envelopes));
}

export function sendAggregatedNonce(
  state: CohortState,
  beacon: Beacon,
  session: Session,
  members: readonly string[],
  aggNonce = session.agg_nonce!,
): Effect[] {
  const body = { session_id: session.id, beacon_address: beacon.address, agg_nonce: aggNonce };
  return tell(state, members, { type: 'aggregated_nonce', body }, session.id);
}

export function advanceNonces(ceremony: Ceremony, stage: Extract<Stage, { name: 'nonces' }>): Decision {
  const { state, beacon, env } = ceremony;
  const { session } = stage;
  const unheard = beacon.participant_pubkeys.filter(member => !session.nonces.has(member));
  if (unheard.length === 0) {
    const agg_nonce = signedTogether(session).map((_, step) =>
      splitNonce(
        musig.nonceAgg(
          beacon.participant_pubkeys.map(member => joinNonce(session.nonces.get(member)!.body.nonce_points[step]!)),
        ),
      ),
    );
    return accept(
      [
        {
          type: 'nonces_aggregated',
          session_id: session.id,
          agg_nonce,
          ...deadlines(state.advert.terms.latency.signature, env),
        },
      ],
      ...sendAggregatedNonce(state, beacon, session, beacon.participant_pubkeys, agg_nonce),
    );
  }
  if (env.now >= stage.deadline)
    return ceremony.end({
      reason: 'not_heard',
      text: 'not every member sent its nonces in time',
      not_heard: unheard,
    });
  if (env.now >= stage.remind_at) return accept([{ type: 'reminded' }], ...ceremony.ask(session, unheard));
  return nothing;
}

const sessions = new WeakMap<Session, SigningSession[]>();

/** One MuSig2 session a transaction, kept while its session is in memory. */
function signingSessions(beacon: Beacon, session: Session): SigningSession[] {
  const known = sessions.get(session);
  if (known) return known;
  const keySet = keySetOf(beacon.participant_pubkeys, beacon.policy);
  const opened = signedTogether(session).map(({ unsigned_hex, value_sats }, i) =>
    musig.session({
      keySet,
      aggNonce: joinNonce(session.agg_nonce![i]!),
      message: signalSighash(unsigned_hex, beacon.script_hex, value_sats),
    }),
  );
  sessions.set(session, opened);
  return opened;
}

/** Seed D6: partial signatures are verified as they arrive, so that a bad one has a name at once. */
export function decideAuthorization(
  ceremony: Ceremony,
  envelope: EnvelopeOf<'signal_authorization'>,
  member: string,
): Decision {
  const { beacon, stage } = ceremony;
  const { body } = envelope;
  const session = ceremony.open.find(open => open.id === body.session_id);
  const first = session?.sigs.get(member);
  if (session && first)
    return sameJson([first.body.agg_nonce, first.body.sig], [body.agg_nonce, body.sig])
      ? nothing
      : equivocation({ ceremony, session, member }, envelope, first, 'signatures');
  if (!session) return refuse(envelope, 'wrong_session', 'no such session is open', 'body.session_id');
  if (body.beacon_address !== beacon.address)
    return refuse(envelope, 'wrong_address', `this cohort's beacon is ${beacon.address}`, 'body.beacon_address');
  if (!sameJson(body.agg_nonce, session.agg_nonce))
    return refuse(
      envelope,
      'wrong_session',
      'signed under another aggregated nonce than this session has',
      'body.agg_nonce',
    );
  const due = signedTogether(session).length;
  if (body.sig.length !== due) return refuse(envelope, 'invalid_signature', `${due} signatures are due`, 'body.sig');
  const publicKey = fromHex(member, 33);
  const points = session.nonces.get(member)!.body.nonce_points;
  const bad = signingSessions(beacon, session).findIndex(
    (signing, step) =>
      !signing.verifyPartial({
        publicKey,
        publicNonce: joinNonce(points[step]!),
        sig: fromHex(body.sig[step]!, 32),
      }),
  );
  if (bad < 0) return accept([{ type: 'authorization_received', participant_pk: member, envelope }]);
  const refused = refuse(envelope, 'invalid_signature', 'the partial signature does not verify', `body.sig.${bad}`);
  const current = stage.name === 'signatures' && stage.session === session;
  if (!current) return refused;
  return blame({ ceremony, session, member }, refused, {
    reason: 'invalid_signature',
    text: 'a member sent a partial signature that does not verify',
    envelopes: [session.nonces.get(member)!, envelope],
  });
}

/**
 * A session in which every member did its part becomes a transaction, whichever attempt it was of; with a fee ladder one
 * for each step, of which the cheapest is sent.
 */
export function completeAny(beacon: Beacon, round: Round, env: Env): Decision | null {
  const { frozen } = round;
  const session = round.open.find(
    ({ outpoint, sigs }) =>
      outpoint.txid === frozen?.outpoint.txid &&
      outpoint.vout === frozen.outpoint.vout &&
      beacon.participant_pubkeys.every(member => sigs.has(member)),
  );
  if (!session) return null;
  const { transactions, refunds } = finished(beacon, session);
  const { hex, txid } = transactions[0]!;
  const height = env.chain?.tip.height ?? null;
  return accept(
    [
      {
        type: 'signal_completed',
        session_id: session.id,
        txid,
        transactions,
        ...(refunds.length > 0 ? { refunds } : {}),
        height,
      },
    ],
    { type: 'broadcast', txid, hex },
  );
}

interface Finished {
  /** One a step. */
  transactions: { txid: string; hex: string }[];
  /** Raw transactions, hex. */
  refunds: string[];
}

/** The transactions of a session that every member has signed, and their refunds. */
export function finished(beacon: Beacon, session: Session): Finished {
  const signing = signingSessions(beacon, session);
  const all = signedTogether(session).map(({ unsigned_hex, value_sats }, i) => {
    const partials = beacon.participant_pubkeys.map(member => fromHex(session.sigs.get(member)!.body.sig[i]!, 32));
    const { txid, hex } = finalizeSignal(unsigned_hex, signing[i]!.aggregate(partials));
    return { txid, hex, value_sats };
  });
  if (!all.every(({ hex, value_sats }) => verifySignal(hex, beacon.script_hex, value_sats)))
    throw new Error(`session ${session.id}: the aggregated signature does not verify although every part did`);
  const steps = session.steps.length;
  return {
    transactions: all.slice(0, steps).map(({ txid, hex }) => ({ txid, hex })),
    refunds: all.slice(steps).map(({ hex }) => hex),
  };
}

export function advanceSignatures(ceremony: Ceremony, stage: Extract<Stage, { name: 'signatures' }>): Decision {
  const { state, beacon, env } = ceremony;
  const { session } = stage;
  const unheard = beacon.participant_pubkeys.filter(member => !session.sigs.has(member));
  if (env.now >= stage.deadline)
    return ceremony.end({
      reason: 'not_heard',
      text: 'not every member authorized the transaction in time; what was signed may still appear',
      not_heard: unheard,
    });
  if (env.now >= stage.remind_at)
    return accept([{ type: 'reminded' }], ...sendAggregatedNonce(state, beacon, session, unheard));
  return nothing;
}

/** A member refuses: the attempt is over, and every member learns the reason. */
export function decideVeto(ceremony: Ceremony, envelope: EnvelopeOf<'veto'>, member: string): Decision {
  if (!isCurrent(ceremony, envelope.body.session_id))
    return refuse(envelope, 'wrong_session', 'no such session is under way', 'body.session_id');
  const { stage } = ceremony;
  if (stage.name === 'fallback') return decideFallbackVeto(ceremony.beacon, stage.session, member);
  return ceremony.end({
    reason: 'veto',
    text: `${member} vetoed: ${envelope.body.code}: ${envelope.body.text}`,
    evidence: [envelope],
  });
}

/** A wallet restarted and its nonces are gone: another attempt, with fresh ones. */
export function decideNonceLost(ceremony: Ceremony, envelope: EnvelopeOf<'nonce_lost'>, member: string): Decision {
  const { stage } = ceremony;
  if (!isCurrent(ceremony, envelope.body.session_id))
    return refuse(envelope, 'wrong_session', 'no such session is under way', 'body.session_id');
  if ('session' in stage && stage.session.sigs.has(member))
    return refuse(envelope, 'wrong_phase', 'this member has authorized the session already', 'body.session_id');
  // Else one member, by restarting again and again, could keep the others from going on without it.
  if (stage.name === 'fallback')
    return refuse(envelope, 'wrong_phase', 'this session goes on by its fallback', 'body.session_id');
  return ceremony.end({
    reason: 'nonce_lost',
    text: `${member} restarted and asks for another attempt`,
    soon: true,
  });
}

const isCurrent = ({ stage }: Ceremony, session: string): boolean => 'session' in stage && stage.session.id === session;

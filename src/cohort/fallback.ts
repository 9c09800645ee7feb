import { curve } from '#curve';
import {
  agreedFees,
  buildSignal,
  chooseFee,
  fallbackVsize,
  finalizeFallback,
  leafSighash,
  splitChange,
  type TreeKeys,
  verifyFallback,
} from '../bitcoin/index.ts';
import { type Bytes, fromHex } from '../crypto/index.ts';
import { xOnlyOf } from '../messages/index.ts';
import { accept, nothing, refuse } from './answer.ts';
import type { CohortEvent } from './events.ts';
import type { Decision, Effect, Env } from './inputs.ts';
import { treeKeysOf } from './keys.ts';
import { deadlines, endAttempt, tell, usableOutpoint } from './rounds.ts';
import type { Beacon, CohortState, EnvelopeOf, Fallback, Round, Session, Stage, Step } from './state.ts';
import { transcriptOf } from './transcript.ts';

type Falling = Session & { fallback: Fallback };

const isFalling = (session: Session): session is Falling => session.fallback !== undefined;

const isOfFrozen = (round: Round, { outpoint }: Session): boolean =>
  outpoint.txid === round.frozen?.outpoint.txid && outpoint.vout === round.frozen.outpoint.vout;

/**
 * Begins the fallback of a session whose key path is overdue: every member had checked it, and stored its proofs, before
 * it sent its nonces. Null where there is none, or the policy has no fallback.
 */
export function startFallback(state: CohortState, beacon: Beacon, round: Round, env: Env): Decision | null {
  const isDue = (session: Session): boolean =>
    session.overdue_at !== undefined &&
    env.now >= session.overdue_at &&
    !isFalling(session) &&
    session.nonces.size === beacon.participant_pubkeys.length &&
    isOfFrozen(round, session);
  const session = beacon.policy.type === 'fallback' ? round.open.findLast(isDue) : undefined;
  if (!session || !env.chain || !('txid' in usableOutpoint(state, beacon, env.chain))) return null;
  const steps = buildSteps(state, beacon, session, env.chain.fee_rate);
  const asked = { ...session, fallback: { steps, sigs: new Map(), vetoes: new Set<string>() } };
  return accept(
    [
      {
        type: 'fallback_requested',
        session_id: session.id,
        steps,
        ...deadlines(state.advert.terms.latency.signature, env),
      },
    ],
    ...askFallback(state, beacon, asked, beacon.participant_pubkeys),
  );
}

/** The session's signal with the fees of its larger size. */
function buildSteps(state: CohortState, beacon: Beacon, session: Session, estimate: number | null): Step[] {
  const { terms } = state.advert;
  const { outpoint, signal_bytes } = session;
  const vsize = fallbackVsize(beacon.participant_pubkeys.length, true);
  const chosen = chooseFee({ estimate, capSats: terms.fee_cap, vsize });
  const base = splitChange({ valueSats: outpoint.value_sats, feeSats: chosen.feeSats });
  return agreedFees(terms, base.feeSats, vsize).map(feeSats => {
    const built = buildSignal({
      prevout: outpoint,
      scriptHex: beacon.script_hex,
      signalBytes: fromHex(signal_bytes, 32),
      feeSats,
      signalOutput: terms.signal_output,
    });
    return { psbt: built.psbt, unsigned_hex: built.unsignedHex, txid: built.txid, fee_sats: built.feeSats };
  });
}

function askFallback(state: CohortState, beacon: Beacon, session: Falling, members: readonly string[]): Effect[] {
  const body = {
    session_id: session.id,
    beacon_address: beacon.address,
    pending_beacon_signal: session.fallback.steps.map(step => step.psbt),
  };
  return tell(state, members, { type: 'fallback_authorization_request', body }, session.id);
}

const unsigned = (beacon: Beacon, { fallback }: Falling): string[] =>
  beacon.participant_pubkeys.filter(member => !fallback.sigs.has(member) && !fallback.vetoes.has(member));

/** The request once more, to a member that has not answered it. */
export const askFallbackOf = (state: CohortState, beacon: Beacon, session: Session, member: string): Effect[] =>
  isFalling(session) && unsigned(beacon, session).includes(member) ? askFallback(state, beacon, session, [member]) : [];

/** The request once more, to whoever has not answered the newest fallback: for an attempt that begins after it. */
export function askFallbackAgain(state: CohortState, beacon: Beacon, round: Round): Effect[] {
  const session = round.open.filter(isFalling).findLast(open => isOfFrozen(round, open));
  return session ? askFallback(state, beacon, session, unsigned(beacon, session)) : [];
}

export function advanceFallback(
  state: CohortState,
  beacon: Beacon,
  round: Round,
  stage: Extract<Stage, { name: 'fallback' }>,
  env: Env,
): Decision {
  const session = stage.session as Falling;
  const { vetoes } = session.fallback;
  const keys = treeOf(beacon);
  if (beacon.participant_pubkeys.length - vetoes.size < keys.tree.policy.threshold)
    return endAttempt(state, beacon, round, env, {
      reason: 'veto',
      text: `too many members refuse the fallback: ${[...vetoes].join(', ')}`,
    });
  if (env.now >= stage.deadline)
    return endAttempt(state, beacon, round, env, {
      reason: 'not_heard',
      text: 'too few members signed the fallback in time; what was signed may still appear',
      not_heard: unsigned(beacon, session),
    });
  if (env.now >= stage.remind_at)
    return accept([{ type: 'reminded' }], ...askFallback(state, beacon, session, unsigned(beacon, session)));
  return nothing;
}

/** Keys and tree of a cohort that has a fallback. */
function treeOf({ participant_pubkeys, policy }: Beacon): TreeKeys {
  const keys = treeKeysOf(participant_pubkeys, policy);
  if (!keys) throw new Error('this cohort has no fallback policy');
  return keys;
}

/** What is signed: one hash a fee step. */
const messagesOf = (beacon: Beacon, { fallback, outpoint }: Falling): Bytes[] =>
  fallback.steps.map(step =>
    leafSighash(
      step.unsigned_hex,
      { scriptHex: beacon.script_hex, valueSats: outpoint.value_sats },
      treeOf(beacon).tree.fallback,
    ),
  );

const sameJson = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Signatures are verified as they arrive. A wrong one is kept as evidence, and the others go on without its member. */
export function decideFallbackSignature(
  state: CohortState,
  beacon: Beacon,
  round: Round | null,
  envelope: EnvelopeOf<'fallback_signature'>,
  member: string,
  env: Env,
): Decision {
  const { body } = envelope;
  const session = round?.open.filter(isFalling).find(open => open.id === body.session_id);
  if (!session) return refuse(envelope, 'wrong_session', 'no such session asks for a fallback', 'body.session_id');
  if (body.beacon_address !== beacon.address)
    return refuse(envelope, 'wrong_address', `this cohort's beacon is ${beacon.address}`, 'body.beacon_address');
  const { steps, sigs } = session.fallback;
  const keep = (reason: string, envelopes: EnvelopeOf<'fallback_signature'>[]): Decision => {
    const refused =
      reason === 'equivocation'
        ? refuse(envelope, 'equivocation', 'other signatures for this fallback came first, and they count')
        : refuse(envelope, 'invalid_signature', 'the signature does not verify', 'body.sig');
    const key = `${reason}:${session.id}:fallback:${member}`;
    // A second and a third prove no more, and would fill the disk.
    if ('drop' in refused || beacon.alarms.has(key)) return refused;
    const code = reason === 'equivocation' ? 'equivocation' : 'invalid_signature';
    const did = reason === 'equivocation' ? 'two different signatures' : 'a signature that does not verify';
    const text = `${member} sent ${did} for the fallback of session ${session.id}: kept as evidence`;
    return accept([{ type: 'alarm_raised', key, alarm: { code, text, halts: false } }], ...refused.effects, {
      type: 'keep_evidence',
      transcript: transcriptOf({ state, beacon, session, member, env }, { reason, envelopes }),
    });
  };
  const first = sigs.get(member);
  if (first) return sameJson(first.body, body) ? nothing : keep('equivocation', [first, envelope]);
  const due = steps.map(step => step.txid);
  if (!sameJson(body.txids, due))
    return refuse(envelope, 'wrong_session', `the fallback is about ${due.join(', ')}`, 'body.txids');
  if (body.sig.length !== steps.length)
    return refuse(envelope, 'invalid_signature', `${steps.length} signatures are due`, 'body.sig');
  const key = fromHex(xOnlyOf(member), 32);
  const isGood = messagesOf(beacon, session).every((message, i) =>
    curve.verifySchnorr(message, key, fromHex(body.sig[i]!, 64)),
  );
  return isGood
    ? accept([{ type: 'fallback_signed', participant_pk: member, envelope }])
    : keep('invalid_signature', [envelope]);
}

/** One member refuses: the others can go on without it, so its reason is noted, and ends nothing by itself. */
export function decideFallbackVeto(beacon: Beacon, session: Session, member: string): Decision {
  if (!isFalling(session) || session.fallback.vetoes.has(member) || !beacon.participant_pubkeys.includes(member))
    return nothing;
  return accept([{ type: 'fallback_vetoed', session_id: session.id, participant_pk: member }]);
}

/** A session whose fallback enough members have signed becomes its transactions; null while none is. */
export function completeFallback(beacon: Beacon, round: Round, env: Env): Decision | null {
  if (beacon.policy.type !== 'fallback') return null;
  const keys = treeOf(beacon);
  const session = round.open
    .filter(isFalling)
    .find(({ fallback, ...open }) => isOfFrozen(round, open) && fallback.sigs.size >= keys.tree.policy.threshold);
  if (!session) return null;
  const spent = { scriptHex: beacon.script_hex, valueSats: session.outpoint.value_sats };
  const transactions = session.fallback.steps.map((step, i) => {
    const signatures = [...session.fallback.sigs].map(
      ([member, { body }]) => [xOnlyOf(member), fromHex(body.sig[i]!, 64)] as const,
    );
    const { txid, hex } = finalizeFallback(step.unsigned_hex, keys, new Map(signatures));
    if (!verifyFallback(hex, spent, keys))
      throw new Error(`session ${session.id}: the fallback does not verify although every signature did`);
    return { txid, hex };
  });
  const { txid, hex } = transactions[0]!;
  const height = env.chain?.tip.height ?? null;
  const completed: CohortEvent = { type: 'signal_completed', session_id: session.id, txid, transactions, height };
  return accept([completed], { type: 'broadcast', txid, hex });
}

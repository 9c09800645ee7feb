import { type FallbackTree, leafSighash, readSignalPsbt } from '../bitcoin/index.ts';
import { fallbackVsize } from '../bitcoin/leaf-sizes.ts';
import { treeOf } from '../cohort/keys.ts';
import type { Bytes } from '../crypto/index.ts';
import type { FallbackAuthorizationRequest } from '../messages/index.ts';
import { checkOutpoint, checkSteps, checkStillGood, checkTransaction, type VetoCode } from './check.ts';
import type { Decision, Effect, Env } from './inputs.ts';
import { sendVeto } from './rounds.ts';
import type { MemberBeacon, MemberSession, Membership, SessionFacts, WalletState } from './state.ts';

type Problem = { code: VetoCode; text: string };

/** The tree of a beacon whose terms have a fallback; null for others. */
export const treeOfBeacon = ({ participant_pubkeys, policy }: MemberBeacon): FallbackTree | null =>
  treeOf(participant_pubkeys, policy);

/**
 * A fallback is checked as strictly as the session that it is of: only for a session that this wallet checked and gave
 * nonces for, only the same outpoint and bytes, rebuilt here, and only once the key path had its time.
 */
export function decideFallbackRequest(
  state: WalletState,
  membership: Membership,
  beacon: MemberBeacon,
  body: FallbackAuthorizationRequest,
  inReplyTo: string,
  env: Env,
): Decision {
  const { cohort } = membership;
  const { session_id } = body;
  const session = beacon.sessions.get(session_id);
  const veto = ({ code, text }: Problem): Decision => ({
    events: [{ type: 'session_vetoed', cohort, session_id, code, text }],
    effects: [sendVeto(cohort, session_id, inReplyTo, code, text)],
  });
  if (!session || session.purpose !== undefined || session.stage.name === 'checked')
    return veto({ code: 'unknown_session', text: 'this wallet gave no nonces for such a session' });
  const known = session.fallback;
  if (known) {
    const due = known.steps.map(step => step.txid).join();
    // The same answer, byte for byte, to a question that came again: by now the outpoint may be spent.
    if (txidsOf(body) === due)
      return {
        events: [],
        effects: known.sig === null ? [] : [sendFallback(cohort, beacon, session_id, known.steps, known.sig)],
      };
    return { refuse: `the aggregator asks for a second fallback of session ${session_id}: only the first counts` };
  }
  const checked = checkFallback(state, membership, beacon, session, body, env);
  if ('code' in checked) return veto(checked);
  return { events: [{ type: 'fallback_checked', cohort, session_id, steps: checked.steps }], effects: [] };
}

function txidsOf({ pending_beacon_signal }: FallbackAuthorizationRequest): string | null {
  try {
    return pending_beacon_signal.map(psbt => readSignalPsbt(psbt).txid).join();
  } catch {
    return null;
  }
}

function checkFallback(
  state: WalletState,
  membership: Membership,
  beacon: MemberBeacon,
  session: MemberSession,
  body: FallbackAuthorizationRequest,
  env: Env,
): Pick<SessionFacts, 'steps'> | Problem {
  const { terms } = membership;
  if (terms.policy.type !== 'fallback')
    return { code: 'no_fallback', text: 'these terms have no fallback: only all members together sign' };
  if (body.beacon_address !== beacon.beacon_address)
    return { code: 'wrong_address', text: `this cohort's beacon is ${beacon.beacon_address}` };
  // A tenth of slack: two clocks never agree to the second.
  const due = session.checked_at + Math.floor(terms.latency.signature * 0.9);
  if (env.now < due) return { code: 'too_soon', text: `the key path has its time: no fallback before ${due}` };
  const { outpoint, signal_bytes } = session;
  const steps = [];
  for (const psbt of body.pending_beacon_signal) {
    const read = checkTransaction(membership, beacon, signal_bytes, psbt);
    if ('code' in read) return read;
    const { txid, vout, value_sats } = read.prevout;
    if (txid !== outpoint.txid || vout !== outpoint.vout || value_sats !== outpoint.value_sats)
      return {
        code: 'open_session',
        text: `the session spends ${outpoint.txid}:${outpoint.vout}, ${outpoint.value_sats} sat, and its fallback nothing else`,
      };
    steps.push(read);
  }
  const wrong = checkSteps(membership, steps, fallbackVsize(beacon.participant_pubkeys.length, true));
  if (wrong !== null) return { code: 'wrong_steps', text: wrong };
  const facts = steps.map(({ unsignedHex, txid, feeSats }) => ({ unsigned_hex: unsignedHex, txid, fee_sats: feeSats }));
  const problem =
    checkOutpoint(membership, beacon, steps[0]!, signal_bytes, env) ??
    checkStillGood(state, membership, beacon, { ...session, steps: facts });
  return problem ? { code: problem.code, text: problem.text } : { steps: facts };
}

/**
 * The signatures are stored by the same commit that queues them, and only ever sent again as they are; here is the last
 * look, since another cohort may have signed another update of the same version meanwhile.
 */
export function decideFallbackSigned(
  state: WalletState,
  membership: Membership,
  beacon: MemberBeacon,
  session_id: string,
  sig: string[],
): Decision {
  const { cohort } = membership;
  const session = beacon.sessions.get(session_id);
  const fallback = session?.fallback;
  if (!session || !fallback || fallback.sig !== null) return { drop: 'no fallback waits for a signature' };
  const bad = checkStillGood(state, membership, beacon, { ...session, steps: fallback.steps });
  if (bad)
    return {
      events: [
        { type: 'session_vetoed', cohort, session_id, ...bad },
        { type: 'fallback_dropped', cohort, session_id },
      ],
      effects: [sendVeto(cohort, session_id, undefined, bad.code, bad.text)],
    };
  return {
    events: [{ type: 'fallback_signed', cohort, session_id, sig }],
    effects: [sendFallback(cohort, beacon, session_id, fallback.steps, sig)],
  };
}

const sendFallback = (
  cohort: string,
  beacon: MemberBeacon,
  session_id: string,
  steps: SessionFacts['steps'],
  sig: string[],
): Effect => ({
  type: 'send',
  cohort,
  session: session_id,
  message: {
    type: 'fallback_signature',
    body: { session_id, beacon_address: beacon.beacon_address, txids: steps.map(step => step.txid), sig },
  },
});

/** What is signed in a session's fallback: the hash of each of its transactions, in the fallback leaf. */
export function fallbackMessages(beacon: MemberBeacon, session: MemberSession): Bytes[] {
  const tree = treeOfBeacon(beacon);
  if (!tree || !session.fallback) return [];
  const spent = { scriptHex: beacon.script_hex, valueSats: session.outpoint.value_sats };
  return session.fallback.steps.map(step => leafSighash(step.unsigned_hex, spent, tree.fallback));
}

import { curve } from '#curve';
import { parseTx, signedTogether, verifyFallback, verifySignal } from '../bitcoin/index.ts';
import { treeKeysOf } from '../cohort/keys.ts';
import { fromHex } from '../crypto/index.ts';
import {
  type AggregatedNonce,
  type AuthorizeBeaconSignalRequest,
  type RoundAborted,
  type SignalStatus,
  toPlainText,
} from '../messages/index.ts';
import { judgeBlame } from './blame.ts';
import { checkRequest, checkStillGood } from './check.ts';
import type { WalletEvent } from './events.ts';
import type { Decision, Effect, Env } from './inputs.ts';
import { type MemberBeacon, type MemberSession, type Membership, stepsOf, type WalletState } from './state.ts';

type Pairs = [string, string][];

/** Seed C4: checks what is to be signed. Only what was checked gets a nonce, and its proofs are stored first. */
export function decideRequest(
  state: WalletState,
  membership: Membership,
  beacon: MemberBeacon,
  body: AuthorizeBeaconSignalRequest,
  inReplyTo: string,
  env: Env,
): Decision {
  const { cohort } = membership;
  const known = beacon.sessions.get(body.session_id);
  if (known) return { events: [], effects: requestAgain(cohort, beacon, known) };
  const check = checkRequest(state, membership, beacon, body, env);
  if (!check.ok) {
    if (check.missing && beacon.held_request?.body.session_id !== body.session_id)
      return {
        events: [{ type: 'request_held', cohort, body, in_reply_to: inReplyTo }],
        effects: check.missing.map(did => askProofs(cohort, beacon, did, { session_id: body.session_id })),
      };
    return {
      events: [{ type: 'session_vetoed', cohort, session_id: body.session_id, code: check.code, text: check.text }],
      effects: [sendVeto(cohort, body.session_id, inReplyTo, check.code, check.text)],
    };
  }
  const { facts, evidence } = check;
  return {
    events: [
      ...supersede(cohort, beacon),
      {
        type: 'evidence_kept',
        cohort,
        signals: [
          { session_id: facts.session_id, signal_bytes: facts.signal_bytes, txid: null, height: null, evidence },
        ],
      },
      { type: 'session_checked', cohort, session: facts },
    ],
    effects: [],
  };
}

/** Of one beacon one thing is signed at a time: what was asked before and is not signed will not be. */
export const supersede = (cohort: string, beacon: MemberBeacon): WalletEvent[] =>
  [...beacon.sessions.values()]
    .filter(isUnsigned)
    .map(({ session_id }) => ({ type: 'session_lost', cohort, session_id }));

const isUnsigned = ({ stage }: MemberSession): boolean => stage.name !== 'signed' && stage.name !== 'lost';

export const sendVeto = (
  cohort: string,
  session_id: string,
  in_reply_to: string | undefined,
  code: string,
  text: string,
): Effect => ({
  type: 'send',
  cohort,
  session: session_id,
  ...(in_reply_to === undefined ? {} : { in_reply_to }),
  message: { type: 'veto', body: { session_id, code, text: toPlainText(text, 1000) } },
});

/** A session that was good when it was checked and is not any more: it is never signed, and the aggregator learns why. */
function giveUp(
  state: WalletState,
  membership: Membership,
  beacon: MemberBeacon,
  session: MemberSession,
  inReplyTo?: string,
): Decision | null {
  const bad = checkStillGood(state, membership, beacon, session);
  if (!bad) return null;
  const { cohort } = membership;
  const { session_id } = session;
  return {
    events: [
      { type: 'session_vetoed', cohort, session_id, ...bad },
      { type: 'session_lost', cohort, session_id },
    ],
    effects: [sendVeto(cohort, session_id, inReplyTo, bad.code, bad.text)],
  };
}

export const askProofs = (
  cohort: string,
  beacon: MemberBeacon,
  did: string,
  which: { session_id?: string; from_height?: number } = {},
): Effect => ({
  type: 'send',
  cohort,
  message: { type: 'proof_request', body: { beacon_address: beacon.beacon_address, did, ...which } },
  slot: `proofs ${did}`,
});

/** The same answer, byte for byte, to a question that came again; nothing is signed for it. */
export function requestAgain(cohort: string, beacon: MemberBeacon, session: MemberSession): Effect[] {
  const { stage, session_id } = session;
  switch (stage.name) {
    case 'checked':
      return [];
    case 'nonce_sent':
    case 'to_sign':
      return [sendNonce(cohort, beacon, session_id, stage.nonce_points)];
    case 'signed':
      return [sendAuthorization(cohort, beacon, session_id, stage.agg_nonce, stage.sig)];
    case 'lost':
      return [sendNonceLost(cohort, session_id)];
  }
}

const sendNonce = (cohort: string, beacon: MemberBeacon, session_id: string, nonce_points: Pairs): Effect => ({
  type: 'send',
  cohort,
  session: session_id,
  message: { type: 'nonce', body: { session_id, beacon_address: beacon.beacon_address, nonce_points } },
});

const sendAuthorization = (
  cohort: string,
  beacon: MemberBeacon,
  session_id: string,
  agg_nonce: Pairs,
  sig: string[],
): Effect => ({
  type: 'send',
  cohort,
  session: session_id,
  message: {
    type: 'signal_authorization',
    body: { session_id, beacon_address: beacon.beacon_address, agg_nonce, sig },
  },
});

const sendNonceLost = (cohort: string, session_id: string): Effect => ({
  type: 'send',
  cohort,
  session: session_id,
  message: { type: 'nonce_lost', body: { session_id } },
});

/**
 * Public nonces are stored by the commit that queues them. Where the others can finish without this wallet what it gave
 * nonces for, this is as good as a signature, so here is the last look: two cohorts may have come this far with two updates
 * of one version.
 */
export function decideNonceDrawn(
  state: WalletState,
  membership: Membership,
  beacon: MemberBeacon,
  session_id: string,
  nonce_points: Pairs,
): Decision {
  const session = beacon.sessions.get(session_id);
  if (session?.stage.name !== 'checked') return { drop: 'no session waits for a nonce' };
  const over = giveUp(state, membership, beacon, session);
  if (over) return over;
  const { cohort } = membership;
  return {
    events: [{ type: 'nonce_drawn', cohort, session_id, nonce_points }],
    effects: [sendNonce(cohort, beacon, session_id, nonce_points)],
  };
}

/** The process that drew the nonces is gone: the session can never be signed, another attempt can. */
export function decideNonceLost(cohort: string, beacon: MemberBeacon, session_id: string): Decision {
  const session = beacon.sessions.get(session_id);
  if (!session || (session.stage.name !== 'nonce_sent' && session.stage.name !== 'to_sign'))
    return { drop: 'no nonce to lose' };
  return {
    events: [{ type: 'session_lost', cohort, session_id }],
    effects: [sendNonceLost(cohort, session_id)],
  };
}

/** One aggregated nonce a session, the first. A second one would be how an aggregator steals a key. */
export function decideAggregatedNonce(
  state: WalletState,
  membership: Membership,
  beacon: MemberBeacon,
  body: AggregatedNonce,
  inReplyTo: string,
): Decision {
  const { cohort } = membership;
  const session = beacon.sessions.get(body.session_id);
  if (!session) return { drop: 'an aggregated nonce for a session that was never checked' };
  const { stage } = session;
  if (body.beacon_address !== beacon.beacon_address) return { refuse: 'the aggregated nonce names another beacon' };
  if (stage.name === 'lost') return { events: [], effects: [sendNonceLost(cohort, body.session_id)] };
  if (stage.name === 'checked') return { drop: 'an aggregated nonce before this wallet sent its own' };
  if (stage.name === 'to_sign' || stage.name === 'signed') {
    if (JSON.stringify(stage.agg_nonce) !== JSON.stringify(body.agg_nonce))
      return {
        refuse: `the aggregator sent a second aggregated nonce for session ${body.session_id}: only the first counts`,
      };
    return { events: [], effects: stage.name === 'signed' ? requestAgain(cohort, beacon, session) : [] };
  }
  const due = signedTogether(session).length;
  if (body.agg_nonce.length !== due) return { refuse: `${due} aggregated nonces are due` };
  if (!body.agg_nonce.flat().every(isPointOrInfinity))
    return { refuse: 'the aggregated nonce is no point on secp256k1' };
  return (
    giveUp(state, membership, beacon, session, inReplyTo) ?? {
      events: [{ type: 'agg_nonce_received', cohort, session_id: body.session_id, agg_nonce: body.agg_nonce }],
      effects: [],
    }
  );
}

const INFINITY = '00'.repeat(33);
const isPointOrInfinity = (point: string): boolean => point === INFINITY || curve.isCompressedPoint(fromHex(point));

/**
 * The partial signature is stored by the same commit that queues it, and only ever sent again as it is. Here it leaves,
 * so here is the last look: two cohorts may have come this far with two updates of one version.
 */
export function decideSigned(
  state: WalletState,
  membership: Membership,
  beacon: MemberBeacon,
  session_id: string,
  sig: string[],
): Decision {
  const session = beacon.sessions.get(session_id);
  if (session?.stage.name !== 'to_sign') return { drop: 'no session waits for a signature' };
  const over = giveUp(state, membership, beacon, session);
  if (over) return over;
  const { cohort } = membership;
  const { agg_nonce } = session.stage;
  return {
    events: [{ type: 'session_signed', cohort, session_id, agg_nonce, sig }],
    effects: [sendAuthorization(cohort, beacon, session_id, agg_nonce, sig)],
  };
}

/** The aggregator's word is no proof, but a transaction that verifies is: it is kept, and published. */
export function decideStatus(membership: Membership, beacon: MemberBeacon, body: SignalStatus): Decision {
  const session = beacon.sessions.get(body.session_id);
  if (!session || session.purpose !== undefined) return { drop: 'a status of a signal that was never checked' };
  const signal = beacon.signals.get(session.signal_bytes);
  const held = signal?.transactions ?? [];
  const fresh = body.transactions.filter(hex => !held.includes(hex) && isTransactionOf(beacon, session, hex));
  const refunds = freshRefunds(beacon, session, body.refunds, signal?.refunds ?? []);
  if (fresh.length === 0 && refunds.length === 0) return { events: [], effects: [] };
  const { cohort } = membership;
  // One of them: the others pay more, and are for when it lingers.
  const sent = fresh.find(hex => parseTx(hex).txid === body.txid) ?? fresh[0];
  return {
    events: [
      {
        type: 'transactions_told',
        cohort,
        signal_bytes: session.signal_bytes,
        transactions: fresh,
        ...(refunds.length > 0 ? { refunds } : {}),
      },
    ],
    effects: sent === undefined ? [] : [{ type: 'broadcast', hex: sent }],
  };
}

/** Those refunds of a session that are not held yet and that verify: any other is worth nothing when it is needed. */
export const freshRefunds = (
  beacon: MemberBeacon,
  { refunds = [] }: MemberSession,
  told: readonly string[] | undefined,
  held: readonly string[],
): string[] =>
  (told ?? []).filter(hex => {
    try {
      const refund = refunds.find(({ txid }) => txid === parseTx(hex).txid);
      return !held.includes(hex) && refund !== undefined && verifySignal(hex, beacon.script_hex, refund.value_sats);
    } catch {
      return false;
    }
  });

/** Whether a raw transaction is one of a session's, with a valid signature of all, or of enough for its fallback. */
export function isTransactionOf(beacon: MemberBeacon, session: MemberSession, hex: string): boolean {
  try {
    const { txid } = parseTx(hex);
    const { value_sats } = session.outpoint;
    const isOurs = stepsOf(session).some(step => step.txid === txid);
    return isOurs && (verifySignal(hex, beacon.script_hex, value_sats) || isFallback(beacon, value_sats, hex));
  } catch {
    return false;
  }
}

function isFallback(
  { participant_pubkeys, policy, script_hex }: MemberBeacon,
  valueSats: number,
  hex: string,
): boolean {
  const keys = treeKeysOf(participant_pubkeys, policy);
  return keys !== null && verifyFallback(hex, { scriptHex: script_hex, valueSats }, keys);
}

/** An attempt that ended: what was not signed for it will not be. What was signed stays open until the chain settles it. */
export function decideAborted(membership: Membership, beacon: MemberBeacon, body: RoundAborted): Decision {
  const { cohort } = membership;
  const { round, reason, text } = body;
  const blame = judgeBlame(membership, beacon, body);
  const events: WalletEvent[] = [
    { type: 'abort_told', cohort, round, reason, text, ...(blame.length > 0 ? { blame } : {}) },
  ];
  const session = body.session_id === null ? undefined : beacon.sessions.get(body.session_id);
  if (session && isUnsigned(session)) events.push({ type: 'session_lost', cohort, session_id: session.session_id });
  return { events, effects: [] };
}

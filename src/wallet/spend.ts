import { addressToScript, BitcoinFormatError, buildSpend, readSignalPsbt, refundsOf } from '../bitcoin/index.ts';
import { toHex } from '../crypto/index.ts';
import { type AuthorizeSpendRequest, NO_SIGNAL, type SpendStatus, sessionId } from '../messages/index.ts';
import { openSessions, type VetoCode } from './check.ts';
import type { Decision, Env } from './inputs.ts';
import { freshRefunds, isTransactionOf, requestAgain, sendVeto, supersede } from './rounds.ts';
import type { MemberBeacon, Membership, SessionFacts } from './state.ts';

type Problem = { code: VetoCode; text: string };

/** A spend that announces nothing: it is rebuilt like a signal, and signed only for what it claims to be for. */
export function decideSpendRequest(
  membership: Membership,
  beacon: MemberBeacon,
  body: AuthorizeSpendRequest,
  inReplyTo: string,
  env: Env,
): Decision {
  const { cohort } = membership;
  const known = beacon.sessions.get(body.session_id);
  if (known) return { events: [], effects: requestAgain(cohort, beacon, known) };
  const checked = checkSpend(membership, beacon, body, env);
  if ('code' in checked)
    return {
      events: [{ type: 'session_vetoed', cohort, session_id: body.session_id, ...checked }],
      effects: [sendVeto(cohort, body.session_id, inReplyTo, checked.code, checked.text)],
    };
  return {
    events: [...supersede(cohort, beacon), { type: 'session_checked', cohort, session: checked }],
    effects: [],
  };
}

/** The facts of a spend that may be signed, or why it must not be. */
function checkSpend(
  membership: Membership,
  beacon: MemberBeacon,
  body: AuthorizeSpendRequest,
  env: Env,
): SessionFacts | Problem {
  const { terms, cohort } = membership;
  if (body.beacon_address !== beacon.beacon_address)
    return { code: 'wrong_address', text: `this cohort's beacon is ${beacon.beacon_address}` };
  const [psbt] = body.pending_spend;
  const built = rebuild(membership, beacon, body, psbt!);
  if ('code' in built) return built;
  const { prevout, unsignedHex, txid, feeSats } = built;
  if (feeSats > terms.fee_cap)
    return {
      code: 'fee_over_cap',
      text: `fee ${feeSats} sat exceeds the cap of ${terms.fee_cap} agreed in advert ${terms.id}`,
    };
  const { session_id, round, attempt, purpose } = body;
  const refunds = refundsOf(terms, beacon.script_hex, [unsignedHex]);
  const expected = toHex(
    sessionId({
      cohort,
      round,
      attempt,
      outpoint: `${prevout.txid}:${prevout.vout}`,
      transactions: [txid, ...refunds.map(refund => refund.txid)],
      participant_pubkeys: beacon.participant_pubkeys,
      signal_bytes: NO_SIGNAL,
    }),
  );
  if (expected !== session_id)
    return { code: 'wrong_session_id', text: `what is asked has the session id ${expected}` };
  const problem = checkPurpose(membership, beacon, body, prevout, env);
  if (problem) return problem;
  const steps = [{ unsigned_hex: unsignedHex, txid, fee_sats: feeSats }];
  return {
    session_id,
    round,
    attempt,
    purpose,
    outpoint: prevout,
    signal_bytes: NO_SIGNAL,
    steps,
    ...(refunds.length > 0 ? { refunds } : {}),
    updates: [],
  };
}

type Rebuilt = {
  prevout: { txid: string; vout: number; value_sats: number };
  unsignedHex: string;
  txid: string;
  feeSats: number;
};

function rebuild(
  { terms }: Membership,
  beacon: MemberBeacon,
  { purpose, to }: AuthorizeSpendRequest,
  psbt: string,
): Rebuilt | Problem {
  try {
    const read = readSignalPsbt(psbt);
    if (read.prevoutScriptHex !== beacon.script_hex)
      return { code: 'wrong_output_script', text: 'the input is not an output of the beacon address' };
    const delayBlocks = purpose === 'refund' ? (terms.refund?.delay_blocks ?? 0) : 0;
    const { prevout, feeSats, unsignedHex, txid } = read;
    const toHex = addressToScript(to, terms.btc_network);
    const built = buildSpend({ prevout, scriptHex: beacon.script_hex, toHex, feeSats, delayBlocks });
    if (built.unsignedHex === unsignedHex) return { prevout, unsignedHex, txid, feeSats };
  } catch (error) {
    if (!(error instanceof BitcoinFormatError)) throw error;
    return { code: 'psbt_invalid', text: error.message };
  }
  return { code: 'transaction_not_ours', text: `this is not the transaction that a ${purpose} to ${to} makes` };
}

/** Whether this member agreed to such a spend of this output. */
function checkPurpose(
  { terms }: Membership,
  beacon: MemberBeacon,
  { purpose, to }: AuthorizeSpendRequest,
  outpoint: { txid: string; vout: number; value_sats: number },
  { chain }: Env,
): Problem | null {
  const isSame = (other: { txid: string; vout: number }): boolean =>
    other.txid === outpoint.txid && other.vout === outpoint.vout;
  const seen = chain?.utxos.find(isSame);
  if (seen && seen.value_sats !== outpoint.value_sats)
    return { code: 'outpoint_value', text: `the output holds ${seen.value_sats} sat, not ${outpoint.value_sats}` };
  switch (purpose) {
    case 'cancel': {
      if (to !== beacon.beacon_address)
        return { code: 'destination_not_agreed', text: 'a cancel pays the beacon itself' };
      const known = [...beacon.sessions.values()].some(
        session => session.purpose === undefined && session.settled === null && isSame(session.outpoint),
      );
      return known
        ? null
        : { code: 'nothing_to_cancel', text: 'this wallet knows no open session that spends this output' };
    }
    case 'move': {
      if (to !== beacon.release)
        return { code: 'destination_not_agreed', text: `nobody here agreed that the money goes to ${to}` };
      const [open] = openSessions(beacon);
      if (open) return { code: 'open_session', text: `session ${open.session_id} is open: cancel or finish it first` };
      return chain && !seen
        ? { code: 'outpoint_unknown', text: 'the output is no unspent one of the beacon in the wallet’s view' }
        : null;
    }
    case 'refund':
      return terms.refund && to === terms.refund.address
        ? null
        : { code: 'destination_not_agreed', text: 'the terms name no such address for refunds' };
  }
}

/** A complete spend that verifies is kept, and published unless it is a refund, which is for later. */
export function decideSpendStatus(membership: Membership, beacon: MemberBeacon, body: SpendStatus): Decision {
  const session = beacon.sessions.get(body.session_id);
  if (session?.purpose === undefined) return { drop: 'a status of a spend that was never checked' };
  const [hex] = body.transactions;
  if (session.transaction === hex || !isTransactionOf(beacon, session, hex!)) return { events: [], effects: [] };
  const { cohort } = membership;
  const refunds = freshRefunds(beacon, session, body.refunds, []);
  const given = refunds.length > 0 ? { refunds } : {};
  return {
    events: [{ type: 'spend_told', cohort, session_id: body.session_id, transaction: hex!, ...given }],
    effects: session.purpose === 'refund' ? [] : [{ type: 'broadcast', hex: hex! }],
  };
}

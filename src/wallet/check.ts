import { checkEvidence, type Evidence } from '../beacon/index.ts';
import {
  addressToScript,
  buildSignal,
  COINBASE_CONFIRMATIONS,
  confirmations,
  MIN_CONFIRMATIONS,
  readSignalPsbt,
  type SignalPsbt,
} from '../bitcoin/index.ts';
import { fromBase64url, fromHex, toHex } from '../crypto/index.ts';
import { type AuthorizeBeaconSignalRequest, sessionId } from '../messages/index.ts';
import type { Env } from './inputs.ts';
import {
  concernedDids,
  type MemberBeacon,
  type MemberSession,
  type Membership,
  type SessionFacts,
  type UpdateState,
  type WalletDid,
  type WalletState,
} from './state.ts';

export type VetoCode =
  | 'wrong_address'
  | 'wrong_session_id'
  | 'wrong_steps'
  | 'psbt_invalid'
  | 'wrong_output_script'
  | 'fee_over_cap'
  | 'transaction_not_ours'
  | 'open_session'
  | 'no_chain_view'
  | 'outpoint_unknown'
  | 'outpoint_value'
  | 'outpoint_shallow'
  | 'too_soon'
  | 'evidence_missing'
  | 'evidence_invalid'
  | 'wrong_announcement'
  | 'version_locked'
  | 'nothing_announced';

export type Check =
  | { ok: true; facts: SessionFacts; evidence: Evidence }
  | { ok: false; code: VetoCode; text: string; missing?: string[] };

const no = (code: VetoCode, text: string, missing?: string[]): Check => ({
  ok: false,
  code,
  text,
  ...(missing ? { missing } : {}),
});

/**
 * Everything that a member verifies before a nonce leaves (did-btcr2 chapter on aggregation; all of it is a MUST):
 * the session id, every transaction rebuilt byte for byte, the outpoint in the wallet's own view of the chain,
 * and the proof of every DID that this address concerns.
 */
export function checkRequest(
  state: WalletState,
  membership: Membership,
  beacon: MemberBeacon,
  body: AuthorizeBeaconSignalRequest,
  env: Env,
): Check {
  if (body.beacon_address !== beacon.beacon_address)
    return no('wrong_address', `this cohort's beacon is ${beacon.beacon_address}`);
  const steps: SignalPsbt[] = [];
  for (const psbt of body.pending_beacon_signal) {
    const rebuilt = checkTransaction(membership, beacon, body.signal_bytes, psbt);
    if ('code' in rebuilt) return no(rebuilt.code, rebuilt.text);
    steps.push(rebuilt);
  }
  const first = steps[0]!;
  if (steps.length > 1) return no('wrong_steps', 'these terms have no fee ladder: one transaction was agreed');
  const { prevout } = first;
  const expectedId = toHex(
    sessionId({
      cohort: membership.cohort,
      round: body.round,
      attempt: body.attempt,
      outpoint: `${prevout.txid}:${prevout.vout}`,
      transactions: steps.map(step => step.txid),
      participant_pubkeys: beacon.participant_pubkeys,
      signal_bytes: body.signal_bytes,
    }),
  );
  if (expectedId !== body.session_id) return no('wrong_session_id', `what is asked has the session id ${expectedId}`);

  const problem = checkOutpoint(membership, beacon, first, body.signal_bytes, env);
  if (problem) return problem;
  const evidence = withHeldProofs(beacon, body);
  const announced = checkAnnounced(state, membership, beacon, { ...body, evidence });
  if (!Array.isArray(announced)) return announced;
  return {
    ok: true,
    evidence,
    facts: {
      session_id: body.session_id,
      round: body.round,
      attempt: body.attempt,
      outpoint: prevout,
      signal_bytes: body.signal_bytes,
      steps: steps.map(({ unsignedHex, txid, feeSats }) => ({ unsigned_hex: unsignedHex, txid, fee_sats: feeSats })),
      updates: announced,
    },
  };
}

function checkTransaction(
  membership: Membership,
  beacon: MemberBeacon,
  signalBytes: string,
  psbt: string,
): SignalPsbt | { code: VetoCode; text: string } {
  const { terms } = membership;
  let read: SignalPsbt;
  try {
    read = readSignalPsbt(psbt);
  } catch (error) {
    return { code: 'psbt_invalid', text: error instanceof Error ? error.message : 'unreadable' };
  }
  const script = addressToScript(beacon.beacon_address, terms.btc_network);
  if (read.prevoutScriptHex !== script)
    return { code: 'wrong_output_script', text: 'the input is not an output of the beacon address' };
  if (read.feeSats > terms.fee_cap)
    return {
      code: 'fee_over_cap',
      text: `fee ${read.feeSats} sat exceeds the cap of ${terms.fee_cap} agreed in advert ${terms.id}`,
    };
  try {
    const rebuilt = buildSignal({
      prevout: read.prevout,
      scriptHex: script,
      signalBytes: fromHex(signalBytes, 32),
      feeSats: read.feeSats,
      signalOutput: terms.signal_output,
    });
    if (rebuilt.unsignedHex === read.unsignedHex) return read;
  } catch {
    // Not even buildable: said below.
  }
  return {
    code: 'transaction_not_ours',
    text: 'the transaction is not the one that input, fee, change to the beacon and signal bytes make',
  };
}

const spends = (session: MemberSession, outpoint: { txid: string; vout: number }): boolean =>
  session.outpoint.txid === outpoint.txid && session.outpoint.vout === outpoint.vout;

/** Sessions that a partial signature of this wallet left for, and whose outpoint is not settled six deep. */
export const openSessions = (beacon: MemberBeacon): MemberSession[] =>
  [...beacon.sessions.values()].filter(session => session.stage.name === 'signed' && session.settled === null);

function checkOutpoint(
  membership: Membership,
  beacon: MemberBeacon,
  step: SignalPsbt,
  signalBytes: string,
  env: Env,
): Extract<Check, { ok: false }> | null {
  const refuse = (code: VetoCode, text: string) => no(code, text) as Extract<Check, { ok: false }>;
  const { prevout } = step;
  const open = openSessions(beacon);
  const same = open.some(session => spends(session, prevout) && session.signal_bytes === signalBytes);
  const rival = open.find(session => !(spends(session, prevout) && session.signal_bytes === signalBytes));
  if (rival)
    return refuse(
      'open_session',
      `session ${rival.session_id} is open: only ${rival.outpoint.txid}:${rival.outpoint.vout} with signal bytes ${rival.signal_bytes} is signed until the chain settles it`,
    );
  const { chain } = env;
  if (!chain) return same ? null : refuse('no_chain_view', 'the wallet cannot see the chain');
  const utxo = chain.utxos.find(candidate => candidate.txid === prevout.txid && candidate.vout === prevout.vout);
  if (!utxo)
    return refuse(
      'outpoint_unknown',
      `${prevout.txid}:${prevout.vout} is no unspent output of the beacon in the wallet's view`,
    );
  if (utxo.value_sats !== prevout.value_sats)
    return refuse('outpoint_value', `the output holds ${utxo.value_sats} sat, the request says ${prevout.value_sats}`);
  const needed = utxo.coinbase ? COINBASE_CONFIRMATIONS : MIN_CONFIRMATIONS;
  const depth = confirmations(utxo.height, chain.tip.height);
  if (depth < needed) return refuse('outpoint_shallow', `the output has ${depth} of ${needed} confirmations`);
  const { min_interval } = membership.terms.frequency;
  const last = Math.max(
    0,
    ...[...beacon.sessions.values()]
      .filter(session => session.stage.name === 'signed' && session.signal_bytes !== signalBytes)
      .map(session => session.checked_at),
  );
  // A tenth of slack: two clocks never agree to the second.
  if (!same && env.now < last + Math.floor(min_interval * 0.9))
    return refuse('too_soon', `signals of this advert are at least ${min_interval} s apart`);
  return null;
}

/** The own updates that the signal announces, or why it must not be signed. */
function checkAnnounced(
  state: WalletState,
  membership: Membership,
  beacon: MemberBeacon,
  body: AuthorizeBeaconSignalRequest,
): SessionFacts['updates'] | Extract<Check, { ok: false }> {
  const refuse = (code: VetoCode, text: string, missing?: string[]) =>
    no(code, text, missing) as Extract<Check, { ok: false }>;
  const { terms } = membership;
  const updates: SessionFacts['updates'] = [];
  const expected = concernedDids(state, beacon).map(did => {
    const own = state.dids.get(did);
    const shown = shownAnnouncement(body.evidence, did);
    const candidate =
      own && shown !== null ? candidates(own, membership.cohort).find(u => u.announcement === shown) : undefined;
    if (candidate) updates.push({ did, version: candidate.version, announcement: candidate.announcement });
    return {
      did,
      announcement: candidate?.announcement ?? null,
      registered: beacon.registrations.get(did)?.name === 'held' && !isBefore(beacon, body.signal_bytes, did),
    };
  });
  const problems = checkEvidence(terms.type, {
    signalBytes: fromHex(body.signal_bytes, 32),
    bitOrder: terms.bit_order,
    evidence: body.evidence,
    expected,
  });
  const missing = problems
    .filter(problem => problem.code === 'proof_missing')
    .flatMap(p => (p.subject ? [p.subject] : []));
  if (missing.length > 0) return refuse('evidence_missing', `no proof for ${missing.join(', ')}`, missing);
  const [problem] = problems;
  if (problem)
    return refuse(
      problem.code === 'wrong_announcement' ? 'wrong_announcement' : 'evidence_invalid',
      `${problem.subject ?? 'evidence'}: ${problem.text}`,
    );
  for (const { did, version, announcement } of updates) {
    const locked = state.dids
      .get(did)!
      .updates.find(
        update => update.version === version && update.announcement !== announcement && isCommitted(update.state),
      );
    if (locked)
      return refuse('version_locked', `${did}: version ${version} is locked to the update ${locked.announcement}`);
  }
  return updates;
}

/** Proofs of the same signal that came otherwise, as with a registration or an answered proof request, count too. */
function withHeldProofs(beacon: MemberBeacon, body: AuthorizeBeaconSignalRequest): Evidence {
  const held = beacon.signals.get(body.signal_bytes);
  if (!held || 'map' in body.evidence) return body.evidence;
  return { proofs: { ...Object.fromEntries(held.proofs), ...body.evidence.proofs } };
}

/** A DID may have been registered after a set was frozen that is now signed again: its index is empty there. */
function isBefore(beacon: MemberBeacon, signalBytes: string, did: string): boolean {
  const held = beacon.signals.get(signalBytes);
  const proof = held?.proofs.get(did);
  return proof !== undefined && proof.nonce === undefined;
}

/** A partial signature for it left: no other update of its version may ever be signed. */
export const isCommitted = (state: UpdateState): boolean =>
  state === 'locked' || state === 'broadcast' || state === 'final' || state === 'returned';

/** Updates that this cohort may announce: the next version's, sent there and neither replaced nor refused. */
function candidates(own: WalletDid, cohort: string) {
  const next = own.updates.find(update => !['final', 'replaced', 'refused'].includes(update.state))?.version;
  return own.updates.filter(
    update =>
      update.version === next &&
      update.cohorts.includes(cohort) &&
      update.state !== 'replaced' &&
      update.state !== 'refused',
  );
}

/** What the evidence says was announced for a DID (hex); null for nothing. */
export function shownAnnouncement(evidence: Evidence, did: string): string | null {
  const shown =
    'map' in evidence
      ? Object.hasOwn(evidence.map, did)
        ? evidence.map[did]
        : undefined
      : Object.hasOwn(evidence.proofs, did)
        ? evidence.proofs[did]?.updateId
        : undefined;
  if (shown === undefined) return null;
  try {
    return toHex(fromBase64url(shown, 32));
  } catch {
    return null;
  }
}

import { checkEvidence, type Evidence } from '../beacon/index.ts';
import {
  addressToScript,
  agreedFees,
  COINBASE_CONFIRMATIONS,
  confirmations,
  MIN_CONFIRMATIONS,
  readSignalPsbt,
  rebuildSignal,
  refundsOf,
  type SignalPsbt,
  splitChange,
} from '../bitcoin/index.ts';
import { fromBase64url, fromHex, toHex } from '../crypto/index.ts';
import { type AuthorizeBeaconSignalRequest, sessionId } from '../messages/index.ts';
import { policyBarsSession } from './companion/pair.ts';
import { doubtAbout, isCommitted } from './doubt.ts';
import type { Env } from './inputs.ts';
import {
  concernedDids,
  isSigned,
  type MemberBeacon,
  type MemberSession,
  type Membership,
  type SessionFacts,
  type WalletDid,
  type WalletState,
  type WalletUpdate,
} from './state.ts';

export { isCommitted } from './doubt.ts';

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
  | 'destination_not_agreed'
  | 'nothing_to_cancel'
  | 'key_deleted'
  | 'policy_forbids'
  | 'unknown_session'
  | 'no_fallback';

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
  const { prevout } = first;
  const wrongSteps = checkSteps(membership, steps);
  if (wrongSteps !== null) return no('wrong_steps', wrongSteps);
  const refunds = refundsOf(
    membership.terms,
    beacon.script_hex,
    steps.map(step => step.unsignedHex),
  );
  const expectedId = toHex(
    sessionId({
      cohort: membership.cohort,
      round: body.round,
      attempt: body.attempt,
      outpoint: `${prevout.txid}:${prevout.vout}`,
      transactions: [...steps, ...refunds].map(({ txid }) => txid),
      participant_pubkeys: beacon.participant_pubkeys,
      signal_bytes: body.signal_bytes,
    }),
  );
  if (expectedId !== body.session_id) return no('wrong_session_id', `what is asked has the session id ${expectedId}`);

  const problem = checkOutpoint(membership, beacon, first, body.signal_bytes, env);
  if (problem) return problem;
  const answered = answeredFor(membership, beacon, body, prevout);
  if (typeof answered === 'string') return no('evidence_invalid', answered);
  const evidence = withHeldProofs(beacon, body);
  const announced = checkAnnounced(state, membership, beacon, { ...body, evidence }, answered);
  if (!Array.isArray(announced)) return announced;
  const fees = steps.map(step => ({ fee_sats: step.feeSats }));
  const barred = policyBarsSession(state, { steps: fees, updates: announced });
  if (barred !== null) return no('policy_forbids', barred);
  return {
    ok: true,
    evidence: evidenceOf(evidence, concernedDids(state, beacon)),
    facts: {
      session_id: body.session_id,
      round: body.round,
      attempt: body.attempt,
      outpoint: prevout,
      signal_bytes: body.signal_bytes,
      steps: steps.map(({ unsignedHex, txid, feeSats }) => ({ unsigned_hex: unsignedHex, txid, fee_sats: feeSats })),
      ...(refunds.length > 0 ? { refunds } : {}),
      ...(answered === null ? {} : { opportunity_id: body.opportunity_id! }),
      updates: announced,
    },
  };
}

/**
 * In a blinded cohort the DIDs whose leaves the wallet made for this signal, or in words why it made none; null in others.
 * Leaves of an earlier answer may hold what was replaced since, and leaves that serve twice tell what did not change.
 */
function answeredFor(
  { terms }: Membership,
  beacon: MemberBeacon,
  { opportunity_id, signal_bytes }: AuthorizeBeaconSignalRequest,
  outpoint: Spend['outpoint'],
): ReadonlySet<string> | string | null {
  if (terms.privacy !== 'blinded') return null;
  if (opportunity_id === undefined) return 'it does not say which answers its leaves are of';
  const entries = beacon.opportunities.get(opportunity_id)?.entries;
  if (!entries) return `this wallet gave no leaves for the opportunity ${opportunity_id}`;
  const other = [...beacon.sessions.values()].find(
    session => session.opportunity_id === opportunity_id && session.signal_bytes !== signal_bytes,
  );
  if (other) return `the leaves of this opportunity made the signal ${other.signal_bytes}: they serve once`;
  const isAgain = openSessions(beacon).some(session => isSameSpend(session, { outpoint, signal_bytes }));
  if (!isAgain && [...beacon.opportunities.keys()].at(-1) !== opportunity_id)
    return `a newer opportunity than ${opportunity_id} was answered`;
  return new Set(entries.map(({ did }) => did));
}

/** The transaction of a PSBT, if it is the one that its input, fee and signal bytes make; else why not. */
export function checkTransaction(
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
    const rebuilt = rebuildSignal({
      prevout: read.prevout,
      scriptHex: script,
      signalBytes: fromHex(signalBytes, 32),
      feeSats: read.feeSats,
      signalOutput: terms.signal_output,
    });
    if (rebuilt === read.unsignedHex) return read;
  } catch {
    // Not even buildable: said below.
  }
  return {
    code: 'transaction_not_ours',
    text: 'the transaction is not the one that input, fee, change to the beacon and signal bytes make',
  };
}

/** The same spend with the fees that the terms make of the first one, or in words what else it is. */
export function checkSteps({ terms }: Membership, steps: readonly SignalPsbt[], vsize?: number): string | null {
  const [first] = steps;
  const { txid, vout, value_sats } = first!.prevout;
  if (steps.some(({ prevout: p }) => p.txid !== txid || p.vout !== vout || p.value_sats !== value_sats))
    return 'the transactions spend several outputs: only one of them may ever confirm';
  if (first!.feeSats < 1) return 'the transaction pays nothing to miners';
  const fees = agreedFees(terms, first!.feeSats, vsize);
  if (fees.length !== steps.length)
    return `from ${first!.feeSats} sat on these terms have ${fees.length} transactions, not ${steps.length}`;
  // Change under dust goes into the fee.
  const wrong = fees.findIndex(
    (fee, i) => splitChange({ valueSats: value_sats, feeSats: fee }).feeSats !== steps[i]!.feeSats,
  );
  return wrong < 0
    ? null
    : `transaction ${wrong} pays ${steps[wrong]!.feeSats} sat, the terms have ${fees[wrong]} sat there`;
}

interface Spend {
  outpoint: { txid: string; vout: number };
  signal_bytes: string;
}

const isSameSpend = (session: MemberSession, { outpoint, signal_bytes }: Spend): boolean =>
  session.outpoint.txid === outpoint.txid &&
  session.outpoint.vout === outpoint.vout &&
  session.signal_bytes === signal_bytes;

/** Sessions that a partial signature of this wallet left for, and whose outpoint is not settled six deep. */
export const openSessions = (beacon: MemberBeacon): MemberSession[] =>
  [...beacon.sessions.values()].filter(
    session => session.purpose === undefined && isSigned(session) && session.settled === null,
  );

/** The open session that forbids to sign this: only its own outpoint with its own bytes may be signed again. */
export const rivalOf = (beacon: MemberBeacon, spend: Spend): MemberSession | undefined =>
  openSessions(beacon).find(session => !isSameSpend(session, spend));

/** Why the outpoint of a request is none that this wallet would sign for now; null where it is one. */
export function checkOutpoint(
  membership: Membership,
  beacon: MemberBeacon,
  step: SignalPsbt,
  signalBytes: string,
  env: Env,
): Extract<Check, { ok: false }> | null {
  const refuse = (code: VetoCode, text: string) => no(code, text) as Extract<Check, { ok: false }>;
  const { prevout } = step;
  const spend = { outpoint: prevout, signal_bytes: signalBytes };
  const rival = rivalOf(beacon, spend);
  if (rival)
    return refuse(
      'open_session',
      `session ${rival.session_id} is open: only ${rival.outpoint.txid}:${rival.outpoint.vout} with signal bytes ${rival.signal_bytes} is signed until the chain settles it`,
    );
  const same = openSessions(beacon).find(session => isSameSpend(session, spend));
  const { chain } = env;
  if (!chain) {
    if (!same) return refuse('no_chain_view', 'the wallet cannot see the chain');
    return same.outpoint.value_sats === prevout.value_sats
      ? null
      : refuse('outpoint_value', `the output held ${same.outpoint.value_sats} sat when it was signed before`);
  }
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
      // One whose outpoint went elsewhere announced nothing.
      .filter(session => session.purpose === undefined && isSigned(session) && session.settled?.announced !== false)
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
  body: Pick<AuthorizeBeaconSignalRequest, 'signal_bytes' | 'evidence'>,
  answered: ReadonlySet<string> | null,
): SessionFacts['updates'] | Extract<Check, { ok: false }> {
  const refuse = (code: VetoCode, text: string, missing?: string[]) =>
    no(code, text, missing) as Extract<Check, { ok: false }>;
  const { terms } = membership;
  // Kept for ever and believed later, so not even one that nothing is expected of may be of the other kind.
  if ('map' in body.evidence !== (terms.type === 'CASBeacon'))
    return refuse('evidence_invalid', `this is no evidence of a ${terms.type}`);
  const updates: SessionFacts['updates'] = [];
  const expected = concernedDids(state, beacon).map(did => {
    const own = state.dids.get(did);
    const shown = shownAnnouncement(body.evidence, did);
    const candidate =
      own && shown !== null
        ? candidates(own, membership.cohort, beacon, body.signal_bytes).find(u => u.announcement === shown)
        : undefined;
    if (candidate) updates.push({ did, version: candidate.version, announcement: candidate.announcement });
    return {
      did,
      announcement: candidate?.announcement ?? null,
      // One that was registered after the answer has no leaf yet: its index is empty.
      registered:
        answered?.has(did) ??
        (beacon.registrations.get(did)?.name === 'held' && !isBefore(beacon, body.signal_bytes, did)),
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
  const locked = versionLock(state, updates);
  return locked === null ? updates : refuse('version_locked', locked);
}

/** Which of these updates is one too many of its version, in words; null if none is. */
function versionLock(state: WalletState, updates: SessionFacts['updates']): string | null {
  for (const { did, version, announcement } of updates) {
    const own = state.dids.get(did);
    const committed = own && committedRival(own, { version, announcement });
    const doubt = own ? doubtAbout(state, own, { version, announcement }) : null;
    if (doubt) return doubt;
    if (committed) return `${did}: version ${version} is locked to the update ${committed.announcement}`;
  }
  return null;
}

/**
 * Why a session that was checked must not be signed any more; null if nothing changed. Between the check and the
 * signature lies the aggregator's pleasure: meanwhile another cohort may have signed another update of the same
 * version, a DID may have come to name the address, an update may have been replaced.
 */
export function checkStillGood(
  state: WalletState,
  membership: Membership,
  beacon: MemberBeacon,
  session: MemberSession,
): { code: VetoCode; text: string } | null {
  const barred = policyBarsSession(state, session);
  if (barred !== null) return { code: 'policy_forbids', text: barred };
  // A cancel is about the open session itself, a refund is for long after it.
  if (session.purpose === 'cancel' || session.purpose === 'refund') return null;
  const rival = rivalOf(beacon, session);
  if (rival) return { code: 'open_session', text: `session ${rival.session_id} is open: nothing else is signed` };
  if (session.purpose === 'move') return null;
  const { signal_bytes, updates } = session;
  const evidence = heldEvidence(beacon, signal_bytes);
  for (const did of concernedDids(state, beacon)) {
    if (!holdsEvidence(beacon, signal_bytes, did)) return { code: 'evidence_missing', text: `no proof for ${did}` };
    const checked = updates.find(update => update.did === did)?.announcement ?? null;
    if (shownAnnouncement(evidence, did) !== checked)
      return { code: 'wrong_announcement', text: `${did}: the signal says more of it than was checked` };
  }
  for (const { did, announcement } of updates) {
    const own = state.dids.get(did);
    const allowed = own ? candidates(own, membership.cohort, beacon, signal_bytes) : [];
    if (!allowed.some(update => update.announcement === announcement))
      return {
        code: 'wrong_announcement',
        text: `${did}: the update ${announcement} was replaced or refused meanwhile`,
      };
  }
  const locked = versionLock(state, updates);
  return locked === null ? null : { code: 'version_locked', text: locked };
}

/** What is held of a signal, for all DIDs. */
export function heldEvidence(beacon: MemberBeacon, signalBytes: string): Evidence {
  const held = beacon.signals.get(signalBytes);
  return held?.map ? { map: held.map } : { proofs: Object.fromEntries(held?.proofs ?? []) };
}

/** Whether the wallet holds what a resolver of this DID needs of a signal. */
export function holdsEvidence(beacon: MemberBeacon, signalBytes: string, did: string): boolean {
  const held = beacon.signals.get(signalBytes);
  return held !== undefined && (held.map !== null || held.proofs.has(did));
}

/** The part of the evidence that is about these DIDs: what nobody verified must not be kept. */
export function evidenceOf(evidence: Evidence, dids: readonly string[]): Evidence {
  if ('map' in evidence) return evidence;
  const { proofs } = evidence;
  return { proofs: Object.fromEntries(dids.flatMap(did => (Object.hasOwn(proofs, did) ? [[did, proofs[did]!]] : []))) };
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

/** The update that a version is locked to, where that is another than this one. */
export const committedRival = (
  own: WalletDid,
  { version, announcement }: Pick<WalletUpdate, 'version' | 'announcement'>,
): WalletUpdate | undefined =>
  own.updates.find(
    update => update.version === version && update.announcement !== announcement && isCommitted(update.state),
  );

/**
 * Updates that this cohort may announce: the next version's, sent there and neither replaced nor refused. What an open
 * session announces may be signed for again, even if another cohort has announced it meanwhile; and what another beacon
 * alone has announced, the controller's own included, may be announced here too, once: a harmless duplicate.
 */
export function candidates(own: WalletDid, cohort: string, beacon: MemberBeacon, signalBytes: string) {
  const signed = new Set(
    openSessions(beacon)
      .filter(session => session.signal_bytes === signalBytes)
      .flatMap(session => session.updates.map(update => update.announcement)),
  );
  const announcedHere = new Set(
    [...beacon.sessions.values()]
      .filter(session => session.settled?.announced === true)
      .flatMap(session => session.updates.map(update => update.announcement)),
  );
  const done = new Set(own.updates.filter(({ state }) => state === 'final').map(({ version }) => version));
  const next = own.updates.find(
    ({ state, version }) => !['final', 'replaced', 'refused'].includes(state) && !done.has(version),
  )?.version;
  return own.updates.filter(
    update =>
      signed.has(update.announcement) ||
      (update.cohorts.includes(cohort) &&
        update.state !== 'replaced' &&
        update.state !== 'refused' &&
        (update.version === next || (isCommitted(update.state) && !announcedHere.has(update.announcement)))),
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

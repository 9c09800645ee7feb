import {
  agreedFees,
  buildSignal,
  chooseFee,
  chooseOutpoint,
  MIN_RATE,
  type Refund,
  refundsOf,
  signalVsize,
  splitChange,
} from '../bitcoin/index.ts';
import { fromHex, toHex } from '../crypto/index.ts';
import {
  type AbortReason,
  type Message,
  opportunityId,
  type SeatProof,
  sessionId,
  toPlainText,
} from '../messages/index.ts';
import { accept, nothing } from './answer.ts';
import type { CohortEvent } from './events.ts';
import { aggregateOf } from './evidence.ts';
import { drawFrozen, missingTree } from './freeze.ts';
import type { ChainView, Decision, Effect, Env } from './inputs.ts';
import { endBlocker, nobodySigns } from './listing.ts';
import { ownTransactions } from './own.ts';
import type { Beacon, CohortState, Frozen, Outpoint, Round, Session, Stage, Step } from './state.ts';
import { requestsUpTo, toldField } from './telling.ts';
import { utc } from './utc.ts';

export const CONFIRMATIONS_FINAL = 6;

const MAX_BACK_OFF = 3600;

/** A wallet that asks for attempt after attempt waits as long as any other failure: its rounds cost every member. */
const SOON_LIMIT = 3;

/** Sends one message to some members. */
export const tell = (
  state: CohortState,
  members: readonly string[],
  message: Message | ((member: string) => Message),
  session?: string,
): Effect[] =>
  members.map(member => ({
    type: 'send',
    to: state.seats.get(member)!.transport,
    message: typeof message === 'function' ? message(member) : message,
    ...(session === undefined ? {} : { session }),
  }));

/** Why no round opens now, in words for the operator; null when one may open. */
export function roundBlocker(state: CohortState, beacon: Beacon, env: Env): string | null {
  const { terms } = state.advert;
  const pending = beacon.ready.size;
  const pulls = terms.flow === 'pull';
  if (pending === 0 && !pulls) return 'no update is waiting';
  const halt = [...beacon.alarms.values()].find(alarm => alarm.halts);
  if (halt) return `halted: ${halt.text}`;
  const ends = endBlocker(beacon, env.now);
  if (ends !== null) return ends;
  const last = beacon.signals.at(-1);
  if (last && last.seen.status !== 'final') return 'the last signal is not final';
  if (env.now < beacon.not_before) return `waiting until ${utc(beacon.not_before)}`;
  if (last && env.now < beacon.last_signal_at + terms.frequency.min_interval)
    return `signals are at least ${terms.frequency.min_interval} s apart`;
  const due = env.now >= Math.max(beacon.last_signal_at, beacon.last_opportunity_at) + terms.frequency.interval;
  // The last signal waits for everybody, and then for nothing else.
  const isLast = beacon.succession !== null && !pulls;
  if (!due && !isLast && !beacon.round_requested) {
    if (pulls) return `members are asked for updates every ${terms.frequency.interval} s`;
    if (pending < terms.frequency.pending_updates)
      return `${pending} of ${terms.frequency.pending_updates} updates are waiting`;
  }
  if (!env.chain) return 'the chain has not been read yet';
  const outpoint = usableOutpoint(state, beacon, env.chain);
  return 'txid' in outpoint ? null : `no usable deposit: ${outpoint.why}`;
}

export function usableOutpoint(state: CohortState, beacon: Beacon, chain: ChainView): Outpoint | { why: string } {
  const own = ownTransactions(beacon);
  const strays = new Set(chain.history.filter(tx => !tx.spends && tx.signal !== null).map(tx => tx.txid));
  const pinned = beacon.round?.frozen?.outpoint;
  const result = chooseOutpoint({
    utxos: chain.utxos
      .filter(utxo => !strays.has(utxo.txid))
      .map(utxo => ({ ...utxo, fromOwnSignal: own.has(utxo.txid) })),
    tipHeight: chain.tip.height,
    capSats: state.advert.terms.fee_cap,
    ...(pinned ? { pinned } : {}),
  });
  if ('chosen' in result) {
    const { txid, vout, value_sats } = result.chosen;
    return { txid, vout, value_sats };
  }
  const why = result.reasons.map(({ outpoint, reason }) => `${outpoint}: ${reason}`);
  return { why: why.join('; ') || 'nothing was paid to the beacon address' };
}

/** No round is open: opens one when its trigger is met, with a question to every member whether it is there. */
export function advanceIdle(state: CohortState, beacon: Beacon, env: Env): Decision {
  if (roundBlocker(state, beacon, env) !== null) return nothing;
  const round = beacon.rounds_opened + 1;
  const until = deadlines(state.advert.terms.latency.presence, env);
  if (state.advert.terms.flow !== 'pull')
    return accept([{ type: 'round_opened', round, ...until }], ...askPresence(state, beacon, round, 1));
  const opportunity_id = toHex(opportunityId({ cohort: state.id, round, attempt: 1, entropy: env.entropy }));
  return accept(
    [{ type: 'round_opened', round, ...until, opportunity_id }],
    ...offerOpportunity(state, beacon, { number: round, attempt: 1 }, opportunity_id, until.deadline),
  );
}

/** The pull flow's question: what is there to announce? An answer says that the member is there, too. */
export const offerOpportunity = (
  state: CohortState,
  beacon: Beacon,
  round: Pick<Round, 'number' | 'attempt'>,
  opportunity_id: string,
  deadline: number,
  members = beacon.participant_pubkeys,
) =>
  tell(state, members, {
    type: 'update_opportunity',
    body: {
      beacon_address: beacon.address,
      round: round.number,
      attempt: round.attempt,
      opportunity_id,
      deadline: Math.min(deadline, 0xffff_ffff),
    },
  });

export const deadlines = (wait: number, env: Env) => ({
  deadline: env.now + wait,
  remind_at: env.now + Math.ceil(wait / 2),
});

export const askPresence = (
  state: CohortState,
  beacon: Beacon,
  round: number,
  attempt: number,
  members = beacon.participant_pubkeys,
) => tell(state, members, { type: 'presence', body: { beacon_address: beacon.address, round, attempt } });

/** The session is open and its last attempt is over: asks again who is there. */
export function advanceWaiting(
  state: CohortState,
  beacon: Beacon,
  round: Round,
  stage: Extract<Stage, { name: 'waiting' }>,
  env: Env,
): Decision {
  if (
    env.now < stage.retry_at ||
    nobodySigns(beacon) !== null ||
    !env.chain ||
    !('txid' in usableOutpoint(state, beacon, env.chain))
  )
    return nothing;
  const attempt = round.attempt + 1;
  const until = deadlines(state.advert.terms.latency.presence, env);
  return accept([{ type: 'presence_asked', attempt, ...until }], ...askPresence(state, beacon, round.number, attempt));
}

export function advancePresence(
  state: CohortState,
  beacon: Beacon,
  round: Round,
  stage: Extract<Stage, { name: 'presence' }>,
  env: Env,
): Decision {
  const over = nobodySigns(beacon);
  if (over !== null) return endAttempt(state, beacon, round, env, { reason: 'cancelled', text: over });
  const unheard = beacon.participant_pubkeys.filter(member => !stage.heard.has(member));
  if (unheard.length === 0) {
    const { opportunity } = stage;
    // Of a tree that is not blinded the queue tells, whatever a member says that it wants.
    const isBlind = state.advert.terms.privacy === 'blinded';
    const isIdle =
      opportunity !== null &&
      (isBlind ? !opportunity.wanted || opportunity.leaves.size === 0 : beacon.ready.size === 0);
    return isIdle ? passOpportunity(state, beacon, round) : freeze(state, beacon, round, env);
  }
  if (env.now >= stage.deadline)
    return endAttempt(state, beacon, round, env, {
      reason: 'not_heard',
      text: 'not every member answered the presence question in time',
      not_heard: unheard,
    });
  if (env.now >= stage.remind_at) {
    const { opportunity } = stage;
    return accept(
      [{ type: 'reminded' }],
      ...(opportunity
        ? offerOpportunity(state, beacon, round, opportunity.id, stage.deadline, unheard)
        : askPresence(state, beacon, round.number, round.attempt, unheard)),
    );
  }
  return nothing;
}

/** Every signal costs every DID a proof for ever: none is made that announces nothing. */
function passOpportunity(state: CohortState, beacon: Beacon, round: Round): Decision {
  const why = { reason: 'cancelled', text: 'no member had an update to announce' } as const;
  return accept(
    [{ type: 'opportunity_passed' }],
    ...tellEnded(state, beacon, round, why, { session_id: null, open: false }),
  );
}

/** Fixes what the round announces and which outpoint it spends, and asks every member to authorize it. */
function freeze(state: CohortState, beacon: Beacon, round: Round, env: Env): Decision {
  if (!env.chain) return nothing;
  const { terms } = state.advert;
  const outpoint = usableOutpoint(state, beacon, env.chain);
  if (!('txid' in outpoint))
    return endAttempt(state, beacon, round, env, {
      reason: 'outpoint_gone',
      text: `no usable deposit: ${outpoint.why}`,
    });
  const missing = missingTree(state, beacon, round, env);
  if (missing) return { events: [], effects: [missing] };
  const drawn = round.frozen ? { frozen: round.frozen } : drawFrozen(state, beacon, round, outpoint, env);
  // Nothing is decided before the tree is there: the next advance is asked again, and brings it.
  if (drawn && 'effect' in drawn) return { events: [], effects: [drawn.effect] };
  if (!drawn)
    return endAttempt(state, beacon, round, env, { reason: 'cancelled', text: 'every waiting update was withdrawn' });
  const { frozen } = drawn;
  const estimate = env.chain.fee_rate;
  const fee = chooseFee({ estimate, capSats: terms.fee_cap, vsize: signalVsize(true) });
  const steps = buildSteps(state, beacon, frozen, fee.feeSats);
  const refunds = refundsFor(state, beacon, steps);
  const id = toHex(
    sessionId({
      cohort: state.id,
      round: round.number,
      attempt: round.attempt,
      outpoint: `${frozen.outpoint.txid}:${frozen.outpoint.vout}`,
      transactions: [...steps, ...refunds].map(({ txid }) => txid),
      participant_pubkeys: beacon.participant_pubkeys,
      signal_bytes: frozen.signal_bytes,
    }),
  );
  const session: Session = {
    id,
    round: round.number,
    attempt: round.attempt,
    signal_bytes: frozen.signal_bytes,
    outpoint: frozen.outpoint,
    steps,
    refunds,
    nonces: new Map(),
    agg_nonce: null,
    sigs: new Map(),
  };
  const told = requestsUpTo(beacon, 0);
  const event: CohortEvent = {
    type: 'session_requested',
    ...toldField(told, beacon.participant_pubkeys.length),
    session_id: id,
    attempt: round.attempt,
    frozen,
    steps,
    ...(refunds.length > 0 ? { refunds } : {}),
    ...deadlines(terms.latency.nonce, env),
  };
  return accept(
    [event, ...feeAlarm(beacon, estimate, fee.note)],
    ...requestAuthorization(state, beacon, round, frozen, session, beacon.participant_pubkeys.slice(0, told)),
  );
}

/**
 * An estimate that could not be taken as it came is told for as long as it lasts. None at all, and one that is only lower
 * than what nodes relay, are how quiet networks are.
 */
function feeAlarm(beacon: Beacon, estimate: number | null, note: string | undefined): CohortEvent[] {
  const key = 'fee_clamped';
  const isNone = estimate === null || !Number.isFinite(estimate);
  if (note === undefined || isNone || (estimate > 0 && estimate < MIN_RATE))
    return beacon.alarms.has(key) ? [{ type: 'alarm_cleared', key }] : [];
  const text = `${note}${estimate > 0 ? ': the signal may wait' : ''}`;
  if (beacon.alarms.get(key)?.text === text) return [];
  return [{ type: 'alarm_raised', key, alarm: { code: 'fee_clamped', text, halts: false } }];
}

/** What gives back the money that these transactions leave at the beacon, as the terms have it. */
export const refundsFor = ({ advert }: CohortState, beacon: Beacon, steps: readonly Step[]): Refund[] =>
  refundsOf(
    advert.terms,
    beacon.script_hex,
    steps.map(step => step.unsigned_hex),
  );

/** The same transaction with each fee that the terms have from this one on. */
function buildSteps(state: CohortState, beacon: Beacon, frozen: Frozen, feeSats: number): Step[] {
  const { terms } = state.advert;
  const base = splitChange({ valueSats: frozen.outpoint.value_sats, feeSats });
  return agreedFees(terms, base.feeSats).map(fee => {
    const built = buildSignal({
      prevout: frozen.outpoint,
      scriptHex: beacon.script_hex,
      signalBytes: fromHex(frozen.signal_bytes, 32),
      feeSats: fee,
      signalOutput: terms.signal_output,
    });
    return { psbt: built.psbt, unsigned_hex: built.unsignedHex, txid: built.txid, fee_sats: built.feeSats };
  });
}

/** Seed D4: the transactions, and to each member the evidence of its own DIDs. */
export function requestAuthorization(
  state: CohortState,
  beacon: Beacon,
  round: Round,
  frozen: Frozen,
  session: Session,
  members: readonly string[],
): Effect[] {
  const built = aggregateOf(state.advert.terms, beacon, frozen);
  const own = new Map<string, string[]>(members.map(member => [member, []]));
  for (const { did, member } of beacon.registry.values()) own.get(member)?.push(did);
  return tell(
    state,
    members,
    member => ({
      type: 'authorize_beacon_signal_request',
      body: {
        session_id: session.id,
        beacon_address: beacon.address,
        round: round.number,
        attempt: session.attempt,
        signal_bytes: frozen.signal_bytes,
        pending_beacon_signal: session.steps.map(step => step.psbt),
        evidence: built.evidenceFor(own.get(member)!),
        ...(frozen.blinded ? { opportunity_id: frozen.blinded.opportunity_id } : {}),
      },
    }),
    session.id,
  );
}

export interface AttemptEnd {
  reason: AbortReason;
  text: string;
  blame?: string[];
  not_heard?: string[];
  evidence?: object[];
  seats?: SeatProof[];
  /** Try again at once: nobody failed, as when a wallet restarted. */
  soon?: boolean;
}

/** Tells every member that an attempt is over, and why. */
export function tellEnded(
  state: CohortState,
  beacon: Beacon,
  round: Round,
  end: AttemptEnd,
  { session_id, open }: { session_id: string | null; open: boolean },
): Effect[] {
  const body = {
    session_id,
    round: round.number,
    attempt: round.attempt,
    reason: end.reason,
    text: toPlainText(end.text, 1500),
    open,
    blame: end.blame ?? [],
    not_heard: end.not_heard ?? [],
    evidence: (end.evidence ?? []) as Record<string, unknown>[],
    ...(end.seats ? { seats: end.seats } : {}),
  };
  return tell(state, beacon.participant_pubkeys, { type: 'round_aborted', body }, session_id ?? undefined);
}

/**
 * What is signed cannot be unsigned. Before any aggregated nonce went out, the round is over and its updates are free;
 * afterwards only this attempt is over, and the round waits for another one with the same outpoint and bytes.
 */
export function endAttempt(state: CohortState, beacon: Beacon, round: Round, env: Env, end: AttemptEnd): Decision {
  const open = round.open.length > 0;
  const wait = state.advert.terms.latency.presence * 2 ** Math.min(beacon.failures, 10);
  const again = env.now + (end.soon && beacon.failures < SOON_LIMIT ? 1 : Math.min(wait, MAX_BACK_OFF));
  const session_id = ('session' in round.stage ? round.stage.session.id : round.open.at(-1)?.id) ?? null;
  const event: CohortEvent = open
    ? { type: 'attempt_ended', reason: end.reason, retry_at: again }
    : { type: 'round_aborted', reason: end.reason, not_before: again };
  return accept([event], ...tellEnded(state, beacon, round, end, { session_id, open }));
}

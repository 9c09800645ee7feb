import type { Envelope } from '../messages/index.ts';
import { accept, nothing, refuse } from './answer.ts';
import type { CohortEvent } from './events.ts';
import {
  advanceFallback,
  askFallbackAgain,
  completeFallback,
  decideFallbackSignature,
  startFallback,
} from './fallback.ts';
import { missingTree } from './freeze.ts';
import type { AdmissionPolicy, Decision, Env, Input } from './inputs.ts';
import { sendInstead, stepAfter } from './ladder.ts';
import { decideResponse } from './opportunity.ts';
import { decideRebind } from './rebind.ts';
import { decideRecover } from './recovery.ts';
import { decideRefundRequest } from './refund-request.ts';
import { decideControlChecked, decideProofRequest, decideRegistration } from './registry.ts';
import { advanceIdle, advancePresence, advanceWaiting, endAttempt, requestAuthorization } from './rounds.ts';
import { decideLeave, decideOptIn } from './seats.ts';
import { advanceConfirming, advanceRecruiting, decideSetAck, sendReady } from './set.ts';
import { advanceChain, refusedKey } from './settle.ts';
import {
  advanceNonces,
  advanceSignatures,
  type Ceremony,
  completeAny,
  decideAuthorization,
  decideNonce,
  decideNonceLost,
  decideVeto,
} from './signing.ts';
import { advanceSpend, decideStartSpend, isOfSpend, spendCeremony } from './spend.ts';
import type { Beacon, CohortState, Round } from './state.ts';
import { tellStatus } from './status.ts';
import { advanceSuccession, decideEnd, decideKeyDeleted, decideMark, decideSuccessorFormed } from './succession.ts';
import { advanceReady, advanceRequests } from './telling.ts';
import { decideUpdate } from './updates.ts';

/**
 * What follows from one input, as facts to store and effects to carry out. Pure: nothing is changed, nothing is sent.
 * Messages only record facts and answer; all progress is in `advance`, which the shell repeats until it has nothing to
 * say. So a restart, which repeats it too, continues wherever the log ends.
 */
export function decide(state: CohortState | null, input: Input, env: Env): Decision {
  if (input.type === 'create') {
    if (state) return { drop: 'the cohort exists' };
    const { type: _, ...advert } = input;
    return accept([{ type: 'advert_created', ...advert }], { type: 'publish_advert', status: 'open' });
  }
  if (!state) return { drop: 'no such cohort' };
  switch (input.type) {
    case 'refresh':
      return accept([], { type: 'publish_advert', status: state.advert.status });
    case 'set_status':
      return state.advert.status === input.status
        ? nothing
        : accept([{ type: 'advert_status_changed', status: input.status }], {
            type: 'publish_advert',
            status: input.status,
          });
    case 'open_round':
      if (state.phase.name !== 'formed') return { drop: 'no cohort is formed' };
      return state.phase.beacon.round ? nothing : accept([{ type: 'round_requested' }]);
    case 'start_spend': {
      const beacon = beaconOf(state);
      return beacon ? decideStartSpend(state, beacon, input, env) : { drop: 'no cohort is formed' };
    }
    case 'end_cohort':
    case 'successor_formed':
    case 'mark_member':
      return decideStanding(state, input);
    case 'recover': {
      const beacon = beaconOf(state);
      return beacon ? decideRecover(state, beacon, input.hex, env) : { drop: 'no cohort is formed' };
    }
    case 'dismiss_alarm': {
      const alarm = beaconOf(state)?.alarms.get(input.key);
      return alarm && !alarm.dismissed
        ? accept([{ type: 'alarm_dismissed', key: input.key }])
        : { drop: `there is no alarm ${input.key}` };
    }
    case 'restored':
      return decideRestored(state, input.text, env);
    case 'was_deaf':
      return input.seconds > 0 && isWaiting(state)
        ? accept([{ type: 'deaf_time_credited', seconds: input.seconds }])
        : nothing;
    case 'control_checked':
      return decideChecked(state, input);
    case 'broadcast_refused':
      return decideRefusedBroadcast(state, input, env);
    case 'message':
      return decideMessage(state, input.envelope, input.admission, env);
    case 'advance':
      return advance(state, env);
  }
}

/**
 * What happened after the backup is in no log: a session may be open at the members. A round of which the log has no bytes is
 * given up, since it may have others by now; one that has them goes on, its answers come again from the relays. No new round
 * opens until the operator has looked.
 */
function decideRestored(state: CohortState, text: string, env: Env): Decision {
  const beacon = beaconOf(state);
  const known = beacon?.alarms.get('restored');
  if (!beacon || (known && !known.dismissed)) return nothing;
  const raised: CohortEvent = {
    type: 'alarm_raised',
    key: 'restored',
    alarm: { code: 'restored', text, halts: true },
  };
  const { round } = beacon;
  if (round?.stage.name !== 'presence' || round.frozen) return accept([raised]);
  const ended = endAttempt(state, beacon, round, env, {
    reason: 'cancelled',
    text: 'the aggregator was put back from a backup: this round is given up',
  });
  return 'events' in ended ? accept([raised, ...ended.events], ...ended.effects) : accept([raised]);
}

function decideStanding(
  state: CohortState,
  input: Extract<Input, { type: 'end_cohort' | 'successor_formed' | 'mark_member' }>,
): Decision {
  const beacon = beaconOf(state);
  if (!beacon) return { drop: 'no cohort is formed' };
  switch (input.type) {
    case 'end_cohort':
      return decideEnd(state, beacon, input);
    case 'successor_formed':
      return decideSuccessorFormed(beacon, input.beacon_address);
    case 'mark_member':
      return decideMark(state, beacon, input);
  }
}

/** Whether anybody's deadline is running. */
function isWaiting({ phase }: CohortState): boolean {
  if (phase.name === 'confirming') return true;
  if (phase.name !== 'formed') return false;
  const { spend, round } = phase.beacon;
  return spend !== null || (round !== null && 'deadline' in round.stage);
}

function decideChecked(state: CohortState, input: Extract<Input, { type: 'control_checked' }>): Decision {
  const beacon = beaconOf(state);
  const check = beacon?.checks.get(input.request_id);
  return beacon && check ? decideControlChecked(state, beacon, check, input.result) : { drop: 'no such check' };
}

function decideRefusedBroadcast(
  state: CohortState,
  { txid, reason, cheap }: Extract<Input, { type: 'broadcast_refused' }>,
  env: Env,
): Decision {
  const beacon = beaconOf(state);
  const key = refusedKey(txid);
  if (!beacon || beacon.alarms.get(key)?.text.endsWith(reason)) return nothing;
  const text = `the node refuses the signal ${txid}: ${reason}`;
  const signal = beacon.signals.find(known => known.txid === txid);
  // An answer about a transaction that is sent no more, since another one took its place meanwhile.
  const isOther = [...beacon.spends.map(({ transaction }) => transaction), ...beacon.recoveries];
  if (!signal && !isOther.some(sent => sent?.txid === txid)) return nothing;
  const higher = cheap && signal ? stepAfter(beacon, signal) : undefined;
  if (signal && higher) return sendInstead(state, beacon, signal, higher, env.chain?.tip.height ?? null);
  // Other nodes may take it: publishing what all have signed is every member's right.
  return accept(
    [{ type: 'alarm_raised', key, alarm: { code: 'signal_refused', text, halts: false } }],
    ...(signal ? tellStatus(state, beacon, signal, { status: 'broadcast' }) : []),
  );
}

const beaconOf = (state: CohortState): Beacon | null => (state.phase.name === 'formed' ? state.phase.beacon : null);

function decideMessage(state: CohortState, envelope: Envelope, admission: AdmissionPolicy, env: Env): Decision {
  if (envelope.type === 'opt_in') return decideOptIn(state, envelope, admission, env);
  if (envelope.type === 'rebind') return decideRebind(state, envelope);
  const member = state.transports.get(envelope.from);
  if (member === undefined) return { drop: 'the sender has no seat' };
  switch (envelope.type) {
    case 'leave':
      return decideLeave(state, envelope, member);
    case 'cohort_set_ack':
      return decideSetAck(state, envelope, member);
    case 'key_deleted':
    case 'did_registration':
    case 'did_update':
    case 'proof_request':
    case 'refund_request':
    case 'update_response':
    case 'presence_ack':
    case 'nonce':
    case 'veto':
    case 'nonce_lost':
    case 'fallback_signature':
    case 'signal_authorization': {
      const beacon = beaconOf(state);
      return beacon
        ? decideAtWork(state, beacon, envelope, member, env)
        : refuse(envelope, 'wrong_phase', `the cohort is ${state.phase.name}`);
    }
    default:
      return refuse(envelope, 'unknown_type', `${envelope.type} is for the aggregator to send`, 'type');
  }
}

type AtWork = Extract<
  Envelope,
  {
    type:
      | 'key_deleted'
      | 'did_registration'
      | 'did_update'
      | 'proof_request'
      | 'refund_request'
      | 'update_response'
      | 'presence_ack'
      | 'nonce'
      | 'veto'
      | 'nonce_lost'
      | 'fallback_signature'
      | 'signal_authorization';
  }
>;

function decideAtWork(state: CohortState, beacon: Beacon, envelope: AtWork, member: string, env: Env): Decision {
  switch (envelope.type) {
    case 'key_deleted':
      return decideKeyDeleted(beacon, envelope, member);
    case 'did_registration':
      return decideRegistration(state, beacon, envelope, member);
    case 'did_update':
      return decideUpdate(state, beacon, envelope, member);
    case 'proof_request':
      return decideProofRequest(state, beacon, envelope, member);
    case 'refund_request':
      return decideRefundRequest(state, beacon, envelope, env);
  }
  const { round } = beacon;
  if (envelope.type === 'update_response') return decideResponse(state, beacon, round, envelope, member);
  if (envelope.type === 'presence_ack') {
    const { body } = envelope;
    const isAsked = round?.stage.name === 'presence' && round.stage.opportunity === null;
    const asked = isAsked && body.round === round.number && body.attempt === round.attempt;
    // Late answers are the normal end of a question, not a fault.
    if (!asked || round.stage.name !== 'presence' || round.stage.heard.has(member)) return nothing;
    return accept([{ type: 'presence_heard', participant_pk: member }]);
  }
  if (envelope.type === 'fallback_signature')
    return decideFallbackSignature(state, beacon, round, envelope, member, env);
  const isSpend = isOfSpend(beacon, envelope.body.session_id);
  if (!round && !isSpend) {
    return beacon.signals.some(signal => signal.session_id === envelope.body.session_id)
      ? nothing
      : refuse(envelope, 'wrong_session', 'no round is open', 'body.session_id');
  }
  const ceremony = isSpend || !round ? spendCeremony(state, beacon, env) : roundCeremony(state, beacon, round, env);
  switch (envelope.type) {
    case 'nonce':
      return decideNonce(ceremony, envelope, member);
    case 'veto':
      return decideVeto(ceremony, envelope, member);
    case 'nonce_lost':
      return decideNonceLost(ceremony, envelope, member);
    case 'signal_authorization':
      return decideAuthorization(ceremony, envelope, member);
  }
}

const roundCeremony = (state: CohortState, beacon: Beacon, round: Round, env: Env): Ceremony => ({
  state,
  beacon,
  env,
  stage: round.stage,
  open: round.open,
  ask: (session, members) => requestAuthorization(state, beacon, round, round.frozen!, session, members),
  end: why => endAttempt(state, beacon, round, env, why),
});

function advance(state: CohortState, env: Env): Decision {
  const { phase } = state;
  switch (phase.name) {
    case 'recruiting':
      return advanceRecruiting(state, phase, env);
    case 'confirming':
      return advanceConfirming(state, phase, env);
    case 'ended':
      return nothing;
    case 'formed': {
      const { beacon } = phase;
      const ready = advanceReady(beacon, member => sendReady(state, beacon, member));
      if ('events' in ready && ready.events.length > 0) return ready;
      const byChain = advanceChain(state, phase.beacon, env);
      if ('events' in byChain && byChain.events.length > 0) return byChain;
      const bySpend = advanceSpend(state, phase.beacon, env);
      if ('events' in bySpend && bySpend.events.length > 0) return bySpend;
      const bySuccession = advanceSuccession(state, phase.beacon, env);
      if ('events' in bySuccession && bySuccession.events.length > 0) return bySuccession;
      return advanceRound(state, phase.beacon, env);
    }
  }
}

function advanceRound(state: CohortState, beacon: Beacon, env: Env): Decision {
  const { round } = beacon;
  if (!round) return beacon.spend ? nothing : advanceIdle(state, beacon, env);
  const { stage } = round;
  if (stage.name === 'announced') return nothing;
  const complete = completeAny(beacon, round, env) ?? completeFallback(beacon, round, env);
  if (complete) return complete;
  if (beacon.spend) return nothing;
  const ceremony = roundCeremony(state, beacon, round, env);
  switch (stage.name) {
    case 'presence':
      return advancePresence(state, beacon, round, stage, env);
    case 'nonces': {
      const { told, session, remind_at } = stage;
      // A reminder repeats the proofs.
      const missing = told !== undefined || env.now >= remind_at ? missingTree(state, beacon, round, env) : null;
      if (missing) return { events: [], effects: [missing] };
      return told === undefined
        ? advanceNonces(ceremony, stage)
        : advanceRequests(beacon, told, members => ceremony.ask(session, members));
    }
    case 'signatures':
      return advanceSignatures(ceremony, stage);
    case 'fallback':
      return advanceFallback(state, beacon, round, stage, env);
    case 'waiting':
      return (
        startFallback(state, beacon, round, env) ??
        withFallback(state, beacon, round, advanceWaiting(state, beacon, round, stage, env))
      );
  }
}

/** With another attempt, whoever has not signed the fallback of an earlier one is asked for that again: either is enough. */
function withFallback(state: CohortState, beacon: Beacon, round: Round, decision: Decision): Decision {
  if (!('events' in decision) || decision.events.length === 0) return decision;
  return accept(decision.events, ...decision.effects, ...askFallbackAgain(state, beacon, round));
}

import { curve } from '#curve';
import { fromHex } from '../crypto/index.ts';
import { policyFor, xOnlyOf } from '../messages/index.ts';
import { accept, nothing, refuse } from './answer.ts';
import type { CohortEvent } from './events.ts';
import type { Decision, Effect, Env } from './inputs.ts';
import { beaconOf, setStatementOf } from './keys.ts';
import type { CohortState, EnvelopeOf, Phase } from './state.ts';
import { advanceSetOut, isToldReady, readyAtOnce, toldField } from './telling.ts';

type Recruiting = Extract<Phase, { name: 'recruiting' }>;
type Confirming = Extract<Phase, { name: 'confirming' }>;

/** Proposes a set when the seats are full or the offer is over; after a failed set, with whoever is left. */
export function advanceRecruiting(state: CohortState, phase: Recruiting, env: Env): Decision {
  const { terms, status, expires_at } = state.advert;
  if (status === 'cancelled') return end(state, 'the advert was cancelled');
  const enough = state.seats.size >= terms.cohort_size.min;
  const over = status === 'closed' || expires_at <= env.now;
  const full = state.seats.size >= terms.cohort_size.max;
  if (enough && (full || over || phase.attempts > 0)) return proposeSet(state, phase.attempts + 1, env);
  if (over) return end(state, 'the advert ended with too few members');
  if (status === 'full' && !full)
    return accept([{ type: 'advert_status_changed', status: 'open' }], { type: 'publish_advert', status: 'open' });
  return nothing;
}

function end(state: CohortState, reason: string): Decision {
  const events: CohortEvent[] = [{ type: 'cohort_ended', reason }];
  const effects: Effect[] = [...state.seats.keys()].map(member => sendDropped(state, member, 'advert_closed', reason));
  if (state.advert.status === 'open' || state.advert.status === 'full') {
    events.unshift({ type: 'advert_status_changed', status: 'closed' });
    effects.push({ type: 'publish_advert', status: 'closed' });
  }
  return accept(events, ...effects);
}

function sendDropped(state: CohortState, member: string, code: 'advert_closed' | 'seat_dropped', text: string): Effect {
  return {
    type: 'send',
    to: state.seats.get(member)!.transport,
    message: { type: 'rejection', body: { code, text } },
  };
}

function proposeSet(state: CohortState, attempt: number, env: Env): Decision {
  const { terms, status } = state.advert;
  const set = beaconOf([...state.seats.keys()], terms.btc_network, terms.policy);
  const wait = terms.latency.cohort_set;
  const count = set.participant_pubkeys.length;
  const told = readyAtOnce(count);
  const until = { deadline: env.now + wait, remind_at: env.now + Math.ceil(wait / 2) };
  const events: CohortEvent[] = [{ type: 'set_proposed', attempt, ...set, ...until, ...toldField(told, count) }];
  const effects = set.participant_pubkeys.slice(0, told).map(member => sendSet(state, { ...set, attempt }, member));
  if (status === 'open') {
    events.push({ type: 'advert_status_changed', status: 'full' });
    effects.push({ type: 'publish_advert', status: 'full' });
  }
  return accept(events, ...effects);
}

type ProposedSet = Pick<Confirming, 'participant_pubkeys' | 'beacon_address' | 'attempt'>;

export function sendSet(state: CohortState, set: ProposedSet, member: string): Effect {
  const { attempt, participant_pubkeys, beacon_address } = set;
  const { id: advert_id } = state.advert.terms;
  const policy = policyFor(state.advert.terms.policy, participant_pubkeys.length);
  return {
    type: 'send',
    to: state.seats.get(member)!.transport,
    message: { type: 'cohort_set', body: { advert_id, participant_pubkeys, beacon_address, policy, attempt } },
  };
}

/** A member's signature over the set. */
export function decideSetAck(state: CohortState, envelope: EnvelopeOf<'cohort_set_ack'>, member: string): Decision {
  const { phase } = state;
  // A member of a large cohort, whose turn to be told is still to come, is told then.
  if (phase.name === 'formed')
    return isToldReady(phase.beacon, member) ? accept([], sendReady(state, phase.beacon, member)) : nothing;
  if (phase.name !== 'confirming') return refuse(envelope, 'wrong_phase', 'no cohort set is waiting for signatures');
  const { body } = envelope;
  if (body.attempt !== phase.attempt)
    return refuse(envelope, 'wrong_phase', `the current set is number ${phase.attempt}`, 'body.attempt');
  if (body.beacon_address !== phase.beacon_address)
    return refuse(envelope, 'wrong_address', `the set makes ${phase.beacon_address}`, 'body.beacon_address');
  const statement = setStatementOf({
    aggregator: state.advert.identity,
    network: state.advert.terms.btc_network,
    terms_hash: state.advert.terms_hash,
    participant_pubkeys: phase.participant_pubkeys,
    beacon_address: phase.beacon_address,
  });
  if (!curve.verifySchnorr(statement, fromHex(xOnlyOf(member)), fromHex(body.sig)))
    return refuse(envelope, 'invalid_signature', 'the cohort key did not sign this set', 'body.sig');
  if (phase.signatures.has(member)) return nothing;
  return accept([{ type: 'set_signed', participant_pk: member, sig: body.sig }]);
}

/** Forms the cohort when all have signed; drops who did not answer, so that a smaller set can follow. */
export function advanceConfirming(state: CohortState, phase: Confirming, env: Env): Decision {
  if (state.advert.status === 'cancelled') return end(state, 'the advert was cancelled');
  if (phase.told !== undefined) return advanceSetOut(phase, phase.told, member => sendSet(state, phase, member));
  const unheard = phase.participant_pubkeys.filter(key => !phase.signatures.has(key));
  if (unheard.length === 0) {
    const source = { ...phase, address: phase.beacon_address, challenge: env.entropy };
    const count = phase.participant_pubkeys.length;
    const told = readyAtOnce(count);
    return accept(
      [{ type: 'cohort_formed', challenge: env.entropy, ...toldField(told, count) }],
      ...phase.participant_pubkeys.slice(0, told).map(member => sendReady(state, source, member)),
    );
  }
  if (env.now >= phase.deadline)
    return accept(
      [{ type: 'seats_dropped', participant_pubkeys: unheard, reason: 'not_heard' }, { type: 'set_failed' }],
      ...unheard.map(member => sendDropped(state, member, 'seat_dropped', 'the cohort set was not signed in time')),
    );
  if (env.now >= phase.remind_at)
    return unheard.length > readyAtOnce(phase.participant_pubkeys.length)
      ? accept([{ type: 'reminded', told: 0 }])
      : accept([{ type: 'reminded' }], ...unheard.map(member => sendSet(state, phase, member)));
  return nothing;
}

interface ReadySource {
  participant_pubkeys: string[];
  address: string;
  challenge: string;
  signatures: Map<string, string>;
}

export function sendReady(state: CohortState, source: ReadySource, member: string): Effect {
  const { id: advert_id } = state.advert.terms;
  return {
    type: 'send',
    to: state.seats.get(member)!.transport,
    message: {
      type: 'cohort_ready',
      body: {
        advert_id,
        participant_pubkeys: source.participant_pubkeys,
        beacon_address: source.address,
        policy: policyFor(state.advert.terms.policy, source.participant_pubkeys.length),
        signatures: source.participant_pubkeys.map(key => source.signatures.get(key)!),
        challenge: source.challenge,
      },
    },
  };
}

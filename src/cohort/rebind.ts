import { curve } from '#curve';
import { fromHex } from '../crypto/index.ts';
import { rebindStatement, xOnlyOf } from '../messages/index.ts';
import { accept, refuse, reply } from './answer.ts';
import { askFallbackOf } from './fallback.ts';
import type { Decision, Effect } from './inputs.ts';
import { askPresence, offerOpportunity, requestAuthorization } from './rounds.ts';
import { sendSet } from './set.ts';
import { sendAggregatedNonce } from './signing.ts';
import type { CohortState, EnvelopeOf } from './state.ts';
import { statusAgain } from './succession.ts';

/**
 * A member that lost its transport key proves itself by its cohort key. What it is waited for is asked again at once, of
 * the new key: nobody can read what went to the old one.
 */
export function decideRebind(state: CohortState, envelope: EnvelopeOf<'rebind'>): Decision {
  const { body } = envelope;
  const member = body.participant_pk;
  const seat = state.seats.get(member);
  if (!seat) return refuse(envelope, 'not_a_member', 'this cohort key has no seat here', 'body.participant_pk');
  if (body.transport_key !== envelope.from)
    return refuse(envelope, 'invalid_message', 'send it from the new transport key', 'body.transport_key');
  const { transport_key, counter } = body;
  const statement = rebindStatement({ cohort: state.id, participant_pk: member, transport_key, counter });
  if (!curve.verifySchnorr(statement, fromHex(xOnlyOf(member), 32), fromHex(body.sig, 64)))
    return refuse(envelope, 'invalid_proof', 'the cohort key did not sign this', 'body.sig');
  const answer = reply(envelope, { type: 'ack', body: { accepted: 'rebind', counter } });
  if (seat.transport === transport_key) return accept([], answer);
  if (counter <= seat.rebind_counter)
    return refuse(envelope, 'counter_too_low', `the last counter was ${seat.rebind_counter}`, 'body.counter');
  if (state.transports.has(transport_key))
    return refuse(envelope, 'key_in_use', 'this transport key belongs to another member', 'body.transport_key');
  const seats = new Map(state.seats).set(member, { ...seat, transport: transport_key });
  return accept(
    [{ type: 'member_rebound', participant_pk: member, transport: transport_key, counter, sig: body.sig }],
    answer,
    ...awaitedOf({ ...state, seats }, member),
    ...(state.phase.name === 'formed' ? statusAgain(state.phase.beacon, transport_key) : []),
  );
}

/** The question that a member has not answered yet, as its reminder would have it. */
function awaitedOf(state: CohortState, member: string): Effect[] {
  const { phase } = state;
  if (phase.name === 'confirming') return phase.signatures.has(member) ? [] : [sendSet(state, phase, member)];
  const round = phase.name === 'formed' ? phase.beacon.round : null;
  if (phase.name !== 'formed' || !round) return [];
  const { beacon } = phase;
  const { stage } = round;
  switch (stage.name) {
    case 'presence':
      if (stage.heard.has(member)) return [];
      return stage.opportunity
        ? offerOpportunity(state, beacon, round, stage.opportunity.id, stage.deadline, [member])
        : askPresence(state, beacon, round.number, round.attempt, [member]);
    case 'nonces':
      return stage.session.nonces.has(member)
        ? []
        : requestAuthorization(state, beacon, round, round.frozen!, stage.session, [member]);
    case 'signatures':
      return stage.session.sigs.has(member) ? [] : sendAggregatedNonce(state, beacon, stage.session, [member]);
    case 'fallback':
      return askFallbackOf(state, beacon, stage.session, member);
    case 'waiting':
    case 'announced':
      return [];
  }
}

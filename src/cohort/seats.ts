import { curve } from '#curve';
import { fromHex } from '../crypto/index.ts';
import { admissionStatement, optInStatement, xOnlyOf } from '../messages/index.ts';
import { accept, refuse, reply } from './answer.ts';
import type { CohortEvent } from './events.ts';
import type { AdmissionPolicy, Decision, Env } from './inputs.ts';
import type { CohortState, EnvelopeOf } from './state.ts';
import { decideLeaving } from './succession.ts';

const verify = (message: Uint8Array, xOnly: string, sig: string): boolean =>
  curve.verifySchnorr(message, fromHex(xOnly, 32), fromHex(sig, 64));

/** Seed B3: takes a seat, if every condition holds. */
export function decideOptIn(
  state: CohortState,
  envelope: EnvelopeOf<'opt_in'>,
  admission: AdmissionPolicy,
  env: Env,
): Decision {
  const { body } = envelope;
  const { advert } = state;
  const { terms } = advert;
  const no = (...why: [Parameters<typeof refuse>[1], string, string?]) => refuse(envelope, ...why);

  if (body.advert_id !== terms.id) return no('wrong_advert', `this is the advert ${terms.id}`, 'body.advert_id');
  if (body.terms_hash !== advert.terms_hash)
    return no('wrong_terms', `the terms of this advert hash to ${advert.terms_hash}`, 'body.terms_hash');
  const key = body.participant_pubkey;
  if (!curve.isCompressedPoint(fromHex(key)))
    return no('invalid_key', 'the cohort key is no point on secp256k1', 'body.participant_pubkey');
  const statement = optInStatement({
    aggregator: advert.identity,
    network: terms.btc_network,
    terms_hash: advert.terms_hash,
    transport_key: envelope.from,
  });
  if (!verify(statement, xOnlyOf(key), body.proof))
    return no(
      'invalid_proof',
      'the proof is not a signature of this cohort key over this advert and transport key',
      'body.proof',
    );

  const seat = state.seats.get(key);
  if (seat?.transport === envelope.from) return accept([], reply(envelope, seatAck(state, key)));
  if (seat)
    return no(
      'key_in_use',
      'this cohort key has a seat already, under another transport key',
      'body.participant_pubkey',
    );
  if (state.transports.has(envelope.from))
    return no('already_seated', 'this transport key has a seat already', 'envelope.from');
  if (advert.expires_at <= env.now) return no('advert_expired', 'this advert has expired');
  if (advert.status === 'closed' || advert.status === 'cancelled')
    return no('advert_closed', 'this advert takes no more members');
  if (state.seats.size >= terms.cohort_size.max)
    return no('cohort_full', `all ${terms.cohort_size.max} seats are taken`);
  if (state.phase.name !== 'recruiting') return no('advert_closed', 'the set of members is made already');
  const admitted = isAdmitted(state, envelope, admission);
  if (admitted !== true) return no('not_admitted', admitted, 'body.admission');

  return accept(
    [
      {
        type: 'seat_taken',
        participant_pk: key,
        transport: envelope.from,
        return_interact: body.return_interact,
        proof: body.proof,
      },
    ],
    reply(envelope, seatAck(state, key)),
  );
}

function seatAck(state: CohortState, key: string) {
  const { min, max } = state.advert.terms.cohort_size;
  const taken = state.seats.has(key) ? state.seats.size : state.seats.size + 1;
  return { type: 'ack', body: { accepted: 'opt_in', participant_pubkey: key, seats: { taken, min, max } } } as const;
}

function isAdmitted(state: CohortState, envelope: EnvelopeOf<'opt_in'>, policy: AdmissionPolicy): true | string {
  const shown = envelope.body.admission;
  switch (state.advert.terms.admission) {
    case 'open':
      return true;
    case 'invite':
      return shown && 'invite' in shown && policy.invites.includes(shown.invite)
        ? true
        : 'this advert is by invitation: the opt-in must carry a valid invite';
    case 'allowlist': {
      if (!shown || !('pubkey' in shown) || !policy.allowlist.includes(shown.pubkey))
        return 'this advert is for listed keys: the opt-in must be vouched for by one of them';
      const statement = admissionStatement({
        aggregator: state.advert.identity,
        terms_hash: state.advert.terms_hash,
        transport_key: envelope.from,
      });
      return verify(statement, shown.pubkey, shown.sig) ? true : 'the listed key did not sign for this transport key';
    }
  }
}

/** A member gives its seat back; once the set is formed the address depends on it, and it can only say that it wants to go. */
export function decideLeave(state: CohortState, envelope: EnvelopeOf<'leave'>, member: string): Decision {
  if (envelope.body.participant_pk !== member)
    return refuse(envelope, 'wrong_member', 'this transport key holds another seat', 'body.participant_pk');
  if (state.phase.name === 'ended') return refuse(envelope, 'wrong_phase', `the cohort ended: ${state.phase.reason}`);
  if (state.phase.name === 'formed') return decideLeaving(state, state.phase.beacon, envelope, member);
  const events: CohortEvent[] = [{ type: 'seats_dropped', participant_pubkeys: [member], reason: 'left' }];
  if (state.phase.name === 'confirming') events.push({ type: 'set_failed' });
  return accept(events, reply(envelope, { type: 'ack', body: { accepted: 'leave' } }));
}

import { curve } from '#curve';
import type { Network } from '../../bitcoin/network.ts';
import { fromHex } from '../../crypto/index.ts';
import { companionPairStatement, companionPolicyStatement, type Envelope } from '../../messages/index.ts';
import type { WalletEvent } from '../events.ts';
import type { Decision, Env } from '../inputs.ts';
import { provenBeaconOf, type WalletState } from '../state.ts';
import { decideEndOrder } from './ending.ts';
import { namedHeirs } from './heir.ts';
import { decideKeptAsked } from './kept.ts';
import { advertsOf, type Companion } from './pair.ts';
import { decideQuestion, decideRegistration } from './registrations.ts';
import { decideWithdraw, freeUpdates, giveUp } from './releases.ts';
import { answered, isTold, refuse, sendSigned, tell } from './replies.ts';
import { decideUpdate } from './updates.ts';

type Of<T extends Envelope['type']> = Extract<Envelope, { type: T }>;

/** What somebody says to a companion by the key that was made for its owner. Only the owner is answered. */
export function decideOrder(state: WalletState, companion: Companion, envelope: Envelope, env: Env): Decision {
  if (envelope.type === 'companion_pair') return decidePair(state, companion, envelope, env);
  if (envelope.from !== companion.owner) return { drop: 'not from the owner of this companion' };
  switch (envelope.type) {
    case 'did_registration':
      return decideRegistration(state, companion, envelope, env);
    case 'did_update':
      return decideUpdate(state, companion, envelope, env);
    case 'proof_request':
      return decideQuestion(state, companion, envelope);
  }
  if (envelope.cohort !== companion.pairing) return { drop: 'about another pairing' };
  switch (envelope.type) {
    case 'companion_policy':
      return decidePolicy(state, companion, envelope);
    case 'companion_end':
      return decideEndOrder(state, companion, envelope);
    case 'companion_withdraw':
      return decideWithdraw(state, companion, envelope);
    case 'companion_sync':
      return envelope.body.kept ? decideKeptAsked(state, companion, envelope) : decideSync(state, companion, envelope);
    default:
      return { drop: `${envelope.type} is for others than a companion` };
  }
}

/**
 * Whoever was shown the pairing string is the owner, once. A second one that saw it too is told that it came too late;
 * anybody else hears nothing, as from a wallet that there is none of.
 */
function decidePair(state: WalletState, companion: Companion, envelope: Of<'companion_pair'>, env: Env): Decision {
  const { from, body, id } = envelope;
  const { key, network, pairing, expires_at, owner } = companion;
  const statement = companionPairStatement({ companion: key, owner: from, network });
  const isOurs = envelope.cohort === pairing && body.network === network;
  if (!isOurs || !curve.verifySchnorr(statement, fromHex(pairing), fromHex(body.proof)))
    return { drop: 'not by the pairing string of this companion' };
  if (owner === from) return { events: [], effects: [tell(state, companion, id)] };
  const asOwner = { ...companion, owner: from };
  if (owner !== null) return refuse(asOwner, envelope, 'key_in_use', 'this companion has an owner already');
  if (env.now >= expires_at) return refuse(asOwner, envelope, 'not_admitted', 'the pairing string has expired');
  return {
    events: [{ type: 'companion_owned', owner: from }],
    effects: [tell(state, asOwner, id)],
  };
}

/** Counted upwards, so that a policy that was replaced cannot be played again; one that was revoked has no successor. */
function decidePolicy(state: WalletState, companion: Companion, envelope: Of<'companion_policy'>): Decision {
  const { policy, sig } = envelope.body;
  const { key, owner, policy: before } = companion;
  const statement = companionPolicyStatement({ companion: key, owner: owner!, policy });
  if (!curve.verifySchnorr(statement, fromHex(owner!), fromHex(sig)))
    return refuse(companion, envelope, 'invalid_signature', 'the policy is not signed by the owner', 'body.sig');
  const at = 'body.policy.version';
  if (before && policy.version < before.version)
    return refuse(companion, envelope, 'counter_too_low', `version ${before.version} is in force`, at);
  if (before && policy.version === before.version)
    return JSON.stringify(policy) === JSON.stringify(before)
      ? { events: [], effects: [tell(state, companion, envelope.id)] }
      : refuse(companion, envelope, 'equivocation', `another policy of version ${before.version} is in force`, at);
  if (before?.revoked) return refuse(companion, envelope, 'wrong_phase', 'this companion was revoked', at);
  const wrong = wrongAdvert(policy.adverts, companion.network);
  if (wrong) return refuse(companion, envelope, 'wrong_advert', wrong, 'body.policy.adverts');
  const ended = policy.revoked ? freeUpdates(state) : [];
  return answered(state, envelope.id, [
    { type: 'companion_policy_taken', policy, sig },
    ...ended.flatMap(({ did, update }) => giveUp(did, update.announcement, 'the owner revoked the companion', update)),
  ]);
}

function wrongAdvert(events: readonly Record<string, unknown>[], network: Network): string | null {
  const adverts = advertsOf({ adverts: [...events] });
  if (adverts.length !== events.length) return 'one of the adverts does not verify';
  for (const { terms } of adverts) {
    if (terms.btc_network !== network) return `advert ${terms.id} is for ${terms.btc_network}`;
    // Its nonces would be the companion's alone: lost with it, and with them every DID behind such a beacon.
    // There a signal may go out that the companion never signed, and an update that it gave back with it.
    if (terms.policy.type !== 'keypath')
      return `advert ${terms.id} has a fallback: only the wallet of a DID can agree to it`;
    if (terms.privacy === 'blinded')
      return `advert ${terms.id} is blinded: only the wallet of a DID can make its leaves`;
  }
  return null;
}

function decideSync(state: WalletState, companion: Companion, { body, id }: Of<'companion_sync'>): Decision {
  const known = new Set(body.sessions.flatMap(({ session_ids }) => session_ids));
  const effects = [tell(state, companion, id)];
  const session_ids: string[] = [];
  for (const membership of state.cohorts.values())
    for (const session of provenBeaconOf(membership)?.sessions.values() ?? []) {
      if (!isTold(session)) continue;
      if (!known.has(session.session_id)) effects.push(sendSigned(state, companion, membership, session));
      else if (!companion.acknowledged.has(session.session_id)) session_ids.push(session.session_id);
    }
  const heard: WalletEvent[] = session_ids.length > 0 ? [{ type: 'companion_acknowledged', session_ids }] : [];
  return { events: [...heard, ...namedHeirs(companion, body.sessions)], effects };
}

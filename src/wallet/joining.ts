import { curve } from '#curve';
import { beaconOf as beaconOfKeys, setStatementOf, wrongSetSigner } from '../cohort/keys.ts';
import { fromHex, isHex } from '../crypto/index.ts';
import { type CohortReady, type CohortSet, isPolicyFor, type Terms, xOnlyOf } from '../messages/index.ts';
import { policyBar } from './companion/pair.ts';
import type { Decision, Effect, Env, Input } from './inputs.ts';
import type { Membership, ProposedSet, WalletState } from './state.ts';

/** Why a wallet does not take an advert with a fallback policy, unless its owner said so. */
export const FALLBACK_REFUSED =
  'under this policy all members but one, or after a delay the operator alone, can publish under ' +
  'the beacon address, and with that destroy every DID behind it; agree to that in so many words, or stay away';

/**
 * Sends the opt-in and keeps the advert that was agreed to. A cohort key or transport key serves once; whoever lost or gave
 * back its seat before the cohort stood may ask for another, with fresh keys.
 */
export function decideJoin(state: WalletState, input: Extract<Input, { type: 'join' }>, { now }: Env): Decision {
  // A companion belongs to its owner, who says where it joins.
  const bar = policyBar(state, input.cohort, now);
  if (bar !== null) return { refuse: bar };
  const before = state.cohorts.get(input.cohort);
  if (before && before.phase.name !== 'ended') return { refuse: 'this wallet joined that cohort already' };
  const { type: _, opt_in, allow_fallback = false, ...membership } = input;
  if (input.terms.policy.type === 'fallback' && !allow_fallback)
    return { refuse: `fallback_not_allowed: ${FALLBACK_REFUSED}` };
  for (const known of state.cohorts.values())
    if (known.participant_pk === opt_in.participant_pubkey || known.transport === input.transport)
      return { refuse: `a key of this opt-in was used in cohort ${known.cohort} already` };
  return {
    events: [{ type: 'joined', ...membership, participant_pk: opt_in.participant_pubkey }],
    effects: [{ type: 'send', cohort: input.cohort, message: { type: 'opt_in', body: opt_in }, slot: 'opt_in' }],
  };
}

/** The member's own recomputation of a proposed set: keys, address, and that nothing ever happened at the address. */
export function decideSet(membership: Membership, body: CohortSet, env: Env): Decision {
  const { phase, terms, cohort } = membership;
  if (phase.name === 'ready' || phase.name === 'ended') return { drop: `a cohort set while ${phase.name}` };
  if (phase.name === 'proposed' && phase.set.attempt === body.attempt)
    return sameSet(phase.set, body)
      ? { events: [], effects: phase.sig ? [sendSetAck(cohort, phase.set, phase.sig)] : [] }
      : { refuse: 'the aggregator proposed two sets under one number' };
  if (phase.name === 'proposed' && body.attempt < phase.set.attempt) return { drop: 'an older cohort set' };
  if (body.advert_id !== terms.id) return { refuse: `the set is for the advert ${body.advert_id}` };
  if (!body.participant_pubkeys.includes(membership.participant_pk))
    return { refuse: 'the proposed set leaves this wallet out' };
  const { min, max } = terms.cohort_size;
  const size = body.participant_pubkeys.length;
  if (size < min || size > max) return { refuse: `${size} members, where ${min} to ${max} were agreed` };
  if (!isPolicyFor(body.policy, terms.policy, size))
    return { refuse: `the policy of the set is not the ${terms.policy.type} policy of the terms` };
  const own = recompute(body, terms);
  if (typeof own === 'string') return { refuse: own };
  if (!env.chain) return { refuse: 'the wallet cannot see the chain, so it cannot tell whether the address is new' };
  if (env.chain.history.length > 0)
    return { refuse: 'the address has a history on chain: a cohort key was used before' };
  return {
    events: [{ type: 'set_proposed', cohort, set: { attempt: body.attempt, ...own } }],
    effects: [],
  };
}

const sameSet = (set: ProposedSet, body: CohortSet): boolean =>
  set.beacon_address === body.beacon_address && set.participant_pubkeys.join() === body.participant_pubkeys.join();

/** The address that the keys of a set make; null where they make none. A node is never asked about one that was only named. */
export function setAddress(body: CohortSet, membership: Membership): string | null {
  const own = recompute(body, membership.terms);
  return typeof own === 'string' ? null : own.beacon_address;
}

/** The set that these keys make, or in words why it is not the one that was named. */
export function recompute(
  body: Pick<CohortSet, 'participant_pubkeys' | 'beacon_address'>,
  { btc_network, policy }: Pick<Terms, 'btc_network' | 'policy'>,
): Omit<ProposedSet, 'attempt'> | string {
  try {
    const own = beaconOfKeys(body.participant_pubkeys, btc_network, policy);
    if (own.participant_pubkeys.join() !== body.participant_pubkeys.join()) return 'the keys of the set are not sorted';
    return own.beacon_address === body.beacon_address
      ? own
      : `these keys make ${own.beacon_address}, the aggregator says ${body.beacon_address}`;
  } catch (error) {
    return `the keys of the set are unusable: ${error instanceof Error ? error.message : 'unknown'}`;
  }
}

type SignedSet = Omit<ProposedSet, 'attempt' | 'script_hex'>;

type Agreed = Pick<Membership, 'identity' | 'terms' | 'terms_hash'>;

const factsOf = (membership: Agreed, { participant_pubkeys, beacon_address }: SignedSet) => ({
  aggregator: membership.identity,
  network: membership.terms.btc_network,
  terms_hash: membership.terms_hash,
  participant_pubkeys,
  beacon_address,
});

export const setStatement = (membership: Agreed, set: SignedSet) => setStatementOf(factsOf(membership, set));

/** The member's signature over the set; sent again until `cohort_ready` answers it. */
export const sendSetAck = (cohort: string, set: ProposedSet, sig: string): Effect => ({
  type: 'send',
  cohort,
  message: { type: 'cohort_set_ack', body: { beacon_address: set.beacon_address, attempt: set.attempt, sig } },
});

export function decideSetSigned(membership: Membership, sig: string): Decision {
  const { phase, cohort } = membership;
  if (phase.name !== 'proposed' || phase.sig) return { drop: 'no set waits for a signature' };
  // It may be of an earlier set, whose signature took longer than the next proposal.
  const key = fromHex(xOnlyOf(membership.participant_pk));
  if (!isHex(sig, 64) || !curve.verifySchnorr(setStatement(membership, phase.set), key, fromHex(sig)))
    return { drop: 'not a signature over the set that waits for one' };
  return { events: [{ type: 'set_signed', cohort, sig }], effects: [sendSetAck(cohort, phase.set, sig)] };
}

/** What is wrong with the members' signatures over a set, in words; null when every member signed this very set. */
export function badSignature(membership: Agreed, set: SignedSet, signatures: readonly string[]): string | null {
  if (signatures.length !== set.participant_pubkeys.length) return 'there is not one signature a member';
  const bad = wrongSetSigner(factsOf(membership, set), signatures);
  return bad === null ? null : `the signature of member ${bad} over the set does not verify`;
}

/** The cohort stands when every member signed this very set: each signature is verified here. */
export function decideReady(membership: Membership, body: CohortReady): Decision {
  const { phase, cohort } = membership;
  if (phase.name === 'ready') return { drop: 'the cohort is ready' };
  if (phase.name !== 'proposed' || !phase.sig) return { drop: `cohort_ready while ${phase.name}` };
  const { set } = phase;
  if (body.advert_id !== membership.terms.id) return { refuse: `cohort_ready is for the advert ${body.advert_id}` };
  if (!isPolicyFor(body.policy, membership.terms.policy, set.participant_pubkeys.length))
    return { refuse: 'cohort_ready names another policy than the terms' };
  if (body.beacon_address !== set.beacon_address || body.participant_pubkeys.join() !== set.participant_pubkeys.join())
    return { refuse: 'cohort_ready names another set than the one this wallet signed' };
  const bad = badSignature(membership, set, body.signatures);
  if (bad !== null) return { refuse: `cohort_ready: ${bad}` };
  return {
    events: [{ type: 'cohort_ready', cohort, signatures: body.signatures, challenge: body.challenge }],
    effects: [],
  };
}

import { curve } from '#curve';
import { fromHex, isHex, toHex } from '../crypto/index.ts';
import { isOpaqueDid, isSupportedDid, verificationMethodFor } from '../did/index.ts';
import { registrationStatement, type Terms } from '../messages/index.ts';
import { leafIndex } from '../smt/index.ts';
import { accept, nothing, refuse, rejection, reply } from './answer.ts';
import type { CohortEvent } from './events.ts';
import { signalHistory } from './evidence.ts';
import type { ControlResult, Decision, Effect } from './inputs.ts';
import type { Beacon, CohortState, ControlCheck, EnvelopeOf, Registration } from './state.ts';

/** Registrations of one member whose control is being checked at a time. */
const MAX_CHECKS = 256;

/** Seed B6: a DID for which the member wants a leaf and proofs. Control of it is checked against the chain first. */
export function decideRegistration(
  state: CohortState,
  beacon: Beacon,
  envelope: EnvelopeOf<'did_registration'>,
  member: string,
): Decision {
  const { body } = envelope;
  const { terms } = state.advert;
  if (body.beacon_address !== beacon.address)
    return refuse(envelope, 'wrong_address', `this cohort's beacon is ${beacon.address}`, 'body.beacon_address');
  if (body.participant_pk !== member)
    return refuse(envelope, 'wrong_member', 'this transport key belongs to another member', 'body.participant_pk');
  const isBlind = terms.privacy === 'blinded';
  const isKnown = beacon.registry.has(isHex(body.did, 32) ? body.did : subjectOf(terms, body.did));
  if (beacon.succession && !isKnown)
    return refuse(envelope, 'wrong_phase', 'this cohort ends: it takes no more DIDs', 'body.did');
  if (isHex(body.did, 32)) return isBlind ? registerIndex(state, beacon, envelope, member) : noIndex(envelope);
  const opaque = isOpaqueDid(body.did);
  const readable = !opaque && isSupportedDid(body.did, terms.btc_network);
  if (!readable && !(terms.unproven_dids && opaque))
    return refuse(envelope, 'invalid_did', `not a did:btcr2 identifier on ${terms.btc_network}`, 'body.did');
  const key = subjectOf(terms, body.did);
  const held = beacon.registry.get(key);
  if (held?.member !== member && isFull(beacon, member, key, terms.dids.max))
    return refuse(envelope, 'did_limit', `this advert allows ${terms.dids.max} DIDs a member`, 'body.did');
  if (held && held.member !== member && wasLeaf(beacon, key))
    return refuse(envelope, 'did_taken', 'another member holds this DID, and it was in a signal already', 'body.did');

  if (!body.proof) {
    if (isBlind) return refuse(envelope, 'control_not_proven', 'send the index alone, or prove control', 'body.proof');
    if (!terms.unproven_dids)
      return refuse(envelope, 'control_not_proven', 'this advert takes DIDs with proof of control only', 'body.proof');
    if (held && held.member !== member)
      return refuse(envelope, 'did_taken', 'another member holds this DID; prove control of it', 'body.did');
    if (held) return accept([], registered(state, beacon, envelope, held));
    return register(state, beacon, envelope, {
      did: body.did,
      index: toHex(leafIndex(body.did)),
      member,
      proven: false,
      known: null,
      deactivated: false,
    });
  }
  if (!readable)
    return refuse(envelope, 'invalid_did', 'control of a did:btc1 identifier cannot be proven', 'body.did');
  if (beacon.checks.has(envelope.id)) return nothing;
  // Each holds a sidecar and asks the chain: a member that sends them faster than they are checked waits for its own.
  if ([...beacon.checks.values()].filter(check => check.member === member).length >= MAX_CHECKS)
    return refuse(envelope, 'queue_full', `${MAX_CHECKS} registrations of this member are being checked`, 'body.did');
  return accept([
    {
      type: 'registration_received',
      request_id: envelope.id,
      member,
      did: body.did,
      verification_method: body.proof.verification_method,
      sig: body.proof.sig,
      sidecar: body.sidecar ?? {},
    },
  ]);
}

/** What a registration is kept under: where the tree is blinded, the aggregator does not keep the DID. */
const subjectOf = (terms: Terms, did: string): string => (terms.privacy === 'blinded' ? toHex(leafIndex(did)) : did);

const noIndex = (envelope: EnvelopeOf<'did_registration'>): Decision =>
  refuse(envelope, 'invalid_did', 'this advert takes DIDs, not indices', 'body.did');

/** A blinded tree: the member says an index and nothing else. It holds it until somebody proves control of its DID. */
function registerIndex(
  state: CohortState,
  beacon: Beacon,
  envelope: EnvelopeOf<'did_registration'>,
  member: string,
): Decision {
  const { did: index, proof, sidecar } = envelope.body;
  const held = beacon.registry.get(index);
  if (proof || sidecar)
    return refuse(
      envelope,
      'invalid_message',
      'an index comes alone: whatever proves control names the DID',
      'body.proof',
    );
  if (held && held.member !== member)
    return refuse(envelope, 'did_taken', 'another member holds this index; prove control of its DID', 'body.did');
  if (held) return accept([], registered(state, beacon, envelope, held));
  if (isFull(beacon, member, index, state.advert.terms.dids.max))
    return refuse(envelope, 'did_limit', `this advert allows ${state.advert.terms.dids.max} DIDs a member`, 'body.did');
  return register(state, beacon, envelope, {
    did: index,
    index,
    member,
    proven: false,
    known: null,
    deactivated: false,
  });
}

const countOf = (beacon: Beacon, member: string): number => beacon.held.get(member) ?? 0;

/** Counts what is being checked too: else a burst of requests would pass the limit. */
function isFull(beacon: Beacon, member: string, besides: string, max: number): boolean {
  // A look at every check for every request would be quadratic; it is due only near the limit.
  if (countOf(beacon, member) + beacon.checks.size < max) return false;
  const pending = new Set<string>();
  for (const check of beacon.checks.values())
    if (check.member === member && check.did !== besides && beacon.registry.get(check.did)?.member !== member)
      pending.add(check.did);
  return countOf(beacon, member) + pending.size >= max;
}

/** Whether the DID's index was a leaf of a signal, or is one of the open session: it never changes hands then. */
function wasLeaf(beacon: Beacon, did: string): boolean {
  const sets = [...beacon.signals.map(signal => signal.frozen), beacon.round?.frozen];
  if (sets.some(frozen => frozen?.blinded?.leaves.some(({ index }) => index === did))) return true;
  const position = beacon.leaves.indexOf(did);
  if (position < 0) return false;
  const largest = Math.max(beacon.round?.frozen?.leaf_count ?? 0, beacon.signals.at(-1)?.frozen.leaf_count ?? 0);
  return position < largest;
}

type Asker = { from: string; id: string };

function registered(state: CohortState, beacon: Beacon, asker: Asker, entry: Omit<Registration, 'registered_at'>) {
  return {
    type: 'send',
    to: asker.from,
    in_reply_to: asker.id,
    message: {
      type: 'ack',
      body: {
        accepted: 'did_registration',
        did: entry.did,
        index: entry.index,
        proven: entry.proven,
        signals: signalHistory(state.advert.terms, beacon, entry.did),
      },
    },
  } as const;
}

function register(
  state: CohortState,
  beacon: Beacon,
  asker: Asker,
  entry: Omit<Registration, 'registered_at'>,
): Decision {
  const event: CohortEvent = { type: 'did_registered', request_id: asker.id, ...entry };
  return accept([event], registered(state, beacon, asker, entry));
}

/** The DID was resolved: now its current document says whether the proof is by a key that controls it. */
export function decideControlChecked(
  state: CohortState,
  beacon: Beacon,
  check: ControlCheck,
  result: ControlResult,
): Decision {
  const { terms } = state.advert;
  const asker = { from: state.seats.get(check.member)!.transport, id: check.request_id };
  const no = (
    code: 'control_not_proven' | 'document_unknown' | 'did_taken' | 'did_limit' | 'deactivated',
    text: string,
    field: string,
  ): Decision =>
    accept([{ type: 'registration_refused', request_id: check.request_id }], {
      type: 'send',
      to: asker.from,
      in_reply_to: asker.id,
      message: rejection(code, text, field),
    });

  if (!result.ok) return no('document_unknown', `the DID does not resolve: ${result.text}`, 'body.sidecar');
  if (result.deactivated) return no('deactivated', 'the DID is deactivated', 'body.did');
  const statement = registrationStatement({
    did: check.did,
    network: terms.btc_network,
    beacon_address: beacon.address,
    participant_pk: check.member,
    challenge: beacon.challenge,
  });
  const key =
    verificationMethodFor(result.document, 'authentication', check.verification_method) ??
    verificationMethodFor(result.document, 'capabilityInvocation', check.verification_method);
  if (!key)
    return no(
      'control_not_proven',
      `${check.verification_method} is neither an authentication nor a capabilityInvocation key of version ${result.version}`,
      'body.proof.verification_method',
    );
  if (!curve.verifySchnorr(statement, key.subarray(1), fromHex(check.sig)))
    return no(
      'control_not_proven',
      'the proof is not a signature of that key over this registration',
      'body.proof.sig',
    );

  const isBlind = terms.privacy === 'blinded';
  const subject = subjectOf(terms, check.did);
  const held = beacon.registry.get(subject);
  if (held && held.member !== check.member) {
    if (wasLeaf(beacon, subject))
      return no('did_taken', 'another member holds this DID, and it was in a signal already', 'body.did');
    if (held.proven && (held.known?.version ?? 0) >= result.version)
      return no('did_taken', 'another member proved control of this DID at the same or a later version', 'body.did');
  }
  if (held?.member !== check.member && countOf(beacon, check.member) >= terms.dids.max)
    return no('did_limit', `this advert allows ${terms.dids.max} DIDs a member`, 'body.did');
  // An older sidecar resolves to an older version, and must not take back what a final signal made of the DID.
  const newer = held?.member === check.member && held.known && held.known.version > result.version ? held : null;
  const entry = {
    did: subject,
    index: toHex(leafIndex(check.did)),
    member: check.member,
    proven: true,
    known: isBlind ? null : (newer?.known ?? { document: result.document, version: result.version }),
    deactivated: newer?.deactivated ?? false,
  };
  const decision = register(state, beacon, asker, entry);
  return held && held.member !== check.member && 'events' in decision
    ? accept(decision.events, ...decision.effects, tellDisplaced(state, held))
    : decision;
}

/** Whoever held the DID without the better proof learns that it is gone, and what it queued for it too. */
const tellDisplaced = (state: CohortState, held: Registration): Effect => ({
  type: 'send',
  to: state.seats.get(held.member)!.transport,
  message: rejection(
    'did_taken',
    `another member proved control of ${held.did}: it is not registered for you any more`,
    held.did,
  ),
});

/** Evidence of a leaf goes to its holder; of an empty index to any member. */
export function decideProofRequest(
  state: CohortState,
  beacon: Beacon,
  envelope: EnvelopeOf<'proof_request'>,
  member: string,
): Decision {
  const { body } = envelope;
  if (body.beacon_address !== beacon.address)
    return refuse(envelope, 'wrong_address', `this cohort's beacon is ${beacon.address}`, 'body.beacon_address');
  // Under its other name a leaf would seem to be nobody's, and its nonce and update would go to whoever asks.
  const isBlind = state.advert.terms.privacy === 'blinded';
  if (isHex(body.did, 32) !== isBlind)
    return refuse(envelope, 'invalid_did', `this advert asks by ${isBlind ? 'index' : 'DID'}`, 'body.did');
  const held = beacon.registry.get(body.did);
  if (held && held.member !== member)
    return refuse(envelope, 'did_not_yours', 'another member holds this DID', 'body.did');
  const signals = signalHistory(state.advert.terms, beacon, body.did, body);
  if (body.session_id !== undefined && signals.length === 0)
    return refuse(envelope, 'not_available', 'no such signal', 'body.session_id');
  return accept(
    [],
    reply(envelope, { type: 'proofs', body: { beacon_address: beacon.address, did: body.did, signals } }),
  );
}

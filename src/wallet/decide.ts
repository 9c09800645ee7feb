import { toHex } from '../crypto/index.ts';
import { announcementOf, beaconAddresses } from '../did/index.ts';
import type { Envelope } from '../messages/index.ts';
import { decideAck, decideProofs, decideRejection } from './answers.ts';
import { blindEffect, unblindEnvelope } from './blind.ts';
import { isCommitted } from './check.ts';
import { barredByOwner } from './companion/barred.ts';
import { type CompanionInput, decideCompanionship, withNews } from './companion/decide.ts';
import { decideEnding, isEnding } from './companion/ending.ts';
import { decideOrder } from './companion/orders.ts';
import { decideTold, isForsaken, lockForCompanion } from './companion/owner.ts';
import { asCompanion, peerOf } from './companion/pair.ts';
import { companionSilence } from './companion/restoring.ts';
import { decideDoubt, doubtAbout, trustCopy } from './doubt.ts';
import type { WalletEvent } from './events.ts';
import { evolve } from './evolve.ts';
import { decideFallbackRequest, decideFallbackSigned } from './fallback.ts';
import type { Decided, Decision, Effect, Env, Input } from './inputs.ts';
import { decideJoin, decideReady, decideSet, decideSetSigned } from './joining.ts';
import { decideLook } from './look.ts';
import { decideLeaves, decideOpportunity, sendUpdate } from './opportunity.ts';
import { decideRebind, decideRebound } from './rebind.ts';
import { decideAskRefund } from './refund.ts';
import { agreeRelease } from './release.ts';
import { restoreEvidence } from './restore-evidence.ts';
import {
  decideAborted,
  decideAggregatedNonce,
  decideNonceDrawn,
  decideNonceLost,
  decideRequest,
  decideSigned,
  decideStatus,
} from './rounds.ts';
import { decideOwnLook, ownSignalProblem } from './singleton.ts';
import { decideSpendRequest, decideSpendStatus } from './spend.ts';
import { type Asked, beaconOf, type MemberBeacon, type Membership, provenBeaconOf, type WalletState } from './state.ts';
import { decideCohortStatus, decideLeave, decideRetire, refuseToSign } from './succession.ts';

/** What follows from one input, as facts to store and effects to carry out. Pure, as the cohort's `decide`. */
export function decide(state: WalletState, input: Input, env: Env): Decision {
  const decision = withNews(state, decideOpen(state, input, env), env);
  if (!('events' in decision)) return decision;
  return { ...decision, effects: decision.effects.map(effect => blindEffect(state, effect)) };
}

/** All that is decided is decided about DIDs; what a blinded cohort may not learn is taken out of the effects. */
function decideOpen(state: WalletState, input: Input, env: Env): Decision {
  switch (input.type) {
    case 'join':
      return decideJoin(state, input, env);
    case 'add_did':
      return addDid(state, input);
    case 'restore_did':
      return restoreDid(state, input);
    case 'restored_final':
      return restoredFinal(state, input);
    case 'restore_cohort':
      return restoreCohort(state, input);
    case 'submit_update':
      return submitUpdate(state, input, env);
    case 'look_own':
      return decideOwnLook(state, input.address, env);
    case 'look_doubt':
      return decideDoubt(state, input.address, env);
    case 'restored':
      return { events: [{ type: 'restored' }], effects: [] };
    case 'trust_copy':
      return trustCopy(state);
    case 'message':
      return decideMessage(state, input.envelope, env, input.recalled ?? {});
    case 'companion_open':
    case 'companion_join_failed':
    case 'companion_pair':
    case 'companion_issue':
    case 'companion_withdraw':
    case 'companion_sync':
    case 'companion_lost':
    case 'companion_restore':
    case 'companion_end':
    case 'companion_heir':
    case 'companion_heir_signed':
      return decideCompanionship(state, input);
    default: {
      const membership = state.cohorts.get(input.cohort);
      return membership ? decideInCohort(state, membership, input, env) : { refuse: 'no such cohort' };
    }
  }
}

function addDid(state: WalletState, input: Extract<Input, { type: 'add_did' }>): Decision {
  if (asCompanion(state)) return { refuse: 'this wallet is a companion: DIDs live in the wallet of its owner' };
  if (state.dids.has(input.did)) return { refuse: `the wallet holds ${input.did} already` };
  const { did, name, network, public_key, genesis } = input;
  const names = beaconAddresses(input.document);
  return { events: [{ type: 'did_created', did, name, network, public_key, genesis, names }], effects: [] };
}

/** A DID of the seed is put back with what a sidecar says of it; its updates are taken for signed, so none is ever contradicted. */
function restoreDid(state: WalletState, input: Extract<Input, { type: 'restore_did' }>): Decision {
  const { did, name, network, public_key, genesis, updates } = input;
  const names = [...new Set(input.documents.flatMap(beaconAddresses))];
  const held = state.dids.get(did);
  if (held) {
    // A record may be older than the last update: what it lacks can come from whoever kept that. One of a DID that was never
    // lost is this wallet's own to make.
    const known = new Set(held.updates.map(({ announcement }) => announcement));
    const lacking = held.restored ? updates.filter(({ announcement }) => !known.has(announcement)) : [];
    if (lacking.length === 0) return { refuse: `the wallet holds ${did} already` };
    return { events: [{ type: 'updates_restored', did, names, updates: lacking }], effects: [] };
  }
  return { events: [{ type: 'did_restored', did, name, network, public_key, genesis, names, updates }], effects: [] };
}

function restoredFinal(
  state: WalletState,
  { did, announcements }: Extract<Input, { type: 'restored_final' }>,
): Decision {
  const own = state.dids.get(did);
  const events = (own?.updates ?? []).flatMap(({ announcement, state: at, cohorts, own_signals }): WalletEvent[] => {
    const isRestored = at === 'locked' && cohorts.length === 0 && own_signals.length === 0;
    return isRestored && announcements.includes(announcement)
      ? [{ type: 'update_moved', did, announcement, state: 'final' }]
      : [];
  });
  return { events, effects: [] };
}

/** A membership is put back for its proofs alone: with a cohort key from anywhere, two devices could sign beside each other. */
function restoreCohort(state: WalletState, input: Extract<Input, { type: 'restore_cohort' }>): Decision {
  if (state.cohorts.has(input.cohort)) return { refuse: `the wallet is in cohort ${input.cohort} already` };
  return { events: [{ ...input, type: 'cohort_restored' }], effects: [] };
}

/** One version, one update, for ever: another one may replace it only while no round has frozen it. */
function submitUpdate(state: WalletState, input: Extract<Input, { type: 'submit_update' }>, env: Env): Decision {
  const own = state.dids.get(input.did);
  if (!own) return { refuse: `the wallet does not hold ${input.did}` };
  const { update, did, cohorts, own_signal, bare = false } = input;
  const version = update.targetVersionId;
  const announcement = toHex(announcementOf(update));
  const rival = own.updates.find(
    known =>
      known.version === version &&
      known.announcement !== announcement &&
      (isCommitted(known.state) || known.state === 'frozen'),
  );
  if (rival) return { refuse: `version ${version} has the update ${rival.announcement}, which is ${rival.state}` };
  const doubt = companionSilence(state, own) ?? doubtAbout(state, own, { version, announcement });
  if (doubt) return { refuse: doubt };
  const problem = own_signal && ownSignalProblem(state, announcement, own_signal, env.chain);
  if (problem) return { refuse: problem };
  const effects: Effect[] = own_signal ? [{ type: 'broadcast', hex: own_signal.hex }] : [];
  for (const cohort of cohorts) {
    const membership = state.cohorts.get(cohort);
    const beacon = membership && beaconOf(membership);
    if (!beacon) return { refuse: `cohort ${cohort} is not ready` };
    if (beacon.registrations.get(did)?.name !== 'held')
      return { refuse: `${did} is not registered in cohort ${cohort}` };
    if (!own_signal && isForsaken(state, membership))
      return {
        refuse: `the companion that holds the seat in ${membership.terms.id} signs nothing any more: announce by the own beacon of the DID (--via singleton)`,
      };
    if (bare && membership.companion) return { refuse: 'a companion takes whole updates: it checks what it signs for' };
    // It waits for the next opportunity.
    if (membership.terms.flow === 'pull' && !membership.companion) continue;
    effects.push(sendUpdate(membership, beacon, did, { update, bare, announcement, version }));
  }
  const names = beaconAddresses(input.document);
  const signed = { type: 'update_signed' as const, did, version, announcement, update, names, cohorts };
  return {
    events: [
      { ...signed, ...(own_signal ? { own_signal } : {}), ...(bare ? { bare } : {}) },
      ...lockForCompanion(state, did, announcement, cohorts),
    ],
    effects,
  };
}

type InCohort = Exclude<
  Input,
  {
    type:
      | 'join'
      | 'add_did'
      | 'restore_did'
      | 'restored_final'
      | 'restore_cohort'
      | 'submit_update'
      | 'message'
      | 'look_own'
      | 'look_doubt'
      | 'restored'
      | 'trust_copy'
      | CompanionInput['type'];
  }
>;

function decideInCohort(state: WalletState, membership: Membership, input: InCohort, env: Env): Decision {
  const { cohort } = membership;
  const isOurs = input.type === 'register' || input.type === 'look' || input.type === 'restore_evidence';
  if (membership.companion && !isOurs)
    return { refuse: `the companion is the member there, and this wallet is not: ${input.type} is for the companion` };
  if (input.type === 'set_signed') return decideSetSigned(membership, input.sig);
  if (input.type === 'leave') return decideLeave(membership, input);
  if (input.type === 'rebind') return decideRebind(state, membership, input);
  const { phase } = membership;
  if ((phase.name === 'restored' || phase.name === 'retired') && input.type === 'look')
    return decideLook(state, membership, phase.beacon, env);
  if (input.type === 'restore_evidence') return restoreEvidence(state, membership, input.kept);
  const beacon = beaconOf(membership);
  if (!beacon) return { refuse: `the cohort is not ready: it is ${membership.phase.name}` };
  switch (input.type) {
    case 'register':
      return register(state, membership, beacon, input);
    case 'leaves_drawn':
      return decideLeaves(state, membership, beacon, input.opportunity_id, input.nonces);
    case 'nonce_drawn':
      return decideNonceDrawn(state, membership, beacon, input.session_id, input.nonce_points);
    case 'nonce_lost':
      return decideNonceLost(cohort, beacon, input.session_id);
    case 'signed':
      return decideSigned(state, membership, beacon, input.session_id, input.sig);
    case 'retire':
      return decideRetire(state, membership, beacon, input, env);
    case 'fallback_signed':
      return decideFallbackSigned(state, membership, beacon, input.session_id, input.sig);
    case 'ask_refund':
      return decideAskRefund(state, membership, beacon, input.outpoint);
    case 'agree_release':
      return agreeRelease(membership, input.to);
    case 'look':
      return lookAndEnd(state, membership, beacon, env);
  }
}

/** A look at the chain; for a companion whose owner has a key deleted also whether anything needs that still. */
function lookAndEnd(state: WalletState, membership: Membership, beacon: MemberBeacon, env: Env): Decision {
  const looked = decideLook(state, membership, beacon, env);
  const companion = asCompanion(state);
  if (!companion || !isEnding(companion, membership.cohort) || !('events' in looked)) return looked;
  return first(state, looked, env, next => {
    const member = next.cohorts.get(membership.cohort)!;
    return decideEnding(next, member, beaconOf(member)!, env);
  });
}

function register(
  state: WalletState,
  membership: Membership,
  beacon: MemberBeacon,
  input: Extract<Input, { type: 'register' }>,
): Decision {
  const { did, proof, sidecar, disclose = false } = input;
  const { cohort, participant_pk } = membership;
  const other = otherOrder(state, membership, did);
  if (other)
    return { refuse: `${did} is in cohort ${other}, whose trees have the other bit order: no resolver reads both` };
  const body = { beacon_address: beacon.beacon_address, participant_pk, did, proof, sidecar };
  return {
    events: [{ type: 'registration_asked', cohort, did }],
    effects: [
      {
        type: 'send',
        cohort,
        message: { type: 'did_registration', body },
        slot: `register ${did}`,
        ...(disclose ? { discloses: true as const } : {}),
      },
    ],
  };
}

/** A cohort that concerns the DID and whose proofs are read in the other bit order; null if there is none. */
function otherOrder(state: WalletState, { terms }: Membership, did: string): string | null {
  if (terms.type !== 'SMTBeacon') return null;
  for (const other of state.cohorts.values()) {
    const beacon = provenBeaconOf(other);
    if (!beacon || other.terms.type !== 'SMTBeacon' || other.terms.bit_order === terms.bit_order) continue;
    const isNamed = state.dids.get(did)?.named.has(beacon.beacon_address);
    if (isNamed || beacon.registrations.get(did)?.name === 'held') return other.cohort;
  }
  return null;
}

function decideMessage(
  state: WalletState,
  envelope: Envelope,
  env: Env,
  recalled: Readonly<Record<string, string>>,
): Decision {
  const { companionship } = state;
  const channel = companionship && envelope.to === companionship.key ? companionship : null;
  if (channel?.role === 'companion') return decideOrder(state, channel, envelope, env);
  const told = channel && decideTold(state, channel, envelope, env);
  if (told) return told;
  const membership = [...state.cohorts.values()].find(
    ({ cohort, transport, rebinding }) =>
      cohort === envelope.cohort && (transport === envelope.to || rebinding?.transport === envelope.to),
  );
  if (!membership) return { drop: 'no cohort of this wallet' };
  if (envelope.from !== peerOf(membership)) return { drop: 'not from the transport key of the agreed advert' };
  // Of a companion that is none any more nothing is taken but what verifies: as if it were the aggregator it could have
  // this wallet look for a cohort key that was never here.
  if (membership.companion && !channel && envelope.type !== 'proofs')
    return { drop: 'from a companion that this wallet has no more' };
  if (membership.transport !== envelope.to && envelope.type !== 'rejection')
    return first(state, decideRebound(state, membership), env, next => decideMessage(next, envelope, env, recalled));
  const known = envelope.in_reply_to === undefined ? undefined : state.asked.get(envelope.in_reply_to);
  // Another aggregator's answer to what this one was asked answers nothing.
  const asked = known?.cohort === membership.cohort ? known : null;
  if (asked && envelope.type === 'rejection' && isTooSoon(envelope.body.code))
    return { refuse: `${envelope.body.code}: ${envelope.body.text}; it is asked again` };
  const barred = barredByOwner(state, membership, envelope, env);
  if (barred) return barred;
  const decision = decideFrom(state, membership, unblindEnvelope(state, membership, envelope, recalled), asked, env);
  if (!asked || !('events' in decision)) return decision;
  const answered: WalletEvent = { type: 'answered', envelope_id: envelope.in_reply_to! };
  return { ...decision, events: [...decision.events, answered] };
}

/** Says nothing about what was asked, only that it came too fast: the request stands, and is sent again. */
const isTooSoon = (code: string): boolean => code === 'rate_limited' || code === 'queue_full';

function decideFrom(
  state: WalletState,
  membership: Membership,
  envelope: Envelope,
  asked: Asked | null,
  env: Env,
): Decision {
  const proven = provenBeaconOf(membership);
  if (proven && envelope.type === 'cohort_status') return decideCohortStatus(membership, proven, envelope.body);
  if (membership.phase.name === 'restored' || membership.phase.name === 'retired')
    return decideProofsOnly(state, membership, envelope, asked, env);
  switch (envelope.type) {
    case 'ack':
      return decideAck(state, membership, asked, envelope.body);
    case 'rejection':
      return decideRejection(state, membership, asked, envelope.body);
    case 'cohort_set':
      return decideSet(membership, envelope.body, env);
    case 'cohort_ready':
      return decideReady(membership, envelope.body);
  }
  const beacon = beaconOf(membership);
  if (!beacon) return { drop: `${envelope.type} in a cohort that is not ready` };
  switch (envelope.type) {
    case 'presence':
      return {
        events: [],
        effects: [
          {
            type: 'send',
            cohort: membership.cohort,
            message: { type: 'presence_ack', body: envelope.body },
            in_reply_to: envelope.id,
          },
        ],
      };
    case 'update_opportunity':
      return decideOpportunity(state, membership, beacon, envelope.body);
    case 'authorize_beacon_signal_request':
      return afterLook(state, membership, beacon, env, (now, member, at) =>
        decideRequest(now, member, at, envelope.body, envelope.id, env),
      );
    case 'aggregated_nonce':
      return decideAggregatedNonce(state, membership, beacon, envelope.body, envelope.id);
    case 'authorize_spend_request':
      return afterLook(state, membership, beacon, env, (_, member, at) =>
        decideSpendRequest(member, at, envelope.body, envelope.id, env),
      );
    case 'fallback_authorization_request':
      return afterLook(state, membership, beacon, env, (now, member, at) =>
        decideFallbackRequest(now, member, at, envelope.body, envelope.id, env),
      );
    case 'spend_status':
      return decideSpendStatus(membership, beacon, envelope.body);
    case 'signal_status':
      return decideStatus(membership, beacon, envelope.body);
    case 'round_aborted':
      return decideAborted(membership, beacon, envelope.body);
    case 'proofs':
      return afterLook(state, membership, beacon, env, (now, member, at) =>
        decideProofs(now, member, at, envelope.body, env),
      );
    default:
      return { drop: `${envelope.type} is for participants to send` };
  }
}

/** What a wallet without its cohort key has to say to: proofs, and why there are none. Its seat is silent otherwise. */
function decideProofsOnly(
  state: WalletState,
  membership: Membership,
  envelope: Envelope,
  asked: Asked | null,
  env: Env,
): Decision {
  if (envelope.type === 'rejection') return decideRejection(state, membership, asked, envelope.body);
  const beacon = provenBeaconOf(membership)!;
  if (envelope.type === 'proofs')
    return afterLook(state, membership, beacon, env, (now, member, at) =>
      decideProofs(now, member, at, envelope.body, env),
    );
  // A seat that was taken over from a lost companion.
  if (envelope.type === 'ack' && envelope.body.accepted === 'rebind')
    return decideAck(state, membership, asked, envelope.body);
  if (membership.phase.name === 'restored')
    return { drop: `${envelope.type}: this wallet was restored without the cohort key` };
  if (envelope.type === 'ack') return decideAck(state, membership, asked, envelope.body);
  return refuseToSign(membership.cohort, envelope) ?? { drop: `${envelope.type}: the cohort key was deleted` };
}

/**
 * Decides on what the chain says now: an aggregator asks for the next signal as soon as the last one is final, and a
 * wallet that has not looked since would still call that session open.
 */
function afterLook(
  state: WalletState,
  membership: Membership,
  beacon: MemberBeacon,
  env: Env,
  run: (state: WalletState, membership: Membership, beacon: MemberBeacon) => Decision,
): Decision {
  const looked = decideLook(state, membership, beacon, env);
  if (!('events' in looked) || looked.events.length === 0) return run(state, membership, beacon);
  return first(state, looked, env, next => {
    const member = next.cohorts.get(membership.cohort)!;
    return run(next, member, provenBeaconOf(member)!);
  });
}

/** One decision and, on what it makes of the state, the next. */
function first(
  state: WalletState,
  { events, effects }: Decided,
  env: Env,
  then: (state: WalletState) => Decision,
): Decision {
  // A copy, since evolve changes maps in place and a decision changes nothing.
  const next = events.reduce((now, event) => evolve(now, { ...event, at: env.now }), structuredClone(state));
  const decision = then(next);
  if (!('events' in decision)) return decision;
  return { events: [...events, ...decision.events], effects: [...effects, ...decision.effects] };
}

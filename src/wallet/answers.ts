import { checkEvidence } from '../beacon/index.ts';
import { fromHex } from '../crypto/index.ts';
import type { Ack, Proofs, Rejection, SignalEvidence } from '../messages/index.ts';
import { checkRequest, committedRival, evidenceOf, holdsEvidence, shownAnnouncement } from './check.ts';
import type { WalletEvent } from './events.ts';
import { evolve } from './evolve.ts';
import type { Decision, Effect, Env } from './inputs.ts';
import { answerOpportunity, sendUpdate } from './opportunity.ts';
import { decideRequest, sendVeto } from './rounds.ts';
import {
  type Asked,
  beaconOf,
  type MemberBeacon,
  type Membership,
  type WalletState,
  type WalletUpdate,
} from './state.ts';

const nothing: Decision = { events: [], effects: [] };

/**
 * What an acknowledgement changes: only what was asked for, and only onwards. An aggregator that acknowledges what is
 * signed, or a leave that nobody asked for, must not talk the wallet out of a lock or of its sessions. Evidence that
 * comes with it is verified before it is kept.
 */
export function decideAck(state: WalletState, membership: Membership, asked: Asked | null, body: Ack): Decision {
  const { cohort } = membership;
  const beacon = beaconOf(membership);
  switch (body.accepted) {
    case 'opt_in':
      return membership.phase.name === 'asked' ? { events: [{ type: 'seated', cohort }], effects: [] } : nothing;
    case 'leave':
      if (asked?.slot !== 'leave') return { drop: 'nobody asked to leave' };
      // A cohort that stands needs its signature on: there it was only a word.
      if (beacon) return { events: [{ type: 'leaving_told', cohort }], effects: [] };
      return { events: [{ type: 'membership_ended', cohort, reason: 'left' }], effects: [] };
    case 'rebind':
    case 'key_deleted':
    case 'refund_request':
      return nothing;
    case 'did_update': {
      const { did, announcement } = body;
      const own = state.dids.get(did);
      const known = updateOf(state, did, announcement);
      if (!own || !known?.cohorts.includes(cohort)) return { drop: 'an acknowledgement of no update that was sent' };
      if (known.state === 'signed')
        return { events: [{ type: 'update_moved', did, announcement, state: 'acked' }], effects: [] };
      // It was on its way when its rival was locked: the aggregator needs that one again, or offers this one for ever.
      const locked = known.state === 'replaced' ? committedRival(own, known) : undefined;
      return beacon && locked?.state === 'locked' && locked.cohorts.includes(cohort)
        ? { events: [], effects: [sendUpdate(membership, beacon, did, locked)] }
        : nothing;
    }
    case 'update_response': {
      const events = body.announcements.flatMap((announcement): WalletEvent[] => {
        const own = [...state.dids.values()].find(({ updates }) => updates.some(u => u.announcement === announcement));
        const known = own?.updates.find(update => update.announcement === announcement);
        return own && known?.state === 'signed' && known.cohorts.includes(cohort)
          ? [{ type: 'update_moved', did: own.did, announcement, state: 'acked' }]
          : [];
      });
      return { events, effects: [] };
    }
    case 'did_registration': {
      if (!beacon?.registrations.has(body.did)) return { drop: 'a registration that nobody asked for' };
      const bad = badEvidence(state, membership, body.did, body.signals);
      if (bad) return { refuse: `the evidence of earlier signals is wrong: ${bad}` };
      return {
        events: [
          ...keep(cohort, beacon, body.did, body.signals),
          { type: 'did_registered', cohort, did: body.did, proven: body.proven },
        ],
        effects: [],
      };
    }
  }
}

const updateOf = (state: WalletState, did: string, announcement: string) =>
  state.dids.get(did)?.updates.find(update => update.announcement === announcement);

/** Of verified evidence, what is about the DID and not held yet: a log need not grow with every repetition. */
function keep(cohort: string, beacon: MemberBeacon, did: string, signals: readonly SignalEvidence[]): WalletEvent[] {
  const fresh = signals
    .filter(signal => !holdsEvidence(beacon, signal.signal_bytes, did))
    .map(signal => ({ ...signal, evidence: evidenceOf(signal.evidence, [did]) }));
  return fresh.length === 0 ? [] : [{ type: 'evidence_kept', cohort, signals: fresh }];
}

/** Why a list of evidence is not what it says; null when all of it verifies. */
export function badEvidence(
  state: WalletState,
  membership: Membership,
  did: string,
  signals: readonly Pick<SignalEvidence, 'signal_bytes' | 'evidence'>[],
): string | null {
  const { terms } = membership;
  for (const { signal_bytes, evidence } of signals) {
    const shown = shownAnnouncement(evidence, did);
    // A leaf is 32 bytes, and without a nonce any 32 bytes pass for an announcement: the proof of a leaf, or of an empty
    // index, can be dressed up as one of an update that nobody has, which would end the DID for whoever resolves it.
    if (shown !== null && !updateOf(state, did, shown))
      return `signal ${signal_bytes}: it announces an update of ${did} that this wallet never made`;
    const [problem] = checkEvidence(terms.type, {
      signalBytes: fromHex(signal_bytes, 32),
      bitOrder: terms.bit_order,
      evidence,
      expected: [{ did, announcement: shown, registered: false }],
    });
    if (problem) return `signal ${signal_bytes}: ${problem.text}`;
  }
  return null;
}

/** Evidence that was asked for; a request that waited for it is checked again. */
export function decideProofs(
  state: WalletState,
  membership: Membership,
  beacon: MemberBeacon,
  body: Proofs,
  env: Env,
): Decision {
  const { cohort } = membership;
  const { did } = body;
  if (!state.dids.has(did) && !beacon.registrations.has(did)) return { drop: 'proofs for a DID of somebody else' };
  const bad = badEvidence(state, membership, did, body.signals);
  if (bad && membership.phase.name !== 'ready') return keepGood(state, membership, beacon, body, bad);
  if (bad) return { refuse: `the evidence that was asked for is wrong: ${bad}` };
  const kept = { events: keep(cohort, beacon, did, body.signals), effects: [] };
  const held = beacon.held_request;
  const signal = held && body.signals.find(known => known.session_id === held.body.session_id);
  const proven = signal && evidenceOf(signal.evidence, [did]);
  if (!held || !proven || !('proofs' in held.body.evidence) || !('proofs' in proven)) return kept;
  const evidence = { proofs: { ...held.body.evidence.proofs, ...proven.proofs } };
  const whole = { ...held.body, evidence };
  const check = checkRequest(state, membership, beacon, whole, env);
  const isAwaited = (missing: string): boolean =>
    missing !== did && [...state.asked.values()].some(a => a.cohort === cohort && a.slot === `proofs ${missing}`);
  // Several DIDs are asked for one by one: the request waits for the last answer.
  if (!check.ok && check.missing?.every(isAwaited)) return kept;
  const again = decideRequest(state, membership, beacon, whole, held.in_reply_to, env);
  return 'events' in again ? { events: [...kept.events, ...again.events], effects: again.effects } : kept;
}

/** A restored wallet may lack one update, which spoils one proof: the others are kept, and what is missing is told. */
function keepGood(
  state: WalletState,
  membership: Membership,
  beacon: MemberBeacon,
  { did, signals }: Proofs,
  bad: string,
): Decision {
  const good = signals.filter(signal => badEvidence(state, membership, did, [signal]) === null);
  const events = keep(membership.cohort, beacon, did, good);
  return events.length > 0
    ? { events, effects: [] }
    : { refuse: `a proof does not fit what was restored, as where an update of ${did} is missing: ${bad}` };
}

/** What a refusal ends: a request of this wallet, or its seat. */
export function decideRejection(
  state: WalletState,
  membership: Membership,
  asked: Asked | null,
  body: Rejection,
): Decision {
  const { cohort } = membership;
  const text = `${body.code}: ${body.text}`;
  const ends = asked?.slot === 'opt_in' || (!asked && (body.code === 'seat_dropped' || body.code === 'advert_closed'));
  if (ends && membership.phase.name !== 'ready')
    return { events: [{ type: 'membership_ended', cohort, reason: text }], effects: [] };
  if (asked?.slot === 'rebind') return { events: [{ type: 'rebind_refused', cohort, text }], effects: [] };
  if (!asked) return displaced(state, membership, body) ?? { refuse: text, cohort };
  const [what, ...rest] = asked.slot.split(' ');
  const did = rest[0]!;
  switch (what) {
    case 'register':
      return {
        events: [{ type: 'registration_refused', cohort, did, code: body.code, text: body.text }],
        effects: [],
      };
    case 'update': {
      const announcement = rest[1]!;
      const known = updateOf(state, did, announcement);
      // Whoever was given a signature for it cannot refuse it any more: that would open the way for another one.
      return known && isFree(known)
        ? { events: [refusedUpdate(cohort, did, announcement, text)], effects: [] }
        : nothing;
    }
    case 'proofs':
      return refusedProofs(membership, text);
    case 'refund':
      return { events: [{ type: 'refund_refused', cohort, outpoint: did, text }], effects: [] };
    case 'opportunity':
      return refusedAnswer(state, membership, rest[0]!, body);
    default:
      return nothing;
  }
}

/**
 * Another member proved control of a DID that this wallet held: no leaf of it is the wallet's any more, and to go on
 * expecting one would veto every signal. If it names the beacon all the same, its proof is still asked for.
 */
function displaced(state: WalletState, membership: Membership, { code, text, field }: Rejection): Decision | null {
  const { cohort } = membership;
  const did = field ?? '';
  if (code !== 'did_taken' || beaconOf(membership)?.registrations.get(did)?.name !== 'held') return null;
  const events = state.dids
    .get(did)
    ?.updates.filter(update => isFree(update) && update.cohorts.includes(cohort))
    .map(({ announcement }) => refusedUpdate(cohort, did, announcement, `${code}: ${text}`));
  return { events: [{ type: 'registration_refused', cohort, did, code, text }, ...(events ?? [])], effects: [] };
}

const isFree = ({ state }: WalletUpdate): boolean => state === 'signed' || state === 'acked';

const refusedUpdate = (cohort: string, did: string, announcement: string, text: string): WalletEvent => ({
  type: 'update_moved',
  did,
  announcement,
  state: 'refused',
  text,
  cohort,
});

/**
 * One bad entry makes the whole answer bad, and an answer that never comes ends the round for everybody: the update that
 * was refused is given up here, and the rest is sent. Each refusal takes an update away, so this comes to an end.
 */
function refusedAnswer(state: WalletState, membership: Membership, opportunityId: string, body: Rejection): Decision {
  const { cohort, terms } = membership;
  const asked = beaconOf(membership)?.opportunities.get(opportunityId);
  const said = `${body.code}: ${body.text}`;
  const told: WalletEvent = {
    type: 'abort_told',
    cohort,
    round: asked?.round ?? 0,
    reason: body.code,
    text: body.text,
  };
  const position = /^body\.entries\.(\d+)\b/.exec(body.field ?? '')?.[1];
  const entry = position === undefined ? undefined : asked?.entries?.[Number(position)];
  const known = entry?.announcement ? updateOf(state, entry.did, entry.announcement) : undefined;
  // Of a blinded leaf the aggregator knows nothing that it could refuse.
  if (!asked || !entry || !known || !isFree(known) || terms.privacy === 'blinded')
    return { events: [told], effects: [] };
  const events: WalletEvent[] = [
    refusedUpdate(cohort, entry.did, known.announcement, said),
    { type: 'opportunity_asked', cohort, opportunity: { ...asked, entries: null } },
  ];
  // A copy, since evolve changes maps in place and a decision changes nothing.
  const next = events.reduce((now, event) => evolve(now, { ...event, at: 0 }), structuredClone(state));
  const member = next.cohorts.get(cohort)!;
  return answerOpportunity(next, member, beaconOf(member)!, { ...asked, entries: null }, events, () => null);
}

function refusedProofs(membership: Membership, text: string): Decision {
  const held = beaconOf(membership)?.held_request;
  if (!held) return nothing;
  const { cohort } = membership;
  const { session_id } = held.body;
  const why = `the proofs of its DIDs did not come: ${text}`;
  const effect: Effect = sendVeto(cohort, session_id, held.in_reply_to, 'evidence_missing', why);
  return {
    events: [{ type: 'session_vetoed', cohort, session_id, code: 'evidence_missing', text: why }],
    effects: [effect],
  };
}

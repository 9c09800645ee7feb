import { checkEvidence } from '../beacon/index.ts';
import { fromHex } from '../crypto/index.ts';
import type { Ack, Proofs, Rejection, SignalEvidence } from '../messages/index.ts';
import { checkRequest, evidenceOf, holdsEvidence, shownAnnouncement } from './check.ts';
import type { WalletEvent } from './events.ts';
import type { Decision, Effect, Env } from './inputs.ts';
import { decideRequest, sendVeto } from './rounds.ts';
import { type Asked, beaconOf, type MemberBeacon, type Membership, type WalletState } from './state.ts';

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
      if (asked?.slot !== 'leave' || beacon) return { drop: 'nobody asked to leave' };
      return { events: [{ type: 'membership_ended', cohort, reason: 'left' }], effects: [] };
    case 'rebind':
      return nothing;
    case 'did_update': {
      const { did, announcement } = body;
      const known = updateOf(state, did, announcement);
      if (!known?.cohorts.includes(cohort)) return { drop: 'an acknowledgement of no update that was sent' };
      return known.state === 'signed'
        ? { events: [{ type: 'update_moved', did, announcement, state: 'acked' }], effects: [] }
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
function badEvidence(
  state: WalletState,
  membership: Membership,
  did: string,
  signals: readonly SignalEvidence[],
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
  if (!asked) return { refuse: text };
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
      return known && (known.state === 'signed' || known.state === 'acked')
        ? { events: [{ type: 'update_moved', did, announcement, state: 'refused', text, cohort }], effects: [] }
        : nothing;
    }
    case 'proofs':
      return refusedProofs(membership, text);
    default:
      return nothing;
  }
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

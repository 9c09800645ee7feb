import { checkEvidence } from '../beacon/index.ts';
import { fromHex } from '../crypto/index.ts';
import type { Ack, Proofs, Rejection, SignalEvidence } from '../messages/index.ts';
import { shownAnnouncement } from './check.ts';
import type { WalletEvent } from './events.ts';
import type { Decision, Effect, Env } from './inputs.ts';
import { decideRequest, sendVeto } from './rounds.ts';
import { type Asked, beaconOf, type MemberBeacon, type Membership, type WalletState } from './state.ts';

/** What an acknowledgement changes. Evidence that comes with it is verified before it is kept. */
export function decideAck(_state: WalletState, membership: Membership, body: Ack): Decision {
  const { cohort } = membership;
  const beacon = beaconOf(membership);
  switch (body.accepted) {
    case 'opt_in':
      return { events: [{ type: 'seated', cohort }], effects: [] };
    case 'leave':
      return { events: [{ type: 'membership_ended', cohort, reason: 'left' }], effects: [] };
    case 'rebind':
      return { events: [], effects: [] };
    case 'did_update':
      return {
        events: [{ type: 'update_moved', did: body.did, announcement: body.announcement, state: 'acked' }],
        effects: [],
      };
    case 'did_registration': {
      if (!beacon) return { drop: 'a registration in a cohort that is not ready' };
      const bad = badEvidence(membership, body.did, body.signals);
      if (bad) return { refuse: `the evidence of earlier signals is wrong: ${bad}` };
      return {
        events: [
          { type: 'evidence_kept', cohort, signals: body.signals },
          { type: 'did_registered', cohort, did: body.did, proven: body.proven },
        ],
        effects: [],
      };
    }
  }
}

/** Why a list of evidence is not what it says; null when all of it verifies. */
function badEvidence(membership: Membership, did: string, signals: readonly SignalEvidence[]): string | null {
  const { terms } = membership;
  for (const { signal_bytes, evidence } of signals) {
    const [problem] = checkEvidence(terms.type, {
      signalBytes: fromHex(signal_bytes, 32),
      bitOrder: terms.bit_order,
      evidence,
      // The past is proven, not judged: what it says of the DID is what it says.
      expected: [{ did, announcement: shownAnnouncement(evidence, did), registered: false }],
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
  const bad = badEvidence(membership, body.did, body.signals);
  if (bad) return { refuse: `the evidence that was asked for is wrong: ${bad}` };
  const kept: WalletEvent = { type: 'evidence_kept', cohort, signals: body.signals };
  const held = beacon.held_request;
  const signal = held && body.signals.find(known => known.session_id === held.body.session_id);
  if (!held || !signal || !('proofs' in held.body.evidence) || !('proofs' in signal.evidence))
    return { events: [kept], effects: [] };
  const evidence = { proofs: { ...held.body.evidence.proofs, ...signal.evidence.proofs } };
  const again = decideRequest(state, membership, beacon, { ...held.body, evidence }, held.in_reply_to, env);
  if (!('events' in again)) return { events: [kept], effects: [] };
  return { events: [kept, ...again.events], effects: again.effects };
}

/** What a refusal ends: a request of this wallet, or its seat. */
export function decideRejection(membership: Membership, asked: Asked | null, body: Rejection): Decision {
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
    case 'update':
      return {
        events: [{ type: 'update_moved', did, announcement: rest[1]!, state: 'refused', text }],
        effects: [],
      };
    case 'proofs':
      return refusedProofs(membership, text);
    default:
      return { refuse: text };
  }
}

function refusedProofs(membership: Membership, text: string): Decision {
  const held = beaconOf(membership)?.held_request;
  if (!held) return { refuse: text };
  const { cohort } = membership;
  const { session_id } = held.body;
  const why = `the proofs of its DIDs did not come: ${text}`;
  const effect: Effect = sendVeto(cohort, session_id, held.in_reply_to, 'evidence_missing', why);
  return {
    events: [{ type: 'session_vetoed', cohort, session_id, code: 'evidence_missing', text: why }],
    effects: [effect],
  };
}

import type { Envelope, Message, RejectionCode } from '../../messages/index.ts';
import { toPlainText } from '../../messages/index.ts';
import { evidenceOf } from '../check.ts';
import type { WalletEvent } from '../events.ts';
import { evolve } from '../evolve.ts';
import type { Decided, Effect } from '../inputs.ts';
import { type MemberSession, type Membership, provenBeaconOf, type WalletState } from '../state.ts';
import { asCompanion, type Companion } from './pair.ts';
import { companionState } from './report.ts';

/** A message of the companion to its owner; `to` is the envelope that it answers. */
export const toOwner = (
  companion: Pick<Companion, 'key' | 'owner'>,
  cohort: string,
  message: Message,
  to?: string,
): Effect => ({
  type: 'send',
  cohort,
  from: companion.key,
  to: companion.owner!,
  message,
  ...(to === undefined ? {} : { in_reply_to: to }),
});

/** Says to the owner why nothing follows from what it asked. */
export function refuse(
  companion: Companion,
  { cohort, id }: Envelope,
  code: RejectionCode,
  text: string,
  field?: string,
) {
  const body = { code, text: toPlainText(text, 1000), ...(field === undefined ? {} : { field }) };
  return { events: [], effects: [toOwner(companion, cohort, { type: 'rejection', body }, id)] };
}

/** The state as it will be, told to the owner. */
export const tell = (state: WalletState, companion: Companion, to?: string): Effect =>
  toOwner(companion, companion.pairing, { type: 'companion_state', body: companionState(state, companion) }, to);

/** Tells the owner how things stand after these events. */
export function answered(state: WalletState, in_reply_to: string, events: WalletEvent[]): Decided {
  // A copy, since evolve changes maps in place and a decision changes nothing.
  const next = events.reduce((now, event) => evolve(now, { ...event, at: 0 }), structuredClone(state));
  return { events, effects: [tell(next, asCompanion(next)!, in_reply_to)] };
}

/** Signals that a partial signature left for. */
export const isTold = ({ stage, purpose }: MemberSession): boolean => stage.name === 'signed' && purpose === undefined;

/** Tells the owner of a signature, with what its DIDs need of the signal. */
export function sendSigned(
  state: WalletState,
  companion: Companion,
  membership: Membership,
  session: MemberSession,
): Effect {
  const { session_id, round, attempt, outpoint, signal_bytes, steps } = session;
  const held = provenBeaconOf(membership)!.signals.get(signal_bytes)!;
  const evidence = held.map
    ? { map: held.map }
    : evidenceOf({ proofs: Object.fromEntries(held.proofs) }, [...state.dids.keys()]);
  const { cohort } = membership;
  return toOwner(companion, companion.pairing, {
    type: 'companion_signed',
    body: { cohort, session_id, round, attempt, outpoint, signal_bytes, steps, evidence },
  });
}

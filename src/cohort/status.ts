import type { SignalStatus } from '../messages/index.ts';
import type { Effect } from './inputs.ts';
import { tell } from './rounds.ts';
import type { Beacon, CohortState, Signal, SignalSeen } from './state.ts';

/** Tells every member what became of a signal, with its complete transactions: any member may publish them. */
export function tellStatus(state: CohortState, beacon: Beacon, signal: Signal, seen: SignalSeen): Effect[] {
  if (seen.status === 'completed') return [];
  const mined = 'height' in seen;
  const body: SignalStatus = {
    session_id: signal.session_id,
    beacon_address: beacon.address,
    status: seen.status,
    txid: signal.txid,
    transactions: signal.steps.flatMap(step => {
      const hex = step.txid === signal.txid ? signal.hex : step.hex;
      return hex !== null && step.session_id === signal.session_id ? [hex] : [];
    }),
    ...(signal.refunds.length > 0 ? { refunds: [...signal.refunds] } : {}),
    block_hash: mined ? seen.block_hash : null,
    height: mined ? seen.height : null,
    confirmations: mined ? seen.confirmations : 0,
  };
  return tell(state, beacon.participant_pubkeys, { type: 'signal_status', body }, signal.session_id);
}

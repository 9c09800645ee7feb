import { accept, nothing } from './answer.ts';
import type { ChainView, Decision } from './inputs.ts';
import type { Beacon, CohortState, Signal, SignalStep } from './state.ts';
import { tellStatus } from './status.ts';

/**
 * The cheapest complete transaction of a signal that pays more than the one that was sent. Attempts at the same fee made
 * the same one: it is named after the session that every member has signed.
 */
function higherStep({ steps, fee_sats, session_id }: Signal): SignalStep | undefined {
  const higher = steps.filter(step => step.hex !== null && step.fee_sats > fee_sats);
  const fee = Math.min(...higher.map(step => step.fee_sats));
  const same = higher.filter(step => step.fee_sats === fee);
  return same.find(step => step.session_id === session_id) ?? same[0];
}

/**
 * The step that follows one which the node finds too cheap; undefined past the last. Not for what is in a block of a
 * closed round: an answer that comes late must not replace it. What a reorganization took out climbs as any other.
 */
export const stepAfter = ({ round }: Beacon, signal: Signal): SignalStep | undefined =>
  round?.number === signal.round || !('height' in signal.seen) ? higherStep(signal) : undefined;

/** Sends another transaction of the same signal in the place of the one that was sent. */
export function sendInstead(
  state: CohortState,
  beacon: Beacon,
  signal: Signal,
  { txid, hex, session_id }: SignalStep,
  height: number | null,
): Decision {
  return accept(
    [{ type: 'signal_switched', was: signal.txid, txid, hex: hex!, height }],
    { type: 'settle_broadcast', txid: signal.txid },
    { type: 'broadcast', txid, hex: hex! },
    ...tellStatus(state, beacon, { ...signal, session_id, txid, hex: hex! }, { status: 'broadcast' }),
  );
}

/**
 * What lingers is replaced by its next step, after as many blocks as the advert says. A reorganization may have taken out
 * several signals, each of which spends the change of the one before: the oldest climbs first, and what spends the change
 * of a step that was replaced can never be mined.
 */
export function raiseFee(state: CohortState, beacon: Beacon, chain: ChainView): Decision {
  const { fee_ladder } = state.advert.terms;
  if (!fee_ladder) return nothing;
  for (const signal of beacon.signals) {
    if ('height' in signal.seen) continue;
    const next = higherStep(signal);
    if (!next || isOrphan(beacon, signal)) continue;
    const isDue = signal.sent_at_height !== null && chain.tip.height - signal.sent_at_height >= fee_ladder.blocks;
    return isDue ? sendInstead(state, beacon, signal, next, chain.tip.height) : nothing;
  }
  return nothing;
}

const isOrphan = ({ signals }: Beacon, { frozen: { outpoint } }: Signal): boolean =>
  signals.some(({ txid, steps }) => txid !== outpoint.txid && steps.some(step => step.txid === outpoint.txid));

import { outpointText, parseTx, verifySignal } from '../bitcoin/index.ts';
import type { ChainView } from '../cohort/index.ts';
import type { Decision } from './inputs.ts';
import type { MemberBeacon, Membership, WalletState } from './state.ts';

/** A complete refund of an output that is unspent. */
export interface HeldRefund {
  /** What it gives back, as `txid:vout`. */
  outpoint: string;
  value_sats: number;
  /** Of the refund itself. */
  txid: string;
  hex: string;
  /** Height of the chain from which on nodes take it (BIP-68); null while the output is in no block. */
  from_height: number | null;
}

/**
 * Refunds that this wallet holds, of outputs that are unspent in its own view: one of what was spent is void. Each output
 * once: two of one output contradict each other. And only what its chain takes: one that was signed for a deposit of
 * another value, as by a slip of the operator, is no signature of what came.
 */
export function refundsHeld(beacon: MemberBeacon, { utxos }: ChainView): HeldRefund[] {
  const hexes = [
    ...[...beacon.signals.values()].flatMap(({ refunds }) => refunds),
    ...[...beacon.sessions.values()].flatMap(({ purpose, transaction, given_back = [] }) =>
      purpose === 'refund' && transaction !== undefined ? [transaction] : given_back,
    ),
  ];
  const held = new Map<string, HeldRefund>();
  for (const hex of hexes) {
    const { txid, inputs } = parseTx(hex);
    const [spent] = inputs;
    const utxo = utxos.find(each => each.txid === spent!.txid && each.vout === spent!.vout);
    if (!utxo) continue;
    const { height, value_sats } = utxo;
    const outpoint = outpointText(utxo);
    if (held.has(outpoint) || !verifySignal(hex, beacon.script_hex, value_sats)) continue;
    // The next block may hold it when as many as its sequence says, this one included, lie on the output.
    const from_height = height === null ? null : height + spent!.sequence - 1;
    held.set(outpoint, { outpoint, value_sats, txid, hex, from_height });
  }
  return [...held.values()];
}

/** What the request for a refund waits for its answer by. */
export const refundSlot = (outpoint: { txid: string; vout: number }): string => `refund ${outpointText(outpoint)}`;

/** Asks the aggregator to have all members sign the refund of an output; the ceremony comes as any other does. */
export function decideAskRefund(
  state: WalletState,
  { cohort, terms }: Membership,
  { beacon_address }: MemberBeacon,
  outpoint: { txid: string; vout: number; value_sats: number },
): Decision {
  if (!terms.refund) return { refuse: 'the terms of this cohort have no refund' };
  const slot = refundSlot(outpoint);
  if ([...state.asked.values()].some(asked => asked.cohort === cohort && asked.slot === slot))
    return { drop: 'asked already' };
  const body = { beacon_address, outpoint };
  return { events: [], effects: [{ type: 'send', cohort, message: { type: 'refund_request', body }, slot }] };
}

import { parseTx, verifySignal } from '../bitcoin/index.ts';
import type { ChainView } from '../cohort/index.ts';
import type { MemberBeacon } from './state.ts';

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
    const outpoint = `${utxo.txid}:${utxo.vout}`;
    if (held.has(outpoint) || !verifySignal(hex, beacon.script_hex, value_sats)) continue;
    // The next block may hold it when as many as its sequence says, this one included, lie on the output.
    const from_height = height === null ? null : height + spent!.sequence - 1;
    held.set(outpoint, { outpoint, value_sats, txid, hex, from_height });
  }
  return [...held.values()];
}

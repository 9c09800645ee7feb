import { parseTx } from '../bitcoin/index.ts';
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

/** Refunds that this wallet holds, of outputs that are unspent in its own view: one of what was spent is void. */
export function refundsHeld(beacon: MemberBeacon, { utxos }: ChainView): HeldRefund[] {
  const hexes = [
    ...[...beacon.signals.values()].flatMap(({ refunds }) => refunds),
    ...[...beacon.sessions.values()].flatMap(({ purpose, transaction, given_back = [] }) =>
      purpose === 'refund' && transaction !== undefined ? [transaction] : given_back,
    ),
  ];
  return [...new Set(hexes)].flatMap((hex): HeldRefund[] => {
    const { txid, inputs } = parseTx(hex);
    const [spent] = inputs;
    const utxo = utxos.find(each => each.txid === spent!.txid && each.vout === spent!.vout);
    if (!utxo) return [];
    const { height, value_sats } = utxo;
    // The next block may hold it when as many as its sequence says, this one included, lie on the output.
    const from_height = height === null ? null : height + spent!.sequence - 1;
    return [{ outpoint: `${utxo.txid}:${utxo.vout}`, value_sats, txid, hex, from_height }];
  });
}

import { Transaction } from 'bitcoinjs-lib';
import { toHex } from '../crypto/index.ts';

export interface OutPoint {
  txid: string;
  vout: number;
}

/** The parts of a raw transaction that decide whom it touches; scripts are hex, values satoshis. */
export interface DecodedTx {
  txid: string;
  coinbase: boolean;
  inputs: OutPoint[];
  outputs: { script: string; value_sats: number }[];
}

/** One string for an output, as a map key. */
export const outPointKey = (txid: string, vout: number): string => `${txid}:${vout}`;

/** Decodes a raw transaction from hex. Throws for anything that is not exactly one transaction. */
export function decodeTx(hex: string): DecodedTx {
  const tx = Transaction.fromHex(hex);
  return {
    txid: tx.getId(),
    coinbase: tx.isCoinbase(),
    inputs: tx.ins.map(input => ({ txid: toHex(input.hash.toReversed()), vout: input.index })),
    outputs: tx.outs.map(output => ({ script: toHex(output.script), value_sats: Number(output.value) })),
  };
}

/** The decoded transaction, or null for bytes that are none. */
export function tryDecodeTx(hex: string): DecodedTx | null {
  try {
    return decodeTx(hex);
  } catch {
    return null;
  }
}

/**
 * Mempool transactions with every parent before its children, ties by txid, so that two backends that know the same
 * transactions give the same order.
 */
export function mempoolOrder<T extends { txid: string; hex: string }>(waiting: readonly T[]): T[] {
  const byId = new Map(waiting.toSorted((a, b) => (a.txid < b.txid ? -1 : 1)).map(tx => [tx.txid, tx]));
  const parents = new Map([...byId.values()].map(tx => [tx.txid, decodeTx(tx.hex).inputs.map(input => input.txid)]));
  const ordered = new Set<T>();
  const stack: { tx: T; ready: boolean }[] = [...byId.values()].reverse().map(tx => ({ tx, ready: false }));
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (next.ready) ordered.add(next.tx);
    if (next.ready || ordered.has(next.tx)) continue;
    stack.push({ tx: next.tx, ready: true });
    for (const txid of parents.get(next.tx.txid) ?? []) {
      const parent = byId.get(txid);
      if (parent !== undefined && !ordered.has(parent)) stack.push({ tx: parent, ready: false });
    }
  }
  return [...ordered];
}

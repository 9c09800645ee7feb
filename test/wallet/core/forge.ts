import { Transaction } from 'bitcoinjs-lib';
import { readSignalPsbt } from '../../../src/bitcoin/index.ts';
import { encodeSignalPsbt } from '../../../src/bitcoin/signal-psbt.ts';
import { fromHex } from '../../../src/crypto/index.ts';
import type { Body } from '../../../src/messages/index.ts';

type RequestBody = Body<'authorize_beacon_signal_request'>;

/** A transaction in parts, with the output that it claims to spend. */
export interface TxParts {
  version: number;
  locktime: number;
  inputs: { txid: string; vout: number; sequence: number }[];
  outputs: { script_hex: string; value_sats: number }[];
  spent: { script_hex: string; value_sats: number };
}

/** The transaction of a request, taken apart. */
export function partsOf(body: RequestBody): TxParts {
  const { version, locktime, sequence, prevout, prevoutScriptHex, outputs } = readSignalPsbt(
    body.pending_beacon_signal[0]!,
  );
  return {
    version,
    locktime,
    inputs: [{ txid: prevout.txid, vout: prevout.vout, sequence }],
    outputs,
    spent: { script_hex: prevoutScriptHex, value_sats: prevout.value_sats },
  };
}

export function psbtOf({ version, locktime, inputs, outputs, spent }: TxParts): string {
  const tx = new Transaction();
  tx.version = version;
  tx.locktime = locktime;
  for (const { txid, vout, sequence } of inputs) tx.addInput(fromHex(txid).reverse(), vout, sequence);
  for (const { script_hex, value_sats } of outputs) tx.addOutput(fromHex(script_hex), BigInt(value_sats));
  return encodeSignalPsbt(tx, spent.script_hex, spent.value_sats);
}

/** The request with a transaction that one thing was changed in. The session id stays that of the old one. */
export const withTx = (body: RequestBody, change: (parts: TxParts) => Partial<TxParts>): RequestBody => {
  const parts = partsOf(body);
  return { ...body, pending_beacon_signal: [psbtOf({ ...parts, ...change(parts) })] };
};

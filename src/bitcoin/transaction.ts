import { Transaction } from 'bitcoinjs-lib';
import { type Bytes, fromHex, isHex, toHex } from '../crypto/index.ts';
import { BitcoinFormatError } from './errors.ts';

/** 21 million bitcoin in satoshis: no output and no sum of outputs is larger. */
export const MAX_MONEY_SATS = 2_100_000_000_000_000;

export interface TxInput {
  /** Hex, as explorers show it. */
  txid: string;
  vout: number;
  sequence: number;
  script_sig_hex: string;
  /** Hex, one entry a witness element. */
  witness: string[];
}

export interface TxOutput {
  script_hex: string;
  value_sats: number;
}

/** A transaction as plain data: hex and satoshis. */
export interface TxView {
  txid: string;
  version: number;
  locktime: number;
  /** Virtual bytes, with the witness it has. */
  vsize: number;
  inputs: TxInput[];
  outputs: TxOutput[];
}

/** Bytes in the order that explorers show a txid in, from the order that the transaction holds them in, and back. */
export const reversed = (bytes: Bytes): Bytes => Uint8Array.from(bytes).reverse();

/** Satoshis as a number. Throws BitcoinFormatError for more than there can be, or less than none. */
export function satsOf(value: bigint): number {
  if (value < 0n || value > BigInt(MAX_MONEY_SATS)) throw new BitcoinFormatError('value', 'out of range');
  return Number(value);
}

/**
 * The library's form of a transaction in lowercase hex, with or without witness. Throws BitcoinFormatError for anything
 * that does not encode to the same bytes again, so that no two texts stand for one transaction.
 */
export function decodeTx(hex: string): Transaction {
  if (!isHex(hex) || hex === '') throw new BitcoinFormatError('transaction', 'expected lowercase hex');
  let tx: Transaction;
  try {
    tx = Transaction.fromBuffer(fromHex(hex));
  } catch {
    throw new BitcoinFormatError('transaction', 'not a Bitcoin transaction');
  }
  if (tx.toHex() !== hex) throw new BitcoinFormatError('transaction', 'not in canonical encoding');
  return tx;
}

/** The outputs of a transaction in the library's form: hex and satoshis. */
export const outputsOf = (tx: Transaction): TxOutput[] =>
  tx.outs.map(out => ({ script_hex: toHex(out.script), value_sats: satsOf(out.value) }));

/** A light view of a transaction in lowercase hex. Throws BitcoinFormatError for anything else. */
export function parseTx(hex: string): TxView {
  const tx = decodeTx(hex);
  return {
    txid: tx.getId(),
    version: tx.version,
    locktime: tx.locktime,
    vsize: tx.virtualSize(),
    inputs: tx.ins.map(input => ({
      txid: toHex(reversed(input.hash)),
      vout: input.index,
      sequence: input.sequence,
      script_sig_hex: toHex(input.script),
      witness: input.witness.map(toHex),
    })),
    outputs: outputsOf(tx),
  };
}

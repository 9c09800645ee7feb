import { Psbt, Transaction } from 'bitcoinjs-lib';
import { base64, concatBytes, equalBytes, fromHex, toHex } from '../crypto/index.ts';
import { BitcoinFormatError } from './errors.ts';
import { MAX_MONEY_SATS, outputsOf, reversed, satsOf, type TxOutput } from './transaction.ts';

/** A signal's PSBT has about 260 characters; what is longer is not parsed. */
const MAX_PSBT_LENGTH = 4096;

export interface SignalPsbt {
  unsignedHex: string;
  txid: string;
  version: number;
  locktime: number;
  sequence: number;
  prevout: { txid: string; vout: number; value_sats: number };
  prevoutScriptHex: string;
  outputs: TxOutput[];
  feeSats: number;
}

const MAGIC = fromHex('70736274ff');
/** A key of one byte, its type: BIP-174 PSBT_GLOBAL_UNSIGNED_TX, PSBT_IN_WITNESS_UTXO. */
const UNSIGNED_TX = Uint8Array.of(1, 0x00);
const WITNESS_UTXO = Uint8Array.of(1, 0x01);
const END = Uint8Array.of(0);

/** A length as Bitcoin writes it, in as few bytes as it takes. What is parsed here stays far below 64 KiB. */
const compactSize = (length: number): Uint8Array =>
  length < 0xfd ? Uint8Array.of(length) : Uint8Array.of(0xfd, length & 0xff, length >>> 8);

/** The library's own writer tries every kind of address on every output, at twenty times the cost. */
function encode(unsigned: Uint8Array, outputs: number, script: Uint8Array, value: bigint): Uint8Array {
  const amount = new Uint8Array(8);
  new DataView(amount.buffer).setBigUint64(0, value, true);
  const utxo = concatBytes(amount, compactSize(script.length), script);
  return concatBytes(
    ...[MAGIC, UNSIGNED_TX, compactSize(unsigned.length), unsigned, END],
    ...[WITNESS_UTXO, compactSize(utxo.length), utxo, END],
    new Uint8Array(outputs),
  );
}

/** The PSBT (base64, BIP-174) of an unsigned one-input transaction and the output that it spends: nothing else in it. */
export const encodeSignalPsbt = (tx: Transaction, prevoutScriptHex: string, valueSats: number): string =>
  base64.encode(encode(tx.toBuffer(), tx.outs.length, fromHex(prevoutScriptHex), BigInt(valueSats)));

function parse(bytes: Uint8Array): { psbt: Psbt; tx: Transaction } {
  try {
    const psbt = Psbt.fromBuffer(bytes);
    return { psbt, tx: Transaction.fromBuffer(psbt.data.getTransaction()) };
  } catch {
    throw new BitcoinFormatError('psbt', 'not a PSBT');
  }
}

function decodeBase64(text: string): Uint8Array {
  try {
    return base64.decode(text);
  } catch {
    throw new BitcoinFormatError('psbt', 'not base64');
  }
}

/**
 * Reads a signal's PSBT (base64, BIP-174). Strict, since a peer sent it: one input with its witnessUtxo, and not a byte
 * that `encodeSignalPsbt` would not write again (no other fields, no signatures, no trailing bytes). It does not judge
 * the transaction: a member builds its own and compares. Throws BitcoinFormatError.
 */
export function readSignalPsbt(text: string): SignalPsbt {
  if (typeof text !== 'string' || text.length > MAX_PSBT_LENGTH)
    throw new BitcoinFormatError('psbt', `expected at most ${MAX_PSBT_LENGTH} characters of base64`);
  const bytes = decodeBase64(text);
  const { psbt, tx } = parse(bytes);
  const [input] = tx.ins;
  const utxo = psbt.data.inputs[0]?.witnessUtxo;
  if (tx.ins.length !== 1 || input === undefined) throw new BitcoinFormatError('psbt', 'expected exactly one input');
  if (utxo === undefined) throw new BitcoinFormatError('psbt', 'the input has no witnessUtxo');
  for (const output of tx.outs) satsOf(output.value);
  const value_sats = satsOf(utxo.value);
  if (!equalBytes(encode(tx.toBuffer(), tx.outs.length, utxo.script, utxo.value), bytes))
    throw new BitcoinFormatError('psbt', 'it has other fields or another encoding than a signal has');

  const outputs = outputsOf(tx);
  const feeSats = value_sats - outputs.reduce((sum, output) => sum + output.value_sats, 0);
  if (outputs.length === 0) throw new BitcoinFormatError('psbt', 'the transaction has no outputs');
  if (feeSats < 0 || feeSats > MAX_MONEY_SATS)
    throw new BitcoinFormatError('psbt', 'it spends more than its input has');
  return {
    unsignedHex: tx.toHex(),
    txid: tx.getId(),
    version: tx.version,
    locktime: tx.locktime,
    sequence: input.sequence,
    prevout: { txid: toHex(reversed(input.hash)), vout: input.index, value_sats },
    prevoutScriptHex: toHex(utxo.script),
    outputs,
    feeSats,
  };
}

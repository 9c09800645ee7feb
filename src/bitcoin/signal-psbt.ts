import { Psbt, Transaction } from 'bitcoinjs-lib';
import { base64, equalBytes, fromHex, toHex } from '../crypto/index.ts';
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

function encode(tx: Transaction, script: Uint8Array, value: bigint): Psbt {
  const psbt = new Psbt();
  psbt.setVersion(tx.version);
  psbt.setLocktime(tx.locktime);
  for (const input of tx.ins)
    psbt.addInput({
      hash: input.hash,
      index: input.index,
      sequence: input.sequence,
      witnessUtxo: { script, value },
    });
  for (const output of tx.outs) psbt.addOutput({ script: output.script, value: output.value });
  return psbt;
}

/** The PSBT (base64, BIP-174) of an unsigned one-input transaction and the output that it spends: nothing else in it. */
export const encodeSignalPsbt = (tx: Transaction, prevoutScriptHex: string, valueSats: number): string =>
  base64.encode(encode(tx, fromHex(prevoutScriptHex), BigInt(valueSats)).toBuffer());

/** The transaction is read from the bytes: asked for its outputs, the library tries every kind of address on each. */
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
  if (!equalBytes(encode(tx, utxo.script, utxo.value).toBuffer(), bytes))
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

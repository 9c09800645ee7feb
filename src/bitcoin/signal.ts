import { Transaction } from 'bitcoinjs-lib';
import { curve } from '#curve';
import { type Bytes, fromHex, isHex, toHex } from '../crypto/index.ts';
import { BitcoinFormatError } from './errors.ts';
import { splitChange } from './fees.ts';
import { signalScript } from './signal-bytes.ts';
import { encodeSignalPsbt } from './signal-psbt.ts';
import { p2trOutputKey } from './taproot.ts';
import { decodeTx, MAX_MONEY_SATS, reversed } from './transaction.ts';

/** Opts in to replacement by a higher fee step (BIP-125) and has no relative lock time (BIP-68). */
export const SIGNAL_SEQUENCE = 0xfffffffd;
const SIGNATURE_LENGTH = 64;

export interface SignalRequest {
  prevout: { txid: string; vout: number; value_sats: number };
  /** The beacon's P2TR script (hex): spent from, and paid back to. */
  scriptHex: string;
  /** 32 bytes. */
  signalBytes: Bytes;
  /** Satoshis. */
  feeSats: number;
  /** `first` reproduces the seed's layout for demonstration: with change behind it no resolver sees the signal. */
  signalOutput?: 'last' | 'first';
}

export interface BuiltSignal {
  /** Base64 (BIP-174). */
  psbt: string;
  unsignedHex: string;
  txid: string;
  /** Virtual bytes, once signed. */
  vsize: number;
  /** 0 where the change would be dust. */
  changeSats: number;
  /** What the transaction pays: the requested fee, and the change where that would be dust. */
  feeSats: number;
}

/** Throws BitcoinFormatError for what cannot be an outpoint with a value in satoshis. */
export function checkPrevout({ txid, vout, value_sats }: SignalRequest['prevout']): void {
  if (!isHex(txid, 32)) throw new BitcoinFormatError('prevout', 'the txid has to be 32 bytes of lowercase hex');
  if (!Number.isInteger(vout) || vout < 0 || vout > 0xffffffff)
    throw new BitcoinFormatError('prevout', 'the vout has to be an unsigned 32-bit integer');
  if (!Number.isSafeInteger(value_sats) || value_sats <= 0 || value_sats > MAX_MONEY_SATS)
    throw new BitcoinFormatError('prevout', 'the value has to be satoshis');
}

const keyPathWitness = (signature: Bytes): Bytes[] => [Uint8Array.from(signature)];

function sizeOnceSigned(unsigned: Transaction): number {
  const signed = unsigned.clone();
  signed.setWitness(0, keyPathWitness(new Uint8Array(SIGNATURE_LENGTH)));
  return signed.virtualSize();
}

/**
 * Builds the unsigned signal: version 2, nLockTime 0, one input, change back to the beacon unless it would be dust, and
 * the 32 signal bytes in an OP_RETURN output of value 0, the last one (did:btcr2, Beacons). The same request gives the
 * same bytes, so a member checks a candidate by building its own. Throws BitcoinFormatError for a script that is not
 * P2TR, a fee above the value, and values out of range; the cap on the fee is the caller's (`isOverCap`).
 */
export function buildSignal(request: SignalRequest): BuiltSignal {
  const { tx, ...facts } = unsignedSignal(request);
  return { ...facts, psbt: encodeSignalPsbt(tx, request.scriptHex, request.prevout.value_sats) };
}

/** The unsigned signal (hex) that `buildSignal` makes of this request, without its PSBT, which costs most. Throws as it does. */
export const rebuildSignal = (request: SignalRequest): string => unsignedSignal(request).unsignedHex;

function unsignedSignal(request: SignalRequest): Omit<BuiltSignal, 'psbt'> & { tx: Transaction } {
  const { prevout, scriptHex, signalBytes, signalOutput = 'last' } = request;
  checkPrevout(prevout);
  if (!isHex(scriptHex) || p2trOutputKey(fromHex(scriptHex)) === null)
    throw new BitcoinFormatError('script', 'a beacon script is P2TR');
  const { feeSats, changeSats } = splitChange({ valueSats: prevout.value_sats, feeSats: request.feeSats });

  const signal = { script: fromHex(signalScript(signalBytes)), value: 0n };
  const change = changeSats === 0 ? [] : [{ script: fromHex(scriptHex), value: BigInt(changeSats) }];
  const tx = new Transaction();
  tx.version = 2;
  tx.locktime = 0;
  tx.addInput(reversed(fromHex(prevout.txid)), prevout.vout, SIGNAL_SEQUENCE);
  for (const { script, value } of signalOutput === 'first' ? [signal, ...change] : [...change, signal])
    tx.addOutput(script, value);

  return {
    tx,
    unsignedHex: tx.toHex(),
    txid: tx.getId(),
    vsize: sizeOnceSigned(tx),
    changeSats,
    feeSats,
  };
}

function oneInput(hex: string): Transaction {
  const tx = decodeTx(hex);
  if (tx.ins.length !== 1) throw new BitcoinFormatError('transaction', 'a signal has exactly one input');
  return tx;
}

const sighashOf = (tx: Transaction, prevoutScript: Bytes, valueSats: number): Bytes =>
  tx.hashForWitnessV1(0, [prevoutScript], [BigInt(valueSats)], Transaction.SIGHASH_DEFAULT);

/**
 * The 32 bytes that a key-path signature of a one-input transaction (hex) signs, under SIGHASH_DEFAULT (BIP-341); they
 * commit to the script (hex) and value (satoshis) of the output that is spent. Throws BitcoinFormatError.
 */
export function signalSighash(unsignedHex: string, prevoutScriptHex: string, valueSats: number): Bytes {
  if (!Number.isSafeInteger(valueSats) || valueSats < 0 || valueSats > MAX_MONEY_SATS)
    throw new BitcoinFormatError('value', 'out of range');
  return sighashOf(oneInput(unsignedHex), fromHex(prevoutScriptHex), valueSats);
}

/**
 * Puts a 64-byte signature into an unsigned one-input transaction (hex). It does not check the signature, since that
 * needs the spent output: `verifySignal` does. Throws BitcoinFormatError, also for a transaction that is signed already.
 */
export function finalizeSignal(unsignedHex: string, signature: Bytes): { hex: string; txid: string; vsize: number } {
  const tx = oneInput(unsignedHex);
  if (signature.length !== SIGNATURE_LENGTH) throw new BitcoinFormatError('signature', 'expected 64 bytes');
  if (tx.hasWitnesses() || tx.ins[0]!.script.length !== 0)
    throw new BitcoinFormatError('transaction', 'it is signed already');
  tx.setWitness(0, keyPathWitness(signature));
  return { hex: tx.toHex(), txid: tx.getId(), vsize: tx.virtualSize() };
}

/**
 * Whether a signed one-input transaction (hex) has nothing but a valid key-path signature under SIGHASH_DEFAULT for the
 * P2TR output (script as hex, value in satoshis) that it spends (BIP-341). False, never a throw, for anything else.
 */
export function verifySignal(hex: string, prevoutScriptHex: string, valueSats: number): boolean {
  try {
    const tx = oneInput(hex);
    const outputKey = p2trOutputKey(fromHex(prevoutScriptHex));
    const { script, witness } = tx.ins[0]!;
    const signature = witness[0];
    if (outputKey === null || script.length !== 0 || witness.length !== 1) return false;
    if (signature === undefined || signature.length !== SIGNATURE_LENGTH) return false;
    return curve.verifySchnorr(signalSighash(toHex(tx.toBuffer()), prevoutScriptHex, valueSats), outputKey, signature);
  } catch {
    return false;
  }
}

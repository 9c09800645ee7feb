import { script as scripts, Transaction } from 'bitcoinjs-lib';
import { curve } from '#curve';
import { type Bytes, concatBytes, equalBytes, fromHex, isHex, toHex } from '../crypto/index.ts';
import { singletonAddresses } from '../did/addresses.ts';
import { addressToScript } from './address.ts';
import { BitcoinFormatError } from './errors.ts';
import { chooseFee, MIN_RATE } from './fees.ts';
import type { Network } from './network.ts';
import { SIGNAL_SEQUENCE } from './signal.ts';
import { signalScript } from './signal-bytes.ts';
import { p2trOutputKey, tapTweak } from './taproot.ts';
import { decodeTx, MAX_MONEY_SATS, reversed } from './transaction.ts';

/** The kinds of address that one key has in a `k` DID's first document (chapter Resolve, Initial DID Document). */
export const SCRIPT_KINDS = ['p2tr', 'p2wpkh', 'p2pkh'] as const;
export type ScriptKind = (typeof SCRIPT_KINDS)[number];

/** Most inputs that a signal spends: with them the input count still takes one byte, and a fee cap is long passed. */
const MAX_INPUTS = 100;
/** A signature with low s has 71 bytes of DER at most, or 70 where r is low too; one byte for the hash type. */
const DER_LENGTH = 72;
const KEY_LENGTH = 33;

/**
 * Sizes by kind: bytes of the change output, weight of an input with its signature, and the output under which Bitcoin
 * Core at its default of 3 sat/vB takes it for dust (satoshis).
 */
const KIND: Readonly<Record<ScriptKind, { outputBytes: number; inputWeight: number; dustSats: number }>> = {
  p2tr: { outputBytes: 43, inputWeight: 4 * 41 + 1 + 1 + 64, dustSats: 330 },
  p2wpkh: { outputBytes: 31, inputWeight: 4 * 41 + 1 + 1 + DER_LENGTH + 1 + KEY_LENGTH, dustSats: 294 },
  p2pkh: { outputBytes: 34, inputWeight: 4 * (41 + 1 + DER_LENGTH + 1 + KEY_LENGTH), dustSats: 546 },
};
/** Version, lock time, and the two counts. */
const FRAME_BYTES = 10;
const SIGNAL_OUTPUT_BYTES = 43;
const SEGWIT_MARKER_WEIGHT = 2;

/** Virtual bytes of a signed signal of one's own beacon, with the longest signatures that there can be. */
export function singletonVsize(kind: ScriptKind, inputs: number, withChange: boolean): number {
  const { outputBytes, inputWeight } = KIND[kind];
  const bytes = FRAME_BYTES + SIGNAL_OUTPUT_BYTES + (withChange ? outputBytes : 0);
  return Math.ceil((4 * bytes + (kind === 'p2pkh' ? 0 : SEGWIT_MARKER_WEIGHT) + inputs * inputWeight) / 4);
}

export interface SingletonUtxo {
  txid: string;
  vout: number;
  value_sats: number;
}

export interface SingletonRequest {
  /** Unspent outputs of the beacon address that may be spent, in any order. */
  utxos: readonly SingletonUtxo[];
  scriptKind: ScriptKind;
  /** 33 bytes. */
  publicKey: Bytes;
  network: Network;
  /** 32 bytes: the announcement of the update. */
  announcement: Bytes;
  /** Estimate in sat/vB, from a source that nobody vouches for; null where there is none. */
  feeRate: number | null;
  /** Most that the transaction may pay, in satoshis. */
  feeCapSats: number;
}

export interface UnsignedSingletonSignal {
  unsignedHex: string;
  address: string;
  scriptKind: ScriptKind;
  scriptHex: string;
  /** 33 bytes of hex. */
  publicKey: string;
  /** In the transaction's order. */
  inputs: SingletonUtxo[];
  feeSats: number;
  /** 0 where the change would be dust. */
  changeSats: number;
  /** Virtual bytes, once signed, at most. */
  vsize: number;
}

/** The beacon address has not enough money for a signal; amounts in satoshis. One more output of `neededSats` is enough. */
export class SingletonUnfunded extends Error {
  override readonly name = 'SingletonUnfunded';
  readonly address: string;
  readonly balanceSats: number;
  readonly neededSats: number;

  constructor(address: string, balanceSats: number, neededSats: number) {
    super(
      `${address} holds ${balanceSats} sat that can be spent, too little for a signal: send ${neededSats} sat to it`,
    );
    this.address = address;
    this.balanceSats = balanceSats;
    this.neededSats = neededSats;
  }
}

/** Address and script (hex) of one kind for a key (33 bytes). Throws BitcoinFormatError if it is no key. */
function outputOf(kind: ScriptKind, publicKey: Bytes, network: Network): { address: string; scriptHex: string } {
  if (!curve.isCompressedPoint(publicKey)) throw new BitcoinFormatError('public_key', 'no compressed secp256k1 key');
  const address = singletonAddresses(publicKey, network)[kind];
  return { address, scriptHex: addressToScript(address, network) };
}

/**
 * Satoshis that one output at a singleton beacon has to hold for a signal with change, at this estimate (sat/vB, null
 * for none) and cap (satoshis). Throws BitcoinFormatError for a cap under 1 sat/vB.
 */
export function singletonDeposit(kind: ScriptKind, feeRate: number | null, feeCapSats: number): number {
  return feeOf(kind, 1, true, { feeRate, feeCapSats }) + KIND[kind].dustSats;
}

function feeOf(
  kind: ScriptKind,
  inputs: number,
  withChange: boolean,
  { feeRate, feeCapSats }: Pick<SingletonRequest, 'feeRate' | 'feeCapSats'>,
): number {
  const vsize = singletonVsize(kind, inputs, withChange);
  if (Number.isSafeInteger(feeCapSats) && feeCapSats < vsize * MIN_RATE)
    throw new BitcoinFormatError(
      'fee_cap',
      `${feeCapSats} sat is under ${MIN_RATE} sat/vB for a signal of ${vsize} vB: no node would relay it`,
    );
  return chooseFee({ estimate: feeRate, capSats: feeCapSats, vsize }).feeSats;
}

function checkUtxo({ txid, vout, value_sats }: SingletonUtxo): void {
  if (!isHex(txid, 32)) throw new BitcoinFormatError('utxo', 'the txid has to be 32 bytes of lowercase hex');
  if (!Number.isInteger(vout) || vout < 0 || vout > 0xffffffff)
    throw new BitcoinFormatError('utxo', 'the vout has to be an unsigned 32-bit integer');
  if (!Number.isSafeInteger(value_sats) || value_sats <= 0 || value_sats > MAX_MONEY_SATS)
    throw new BitcoinFormatError('utxo', 'the value has to be satoshis');
}

/** Largest first, so that few are spent; txid and vout make the order the same for everybody. */
function byValue(a: SingletonUtxo, b: SingletonUtxo): number {
  if (a.value_sats !== b.value_sats) return b.value_sats - a.value_sats;
  if (a.txid !== b.txid) return a.txid < b.txid ? -1 : 1;
  return a.vout - b.vout;
}

interface Plan {
  inputs: SingletonUtxo[];
  feeSats: number;
  changeSats: number;
}

/** The fewest outputs that pay for it, with change if that is above dust; null if they do not. */
function plan(request: SingletonRequest): Plan | null {
  const { scriptKind, feeCapSats } = request;
  const sorted = [...request.utxos].sort(byValue).slice(0, MAX_INPUTS);
  let sum = 0;
  for (const [i, { value_sats }] of sorted.entries()) {
    sum += value_sats;
    // More inputs than the cap pays for at the least rate.
    if (i > 0 && singletonVsize(scriptKind, i + 1, true) * MIN_RATE > feeCapSats) return null;
    const inputs = sorted.slice(0, i + 1);
    const feeSats = feeOf(scriptKind, inputs.length, true, request);
    if (sum - feeSats >= KIND[scriptKind].dustSats) return { inputs, feeSats, changeSats: sum - feeSats };
    if (sum <= feeCapSats && sum >= feeOf(scriptKind, inputs.length, false, request))
      return { inputs, feeSats: sum, changeSats: 0 };
  }
  return null;
}

/**
 * Builds the unsigned signal of a controller's own beacon (did:btcr2, Beacons, Singleton): version 2, nLockTime 0,
 * inputs of one address of its key with sequence 0xfffffffd, change back to the same address unless it would be dust,
 * and the announcement in an OP_RETURN output of value 0, the last one. The fee follows the estimate between 1 sat/vB
 * and the cap. Throws SingletonUnfunded where the outputs do not pay for it, BitcoinFormatError for a key, announcement,
 * output or cap that is none, an output listed twice, and a cap under 1 sat/vB.
 */
export function buildSingletonSignal(request: SingletonRequest): UnsignedSingletonSignal {
  const { utxos, scriptKind, publicKey, network, announcement, feeRate, feeCapSats } = request;
  const { address, scriptHex } = outputOf(scriptKind, publicKey, network);
  for (const utxo of utxos) checkUtxo(utxo);
  if (new Set(utxos.map(({ txid, vout }) => `${txid}:${vout}`)).size !== utxos.length)
    throw new BitcoinFormatError('utxo', 'one output is listed twice');
  const neededSats = singletonDeposit(scriptKind, feeRate, feeCapSats);
  const planned = plan(request);
  if (planned === null)
    throw new SingletonUnfunded(
      address,
      utxos.reduce((sum, { value_sats }) => sum + value_sats, 0),
      neededSats,
    );

  const { inputs, feeSats, changeSats } = planned;
  const tx = new Transaction();
  tx.version = 2;
  tx.locktime = 0;
  for (const { txid, vout } of inputs) tx.addInput(reversed(fromHex(txid)), vout, SIGNAL_SEQUENCE);
  if (changeSats > 0) tx.addOutput(fromHex(scriptHex), BigInt(changeSats));
  tx.addOutput(fromHex(signalScript(announcement)), 0n);
  return {
    unsignedHex: tx.toHex(),
    address,
    scriptKind,
    scriptHex,
    publicKey: toHex(publicKey),
    inputs: inputs.map(({ txid, vout, value_sats }) => ({ txid, vout, value_sats })),
    feeSats,
    changeSats,
    vsize: singletonVsize(scriptKind, inputs.length, changeSats > 0),
  };
}

/** Lends the 32-byte secret of the beacon's key for one use. */
export type LendSecret = <T>(use: (secret: Bytes) => T) => T;

export interface SignedSingletonSignal {
  hex: string;
  txid: string;
  /** Virtual bytes. */
  vsize: number;
}

/**
 * Signs every input: by the BIP-341 key path with the tweak of a key without scripts (BIP-86) for P2TR, by ECDSA with
 * low s under SIGHASH_ALL for P2WPKH (BIP-143) and P2PKH. `random` draws the 32 bytes of a BIP-340 signature. What
 * comes out was verified: throws BitcoinFormatError where it does not verify, as with the secret of another key.
 */
export function signSingletonSignal(
  unsigned: UnsignedSingletonSignal,
  lendSecret: LendSecret,
  random: (length: number) => Bytes,
): SignedSingletonSignal {
  const tx = decodeTx(unsigned.unsignedHex);
  const publicKey = fromHex(unsigned.publicKey, KEY_LENGTH);
  lendSecret(secret => {
    const tweaked = unsigned.scriptKind === 'p2tr' ? taprootSecret(secret) : null;
    try {
      for (const i of unsigned.inputs.keys()) {
        const sighash = sighashOf(tx, i, unsigned);
        if (tweaked) tx.setWitness(i, [curve.signSchnorr(sighash, tweaked, random(32))]);
        else {
          const signature = scripts.signature.encode(curve.signEcdsa(sighash, secret), Transaction.SIGHASH_ALL);
          if (unsigned.scriptKind === 'p2wpkh') tx.setWitness(i, [signature, publicKey]);
          else tx.setInputScript(i, scripts.compile([signature, publicKey]));
        }
      }
    } finally {
      tweaked?.fill(0);
    }
  });
  const hex = tx.toHex();
  if (!verifySingletonSignal(hex, unsigned))
    throw new BitcoinFormatError('signature', 'it does not verify: the secret is not that of the beacon key');
  return { hex, txid: tx.getId(), vsize: tx.virtualSize() };
}

/** Secret of the BIP-341 output key without a script tree. The caller wipes it. */
function taprootSecret(secret: Bytes): Bytes {
  const point = curve.publicKey(secret);
  const even = curve.hasEvenY(point) ? Uint8Array.from(secret) : curve.scalarNegate(secret);
  try {
    return curve.scalarAdd(even, tapTweak(point.slice(1)));
  } finally {
    even.fill(0);
  }
}

function sighashOf(tx: Transaction, index: number, unsigned: UnsignedSingletonSignal): Bytes {
  const { scriptKind, inputs } = unsigned;
  const script = fromHex(unsigned.scriptHex);
  const values = inputs.map(({ value_sats }) => BigInt(value_sats));
  switch (scriptKind) {
    case 'p2tr':
      return tx.hashForWitnessV1(
        index,
        inputs.map(() => script),
        values,
        Transaction.SIGHASH_DEFAULT,
      );
    case 'p2wpkh':
      return tx.hashForWitnessV0(index, keyHashScript(script.slice(2)), values[index]!, Transaction.SIGHASH_ALL);
    case 'p2pkh':
      return tx.hashForSignature(index, script, Transaction.SIGHASH_ALL);
  }
}

/** The script code that a P2WPKH input signs (BIP-143): that of P2PKH for the same hash. */
const keyHashScript = (hash: Bytes): Bytes =>
  concatBytes(Uint8Array.of(0x76, 0xa9, 0x14), hash, Uint8Array.of(0x88, 0xac));

/**
 * Whether a signed transaction (hex) is the unsigned one with nothing but valid signatures of the beacon's key.
 * False, never a throw, for anything else.
 */
export function verifySingletonSignal(hex: string, unsigned: UnsignedSingletonSignal): boolean {
  try {
    const tx = decodeTx(hex);
    const bare = tx.clone();
    for (const i of bare.ins.keys()) {
      bare.setInputScript(i, new Uint8Array());
      bare.setWitness(i, []);
    }
    if (bare.toHex() !== unsigned.unsignedHex || tx.ins.length !== unsigned.inputs.length) return false;
    return tx.ins.every((_, i) => verifyInput(tx, i, bare, unsigned));
  } catch {
    return false;
  }
}

function verifyInput(tx: Transaction, index: number, bare: Transaction, unsigned: UnsignedSingletonSignal): boolean {
  const { script, witness } = tx.ins[index]!;
  const sighash = sighashOf(bare, index, unsigned);
  if (unsigned.scriptKind === 'p2tr') {
    const outputKey = p2trOutputKey(fromHex(unsigned.scriptHex));
    const [signature] = witness;
    if (script.length !== 0 || witness.length !== 1 || outputKey === null || signature?.length !== 64) return false;
    return curve.verifySchnorr(sighash, outputKey, signature);
  }
  const isLegacy = unsigned.scriptKind === 'p2pkh';
  if ((isLegacy ? witness : script).length !== 0) return false;
  const parts = isLegacy ? scripts.decompile(script) : witness;
  if (parts?.length !== 2) return false;
  const [encoded, key] = parts;
  if (!(encoded instanceof Uint8Array) || !(key instanceof Uint8Array)) return false;
  const { signature, hashType } = scripts.signature.decode(encoded);
  return (
    equalBytes(key, fromHex(unsigned.publicKey)) &&
    hashType === Transaction.SIGHASH_ALL &&
    curve.verifyEcdsa(sighash, key, signature)
  );
}

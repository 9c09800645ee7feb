import { Transaction } from 'bitcoinjs-lib';
import { curve } from '#curve';
import { type Bytes, equalBytes, fromHex, toHex } from '../crypto/index.ts';
import { BitcoinFormatError } from './errors.ts';
import { controlBlock, type FallbackTree, type Leaf, opensLeaf } from './leaves.ts';
import type { KeySet } from './musig-keys.ts';
import { p2trOutputKey } from './taproot.ts';
import { decodeTx, MAX_MONEY_SATS, parseTx } from './transaction.ts';

const SIGNATURE_LENGTH = 64;

/** The output that is spent. */
export interface Spent {
  scriptHex: string;
  /** Satoshis. */
  valueSats: number;
}

/** A cohort's keys under a fallback policy. */
export interface TreeKeys {
  keySet: KeySet;
  tree: FallbackTree;
}

function oneInput(hex: string): Transaction {
  const tx = decodeTx(hex);
  if (tx.ins.length !== 1) throw new BitcoinFormatError('transaction', 'expected exactly one input');
  return tx;
}

/**
 * The 32 bytes that a signature in a leaf signs, under SIGHASH_DEFAULT (BIP-341, BIP-342): they commit to the leaf, so
 * that none serves for another one or for the key path. Throws BitcoinFormatError.
 */
export function leafSighash(unsignedHex: string, { scriptHex, valueSats }: Spent, leaf: Leaf): Bytes {
  if (!Number.isSafeInteger(valueSats) || valueSats < 0 || valueSats > MAX_MONEY_SATS)
    throw new BitcoinFormatError('value', 'out of range');
  const { hash } = leaf;
  return oneInput(unsignedHex).hashForWitnessV1(
    0,
    [fromHex(scriptHex)],
    [BigInt(valueSats)],
    Transaction.SIGHASH_DEFAULT,
    hash,
  );
}

function controlOf(leaf: Leaf, { keySet }: TreeKeys): Bytes {
  const output = curve.pointAddTweak(curve.liftX(keySet.internalKey)!, keySet.tweak, true)!;
  return controlBlock(leaf, keySet.internalKey, output[0] === 0x03 ? 1 : 0);
}

function withWitness(unsignedHex: string, items: Bytes[], leaf: Leaf, keys: TreeKeys) {
  const tx = oneInput(unsignedHex);
  if (tx.hasWitnesses() || tx.ins[0]!.script.length !== 0)
    throw new BitcoinFormatError('transaction', 'it is signed already');
  tx.setWitness(0, [...items, leaf.script, controlOf(leaf, keys)]);
  return { hex: tx.toHex(), txid: tx.getId(), vsize: tx.virtualSize() };
}

/**
 * Puts the signatures (64 bytes, by x-only key in hex) of as many members as the threshold into an unsigned one-input
 * transaction; more are left out, since the leaf wants exactly so many. It checks none of them: `verifyFallback` does.
 * Throws BitcoinFormatError for too few, and for a transaction that is signed already.
 */
export function finalizeFallback(
  unsignedHex: string,
  keys: TreeKeys,
  signatures: ReadonlyMap<string, Bytes>,
): { hex: string; txid: string; vsize: number } {
  const { signers, policy, fallback } = keys.tree;
  let left = policy.threshold;
  const items = signers.map(signer => {
    const signature = left > 0 ? signatures.get(toHex(signer)) : undefined;
    if (signature) left--;
    return signature ?? new Uint8Array(0);
  });
  if (left > 0) throw new BitcoinFormatError('signatures', `${left} more are needed`);
  // The first key takes what lies on top of the stack, which is the last item.
  return withWitness(unsignedHex, items.reverse(), fallback, keys);
}

/**
 * Whether a signed one-input transaction (hex) spends an output of these keys by their fallback leaf: exactly as many
 * valid signatures under SIGHASH_DEFAULT as the threshold says, and nothing else. False, never a throw, for all else.
 */
export function verifyFallback(hex: string, spent: Spent, keys: TreeKeys): boolean {
  return opened(hex, spent, keys, keys.tree.fallback, ({ items, message }) => {
    const { signers, policy } = keys.tree;
    const given = items.toReversed();
    const signed = given.filter(item => item.length > 0).length;
    return (
      given.length === signers.length &&
      signed === policy.threshold &&
      signers.every((key, i) => given[i]!.length === 0 || isSignature(message, key, given[i]!))
    );
  });
}

/** Puts the recovery key's signature (64 bytes) into an unsigned one-input transaction. Throws BitcoinFormatError. */
export const finalizeRecovery = (unsignedHex: string, keys: TreeKeys, signature: Bytes) =>
  withWitness(unsignedHex, [signature], keys.tree.recovery, keys);

/**
 * Whether a signed one-input transaction (hex) spends an output of these keys by their recovery leaf, in a way that its
 * delay allows (BIP-112). False, never a throw, for all else; how old the output is, only the chain knows.
 */
export function verifyRecovery(hex: string, spent: Spent, keys: TreeKeys): boolean {
  return opened(hex, spent, keys, keys.tree.recovery, ({ tx, items, message }) => {
    const { recovery_key, recovery_delay_blocks } = keys.tree.policy;
    const { sequence } = tx.ins[0]!;
    const isLate = tx.version >= 2 && sequence <= 0xffff && sequence >= recovery_delay_blocks;
    return isLate && items.length === 1 && isSignature(message, fromHex(recovery_key), items[0]!);
  });
}

const isSignature = (message: Bytes, key: Bytes, signature: Bytes): boolean =>
  signature.length === SIGNATURE_LENGTH && curve.verifySchnorr(message, key, signature);

function opened(
  hex: string,
  spent: Spent,
  keys: TreeKeys,
  leaf: Leaf,
  isGood: (about: { tx: Transaction; items: Bytes[]; message: Bytes }) => boolean,
): boolean {
  try {
    const tx = oneInput(hex);
    const { script, witness } = tx.ins[0]!;
    const outputKey = p2trOutputKey(fromHex(spent.scriptHex));
    if (outputKey === null || !equalBytes(outputKey, keys.keySet.outputKey) || script.length !== 0) return false;
    const items = witness.slice(0, -2);
    const [shown, control] = witness.slice(-2);
    if (!shown || !control || !equalBytes(shown, leaf.script) || !equalBytes(control, controlOf(leaf, keys)))
      return false;
    const unsigned = tx.clone();
    unsigned.setWitness(0, []);
    return isGood({ tx, items, message: leafSighash(unsigned.toHex(), spent, leaf) });
  } catch {
    return false;
  }
}

/** Whether a transaction (hex) is one by the recovery key, as far as it shows: nobody else has a use for that leaf. */
export function isByRecoveryKey(hex: string, tree: FallbackTree): boolean {
  try {
    return parseTx(hex).inputs.some(({ witness }) => opensLeaf(witness, tree.recovery));
  } catch {
    return false;
  }
}

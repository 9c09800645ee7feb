import { Transaction } from 'bitcoinjs-lib';
import { fromHex } from '../crypto/index.ts';
import { BitcoinFormatError } from './errors.ts';
import { DUST_SATS } from './fees.ts';
import { checkPrevout, SIGNAL_SEQUENCE } from './signal.ts';
import { encodeSignalPsbt } from './signal-psbt.ts';
import { reversed } from './transaction.ts';

/** Virtual bytes of a signed spend: one key-path input, one P2TR output. */
export const SPEND_VSIZE = 111;

export interface SpendRequest {
  prevout: { txid: string; vout: number; value_sats: number };
  /** The beacon's P2TR script (hex) that is spent from. */
  scriptHex: string;
  /** Where all but the fee goes: a script (hex). */
  toHex: string;
  /** Satoshis. */
  feeSats: number;
  /** Blocks that have to lie on the output before it can be spent so (BIP-68); 0 for none. */
  delayBlocks?: number;
}

export interface BuiltSpend {
  /** Base64 (BIP-174). */
  psbt: string;
  unsignedHex: string;
  txid: string;
  feeSats: number;
}

/** The most that a sequence number can ask for in blocks (BIP-68). */
export const MAX_DELAY_BLOCKS = 0xffff;

/**
 * Builds an unsigned spend of a beacon that announces nothing: version 2, nLockTime 0, one input, one output, no
 * OP_RETURN; so no resolver takes it for a signal. The same request gives the same bytes. Throws BitcoinFormatError for
 * values out of range, and where the output would be dust.
 */
export function buildSpend({ prevout, scriptHex, toHex, feeSats, delayBlocks = 0 }: SpendRequest): BuiltSpend {
  checkPrevout(prevout);
  if (!Number.isInteger(delayBlocks) || delayBlocks < 0 || delayBlocks > MAX_DELAY_BLOCKS)
    throw new BitcoinFormatError('delay', 'expected blocks, 65,535 at most');
  const value = prevout.value_sats - feeSats;
  if (!Number.isSafeInteger(feeSats) || feeSats < 0 || !(value >= DUST_SATS))
    throw new BitcoinFormatError('fee', 'what is left would be dust');
  const script = fromHex(toHex);
  if (script[0] === 0x6a) throw new BitcoinFormatError('to', 'an OP_RETURN could be taken for a signal');
  const tx = new Transaction();
  tx.version = 2;
  tx.locktime = 0;
  tx.addInput(reversed(fromHex(prevout.txid)), prevout.vout, delayBlocks === 0 ? SIGNAL_SEQUENCE : delayBlocks);
  tx.addOutput(script, BigInt(value));
  return {
    psbt: encodeSignalPsbt(tx, scriptHex, prevout.value_sats),
    unsignedHex: tx.toHex(),
    txid: tx.getId(),
    feeSats,
  };
}

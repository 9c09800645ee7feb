import { type Bytes, concatBytes, fromHex, toHex } from '../crypto/index.ts';
import { BitcoinFormatError } from './errors.ts';
import { parseTx } from './transaction.ts';

const SIGNAL_LENGTH = 32;
const OP_RETURN_PUSH32 = Uint8Array.of(0x6a, 0x20);
const SIGNAL_SCRIPT = /^6a20[0-9a-f]{64}$/;

/** The output script (hex) that carries 32 signal bytes. Throws BitcoinFormatError on another length. */
export function signalScript(signalBytes: Bytes): string {
  if (signalBytes.length !== SIGNAL_LENGTH) throw new BitcoinFormatError('signal_bytes', 'expected 32 bytes');
  return toHex(concatBytes(OP_RETURN_PUSH32, signalBytes));
}

/** Whether an output script (hex) is exactly OP_RETURN and a push of 32 bytes (did:btcr2, Beacons). */
export const carriesSignal = (scriptHex: string): boolean => SIGNAL_SCRIPT.test(scriptHex);

/**
 * The 32 signal bytes of a transaction's last output, or of that output's script alone (both as hex); null where the
 * last output carries none. A script that carries a signal has 34 bytes, which no transaction has. Throws
 * BitcoinFormatError for hex that is neither.
 */
export function signalBytesOf(txOrLastScriptHex: string): Bytes | null {
  if (carriesSignal(txOrLastScriptHex)) return fromHex(txOrLastScriptHex.slice(4), SIGNAL_LENGTH);
  const last = parseTx(txOrLastScriptHex).outputs.at(-1);
  return last !== undefined && carriesSignal(last.script_hex) ? fromHex(last.script_hex.slice(4), SIGNAL_LENGTH) : null;
}

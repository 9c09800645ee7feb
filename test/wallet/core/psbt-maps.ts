import { base64 } from '@scure/base';
import { concatBytes, fromHex, toHex } from '../../../src/crypto/index.ts';

/** One key-value of a PSBT (BIP-174): the key with its type byte, and the value, in hex. */
export type Pair = [key: string, value: string];

/** A PSBT of one input as its maps: what a library would refuse to write can be written with it. */
export interface PsbtMaps {
  magic: string;
  global: Pair[];
  input: Pair[];
  outputs: Pair[][];
  tail: string;
}

const MAGIC = 5;
/** Signals are small: every length fits one byte, or 0xfd and two. */
const compact = (length: number): string =>
  length < 0xfd ? byte(length) : `fd${byte(length & 0xff)}${byte(length >> 8)}`;
const byte = (value: number): string => value.toString(16).padStart(2, '0');

export function openPsbt(text: string): PsbtMaps {
  const hex = toHex(base64.decode(text));
  let at = MAGIC * 2;
  const take = (bytes: number): string => {
    at += bytes * 2;
    return hex.slice(at - bytes * 2, at);
  };
  const length = (): number => {
    const first = Number.parseInt(take(1), 16);
    return first < 0xfd ? first : Number.parseInt(take(1), 16) + 256 * Number.parseInt(take(1), 16);
  };
  const map = (): Pair[] => {
    const pairs: Pair[] = [];
    for (let size = length(); size > 0; size = length()) {
      const key = take(size);
      pairs.push([key, take(length())]);
    }
    return pairs;
  };
  const [global, input] = [map(), map()];
  const outputs: Pair[][] = [];
  while (at < hex.length) outputs.push(map());
  return { magic: hex.slice(0, MAGIC * 2), global, input, outputs, tail: '' };
}

const mapHex = (pairs: readonly Pair[]): string =>
  `${pairs.map(([key, value]) => `${compact(key.length / 2)}${key}${compact(value.length / 2)}${value}`).join('')}00`;

export const bytesOf = ({ magic, global, input, outputs, tail }: PsbtMaps): Uint8Array =>
  concatBytes(fromHex(magic), fromHex([global, input, ...outputs].map(mapHex).join('')), fromHex(tail));

export const writePsbt = (maps: PsbtMaps): string => base64.encode(bytesOf(maps));

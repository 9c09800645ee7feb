import { bech32, bech32m, createBase58check } from '@scure/base';
import { type Bytes, concatBytes, equalBytes, fromHex, sha256, toHex } from '../crypto/index.ts';
import { BitcoinFormatError } from './errors.ts';
import type { KeySet } from './musig-keys.ts';
import { ADDRESS_HRP, type Network } from './network.ts';
import { p2trScript } from './taproot.ts';

const base58check = createBase58check(sha256);

/** Version bytes of base58 addresses: every test network shares testnet's. */
const BASE58_VERSION = {
  bc: { p2pkh: 0x00, p2sh: 0x05 },
  test: { p2pkh: 0x6f, p2sh: 0xc4 },
} as const;

const P2PKH = { head: Uint8Array.of(0x76, 0xa9, 0x14), tail: Uint8Array.of(0x88, 0xac) };
const P2SH = { head: Uint8Array.of(0xa9, 0x14), tail: Uint8Array.of(0x87) };
const HASH_LENGTH = 20;
const OP_1 = 0x51;

const base58Versions = (network: Network): { p2pkh: number; p2sh: number } =>
  ADDRESS_HRP[network] === 'bc' ? BASE58_VERSION.bc : BASE58_VERSION.test;

const isWitnessProgram = (version: number, program: Bytes): boolean =>
  version === 0 ? program.length === 20 || program.length === 32 : program.length >= 2 && program.length <= 40;

/** The 20-byte hash inside a P2PKH or P2SH script, or null. */
function hashInside(script: Bytes, { head, tail }: typeof P2PKH): Bytes | null {
  const hash = script.slice(head.length, head.length + HASH_LENGTH);
  return equalBytes(script, concatBytes(head, hash, tail)) && hash.length === HASH_LENGTH ? hash : null;
}

function segwitScript(address: string, network: Network): Bytes | null {
  const isV0 = bech32.decodeUnsafe(address);
  const decoded = isV0 ?? bech32m.decodeUnsafe(address);
  if (decoded === undefined) return null;
  const [version, ...words] = decoded.words;
  // BIP-350: version 0 has the bech32 checksum, all later versions the bech32m one.
  if (version === undefined || version > 16 || (version === 0) !== (isV0 !== undefined)) return null;
  const program = bech32.fromWordsUnsafe(words);
  if (program === undefined || !isWitnessProgram(version, program)) return null;
  if (decoded.prefix !== ADDRESS_HRP[network])
    throw new BitcoinFormatError('address', `it belongs to another network than ${network}`);
  return concatBytes(Uint8Array.of(version === 0 ? 0 : OP_1 + version - 1, program.length), program);
}

function base58Script(address: string, network: Network): Bytes | null {
  let payload: Bytes;
  try {
    payload = base58check.decode(address);
  } catch {
    return null;
  }
  if (payload.length !== 1 + HASH_LENGTH) return null;
  const versions = base58Versions(network);
  const hash = payload.slice(1);
  if (payload[0] === versions.p2pkh) return concatBytes(P2PKH.head, hash, P2PKH.tail);
  if (payload[0] === versions.p2sh) return concatBytes(P2SH.head, hash, P2SH.tail);
  throw new BitcoinFormatError('address', `it belongs to another network than ${network}`);
}

/**
 * The output script (hex) that an address of the network stands for: P2PKH, P2SH, and every witness version (BIP-173,
 * BIP-350). Throws BitcoinFormatError for anything else and for an address of another network; signet, testnet3,
 * testnet4 and mutinynet share their addresses and cannot be told apart. The key of a P2TR address is not checked to
 * be on the curve.
 */
export function addressToScript(address: string, network: Network): string {
  const script = segwitScript(address, network) ?? base58Script(address, network);
  if (script === null) throw new BitcoinFormatError('address', 'not a Bitcoin address');
  return toHex(script);
}

/** Whether `addressToScript` reads it: an address of the network. */
export function isAddress(address: string, network: Network): boolean {
  try {
    addressToScript(address, network);
    return true;
  } catch {
    return false;
  }
}

/** The address of an output script (hex) on the network, or null for a script that has none, such as OP_RETURN. */
export function scriptToAddress(scriptHex: string, network: Network): string | null {
  const script = fromHex(scriptHex);
  const versions = base58Versions(network);
  const keyHash = hashInside(script, P2PKH);
  if (keyHash !== null) return base58check.encode(concatBytes(Uint8Array.of(versions.p2pkh), keyHash));
  const scriptHash = hashInside(script, P2SH);
  if (scriptHash !== null) return base58check.encode(concatBytes(Uint8Array.of(versions.p2sh), scriptHash));

  const version = script[0] === 0 ? 0 : (script[0] ?? 0) - OP_1 + 1;
  const program = script.slice(2);
  if (version < 0 || version > 16 || script[1] !== program.length || !isWitnessProgram(version, program)) return null;
  const codec = version === 0 ? bech32 : bech32m;
  return codec.encode(ADDRESS_HRP[network], [version, ...codec.toWords(program)]);
}

/** The P2TR output of a key set on the network: its address and its script (hex) (BIP-341, BIP-350). */
export function beaconOutput(
  keySet: Pick<KeySet, 'outputKey'>,
  network: Network,
): { address: string; scriptHex: string } {
  const script = p2trScript(keySet.outputKey);
  const address = bech32m.encode(ADDRESS_HRP[network], [1, ...bech32m.toWords(keySet.outputKey)]);
  return { address, scriptHex: toHex(script) };
}

import { bech32m } from '@scure/base';
import { curve } from '#curve';
import { NETWORKS, type Network } from '../bitcoin/network.ts';
import { type Bytes, concatBytes } from '../crypto/index.ts';
import { DidError } from './errors.ts';

const PREFIX = 'did:btcr2:';
const FIRST_CUSTOM_NETWORK = 12;
const OPAQUE = /^did:btc1:[a-z0-9]{1,128}$/;

/** What a did:btcr2 identifier says. */
export interface DidParts {
  version: 1;
  network: Network;
  /** `key`: made from a public key (`k1…`); `external`: made from a genesis document (`x1…`). */
  kind: 'key' | 'external';
  /** 33-byte compressed public key, or the 32-byte JSON Document Hash of the genesis document. */
  genesisBytes: Bytes;
}

/**
 * The did:btcr2 identifier of these parts (chapter Algorithms, Identifier Encoding).
 * Throws INVALID_DID for a key off the curve, a hash of another length, an unknown network or version.
 */
export function encodeDid(parts: DidParts): string {
  const network = NETWORKS.indexOf(parts.network);
  if (parts.version !== 1) throw invalid('only version 1 is known');
  if (network === -1) throw invalid('unknown network');
  const isKey = parts.kind === 'key';
  if (isKey ? !curve.isCompressedPoint(parts.genesisBytes) : parts.genesisBytes.length !== 32)
    throw invalid(isKey ? 'not a compressed secp256k1 public key' : 'a genesis document hash is 32 bytes');
  const bytes = concatBytes(Uint8Array.of(((parts.version - 1) << 4) | network), parts.genesisBytes);
  return PREFIX + bech32m.encode(isKey ? 'k' : 'x', bech32m.toWords(bytes));
}

/**
 * The parts of a did:btcr2 identifier (chapter Algorithms, Identifier Decoding), exactly inverting {@link encodeDid}.
 * Throws INVALID_DID for anything else: another method, upper case, a wrong checksum or padding, a key off the curve,
 * a reserved network, and a custom network, of which nobody here knows the parameters.
 */
export function decodeDid(did: string): DidParts {
  if (!did.startsWith(PREFIX)) throw invalid('not a did:btcr2 identifier', did);
  const { hrp, bytes } = decodeBech32m(did);
  if (hrp !== 'k' && hrp !== 'x') throw invalid('neither a k nor an x identifier', did);
  const header = bytes[0];
  if (header === undefined || header >> 4 !== 0) throw invalid('unknown version', did);
  const network = NETWORKS[header & 0x0f];
  if (network === undefined)
    throw invalid(
      (header & 0x0f) < FIRST_CUSTOM_NETWORK ? 'reserved network' : 'custom networks are not supported',
      did,
    );
  const parts: DidParts = {
    version: 1,
    network,
    kind: hrp === 'k' ? 'key' : 'external',
    genesisBytes: bytes.slice(1),
  };
  // One identifier, one spelling: otherwise upper case or stray padding would give a DID a second tree index.
  if (encodeDid(parts) !== did) throw invalid('not in canonical form', did);
  return parts;
}

/** Whether the text is an identifier of the older did:btc1 method, which is only ever handled as an opaque string. */
export const isOpaqueDid = (did: string): boolean => OPAQUE.test(did);

/** Whether a DID can be registered with a beacon on `network`: a valid did:btcr2 of that network, or an opaque did:btc1. */
export function isSupportedDid(did: string, network: Network): boolean {
  if (isOpaqueDid(did)) return true;
  try {
    return decodeDid(did).network === network;
  } catch (error) {
    if (error instanceof DidError) return false;
    throw error;
  }
}

function decodeBech32m(did: string): { hrp: string; bytes: Bytes } {
  try {
    const { prefix, words } = bech32m.decode(did.slice(PREFIX.length) as `${string}1${string}`);
    return { hrp: prefix, bytes: bech32m.fromWords(words) };
  } catch (cause) {
    throw new DidError('INVALID_DID', 'not Bech32m', { did }, { cause });
  }
}

const invalid = (message: string, did?: string): DidError =>
  new DidError('INVALID_DID', message, did === undefined ? {} : { did });

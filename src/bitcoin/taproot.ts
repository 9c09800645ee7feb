import { type Bytes, concatBytes, taggedHash } from '../crypto/index.ts';
import { BitcoinFormatError } from './errors.ts';

const KEY_LENGTH = 32;
const P2TR_PREFIX = Uint8Array.of(0x51, 0x20);

/**
 * The BIP-341 tweak (32 bytes) of an x-only internal key (32 bytes): without a merkle root it commits to no script path.
 * Throws BitcoinFormatError on another length.
 */
export function tapTweak(internalKey: Bytes, merkleRoot?: Bytes): Bytes {
  if (internalKey.length !== KEY_LENGTH) throw new BitcoinFormatError('internal_key', 'expected 32 bytes');
  if (merkleRoot === undefined) return taggedHash('TapTweak', internalKey);
  if (merkleRoot.length !== KEY_LENGTH) throw new BitcoinFormatError('merkle_root', 'expected 32 bytes');
  return taggedHash('TapTweak', internalKey, merkleRoot);
}

/** The 34-byte P2TR script (BIP-341) of an x-only output key (32 bytes). Throws BitcoinFormatError on another length. */
export function p2trScript(outputKey: Bytes): Bytes {
  if (outputKey.length !== KEY_LENGTH) throw new BitcoinFormatError('output_key', 'expected 32 bytes');
  return concatBytes(P2TR_PREFIX, outputKey);
}

/** The x-only output key (32 bytes) of a P2TR script, or null for any other script. */
export const p2trOutputKey = (script: Bytes): Bytes | null =>
  script.length === P2TR_PREFIX.length + KEY_LENGTH && script[0] === 0x51 && script[1] === 0x20
    ? script.slice(P2TR_PREFIX.length)
    : null;

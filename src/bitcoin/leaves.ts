import { opcodes, script } from 'bitcoinjs-lib';
import { type Bytes, compareBytes, concatBytes, fromHex, isHex, taggedHash, toHex } from '../crypto/index.ts';
import { BitcoinFormatError } from './errors.ts';
import { MAX_FALLBACK_MEMBERS } from './leaf-sizes.ts';
import { MAX_DELAY_BLOCKS } from './spend.ts';

/** The version of all leaves (BIP-342). */
export const TAPSCRIPT = 0xc0;

export interface FallbackPolicy {
  /** How many of the members can sign without the others. */
  threshold: number;
  /** x-only key (hex) that can spend alone, later. */
  recovery_key: string;
  /** Blocks that an output has to lie before the recovery key can spend it (BIP-68, BIP-112). */
  recovery_delay_blocks: number;
}

/** One leaf of the tree, with what proves that it is in it. */
export interface Leaf {
  script: Bytes;
  /** 32 bytes (BIP-341). */
  hash: Bytes;
  /** Hash of the other leaf: the whole path. */
  sibling: Bytes;
}

/** The script tree of a fallback policy: two leaves. */
export interface FallbackTree {
  merkleRoot: Bytes;
  /** k of n by CHECKSIGADD. */
  fallback: Leaf;
  /** The recovery key alone, after the delay. */
  recovery: Leaf;
  /** x-only keys in the order in which the first leaf asks for them. */
  signers: Bytes[];
  policy: FallbackPolicy;
}

const X_ONLY = 32;

/** The length of a script as transactions write it; all of ours are shorter than 64 kB. */
const lengthOf = ({ length }: Bytes): Bytes =>
  length < 0xfd ? Uint8Array.of(length) : Uint8Array.of(0xfd, length & 0xff, length >> 8);

const leafHash = (leaf: Bytes): Bytes => taggedHash('TapLeaf', Uint8Array.of(TAPSCRIPT), lengthOf(leaf), leaf);

function checkPolicy(members: number, { threshold, recovery_key, recovery_delay_blocks }: FallbackPolicy): void {
  if (members < 3 || members > MAX_FALLBACK_MEMBERS)
    throw new BitcoinFormatError('members', `a fallback is for 3 to ${MAX_FALLBACK_MEMBERS} members`);
  if (!Number.isInteger(threshold) || threshold < Math.max(2, members - 1) || threshold > members)
    throw new BitcoinFormatError('threshold', 'all members but one have to sign a fallback, or all');
  if (!isHex(recovery_key, X_ONLY)) throw new BitcoinFormatError('recovery_key', 'expected an x-only key in hex');
  if (!Number.isInteger(recovery_delay_blocks) || recovery_delay_blocks < 1 || recovery_delay_blocks > MAX_DELAY_BLOCKS)
    throw new BitcoinFormatError('recovery_delay_blocks', 'expected blocks, from 1 to 65,535');
}

/**
 * The script tree of a fallback policy over the members' 33-byte keys, in any order: `k of n` by CHECKSIGADD over their
 * x-only forms, in the order that BIP-327 KeySort gives the whole keys; and `<delay> CSV DROP <recovery key> CHECKSIG` (BIP-341, BIP-342, BIP-112). Throws
 * BitcoinFormatError, with the field, for fewer than 3 members, a threshold under n − 1, and values out of range.
 */
export function fallbackTree(publicKeys: readonly Bytes[], policy: FallbackPolicy): FallbackTree {
  checkPolicy(publicKeys.length, policy);
  const signers = publicKeys.toSorted(compareBytes).map(key => key.slice(1));
  const asked = signers.flatMap((key, i) => [key, i === 0 ? opcodes.OP_CHECKSIG! : opcodes.OP_CHECKSIGADD!]);
  const number = (value: number): Bytes => script.number.encode(value);
  const fallback = script.compile([...asked, number(policy.threshold), opcodes.OP_NUMEQUAL!]);
  const recovery = script.compile([
    number(policy.recovery_delay_blocks),
    opcodes.OP_CHECKSEQUENCEVERIFY!,
    opcodes.OP_DROP!,
    fromHex(policy.recovery_key, X_ONLY),
    opcodes.OP_CHECKSIG!,
  ]);
  const hashes = [leafHash(fallback), leafHash(recovery)] as const;
  const [low, high] = [...hashes].sort(compareBytes);
  return {
    merkleRoot: taggedHash('TapBranch', low!, high!),
    fallback: { script: fallback, hash: hashes[0], sibling: hashes[1] },
    recovery: { script: recovery, hash: hashes[1], sibling: hashes[0] },
    signers,
    policy,
  };
}

/** What shows a leaf to be in the tree of an output: version and parity, internal key, path (BIP-341). */
export const controlBlock = (leaf: Leaf, internalKey: Bytes, parity: 0 | 1): Bytes =>
  concatBytes(Uint8Array.of(TAPSCRIPT | parity), internalKey, leaf.sibling);

/** Whether a transaction's witness (hex) opens this very leaf: by the script that it shows, whoever made it. */
export const opensLeaf = (witness: readonly string[], leaf: Leaf): boolean => witness.at(-2) === toHex(leaf.script);

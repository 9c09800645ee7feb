import { type Bytes, concatBytes, equalBytes, fromBase64url, sha256, toBase64url } from '../crypto/index.ts';
import { type BitOrder, bitAt, countOnes, inOrder } from './bits.ts';
import { leafValue } from './leaf.ts';
import type { Branch } from './tree.ts';
import { LEVELS, ZERO } from './zero.ts';

/** did:btcr2's SMT Proof as JSON: every value is 32 bytes in base64url without padding (43 characters). */
export interface SmtProof {
  /** The root of the tree: the signal bytes. */
  id: string;
  nonce?: string;
  /** The announcement; absent where the signal carries no update for the index. */
  updateId?: string;
  collapsed: string;
  /** The siblings that are not empty, leaf to root. */
  hashes: string[];
}

/** What is behind a leaf. Both parts are 32 bytes; neither of them makes the proof one of an empty (or blinded) index. */
export interface LeafParts {
  nonce?: Bytes | undefined;
  announcement?: Bytes | undefined;
}

/** Writes a branch as an SMT Proof. */
export function encodeProof({ root, branch, ...parts }: { root: Bytes; branch: Branch } & LeafParts): SmtProof {
  return {
    id: toBase64url(root),
    ...encodeParts(parts),
    collapsed: toBase64url(branch.collapsed),
    hashes: branch.hashes.map(toBase64url),
  };
}

/**
 * A blinded proof made whole: the service that made it saw only the finished leaf, so the holder puts in what it knows.
 * Whatever the proof said about nonce and update before is dropped. It verifies only if the parts are those of the leaf.
 */
export function unblindProof(proof: SmtProof, parts: LeafParts): SmtProof {
  const { id, collapsed, hashes } = proof;
  return { id, ...encodeParts(parts), collapsed, hashes };
}

const encodeParts = ({ nonce, announcement }: LeafParts): Pick<SmtProof, 'nonce' | 'updateId'> => ({
  ...(nonce === undefined ? {} : { nonce: toBase64url(nonce) }),
  ...(announcement === undefined ? {} : { updateId: toBase64url(announcement) }),
});

/** An SMT Proof in bytes. */
export interface DecodedProof extends Branch {
  id: Bytes;
  nonce: Bytes | undefined;
  updateId: Bytes | undefined;
}

/**
 * The proof in bytes, or null for anything that does not have the form of one: whatever JSON a peer may send, it never
 * throws. Says nothing about whether the proof verifies. Members that an SMT Proof does not have are ignored.
 */
export function decodeProof(proof: unknown): DecodedProof | null {
  if (typeof proof !== 'object' || proof === null) return null;
  const { id, nonce, updateId, collapsed, hashes } = proof as Partial<Record<keyof SmtProof, unknown>>;
  // Length first: a list of a million hashes is refused before any of them is decoded.
  if (!Array.isArray(hashes) || hashes.length > LEVELS) return null;
  const decoded = {
    id: decode32(id),
    nonce: nonce === undefined ? undefined : decode32(nonce),
    updateId: updateId === undefined ? undefined : decode32(updateId),
    collapsed: decode32(collapsed),
    hashes: hashes.map(decode32),
  };
  return isWhole(decoded) ? decoded : null;
}

type MaybeDecoded = { [K in keyof Omit<DecodedProof, 'hashes'>]: DecodedProof[K] | null } & {
  hashes: (Bytes | null)[];
};

const isWhole = (proof: MaybeDecoded): proof is DecodedProof =>
  proof.id !== null &&
  proof.nonce !== null &&
  proof.updateId !== null &&
  proof.collapsed !== null &&
  proof.hashes.every(hash => hash !== null);

function decode32(text: unknown): Bytes | null {
  if (typeof text !== 'string' || text.length !== 43) return null;
  try {
    return fromBase64url(text, 32);
  } catch {
    return null;
  }
}

/**
 * Whether the proof shows what its `nonce` and `updateId` say about a 32-byte index under the root `id`; the caller
 * compares `id` to the signal bytes. False for anything malformed, never a throw. Follows the verification algorithm of
 * did:btcr2's SMT Proof in its canonical form.
 */
export function verifySmtProof(index: Bytes, proof: SmtProof, order: BitOrder): boolean {
  const decoded = decodeProof(proof);
  if (decoded === null) return false;
  const { id, nonce, updateId, collapsed, hashes } = decoded;
  return verifyBranch({
    index,
    leaf: leafValue({ nonce, announcement: updateId }),
    branch: { collapsed, hashes },
    root: id,
    order,
  });
}

/**
 * Whether `leaf` (a finished leaf value, so it may be blinded) stands at `index` under `root`, all 32 bytes. False for
 * wrong lengths, for a wrong number of hashes, and for an empty sibling that is listed instead of marked: a tree has
 * exactly one valid branch for each index.
 */
export function verifyBranch(input: {
  index: Bytes;
  leaf: Bytes;
  branch: Branch;
  root: Bytes;
  order: BitOrder;
}): boolean {
  const { branch, root, leaf, order } = input;
  if (![input.index, leaf, root, branch.collapsed, ...branch.hashes].every(bytes => bytes.length === 32)) return false;
  const index = inOrder(input.index, order);
  const collapsed = inOrder(branch.collapsed, order);
  if (countOnes(collapsed) + branch.hashes.length !== LEVELS) return false;

  let hash = leaf;
  let used = 0;
  for (let level = 0; level < LEVELS; level++) {
    const bit = LEVELS - 1 - level;
    const zero = ZERO[level]!;
    const isEmpty = bitAt(collapsed, bit) === 1;
    const sibling = isEmpty ? zero : branch.hashes[used++]!;
    if (!isEmpty && equalBytes(sibling, zero)) return false;
    hash = sha256(bitAt(index, bit) === 1 ? concatBytes(sibling, hash) : concatBytes(hash, sibling));
  }
  return equalBytes(hash, root);
}

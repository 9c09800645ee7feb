import { type Bytes, concatBytes, sha256 } from '../crypto/index.ts';

/** Levels between a leaf and the root: one for each bit of an index. */
export const LEVELS = 256;

/**
 * The empty subtrees of did:btcr2's sparse Merkle tree: `ZERO[n]` (32 bytes) is the root of an empty subtree of height n,
 * `ZERO[0]` an empty leaf, `ZERO[256]` the root of an empty tree.
 */
export const ZERO: readonly Bytes[] = emptySubtrees();

function emptySubtrees(): Bytes[] {
  const zeros = [sha256(new Uint8Array(64))];
  for (let n = 1; n <= LEVELS; n++) zeros.push(sha256(concatBytes(zeros[n - 1]!, zeros[n - 1]!)));
  return zeros;
}

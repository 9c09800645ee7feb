export type { BitOrder } from './bits.ts';
export { type Crown, crownDepth, crownOf, depthOf, MAX_CROWN_DEPTH, proveUnderCrown, subtreeOf } from './crown.ts';
export { type PairHasher, portableHasher } from './hasher.ts';
export { leafIndex, leafValue } from './leaf.ts';
export {
  type DecodedProof,
  decodeProof,
  encodeProof,
  type LeafParts,
  type SmtProof,
  unblindProof,
  verifyBranch,
  verifySmtProof,
} from './proof.ts';
export { DuplicateIndexError, type PackedLeaves } from './sort.ts';
export {
  type Branch,
  buildTree,
  hashTree,
  openTree,
  packLeaves,
  type SmtTree,
  type TreeData,
  type TreeOptions,
} from './tree.ts';
export { ZERO } from './zero.ts';

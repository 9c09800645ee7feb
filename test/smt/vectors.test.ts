import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../src/crypto/index.ts';
import {
  type BitOrder,
  buildTree,
  encodeProof,
  leafIndex,
  leafValue,
  type SmtProof,
  verifySmtProof,
} from '../../src/smt/index.ts';
import refused from '../vectors/smt/must-not-verify.json' with { type: 'json' };
import examples from '../vectors/smt/spec-examples.json' with { type: 'json' };
import vectors from '../vectors/smt/trees.json' with { type: 'json' };

interface VectorTree {
  bit_order: BitOrder;
  root: string;
  leaves: { did: string; nonce: string | null; announcement: string | null; proof?: SmtProof }[];
  absent: { did: string; proof: SmtProof }[];
}
const trees = vectors.trees as VectorTree[];
const bytes = (hex: string | null) => (hex === null ? undefined : fromHex(hex, 32));

describe.each(trees)('the published $bit_order tree with root $root', ({ bit_order: order, root, leaves, absent }) => {
  const parts = leaves.map(leaf => ({ ...leaf, nonce: bytes(leaf.nonce), announcement: bytes(leaf.announcement) }));
  const tree = buildTree(
    parts.map(leaf => ({ index: leafIndex(leaf.did), value: leafValue(leaf) })),
    { order },
  );

  it('has its root and size', () => {
    expect(toHex(tree.root)).toBe(root);
    expect(tree.size).toBe(leaves.length);
  });

  it('makes and verifies its proofs', () => {
    const published = parts.filter(leaf => leaf.proof !== undefined);
    expect(published.length).toBeGreaterThan(0);
    for (const { did, nonce, announcement, proof } of published) {
      const index = leafIndex(did);
      expect(encodeProof({ root: tree.root, branch: tree.prove(index), nonce, announcement })).toEqual(proof);
      expect(verifySmtProof(index, proof!, order)).toBe(true);
    }
  });

  it('makes and verifies its proofs of empty indices', () => {
    expect(absent.length).toBe(2);
    for (const { did, proof } of absent) {
      const index = leafIndex(did);
      expect(encodeProof({ root: tree.root, branch: tree.prove(index) })).toEqual(proof);
      expect(verifySmtProof(index, proof, order)).toBe(true);
    }
  });

  it('does not verify in the other bit order', () => {
    const other = order === 'spec' ? 'lsb' : 'spec';
    const everyProof = [...leaves.flatMap(({ did, proof }) => (proof ? [{ did, proof }] : [])), ...absent];
    // A lone leaf has no siblings to list, so only its path tells the orders apart: that is enough.
    for (const { did, proof } of everyProof) expect(verifySmtProof(leafIndex(did), proof, other)).toBe(false);
  });
});

describe('the example proofs of the specification', () => {
  const index = leafIndex(examples.did);
  it.each([examples.update, examples.empty_index])('verifies $id', proof => {
    expect(verifySmtProof(index, proof, 'spec')).toBe(true);
    expect(verifySmtProof(index, proof, 'lsb')).toBe(false);
    expect(verifySmtProof(leafIndex(`${examples.did}x`), proof, 'spec')).toBe(false);
  });
});

describe('published proofs that must not verify', () => {
  it.each(refused.proofs as { why: string; did: string; proof: SmtProof }[])('$why', ({ did, proof }) => {
    expect(verifySmtProof(leafIndex(did), proof, 'spec')).toBe(false);
  });
});

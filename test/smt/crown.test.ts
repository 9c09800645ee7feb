import { describe, expect, test } from 'vitest';
import { type Bytes, sha256, toHex, utf8 } from '../../src/crypto/index.ts';
import {
  type BitOrder,
  crownDepth,
  crownOf,
  depthOf,
  hashTree,
  MAX_CROWN_DEPTH,
  openTree,
  packLeaves,
  portableHasher,
  proveUnderCrown,
  subtreeOf,
  ZERO,
} from '../../src/smt/index.ts';

const draw = (label: string): Bytes => sha256(utf8(label));
const leafAt = (label: string) => ({ index: draw(label), value: draw(`value of ${label}`) });
const hexBranch = ({ collapsed, hashes }: { collapsed: Bytes; hashes: Bytes[] }) => [
  toHex(collapsed),
  ...hashes.map(toHex),
];

describe.each<BitOrder>(['spec', 'lsb'])('in %s order', order => {
  describe.each([1, 2, 9, 60])('a tree of %i leaves', count => {
    const leaves = Array.from({ length: count }, (_, i) => leafAt(`${count}/${i}`));
    const data = hashTree(packLeaves(leaves), { order });
    const tree = openTree(data);

    test.each([0, 1, 3, 6])('proves the same under its crown of depth %i as whole', depth => {
      const crown = crownOf(data, depth, portableHasher);
      expect(depthOf(crown)).toBe(depth);
      const absent = Array.from({ length: 5 }, (_, i) => draw(`absent ${count} ${i}`));
      for (const index of [...leaves.slice(0, 12).map(leaf => leaf.index), ...absent]) {
        const own = subtreeOf(index, depth, order);
        const subtree = packLeaves(leaves.filter(leaf => subtreeOf(leaf.index, depth, order) === own));
        const { root, branch } = proveUnderCrown(crown, subtree, index, order, portableHasher);
        expect(toHex(root)).toBe(toHex(tree.root));
        expect(hexBranch(branch)).toEqual(hexBranch(tree.prove(index)));
      }
    });
  });

  test('an empty tree has an empty crown', () => {
    const crown = crownOf(hashTree(packLeaves([]), { order }), 2, portableHasher);
    for (let i = 0; i < 4; i++) expect(crown.subarray(i * 32, i * 32 + 32)).toEqual(ZERO[254]);
  });

  test('other leaves than those that were hashed give another root, so that the proof is not used', () => {
    const leaves = Array.from({ length: 40 }, (_, i) => leafAt(`true ${i}`));
    const data = hashTree(packLeaves(leaves), { order });
    const crown = crownOf(data, 3, portableHasher);
    const { index } = leaves[0]!;
    const own = leaves.filter(leaf => subtreeOf(leaf.index, 3, order) === subtreeOf(index, 3, order));
    const forged = own.map((leaf, i) => (i === own.length - 1 ? { ...leaf, value: draw('forged') } : leaf));
    const { root } = proveUnderCrown(crown, packLeaves(forged), index, order, portableHasher);
    expect(toHex(root)).not.toBe(toHex(openTree(data).root));
  });
});

test('small trees have no crown, and none is deeper than what it saves', () => {
  expect([0, 1, 64, 127].map(crownDepth)).toEqual([0, 0, 0, 0]);
  expect(crownDepth(128)).toBe(1);
  expect(crownDepth(100_000)).toBe(10);
  expect(crownDepth(1e9)).toBe(MAX_CROWN_DEPTH);
});

test.each([0, 31, 33, 96, 32 * 2 ** 15])('%i bytes are no crown', length => {
  expect(depthOf(new Uint8Array(length))).toBeNull();
  expect(() => proveUnderCrown(new Uint8Array(length), packLeaves([]), draw('any'), 'spec', portableHasher)).toThrow(
    TypeError,
  );
});

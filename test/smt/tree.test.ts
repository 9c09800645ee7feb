import { describe, expect, it } from 'vitest';
import { type Bytes, fromHex, sha256, toHex, utf8 } from '../../src/crypto/index.ts';
import {
  type BitOrder,
  type Branch,
  buildTree,
  DuplicateIndexError,
  hashTree,
  openTree,
  type PairHasher,
  packLeaves,
  portableHasher,
  verifyBranch,
  ZERO,
} from '../../src/smt/index.ts';
import { witnessBranch, witnessRoot } from './witness.ts';

const ORDERS: BitOrder[] = ['spec', 'lsb'];
const draw = (label: string): Bytes => sha256(utf8(label));
const leafAt = (index: Bytes) => ({ index, value: sha256(index) });
const hexBranch = ({ collapsed, hashes }: Branch) => ({ collapsed: toHex(collapsed), hashes: hashes.map(toHex) });

/** `index` with the given bits flipped: a neighbour as close as an attacker likes. */
function flip(index: Bytes, ...bits: number[]): Bytes {
  const out = index.slice();
  for (const bit of bits) out[bit >>> 3]! ^= 0x80 >>> (bit & 7);
  return out;
}

const random = (count: number): Bytes[] => Array.from({ length: count }, (_, i) => draw(`random ${count} ${i}`));
const base = draw('base');
const SHAPES: [string, Bytes[]][] = [
  ...[1, 2, 3, 5, 8, 33].map((count): [string, Bytes[]] => [`${count} random indices`, random(count)]),
  ['neighbours in the last bit', [base, flip(base, 255)]],
  ['neighbours in the first bit', [base, flip(base, 0)]],
  ['a chain that parts at every bit', [base, ...Array.from({ length: 256 }, (_, bit) => flip(base, bit))]],
  [
    '16 indices that share 252 bits',
    Array.from({ length: 16 }, (_, i) => flip(base, ...[0, 1, 2, 3].filter(b => i & (1 << b)).map(b => 252 + b))),
  ],
  [
    '16 indices that differ in the first 4 bits only',
    Array.from({ length: 16 }, (_, i) => flip(base, ...[0, 1, 2, 3].filter(b => i & (1 << b)))),
  ],
  [
    'two clusters and a stray',
    [base, flip(base, 200), flip(base, 200, 255), flip(base, 1), flip(base, 1, 31), flip(base, 1, 32), draw('stray')],
  ],
  ['the outermost indices', [new Uint8Array(32), new Uint8Array(32).fill(255)]],
  [
    'first words either side of the sign bit',
    ['7fffffff', '80000000', '00000001', 'ffffffff'].map(word => fromHex(word.padEnd(64, '0'))),
  ],
];

describe.each(ORDERS)('a tree in %s order, against the naive one', order => {
  it.each(SHAPES)('%s', (_, indices) => {
    const leaves = indices.map(leafAt);
    const naive = leaves.map(({ index, value }) => ({ index: toHex(index), value: toHex(value) }));
    const tree = buildTree(leaves, { order });
    expect(toHex(tree.root)).toBe(witnessRoot(naive, order));
    expect(tree.size).toBe(indices.length);

    // All leaves of a small tree, some of a large one; and empty indices that stray early and late.
    const step = Math.ceil(leaves.length / 8);
    for (const { index, value } of leaves.filter((_, i) => i % step === 0)) {
      const branch = tree.prove(index);
      expect(hexBranch(branch)).toEqual(witnessBranch(naive, order, toHex(index)));
      expect(verifyBranch({ index, leaf: value, branch, root: tree.root, order })).toBe(true);
    }
    const taken = new Set(naive.map(({ index }) => index));
    const strays = [0, 7, 31, 32, 128, 250, 255]
      .map(bit => flip(indices.at(-1)!, bit))
      .filter(i => !taken.has(toHex(i)));
    for (const index of [...strays, draw('absent')]) {
      const branch = tree.prove(index);
      expect(hexBranch(branch)).toEqual(witnessBranch(naive, order, toHex(index)));
      expect(verifyBranch({ index, leaf: ZERO[0]!, branch, root: tree.root, order })).toBe(true);
    }
  });

  it('of nothing is the empty tree', () => {
    const tree = buildTree([], { order });
    const branch = tree.prove(base);
    expect(toHex(tree.root)).toBe(witnessRoot([], order));
    expect(hexBranch(branch)).toEqual({ collapsed: 'ff'.repeat(32), hashes: [] });
    expect(verifyBranch({ index: base, leaf: ZERO[0]!, branch, root: tree.root, order })).toBe(true);
  });

  it('does not depend on the order of its leaves', () => {
    const leaves = random(40).map(leafAt);
    expect(buildTree(leaves.toReversed(), { order }).root).toEqual(buildTree(leaves, { order }).root);
  });

  it('is the same with empty leaves and without them', () => {
    const leaves = random(9).map(leafAt);
    const empty = { index: draw('registered, nothing to say'), value: ZERO[0]! };
    const tree = buildTree([empty, ...leaves], { order });
    expect(tree.root).toEqual(buildTree(leaves, { order }).root);
    expect(tree.size).toBe(9);
    expect(
      verifyBranch({ index: empty.index, leaf: ZERO[0]!, branch: tree.prove(empty.index), root: tree.root, order }),
    ).toBe(true);
  });

  it('refuses two leaves at one index, empty or not', () => {
    const [a, b] = [leafAt(base), { index: base, value: draw('another') }];
    expect(() => buildTree([a, leafAt(draw('x')), b], { order })).toThrow(DuplicateIndexError);
    expect(() => buildTree([a, { index: base, value: ZERO[0]! }], { order })).toThrow(toHex(base));
  });
});

describe('a tree of several batches', () => {
  const leaves = random(1100).map(leafAt);
  const tree = buildTree(leaves);

  it('proves every leaf it is asked for, and empty indices', () => {
    for (let i = 0; i < leaves.length; i += 97) {
      const { index, value } = leaves[i]!;
      expect(verifyBranch({ index, leaf: value, branch: tree.prove(index), root: tree.root, order: 'spec' })).toBe(
        true,
      );
      const absent = draw(`absent ${i}`);
      expect(
        verifyBranch({ index: absent, leaf: ZERO[0]!, branch: tree.prove(absent), root: tree.root, order: 'spec' }),
      ).toBe(true);
    }
  });

  it('proves without hashing what is a leaf, and hands a native hasher long batches', () => {
    const batches: number[] = [];
    const counting: PairHasher = (input, output) => {
      batches.push(input.length / 64);
      portableHasher(input, output);
    };
    const counted = buildTree(leaves.slice(0, 512), { hasher: counting });
    expect(Math.max(...batches)).toBe(256);
    expect(batches.length).toBeLessThan(600);

    batches.length = 0;
    counted.prove(leaves[0]!.index);
    expect(batches).toEqual([]);
    counted.prove(draw('absent'));
    expect(batches.length).toBeGreaterThan(200);
  });
});

describe('hashed data', () => {
  it('answers the same after a trip to another thread', () => {
    const leaves = random(20).map(leafAt);
    const here = buildTree(leaves, { order: 'lsb' });
    const there = openTree(structuredClone(hashTree(packLeaves(leaves), { order: 'lsb' })));
    expect(there.root).toEqual(here.root);
    for (const index of [leaves[3]!.index, draw('absent')]) expect(there.prove(index)).toEqual(here.prove(index));
  });

  it('is not changed by what its callers do to a root or a branch', () => {
    const leaves = random(4).map(leafAt);
    const tree = buildTree(leaves);
    const before = structuredClone(tree.prove(leaves[0]!.index));
    for (const hash of tree.prove(leaves[0]!.index).hashes) hash.fill(0);
    tree.root.fill(0);
    expect(tree.prove(leaves[0]!.index)).toEqual(before);
    expect(buildTree(leaves).prove(leaves[0]!.index)).toEqual(before);
  });
});

describe('wrong lengths', () => {
  const short = new Uint8Array(31);
  it('are refused', () => {
    expect(() => buildTree([{ index: short, value: base }])).toThrow(TypeError);
    expect(() => buildTree([{ index: base, value: short }])).toThrow(TypeError);
    expect(() => hashTree({ indices: base, values: new Uint8Array(64) })).toThrow(TypeError);
    expect(() => hashTree({ indices: short, values: short })).toThrow(TypeError);
    expect(() => buildTree([leafAt(base)]).prove(short)).toThrow(TypeError);
  });
});

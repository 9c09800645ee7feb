import { describe, expect, test } from 'vitest';
import { type Bytes, sha256, toHex, utf8 } from '../../src/crypto/index.ts';
import { isNativeHasher, pairHasher } from '../../src/smt/hasher-native.ts';
import {
  type BitOrder,
  buildTree,
  hashTree,
  leafIndex,
  leafValue,
  packLeaves,
  portableHasher,
} from '../../src/smt/index.ts';
import vectors from '../vectors/smt/trees.json' with { type: 'json' };

const draw = (label: string): Bytes => sha256(utf8(label));
const leafAt = (label: string) => ({ index: draw(label), value: draw(`value of ${label}`) });

test('a native hasher is there on the platforms that its package has a binary for', () => {
  const { platform, arch } = process;
  const has = `${platform}-${arch}`;
  if (['linux-x64', 'linux-arm64', 'darwin-arm64'].includes(has)) expect(isNativeHasher, has).toBe(true);
  else expect(pairHasher).toBe(portableHasher);
});

test.each([0, 1, 2, 255, 256, 257, 1_000])('%i pairs get the hashes of the portable hasher', count => {
  const pairs = new Uint8Array(count * 64).map((_, i) => (i * 31) & 0xff);
  const [ours, portable] = [new Uint8Array(count * 32), new Uint8Array(count * 32)];
  pairHasher(pairs, ours);
  portableHasher(pairs, portable);
  expect(ours).toEqual(portable);
});

test('it works inside larger arrays and in shared memory, and touches nothing beside its output', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(64 * 3)).fill(7);
  const out = new Uint8Array(32 * 3).fill(9);
  pairHasher(shared.subarray(64, 128), out.subarray(32, 64));
  expect(toHex(out.subarray(32, 64))).toBe(toHex(sha256(new Uint8Array(64).fill(7))));
  expect(out.subarray(0, 32)).toEqual(new Uint8Array(32).fill(9));
  expect(out.subarray(64)).toEqual(new Uint8Array(32).fill(9));
});

describe.each<BitOrder>(['spec', 'lsb'])('trees in %s order', order => {
  test.each([1, 2, 3, 100, 257, 700])('of %i random leaves are the same with either hasher', count => {
    const packed = packLeaves(Array.from({ length: count }, (_, i) => leafAt(`${count}/${i}`)));
    expect(hashTree(packed, { order, hasher: pairHasher })).toEqual(hashTree(packed, { order }));
  });

  test('prove empty indices alike', () => {
    const leaves = Array.from({ length: 20 }, (_, i) => leafAt(`leaf ${i}`));
    const [native, portable] = [buildTree(leaves, { order, hasher: pairHasher }), buildTree(leaves, { order })];
    for (let i = 0; i < 20; i++) expect(native.prove(draw(`absent ${i}`))).toEqual(portable.prove(draw(`absent ${i}`)));
  });
});

test.each(vectors.trees)(
  'the published tree with root $root has it with the fast hasher',
  ({ bit_order, root, leaves }) => {
    const bytes = (hex: string | null) => (hex === null ? undefined : Uint8Array.from(Buffer.from(hex, 'hex')));
    const tree = buildTree(
      leaves.map(leaf => ({
        index: leafIndex(leaf.did),
        value: leafValue({ nonce: bytes(leaf.nonce), announcement: bytes(leaf.announcement) }),
      })),
      { order: bit_order as BitOrder, hasher: pairHasher },
    );
    expect(toHex(tree.root)).toBe(root);
  },
);

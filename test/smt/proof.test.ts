import { describe, expect, it } from 'vitest';
import { type Bytes, sha256, toBase64url, utf8 } from '../../src/crypto/index.ts';
import {
  buildTree,
  decodeProof,
  encodeProof,
  leafIndex,
  leafValue,
  type SmtProof,
  unblindProof,
  verifyBranch,
  verifySmtProof,
  ZERO,
} from '../../src/smt/index.ts';

const draw = (label: string): Bytes => sha256(utf8(label));
const member = (name: string) => ({
  did: `did:example:${name}`,
  nonce: draw(`nonce ${name}`),
  announcement: draw(`update ${name}`),
});
const [alice, bob, ...others] = [member('alice'), member('bob'), ...Array.from('cdefghi', member)];
const tree = buildTree([alice, bob, ...others].map(m => ({ index: leafIndex(m.did), value: leafValue(m) })));
const index = leafIndex(alice.did);
const { nonce, announcement } = alice;
const branch = tree.prove(index);
const proof = encodeProof({ root: tree.root, branch, nonce, announcement });

describe('a leaf value', () => {
  it('follows the four cases of the specification', () => {
    expect(leafValue({ nonce, announcement })).toEqual(sha256(Uint8Array.from([...sha256(nonce), ...announcement])));
    expect(leafValue({ nonce })).toEqual(sha256(sha256(nonce)));
    expect(leafValue({ announcement })).toEqual(announcement);
    expect(leafValue({})).toEqual(sha256(new Uint8Array(64)));
  });

  it('takes parts of 32 bytes only', () => {
    expect(() => leafValue({ nonce: nonce.subarray(1) })).toThrow(TypeError);
    expect(() => leafValue({ announcement: new Uint8Array(33) })).toThrow(TypeError);
  });
});

describe('a proof', () => {
  it('is JSON of 43-character values', () => {
    const text = JSON.stringify(proof);
    expect(verifySmtProof(index, JSON.parse(text), 'spec')).toBe(true);
    for (const value of [proof.id, proof.nonce, proof.updateId, proof.collapsed, ...proof.hashes])
      expect(value).toHaveLength(43);
  });

  it('shows nothing about another index', () => {
    expect(verifySmtProof(leafIndex(bob.did), proof, 'spec')).toBe(false);
    expect(verifySmtProof(index.subarray(1), proof, 'spec')).toBe(false);
  });

  it.each<[string, unknown]>([
    ['null', null],
    ['undefined', undefined],
    ['a number', 7],
    ['a string', 'proof'],
    ['a list', []],
    ['nothing in it', {}],
    ['no id', { ...proof, id: undefined }],
    ['an id of another type', { ...proof, id: 7 }],
    ['no collapsed', { ...proof, collapsed: undefined }],
    ['hashes that are no list', { ...proof, hashes: proof.hashes[0] }],
    ['hashes that only look like a list', { ...proof, hashes: { ...proof.hashes, length: proof.hashes.length } }],
    ['hashes of another type', { ...proof, hashes: proof.hashes.map(() => null) }],
    ['257 hashes', { ...proof, hashes: Array(257).fill(proof.id) }],
    ['a null nonce', { ...proof, nonce: null }],
    ['an empty nonce', { ...proof, nonce: '' }],
    ['a nonce of 31 bytes', { ...proof, nonce: toBase64url(nonce.subarray(1)) }],
    ['a nonce of 33 bytes', { ...proof, nonce: toBase64url(Uint8Array.from([...nonce, 0])) }],
    ['a nonce in hex', { ...proof, nonce: Buffer.from(nonce).toString('hex') }],
    ['a null updateId', { ...proof, updateId: null }],
    ['an updateId with padding', { ...proof, updateId: `${proof.updateId}=` }],
    ['an updateId with stray low bits', { ...proof, updateId: `${proof.updateId!.slice(0, -1)}_` }],
    ['an updateId with a foreign letter', { ...proof, updateId: `${proof.updateId!.slice(0, -1)}+` }],
    ['lone surrogates', { ...proof, id: '\ud800'.repeat(43) }],
  ])('with %s is refused without a throw', (_, garbage) => {
    expect(decodeProof(garbage)).toBeNull();
    expect(verifySmtProof(index, garbage as SmtProof, 'spec')).toBe(false);
  });

  it.each<[string, SmtProof]>([
    ['its hashes in another order', { ...proof, hashes: proof.hashes.toReversed() }],
    ['the update of another member', { ...proof, updateId: toBase64url(bob.announcement) }],
    ['the nonce of another member', { ...proof, nonce: toBase64url(bob.nonce) }],
    ['another root', { ...proof, id: toBase64url(draw('root')) }],
    ['a bit of collapsed moved', { ...proof, collapsed: toBase64url(branch.collapsed.toReversed()) }],
  ])('with %s does not verify', (_, forged) => {
    expect(decodeProof(forged)).not.toBeNull();
    expect(verifySmtProof(index, forged, 'spec')).toBe(false);
  });

  it('of an index with an update cannot be passed off as empty, nor the other way round', () => {
    expect(
      verifySmtProof(index, { ...proof, nonce: undefined, updateId: undefined } as unknown as SmtProof, 'spec'),
    ).toBe(false);
    const absent = leafIndex('did:example:absent');
    const empty = encodeProof({ root: tree.root, branch: tree.prove(absent) });
    expect(verifySmtProof(absent, empty, 'spec')).toBe(true);
    expect(verifySmtProof(absent, { ...empty, nonce: toBase64url(nonce) }, 'spec')).toBe(false);
    expect(verifySmtProof(absent, { ...empty, updateId: toBase64url(announcement) }, 'spec')).toBe(false);
  });

  it('that lists an empty sibling is refused although its hashes would lead to the root', () => {
    // Not canonical: the same statement in a second form, which an honest resolver rejects as INVALID_SIGNAL_DATA.
    const collapsed = branch.collapsed.slice();
    collapsed[31]! &= 0xfe;
    const listed = { collapsed, hashes: [ZERO[0]!, ...branch.hashes] };
    expect(verifyBranch({ index, leaf: leafValue(alice), branch: listed, root: tree.root, order: 'spec' })).toBe(false);
  });
});

describe('a blinded proof', () => {
  const blinded = encodeProof({ root: tree.root, branch });

  it('shows the finished leaf, and with its parts the update', () => {
    expect(blinded).not.toHaveProperty('nonce');
    expect(verifyBranch({ index, leaf: leafValue(alice), branch, root: tree.root, order: 'spec' })).toBe(true);
    expect(verifySmtProof(index, blinded, 'spec')).toBe(false);
    expect(unblindProof(blinded, { nonce, announcement })).toEqual(proof);
  });

  it('takes nothing from the service about its parts', () => {
    const slipped = { ...blinded, nonce: toBase64url(draw('slipped in')), updateId: toBase64url(bob.announcement) };
    expect(unblindProof(slipped, { nonce, announcement })).toEqual(proof);
    expect(unblindProof(slipped, {})).toEqual(blinded);
  });

  it.each([
    ['leaf', { leaf: leafValue(bob) }],
    ['root', { root: draw('root') }],
    ['index', { index: leafIndex(bob.did) }],
    ['bit order', { order: 'lsb' as const }],
    ['length of the leaf', { leaf: new Uint8Array(31) }],
    ['length of the root', { root: new Uint8Array(33) }],
    ['length of collapsed', { branch: { ...branch, collapsed: branch.collapsed.subarray(1) } }],
    ['number of hashes', { branch: { ...branch, hashes: branch.hashes.slice(1) } }],
  ])('does not verify with another %s', (_, lie) => {
    const honest = { index, leaf: leafValue(alice), branch, root: tree.root, order: 'spec' as const };
    expect(verifyBranch({ ...honest, ...lie })).toBe(false);
  });
});

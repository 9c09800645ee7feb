import { base58 } from '@scure/base';
import { describe, expect, it } from 'vitest';
import { curve } from '#curve';
import { createProof, decodeMultikey, encodeMultikey, verifyProof } from '../../src/did/index.ts';
import vector from '../vectors/did/bip340-jcs-2025.json' with { type: 'json' };

const publicKey = decodeMultikey(vector.keyPair.publicKeyMultibase);
/** The multicodec prefix of a secp256k1 secret key takes two bytes. */
const secret = base58.decode(vector.keyPair.privateKeyMultibase.slice(1)).slice(2);
const signer = (hash: Uint8Array) => curve.signSchnorr(hash, secret, new Uint8Array(32));
const { proof, ...document } = vector.signed;
const { proofValue, ...proofConfig } = proof;

describe('Multikey', () => {
  it('reads and writes the published key', () => {
    expect(publicKey).toEqual(curve.publicKey(secret));
    expect(encodeMultikey(publicKey)).toBe(vector.keyPair.publicKeyMultibase);
  });

  it.each([
    ['an Ed25519 key', 'z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK'],
    ['a secret key', vector.keyPair.privateKeyMultibase],
    ['another base', vector.keyPair.publicKeyMultibase.replace('z', 'u')],
    ['no base58', 'zQ0'],
    ['nothing', ''],
    ['a point off the curve', `z${base58.encode(Uint8Array.of(0xe7, 1, 2, ...new Uint8Array(31), 5))}`],
    ['a key and more', `z${base58.encode(Uint8Array.of(0xe7, 1, ...publicKey, 0))}`],
    ['megabytes', `z${'Q'.repeat(2_000_000)}`],
  ])('refuses %s', (_, text) => {
    expect(() => decodeMultikey(text)).toThrow();
  });

  it('encodes points only', () => {
    expect(() => encodeMultikey(publicKey.subarray(1))).toThrow(TypeError);
  });
});

describe('bip340-jcs-2025', () => {
  it('verifies the published proof', () => {
    expect(document).toEqual(vector.unsigned);
    expect(verifyProof(vector.signed, publicKey)).toBe(true);
  });

  it('creates a proof that verifies', async () => {
    const made = await createProof(document, proofConfig, signer);
    expect(made).toEqual({ ...proofConfig, proofValue: expect.stringMatching(/^z/) });
    expect(verifyProof({ ...document, proof: made }, publicKey)).toBe(true);
  });

  const forged: [string, Record<string, unknown>][] = [
    ['an altered document', { ...vector.signed, name: 'Another Credential' }],
    ['an added member', { ...vector.signed, extra: true }],
    ['an altered proof option', { ...vector.signed, proof: { ...proof, proofPurpose: 'capabilityInvocation' } }],
    ['an added proof option', { ...vector.signed, proof: { ...proof, domain: 'x' } }],
    ['another cryptosuite', { ...vector.signed, proof: { ...proof, cryptosuite: 'bip340-rdfc-2025' } }],
    ['another type', { ...vector.signed, proof: { ...proof, type: 'Proof' } }],
    ['no proof', document],
    ['a list of proofs', { ...vector.signed, proof: [proof] }],
    ['no value', { ...document, proof: proofConfig }],
    ['another multibase', { ...vector.signed, proof: { ...proof, proofValue: proofValue.replace('z', 'u') } }],
    ['bad base58', { ...vector.signed, proof: { ...proof, proofValue: 'z0OIl' } }],
    [
      'a short signature',
      { ...vector.signed, proof: { ...proof, proofValue: `z${base58.encode(new Uint8Array(63))}` } },
    ],
    ['zeros', { ...vector.signed, proof: { ...proof, proofValue: `z${base58.encode(new Uint8Array(64))}` } }],
    ['no JSON', { ...vector.signed, when: new Date(0) }],
  ];
  it.each(forged)('does not verify %s', (_, secured) => {
    expect(verifyProof(secured, publicKey)).toBe(false);
  });

  it('does not verify under another key, or what is no key', () => {
    expect(verifyProof(vector.signed, curve.publicKey(new Uint8Array(32).fill(1)))).toBe(false);
    expect(verifyProof(vector.signed, publicKey.subarray(1))).toBe(false);
  });

  it('signs nothing that carries a proof, names another suite, or gets a signature of another size', async () => {
    await expect(createProof(vector.signed, proofConfig, signer)).rejects.toThrow(TypeError);
    await expect(createProof(document, proof, signer)).rejects.toThrow(TypeError);
    await expect(createProof(document, { ...proofConfig, cryptosuite: 'x' }, signer)).rejects.toThrow(TypeError);
    await expect(createProof(document, proofConfig, () => new Uint8Array(65))).rejects.toThrow(TypeError);
  });
});

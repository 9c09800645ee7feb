import { beforeAll, describe, expect, it } from 'vitest';
import { toBase64url } from '../../src/crypto/index.ts';
import {
  announcementOf,
  applyUpdate,
  createProof,
  DEACTIVATE,
  type DidDocument,
  DidError,
  documentOfGenesis,
  draftUpdate,
  encodeMultikey,
  initialDocument,
  jsonHash64,
  MAX_UPDATE_LENGTH,
  parseUpdate,
  type SignedUpdate,
  signUpdate,
  UPDATE_CONTEXTS,
  verifyProof,
} from '../../src/did/index.ts';
import examples from '../vectors/did/examples.json' with { type: 'json' };
import { controllerOf, failureOf, updateOf } from './fixtures.ts';

const alice = controllerOf(1);
const mallory = controllerOf(2);
const document = initialDocument(alice.did);
const patch = [{ op: 'add' as const, path: '/alsoKnownAs', value: ['https://alice.example'] }];

/** Signs anything at all, as a controller with broken software would. */
async function resign(update: Record<string, unknown>, options: object = {}, by = alice): Promise<unknown> {
  const { proof, ...unsigned } = update;
  const { proofValue: _, ...config } = { ...(proof as Record<string, unknown>), ...options };
  return { ...unsigned, proof: await createProof(unsigned, config, by.signer) };
}

const apply = (update: unknown, more: { document?: DidDocument; versionId?: number; blockTime?: number } = {}) =>
  applyUpdate({ did: alice.did, document, versionId: 1, update, ...more });

const refusalOf = async (run: () => unknown) => {
  const error = await failureOf(run);
  return error instanceof DidError ? [error.code, error.detail.field] : error;
};

let update: SignedUpdate;
beforeAll(async () => {
  update = await updateOf(alice, document, 1, patch);
});

describe('the published update', () => {
  const { did, genesisDocument, signedUpdate } = examples.external;
  const first = documentOfGenesis(did, genesisDocument);

  it('applies to the published document', () => {
    const result = applyUpdate({ did, document: first, versionId: 1, update: signedUpdate });
    expect(jsonHash64(result)).toBe(signedUpdate.targetHash);
    expect(result.verificationMethod).toHaveLength(2);
    expect(result.authentication).toEqual([`${did}#key-1`]);
  });

  it('is what we would have drafted', () => {
    const { proof, ...unsigned } = signedUpdate;
    const drafted = draftUpdate({ document: first, versionId: 1, patch: parseUpdate(signedUpdate).patch });
    expect(drafted).toEqual(unsigned);
    expect(proof['@context']).toEqual([...UPDATE_CONTEXTS]);
  });
});

describe('an update', () => {
  it('is drafted, signed and applied', () => {
    expect(update).toEqual({
      '@context': [...UPDATE_CONTEXTS],
      patch,
      sourceHash: jsonHash64(document),
      targetHash: jsonHash64({ ...document, alsoKnownAs: ['https://alice.example'] }),
      targetVersionId: 2,
      proof: {
        '@context': [...UPDATE_CONTEXTS],
        type: 'DataIntegrityProof',
        cryptosuite: 'bip340-jcs-2025',
        verificationMethod: `${alice.did}#initialKey`,
        proofPurpose: 'capabilityInvocation',
        capability: `urn:zcap:root:${alice.did.replaceAll(':', '%3A')}`,
        capabilityAction: 'Write',
        proofValue: expect.any(String),
      },
    });
    expect(verifyProof(update, alice.publicKey)).toBe(true);
    expect(apply(update)).toEqual({ ...document, alsoKnownAs: ['https://alice.example'] });
    expect(toBase64url(announcementOf(update))).toBe(jsonHash64(update));
  });

  it('leaves what it is applied to as it was', () => {
    const before = JSON.stringify([document, update]);
    apply(update);
    expect(JSON.stringify([document, update])).toBe(before);
  });

  it('carries a copy of the patch, which nobody can change under the signature', () => {
    const mine = structuredClone(patch);
    const drafted = draftUpdate({ document, versionId: 1, patch: mine });
    mine[0]!.value.push('https://mallory.example');
    expect(drafted.patch).toEqual(patch);
  });

  it('may name its key by a relative URL, in the document and in the proof', async () => {
    const relative = { ...document, capabilityInvocation: ['#initialKey'] };
    const signed = await updateOf(alice, relative, 1, patch);
    expect(signed.proof.verificationMethod).toBe(`${alice.did}#initialKey`);
    expect(apply(signed, { document: relative })).toHaveProperty('alsoKnownAs');
    const byFragment = await resign(signed, { verificationMethod: '#initialKey' });
    expect(apply(byFragment, { document: relative })).toHaveProperty('alsoKnownAs');
  });

  it('may be signed with an embedded key', async () => {
    const embedded = {
      id: '#hot',
      type: 'Multikey',
      controller: alice.did,
      publicKeyMultibase: encodeMultikey(mallory.publicKey),
    };
    const other = { ...document, capabilityInvocation: [embedded] };
    const signed = await updateOf(mallory, other, 1, patch, '#hot');
    expect(apply(signed, { document: other })).toHaveProperty('alsoKnownAs');
  });

  it('has its dates judged against the block that announced it', async () => {
    const dated = await resign(update, { created: '2026-01-01T00:00:00Z', expires: '2026-02-01T00:00:00Z' });
    const at = (text: string) => ({ blockTime: Date.parse(text) / 1000 });
    expect(apply(dated, at('2026-01-01T00:00:00Z'))).toHaveProperty('alsoKnownAs');
    expect(apply(dated, at('2026-02-01T00:00:00Z'))).toHaveProperty('alsoKnownAs');
    expect(await refusalOf(() => apply(dated, at('2025-12-31T23:59:59Z')))).toEqual([
      'INVALID_DID_UPDATE',
      'proof.created',
    ]);
    expect(await refusalOf(() => apply(dated, at('2026-02-01T00:00:01Z')))).toEqual([
      'INVALID_DID_UPDATE',
      'proof.expires',
    ]);
  });
});

describe('an update that is wrong in any way is refused, although its signature is right', () => {
  const reordered = [UPDATE_CONTEXTS[1], UPDATE_CONTEXTS[0], UPDATE_CONTEXTS[2], UPDATE_CONTEXTS[3]];
  const cases: [string, string, object, object?][] = [
    ['contexts in another order', '@context.0', { '@context': reordered }],
    ['a context too few', '@context', { '@context': UPDATE_CONTEXTS.slice(0, 3) }],
    ['a context too many', '@context', { '@context': [...UPDATE_CONTEXTS, 'https://example.com'] }],
    ['another context in the proof', 'proof.@context.0', {}, { '@context': reordered }],
    ['another purpose', 'proof.proofPurpose', {}, { proofPurpose: 'assertionMethod' }],
    ['another action', 'proof.capabilityAction', {}, { capabilityAction: 'Read' }],
    ['the capability of another DID', 'proof.capability', {}, { capability: 'urn:zcap:root:did%3Abtcr2%3Ax' }],
    ['a capability that is not encoded', 'proof.capability', {}, { capability: `urn:zcap:root:${alice.did}` }],
    ['a key that is not there', 'proof.verificationMethod', {}, { verificationMethod: `${alice.did}#other` }],
    ['a key of another DID', 'proof.verificationMethod', {}, { verificationMethod: `${mallory.did}#initialKey` }],
    ['another version', 'targetVersionId', { targetVersionId: 3 }],
    ['version 1', 'targetVersionId', { targetVersionId: 1 }],
    ['a version as text', 'targetVersionId', { targetVersionId: '2' }],
    ['half a version', 'targetVersionId', { targetVersionId: 2.5 }],
    ['another source', 'sourceHash', { sourceHash: jsonHash64({}) }],
    ['a hash with padding', 'sourceHash', { sourceHash: `${jsonHash64(document)}=` }],
    ['another target', 'targetHash', { targetHash: jsonHash64({}) }],
    ['a patch that fails', 'patch.0', { patch: [{ op: 'remove', path: '/absent' }] }],
    ['a patch with a failing test', 'patch.0', { patch: [{ op: 'test', path: '/id', value: 'x' }] }],
    ['a patch that changes the id', 'patch', { patch: [{ op: 'replace', path: '/id', value: mallory.did }] }],
    ['a patch that leaves no DID document', '@context', { patch: [{ op: 'remove', path: '/@context' }] }],
    ['a patch of patches', 'patch.0', { patch: [patch] }],
    ['a member too many', '', { note: 1 }],
    ['a proof member too many', 'proof', {}, { nonce: 'x' }],
  ];
  it.each(cases)('%s', async (_, field, change, options) => {
    const forged = await resign({ ...update, ...change }, options);
    expect(await refusalOf(() => apply(forged))).toEqual(['INVALID_DID_UPDATE', field]);
  });

  it('the key of somebody else', async () => {
    const forged = await resign(update, {}, mallory);
    expect(await refusalOf(() => apply(forged))).toEqual(['INVALID_DID_UPDATE', 'proof.proofValue']);
  });

  it('a key for other purposes only', async () => {
    const other = { ...document, capabilityInvocation: [] };
    const signed = await updateOf(alice, other, 1, patch, '#initialKey');
    expect(await refusalOf(() => apply(signed, { document: other }))).toEqual([
      'INVALID_DID_UPDATE',
      'proof.verificationMethod',
    ]);
  });

  it('a patch altered after it was signed', async () => {
    const forged = { ...update, patch: [...patch, { op: 'remove', path: '/service' }] };
    expect(await refusalOf(() => apply(forged))).toEqual(['INVALID_DID_UPDATE', 'proof.proofValue']);
  });

  it('no proof, no object, no JSON', async () => {
    const { proof: _, ...unsigned } = update;
    expect(await refusalOf(() => apply(unsigned))).toEqual(['INVALID_DID_UPDATE', 'proof']);
    expect(await refusalOf(() => apply(null))).toEqual(['INVALID_DID_UPDATE', '']);
    expect(await refusalOf(() => apply({ ...update, targetVersionId: Number.NaN }))).toEqual([
      'INVALID_DID_UPDATE',
      undefined,
    ]);
  });

  it('one that is too long', async () => {
    const long = { ...update, patch: [{ op: 'add', path: '/note', value: 'x'.repeat(MAX_UPDATE_LENGTH) }] };
    expect(await refusalOf(() => apply(long))).toEqual(['INVALID_DID_UPDATE', undefined]);
  });

  it('one for another document, or for a deactivated one', async () => {
    expect(await refusalOf(() => apply(update, { document: initialDocument(mallory.did) }))).toEqual([
      'INVALID_DID_UPDATE',
      'did',
    ]);
    const ended = { ...document, deactivated: true };
    const signed = await updateOf(alice, ended, 1, patch);
    expect(await refusalOf(() => apply(signed, { document: ended }))).toEqual(['INVALID_DID_UPDATE', 'deactivated']);
  });
});

describe('drafting', () => {
  it.each([
    ['a patch that fails', [{ op: 'remove' as const, path: '/absent' }]],
    ['a patch that changes the id', [{ op: 'replace' as const, path: '/id', value: mallory.did }]],
    ['a patch that leaves no DID document', [{ op: 'add' as const, path: '/service', value: 'none' }]],
  ])('refuses %s', async (_, bad) => {
    expect(await refusalOf(() => draftUpdate({ document, versionId: 1, patch: bad }))).toEqual([
      'INVALID_DID_UPDATE',
      expect.any(String),
    ]);
  });

  it('makes a deactivation', async () => {
    const signed = await updateOf(alice, document, 1, DEACTIVATE);
    expect(apply(signed)).toEqual({ ...document, deactivated: true });
  });

  it('never hands out a signature of the wrong size', async () => {
    const unsigned = draftUpdate({ document, versionId: 1, patch });
    const broken = { did: alice.did, verificationMethod: '#initialKey', signer: () => new Uint8Array(32) };
    await expect(signUpdate(unsigned, broken)).rejects.toThrow(TypeError);
  });
});

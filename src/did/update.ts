import { z } from 'zod';
import { type Bytes, fromBase64url } from '../crypto/index.ts';
import { CRYPTOSUITE, createProof, type Signer, verifyProof } from './data-integrity.ts';
import { absoluteUrl, type DidDocument, isDeactivated, parseDocument } from './document.ts';
import { DidError } from './errors.ts';
import { copyJson, jcs, jsonHash, jsonHash64 } from './jcs.ts';
import { applyPatch, type Patch, patchSchema } from './patch.ts';
import { verificationMethodFor } from './verification-method.ts';

/** Contexts of an update and of its proof: exactly these, in this order. */
export const UPDATE_CONTEXTS = [
  'https://w3id.org/json-ld-patch/v1',
  'https://w3id.org/zcap/v1',
  'https://w3id.org/security/data-integrity/v2',
  'https://btcr2.dev/context/v1',
] as const;

/** Longest signed update that is accepted, in characters of canonical JSON. */
export const MAX_UPDATE_LENGTH = 262_144;

const contexts = z.tuple([
  z.literal(UPDATE_CONTEXTS[0]),
  z.literal(UPDATE_CONTEXTS[1]),
  z.literal(UPDATE_CONTEXTS[2]),
  z.literal(UPDATE_CONTEXTS[3]),
]);
const hash = z.string().refine(isHash, '32 bytes in base64url');
const dateTime = z.iso.datetime({ offset: true });

/** An update before it is signed (chapter Data Structures, BTCR2 Unsigned Update). Hashes are base64url. */
export const unsignedUpdateSchema = z.strictObject({
  '@context': contexts,
  patch: patchSchema,
  sourceHash: hash,
  targetHash: hash,
  targetVersionId: z.int().min(2),
});

const proof = z.strictObject({
  '@context': contexts,
  type: z.literal('DataIntegrityProof'),
  cryptosuite: z.literal(CRYPTOSUITE),
  created: dateTime.optional(),
  expires: dateTime.optional(),
  verificationMethod: z.string().min(1),
  proofPurpose: z.literal('capabilityInvocation'),
  capability: z.string(),
  capabilityAction: z.literal('Write'),
  proofValue: z.string(),
});

/** An update with its proof (chapter Data Structures, BTCR2 Signed Update). */
export const signedUpdateSchema = unsignedUpdateSchema.extend({ proof });

export type UnsignedUpdate = z.infer<typeof unsignedUpdateSchema>;
export type SignedUpdate = z.infer<typeof signedUpdateSchema>;

/**
 * The unsigned update that makes the next version of a document; `versionId` is what a fresh resolution reported.
 * Throws INVALID_DID_UPDATE if the patch fails, changes the id, or leaves no valid DID document.
 */
export function draftUpdate(params: { document: DidDocument; versionId: number; patch: Patch }): UnsignedUpdate {
  const { document, versionId, patch } = params;
  const target = applyPatch(document, patch);
  parseDocument(target, document.id, 'INVALID_DID_UPDATE');
  return parseAs(unsignedUpdateSchema, {
    '@context': [...UPDATE_CONTEXTS],
    // A copy, so that what is signed cannot change under the signature.
    patch: copyJson(patch),
    sourceHash: jsonHash64(document),
    targetHash: jsonHash64(target),
    targetVersionId: versionId + 1,
  });
}

/**
 * Signs an update with a key of the document's `capabilityInvocation`; `verificationMethod` is its DID URL.
 * The proof has no `created` or `expires`, which would be checked against a block that nobody knows yet.
 * Whoever lets the update out verifies it first with {@link applyUpdate}: a wrong one, once announced, ends the DID.
 */
export async function signUpdate(
  unsigned: UnsignedUpdate,
  params: { did: string; verificationMethod: string; signer: Signer },
): Promise<SignedUpdate> {
  const proofConfig = {
    '@context': [...UPDATE_CONTEXTS],
    type: 'DataIntegrityProof',
    cryptosuite: CRYPTOSUITE,
    verificationMethod: absoluteUrl(params.verificationMethod, params.did),
    proofPurpose: 'capabilityInvocation',
    capability: rootCapability(params.did),
    capabilityAction: 'Write',
  };
  return parseAs(signedUpdateSchema, { ...unsigned, proof: await createProof(unsigned, proofConfig, params.signer) });
}

/** What is announced of a signed update: its JSON Document Hash, proof included, 32 bytes. */
export const announcementOf = (signed: SignedUpdate): Bytes => jsonHash(signed);

/** The capability that an update of this DID invokes (chapter Data Structures, Root Capability). */
export const rootCapability = (did: string): string => `urn:zcap:root:${encodeURIComponent(did)}`;

/** The value as a signed update, itself and not a copy. Throws INVALID_DID_UPDATE, naming the field. */
export function parseUpdate(value: unknown): SignedUpdate {
  const length = canonicalLength(value);
  if (length > MAX_UPDATE_LENGTH) throw invalid(`longer than ${MAX_UPDATE_LENGTH} characters`);
  return parseAs(signedUpdateSchema, value);
}

/**
 * The document that a signed update makes of `document`, the version `versionId` of `did` (chapter Resolve, Apply
 * Update). `blockTime` is the mediantime (Unix seconds) of the block that announced it; without one the proof's dates
 * are not judged. Throws INVALID_DID_UPDATE naming the field: shape, contexts, version, sourceHash, capability, a key
 * that `capabilityInvocation` does not list, dates, proof, patch, result, targetHash, or a deactivated document.
 */
export function applyUpdate(params: {
  did: string;
  document: DidDocument;
  versionId: number;
  update: unknown;
  blockTime?: number;
}): DidDocument {
  const { did, document, versionId, blockTime } = params;
  const update = parseUpdate(params.update);
  if (document.id !== did) throw invalid('the document is of another DID', 'did');
  if (isDeactivated(document)) throw invalid('the DID is deactivated', 'deactivated');
  if (update.targetVersionId !== versionId + 1) throw invalid('not the next version', 'targetVersionId');
  if (update.sourceHash !== jsonHash64(document)) throw invalid('made for another document', 'sourceHash');
  checkProof(did, document, update, blockTime);
  const target = parseDocument(applyPatch(document, update.patch), did, 'INVALID_DID_UPDATE');
  if (update.targetHash !== jsonHash64(target)) throw invalid('the patch gives another document', 'targetHash');
  return target;
}

function checkProof(did: string, document: DidDocument, update: SignedUpdate, blockTime: number | undefined): void {
  const { capability, verificationMethod, created, expires } = update.proof;
  if (capability !== rootCapability(did)) throw invalid('the capability is of another DID', 'proof.capability');
  const publicKey = verificationMethodFor(document, 'capabilityInvocation', verificationMethod);
  if (publicKey === null) throw invalid('not a key of capabilityInvocation', 'proof.verificationMethod');
  if (blockTime !== undefined && created !== undefined && Date.parse(created) > blockTime * 1000)
    throw invalid('created after its block', 'proof.created');
  if (blockTime !== undefined && expires !== undefined && Date.parse(expires) < blockTime * 1000)
    throw invalid('expired before its block', 'proof.expires');
  if (!verifyProof(update, publicKey)) throw invalid('the proof does not verify', 'proof.proofValue');
}

/** Parses, but gives back the value itself: hashes and proofs are over what came in, not over a copy. */
function parseAs<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return value as T;
  const issue = parsed.error.issues[0];
  throw invalid(issue?.message ?? 'malformed', issue?.path.join('.'));
}

function canonicalLength(value: unknown): number {
  try {
    return jcs(value).length;
  } catch (cause) {
    throw new DidError('INVALID_DID_UPDATE', 'the update is not JSON', {}, { cause });
  }
}

function isHash(text: string): boolean {
  try {
    return fromBase64url(text, 32).length === 32;
  } catch {
    return false;
  }
}

const invalid = (message: string, field?: string): DidError =>
  new DidError('INVALID_DID_UPDATE', message, field === undefined ? {} : { field });

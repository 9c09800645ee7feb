import { z } from 'zod';
import { DidError, type DidErrorCode } from './errors.ts';
import { jcs } from './jcs.ts';

export const DOCUMENT_CONTEXTS = ['https://www.w3.org/ns/did/v1.1', 'https://btcr2.dev/context/v1'] as const;

const did = z.string().regex(/^did:[a-z0-9]+:[^\s/?#]+$/);
const didUrl = z
  .string()
  .regex(/^(?:did:[a-z0-9]+:[^\s/?#]+)?(?:[/?#]\S*)?$/)
  .min(1);

const verificationMethod = z.looseObject({
  id: didUrl,
  type: z.string().min(1),
  controller: did,
  publicKeyMultibase: z.string().optional(),
});

const relationship = z.array(z.union([didUrl, verificationMethod]));

const serviceEndpoint = z.union([z.string(), z.looseObject({})]);

const service = z.looseObject({
  id: z.string().optional(),
  type: z.union([z.string(), z.array(z.string())]),
  serviceEndpoint: z.union([serviceEndpoint, z.array(serviceEndpoint)]),
});

/** A DID document (DID Core 1.1 as did:btcr2 narrows it): strict in what resolution reads, open for other properties. */
export const didDocumentSchema = z.looseObject({
  '@context': z
    .array(z.union([z.string(), z.looseObject({})]))
    .refine(contexts => contexts[0] === DOCUMENT_CONTEXTS[0] && contexts.includes(DOCUMENT_CONTEXTS[1]), {
      error: `@context begins with ${DOCUMENT_CONTEXTS[0]} and contains ${DOCUMENT_CONTEXTS[1]}`,
    }),
  id: did,
  controller: z.union([did, z.array(did)]).optional(),
  alsoKnownAs: z.array(z.string()).optional(),
  verificationMethod: z.array(verificationMethod).optional(),
  authentication: relationship.optional(),
  assertionMethod: relationship.optional(),
  keyAgreement: relationship.optional(),
  capabilityInvocation: relationship.optional(),
  capabilityDelegation: relationship.optional(),
  service: z.array(service).optional(),
  deactivated: z.boolean().optional(),
});

export type DidDocument = z.infer<typeof didDocumentSchema>;
export type Service = z.infer<typeof service>;

/**
 * The value as the DID document of `did`, itself and not a copy, since hashes are taken of it.
 * Throws `code` (INVALID_DID_DOCUMENT unless told), naming the property, if it is no valid document, has another id,
 * or holds what JSON cannot say.
 */
export function parseDocument(value: unknown, did: string, code: DidErrorCode = 'INVALID_DID_DOCUMENT'): DidDocument {
  const parsed = didDocumentSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new DidError(code, `not a DID document: ${issue?.message}`, { did, field: issue?.path.join('.') ?? '' });
  }
  if (parsed.data.id !== did) throw new DidError(code, 'the document has another id', { did, field: 'id' });
  try {
    jcs(value);
  } catch (cause) {
    throw new DidError(code, 'the document is not JSON', { did }, { cause });
  }
  return value as DidDocument;
}

/** Whether the document ends its DID for good. */
export const isDeactivated = (document: DidDocument): boolean => document.deactivated === true;

/** A DID URL resolved against the DID it stands in. */
export const absoluteUrl = (url: string, did: string): string => (/^[#/?]/.test(url) ? did + url : url);

import type { Bytes } from '../crypto/index.ts';
import { absoluteUrl, type DidDocument } from './document.ts';
import { decodeMultikey } from './multikey.ts';

/** Verification relationships that a key can be listed for. */
export type Purpose =
  | 'authentication'
  | 'assertionMethod'
  | 'keyAgreement'
  | 'capabilityInvocation'
  | 'capabilityDelegation';

/**
 * The 33-byte key that the document lists for `purpose` under the DID URL `id`, by reference or embedded; relative URLs
 * on either side are resolved against the document's id before they are compared (DID Core, Relative DID URLs).
 * Null if it is not listed there, or is no secp256k1 Multikey.
 */
export function verificationMethodFor(document: DidDocument, purpose: Purpose, id: string): Bytes | null {
  const wanted = absoluteUrl(id, document.id);
  const listed = (document[purpose] ?? []).find(
    entry => absoluteUrl(typeof entry === 'string' ? entry : entry.id, document.id) === wanted,
  );
  if (listed === undefined) return null;
  const method =
    typeof listed === 'string'
      ? document.verificationMethod?.find(entry => absoluteUrl(entry.id, document.id) === wanted)
      : listed;
  if (method?.type !== 'Multikey' || method.publicKeyMultibase === undefined) return null;
  try {
    return decodeMultikey(method.publicKeyMultibase);
  } catch {
    return null;
  }
}

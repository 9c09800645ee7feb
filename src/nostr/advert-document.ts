import type { Network } from '../bitcoin/network.ts';
import { toHex } from '../crypto/index.ts';
import {
  CRYPTOSUITE,
  createProof,
  DidError,
  decodeDid,
  initialDocument,
  jcs,
  type Signer,
  verificationMethodFor,
  verifyProof,
} from '../did/index.ts';
import { readTerms, type Terms } from '../messages/index.ts';
import { isRecord } from './json.ts';

/** The terms of an advert with the proof of their aggregator: what stands on a website or in print. */
export type AdvertDocument = Terms & { proof: NonNullable<Terms['proof']> };

/**
 * Signs terms as a document: adds a bip340-jcs-2025 proof by `#initialKey` of the aggregator's `k` DID, for
 * `assertionMethod` (Data Integrity). `signer` signs 32 bytes with the identity key. The JCS of the result is what an
 * advert's content has to be from its first event on: members agree to the hash of those bytes.
 * Throws a TypeError for terms that carry a proof already, or a signature that is not 64 bytes.
 */
export async function advertDocument(terms: Terms, signer: Signer): Promise<AdvertDocument> {
  const proof = {
    type: 'DataIntegrityProof',
    cryptosuite: CRYPTOSUITE,
    verificationMethod: `${terms.aggregator_did}#initialKey`,
    proofPurpose: 'assertionMethod',
  } as const;
  return { ...terms, proof: await createProof({ ...terms }, proof, signer) };
}

export type AdvertDocumentRead =
  | {
      readonly ok: true;
      readonly terms: AdvertDocument;
      /** sha256 of the canonical JSON, hex: what the advert's events have as their content's hash. */
      readonly terms_hash: string;
      /** x-only key of the aggregator. */
      readonly identity: string;
    }
  | { readonly ok: false; readonly reason: string };

/**
 * Verifies terms that stand on their own, parsed from JSON in any spelling: the schema, and a proof by the key that
 * their `aggregator_did` is made of. Never throws. Says nothing about whether the offer is still open: only an event does.
 */
export function verifyAdvertDocument(value: unknown): AdvertDocumentRead {
  const no = (reason: string): AdvertDocumentRead => ({ ok: false, reason });
  if (!isRecord(value)) return no('not a JSON object');
  const content = canonical(value);
  if (content === null) return no('no canonical JSON');
  const read = readTerms(content);
  if (!read.ok) return no(`terms: ${read.field}: ${read.text}`);
  const { terms, terms_hash } = read;
  const { proof, aggregator_did, btc_network } = terms;
  if (proof === undefined) return no('the terms carry no proof');
  const signer = signerOf(aggregator_did, btc_network, proof.verificationMethod);
  if (signer === null) return no('the proof is not by the first key of aggregator_did');
  // What came in and not the parser's copy, which spells the seed's type names anew.
  if (!verifyProof(value, signer.key)) return no('the proof does not verify');
  return { ok: true, terms: { ...terms, proof }, terms_hash, identity: signer.identity };
}

function canonical(value: unknown): string | null {
  try {
    return jcs(value);
  } catch {
    return null;
  }
}

function signerOf(did: string, network: Network, method: string) {
  try {
    if (decodeDid(did).network !== network) return null;
    const key = verificationMethodFor(initialDocument(did), 'assertionMethod', method);
    // A Nostr identity has even y, and the advert's events come from it.
    return key?.[0] === 2 ? { key, identity: toHex(key.subarray(1)) } : null;
  } catch (error) {
    if (error instanceof DidError) return null;
    throw error;
  }
}

import { base58 } from '@scure/base';
import { curve } from '#curve';
import { type Bytes, concatBytes, sha256 } from '../crypto/index.ts';
import { jsonHash } from './jcs.ts';

export const CRYPTOSUITE = 'bip340-jcs-2025';

/** Signs a 32-byte hash with BIP-340; gives 64 bytes. The secret stays with whoever made the signer. */
export type Signer = (hash32: Bytes) => Bytes | Promise<Bytes>;

type JsonObject = Readonly<Record<string, unknown>>;

/** 64 bytes take at most 88 characters of base58, whose decoding is quadratic. */
const MAX_PROOF_VALUE = 96;

/** The 32 bytes that a bip340-jcs-2025 proof signs: sha256(sha256(JCS(proof config)) || sha256(JCS(document without proof))). */
export const proofHash = (document: JsonObject, proofConfig: JsonObject): Bytes =>
  sha256(concatBytes(jsonHash(proofConfig), jsonHash(document)));

/**
 * The Data Integrity proof of `document` under `proofConfig` (the proof without `proofValue`), signed by `signer`.
 * Throws a TypeError for another cryptosuite, a document that carries a proof, or a signature that is not 64 bytes.
 */
export async function createProof<Config extends JsonObject>(
  document: JsonObject,
  proofConfig: Config,
  signer: Signer,
): Promise<Config & { proofValue: string }> {
  if (!namesSuite(proofConfig)) throw new TypeError(`not a ${CRYPTOSUITE} proof configuration`);
  if ('proof' in document || 'proofValue' in proofConfig) throw new TypeError('the document carries a proof already');
  const signature = await signer(proofHash(document, proofConfig));
  if (signature.length !== 64) throw new TypeError('a BIP-340 signature is 64 bytes');
  return { ...proofConfig, proofValue: `z${base58.encode(signature)}` };
}

/**
 * Whether the `proof` inside `secured` is a bip340-jcs-2025 proof over the rest of it by the 33-byte compressed
 * `publicKey` (BIP-340 uses its x coordinate). False for anything malformed; says nothing about purpose or authority.
 */
export function verifyProof(secured: JsonObject, publicKey: Bytes): boolean {
  const { proof, ...document } = secured;
  if (!isObject(proof) || !namesSuite(proof)) return false;
  const { proofValue, ...proofConfig } = proof;
  const signature = decodeSignature(proofValue);
  if (signature === null || !curve.isCompressedPoint(publicKey)) return false;
  try {
    return curve.verifySchnorr(proofHash(document, proofConfig), publicKey.subarray(1), signature);
  } catch (error) {
    // No canonical form, hence no signature over it.
    if (error instanceof TypeError) return false;
    throw error;
  }
}

const namesSuite = (proof: JsonObject): boolean =>
  proof.type === 'DataIntegrityProof' && proof.cryptosuite === CRYPTOSUITE;

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function decodeSignature(proofValue: unknown): Bytes | null {
  if (typeof proofValue !== 'string' || proofValue.length > MAX_PROOF_VALUE || !proofValue.startsWith('z')) return null;
  try {
    const signature = base58.decode(proofValue.slice(1));
    return signature.length === 64 ? signature : null;
  } catch {
    return null;
  }
}

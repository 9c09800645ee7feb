import { z } from 'zod';
import type { Network } from '../bitcoin/network.ts';
import { type Bytes, equalBytes } from '../crypto/index.ts';
import { singletonAddresses } from './addresses.ts';
import { DidError, type DidErrorCode } from './errors.ts';
import { decodeDid, encodeDid } from './identifier.ts';
import { jcs, jsonHash } from './jcs.ts';
import { decodeMultikey, encodeMultikey } from './multikey.ts';

export const DOCUMENT_CONTEXTS = ['https://www.w3.org/ns/did/v1.1', 'https://btcr2.dev/context/v1'] as const;

/** Stands for the DID inside a genesis document, whose hash the DID is made of. */
export const PLACEHOLDER_DID = 'did:btcr2:_';

export const BEACON_TYPES = ['SingletonBeacon', 'SMTBeacon', 'CASBeacon'] as const;
export type BeaconType = (typeof BEACON_TYPES)[number];

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

/** Verification relationships that a key can be listed for. */
export type Purpose =
  | 'authentication'
  | 'assertionMethod'
  | 'keyAgreement'
  | 'capabilityInvocation'
  | 'capabilityDelegation';

/** A beacon that a document lists. `id` is absolute, or empty where the service has none. */
export interface BeaconService {
  id: string;
  type: BeaconType;
  address: string;
}

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

/** The first document of a `k` DID, rendered from its key (chapter Resolve, Initial DID Document). Throws INVALID_DID for an `x` DID. */
export function initialDocument(did: string): DidDocument {
  const { kind, network, genesisBytes } = decodeDid(did);
  if (kind !== 'key') throw new DidError('INVALID_DID', 'not made from a key', { did });
  const addresses = singletonAddresses(genesisBytes, network);
  const key = `${did}#initialKey`;
  return {
    '@context': [...DOCUMENT_CONTEXTS],
    id: did,
    verificationMethod: [
      { id: key, type: 'Multikey', controller: did, publicKeyMultibase: encodeMultikey(genesisBytes) },
    ],
    authentication: [key],
    assertionMethod: [key],
    capabilityInvocation: [key],
    capabilityDelegation: [key],
    service: [
      beaconService(`${did}#initialP2PKH`, 'SingletonBeacon', addresses.p2pkh),
      beaconService(`${did}#initialP2WPKH`, 'SingletonBeacon', addresses.p2wpkh),
      beaconService(`${did}#initialP2TR`, 'SingletonBeacon', addresses.p2tr),
    ],
  };
}

/** A service that lists a beacon address, as a document carries it. */
export const beaconService = (id: string, type: BeaconType, address: string) => ({
  id,
  type,
  serviceEndpoint: `bitcoin:${address}`,
});

export interface GenesisParams {
  /** 33-byte compressed key; becomes `#key-0` in all four relationships. */
  publicKey: Bytes;
  /** The network of the DID to be, for the address of the controller's own beacon. */
  network: Network;
  /** Beacons and other services; ids may be relative (`#smt`). */
  services?: readonly Service[];
  /**
   * Adds `#singleton`, a SingletonBeacon at the P2TR address of `publicKey`; true unless told. With n-of-n beacons
   * alone, one lost cohort key would freeze the document for good.
   */
  singleton?: boolean;
}

/** The genesis document of an `x` DID (chapter Data Structures): its id is the placeholder, relative ids are made absolute. */
export function genesisDocument(params: GenesisParams): DidDocument {
  const key = `${PLACEHOLDER_DID}#key-0`;
  const services = (params.services ?? []).map(service =>
    service.id === undefined ? service : { ...service, id: absoluteUrl(service.id, PLACEHOLDER_DID) },
  );
  if (params.singleton !== false) {
    const { p2tr } = singletonAddresses(params.publicKey, params.network);
    services.push(beaconService(`${PLACEHOLDER_DID}#singleton`, 'SingletonBeacon', p2tr));
  }
  const document = {
    '@context': [...DOCUMENT_CONTEXTS],
    id: PLACEHOLDER_DID,
    verificationMethod: [
      { id: key, type: 'Multikey', controller: PLACEHOLDER_DID, publicKeyMultibase: encodeMultikey(params.publicKey) },
    ],
    authentication: [key],
    assertionMethod: [key],
    capabilityInvocation: [key],
    capabilityDelegation: [key],
    service: services,
  };
  return parseDocument(document, PLACEHOLDER_DID);
}

/** The `x` DID of a genesis document on a network. Throws INVALID_DID_DOCUMENT if it is none. */
export const didOfGenesis = (genesis: unknown, network: Network): string =>
  encodeDid({
    version: 1,
    network,
    kind: 'external',
    genesisBytes: jsonHash(parseDocument(genesis, PLACEHOLDER_DID)),
  });

/**
 * The first document of an `x` DID: its genesis document with the placeholder replaced everywhere.
 * Throws INVALID_DID if the DID is not made of this genesis document, INVALID_DID_DOCUMENT if the result is none.
 */
export function documentOfGenesis(did: string, genesis: unknown): DidDocument {
  const { kind, genesisBytes } = decodeDid(did);
  if (kind !== 'external') throw new DidError('INVALID_DID', 'not made from a genesis document', { did });
  const text = canonical(genesis, did);
  if (!equalBytes(jsonHash(genesis), genesisBytes))
    throw new DidError('INVALID_DID', 'the genesis document has another hash', { did, field: 'genesisDocument' });
  return parseDocument(JSON.parse(text.replaceAll(PLACEHOLDER_DID, did)), did);
}

function canonical(genesis: unknown, did: string): string {
  try {
    return jcs(genesis);
  } catch (cause) {
    throw new DidError('INVALID_DID', 'the genesis document is not JSON', { did, field: 'genesisDocument' }, { cause });
  }
}

/** The beacons that a document lists, in its order; services of other types and endpoints that are no `bitcoin:` URI are left out. */
export function beaconServices(document: DidDocument): BeaconService[] {
  return (document.service ?? []).flatMap(service => {
    const type = BEACON_TYPES.find(known => [service.type].flat().includes(known));
    const address = addressOf(service.serviceEndpoint);
    if (type === undefined || address === null) return [];
    return [{ id: service.id === undefined ? '' : absoluteUrl(service.id, document.id), type, address }];
  });
}

function addressOf(endpoint: Service['serviceEndpoint']): string | null {
  if (typeof endpoint !== 'string') return null;
  // BIP-321: the scheme is case-insensitive and parameters may follow the address.
  return /^bitcoin:([A-Za-z0-9]+)(?:\?\S*)?$/i.exec(endpoint)?.[1] ?? null;
}

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

/** Whether the document ends its DID for good. */
export const isDeactivated = (document: DidDocument): boolean => document.deactivated === true;

/** A DID URL resolved against the DID it stands in. */
const absoluteUrl = (url: string, did: string): string => (/^[#/?]/.test(url) ? did + url : url);

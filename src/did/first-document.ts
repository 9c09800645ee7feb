import type { Network } from '../bitcoin/network.ts';
import { type Bytes, equalBytes } from '../crypto/index.ts';
import { singletonAddresses } from './addresses.ts';
import { beaconService } from './beacon-service.ts';
import { absoluteUrl, type DidDocument, DOCUMENT_CONTEXTS, parseDocument, type Service } from './document.ts';
import { DidError } from './errors.ts';
import { decodeDid, encodeDid } from './identifier.ts';
import { jsonHash } from './jcs.ts';
import { encodeMultikey } from './multikey.ts';

/** Stands for the DID inside a genesis document, whose hash the DID is made of. */
export const PLACEHOLDER_DID = 'did:btcr2:_';

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
  if (!equalBytes(hashOf(genesis, did), genesisBytes))
    throw new DidError('INVALID_DID', 'the genesis document has another hash', { did, field: 'genesisDocument' });
  return parseDocument(JSON.parse(JSON.stringify(genesis).replaceAll(PLACEHOLDER_DID, did)), did);
}

function hashOf(genesis: unknown, did: string): Bytes {
  try {
    return jsonHash(genesis);
  } catch (cause) {
    throw new DidError('INVALID_DID', 'the genesis document is not JSON', { did, field: 'genesisDocument' }, { cause });
  }
}

import { curve } from '#curve';
import { type Bytes, toHex } from '../../src/crypto/index.ts';
import {
  announcementOf,
  applyPatch,
  beaconService,
  type DidDocument,
  didOfGenesis,
  documentOfGenesis,
  draftUpdate,
  encodeDid,
  genesisDocument,
  initialDocument,
  type Patch,
  parseDocument,
  type SignedUpdate,
  signUpdate,
} from '../../src/did/index.ts';
import { random } from './harness.ts';
import { randomSecret } from './raw-member.ts';

/** An identifier with its key, its first document, and what a resolver needs of it at first. */
export interface RawDid {
  did: string;
  secret: Bytes;
  document: DidDocument;
  method: string;
  sidecar: Record<string, unknown>;
}

export function rawKeyDid(network: 'regtest' | 'signet' = 'regtest'): RawDid {
  const secret = randomSecret();
  const did = encodeDid({ version: 1, network, kind: 'key', genesisBytes: curve.publicKey(secret) });
  return { did, secret, document: initialDocument(did), method: `${did}#initialKey`, sidecar: {} };
}

/** An `x` identifier; with an address, one that lists the SMT beacon there from its first document on. */
export function rawGenesisDid(beaconAddress?: string): RawDid {
  const secret = randomSecret();
  const services = beaconAddress === undefined ? [] : [beaconService('#beacon', 'SMTBeacon', beaconAddress)];
  const genesis = genesisDocument({ publicKey: curve.publicKey(secret), network: 'regtest', services });
  const did = didOfGenesis(genesis, 'regtest');
  const document = documentOfGenesis(did, genesis);
  return { did, secret, document, method: `${did}#key-0`, sidecar: { genesisDocument: genesis } };
}

export const addService = (name: string): Patch => [
  {
    op: 'add',
    path: '/service/-',
    value: { id: `#${name}`, type: 'LinkedDomains', serviceEndpoint: `https://${name}.example` },
  },
];

export interface RawUpdate {
  update: SignedUpdate;
  announcement: string;
  /** The document that it makes. */
  document: DidDocument;
}

/** A signed update of the document at `version`; nothing checks whether it makes sense. */
export async function rawUpdate(
  raw: RawDid,
  patch: Patch,
  { document, version = 1 }: { document?: DidDocument; version?: number } = {},
): Promise<RawUpdate> {
  const source = document ?? raw.document;
  const update = await signUpdate(draftUpdate({ document: source, versionId: version, patch }), {
    did: raw.did,
    verificationMethod: raw.method,
    signer: hash => curve.signSchnorr(hash, raw.secret, random(32)),
  });
  const target = parseDocument(applyPatch(source, patch), raw.did);
  return { update, announcement: toHex(announcementOf(update)), document: target };
}

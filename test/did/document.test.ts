import * as bitcoin from 'bitcoinjs-lib';
import { beforeAll, describe, expect, it } from 'vitest';
import { curve } from '#curve';
import type { Network } from '../../src/bitcoin/network.ts';
import { toHex } from '../../src/crypto/index.ts';
import {
  beaconService,
  beaconServices,
  type DidDocument,
  DidError,
  decodeDid,
  decodeMultikey,
  didOfGenesis,
  documentOfGenesis,
  encodeDid,
  encodeMultikey,
  genesisDocument,
  initialDocument,
  isDeactivated,
  PLACEHOLDER_DID,
  parseDocument,
  singletonAddresses,
  verificationMethodFor,
} from '../../src/did/index.ts';
import examples from '../vectors/did/examples.json' with { type: 'json' };

const KEY = curve.publicKey(new Uint8Array(32).fill(7));
const OTHER = curve.publicKey(new Uint8Array(32).fill(8));
const DID = encodeDid({ version: 1, network: 'regtest', kind: 'key', genesisBytes: KEY });
const BEACON = singletonAddresses(OTHER, 'regtest').p2tr;

const failure = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return error instanceof DidError ? { code: error.code, field: error.detail.field } : error;
  }
  return 'nothing thrown';
};

describe('the published first document of a key', () => {
  const { did, publicKeyMultibase, p2pkh, p2wpkh, p2tr } = examples.key;
  const document = initialDocument(did);

  it('has the key in four relationships', () => {
    const key = `${did}#initialKey`;
    expect(document).toEqual({
      '@context': ['https://www.w3.org/ns/did/v1.1', 'https://btcr2.dev/context/v1'],
      id: did,
      verificationMethod: [{ id: key, type: 'Multikey', controller: did, publicKeyMultibase }],
      authentication: [key],
      assertionMethod: [key],
      capabilityInvocation: [key],
      capabilityDelegation: [key],
      service: [
        { id: `${did}#initialP2PKH`, type: 'SingletonBeacon', serviceEndpoint: `bitcoin:${p2pkh}` },
        { id: `${did}#initialP2WPKH`, type: 'SingletonBeacon', serviceEndpoint: `bitcoin:${p2wpkh}` },
        { id: `${did}#initialP2TR`, type: 'SingletonBeacon', serviceEndpoint: `bitcoin:${p2tr}` },
      ],
    });
    expect(parseDocument(document, did)).toBe(document);
  });

  it('cannot be made for an x DID', () => {
    expect(failure(() => initialDocument(examples.external.did))).toMatchObject({ code: 'INVALID_DID' });
  });
});

describe('addresses agree with bitcoinjs-lib', () => {
  beforeAll(() => {
    bitcoin.initEccLib({
      isXOnlyPoint: curve.isXOnly,
      xOnlyPointAddTweak: (point, tweak) => {
        const lifted = curve.liftX(point);
        const sum = lifted && curve.pointAddTweak(lifted, tweak, true);
        return sum ? { parity: sum[0] === 3 ? 1 : 0, xOnlyPubkey: sum.slice(1) } : null;
      },
    });
  });
  const networks: [Network, bitcoin.Network][] = [
    ['bitcoin', bitcoin.networks.bitcoin],
    ['signet', bitcoin.networks.testnet],
    ['regtest', bitcoin.networks.regtest],
    ['testnet3', bitcoin.networks.testnet],
    ['testnet4', bitcoin.networks.testnet],
    ['mutinynet', bitcoin.networks.testnet],
  ];
  it.each(networks)('on %s', (name, network) => {
    for (const pubkey of [KEY, OTHER]) {
      expect(singletonAddresses(pubkey, name)).toEqual({
        p2pkh: bitcoin.payments.p2pkh({ pubkey, network }).address,
        p2wpkh: bitcoin.payments.p2wpkh({ pubkey, network }).address,
        p2tr: bitcoin.payments.p2tr({ internalPubkey: pubkey.slice(1), network }).address,
      });
    }
  });
  it('refuses what is no key', () => {
    expect(() => singletonAddresses(KEY.subarray(1), 'signet')).toThrow(TypeError);
  });
});

describe('genesis documents', () => {
  const { did, genesisDocument: genesis } = examples.external;

  it('makes the published DID and its first document', () => {
    expect(didOfGenesis(genesis, 'mutinynet')).toBe(did);
    const document = documentOfGenesis(did, genesis);
    expect(JSON.stringify(document)).toBe(JSON.stringify(genesis).replaceAll(PLACEHOLDER_DID, did));
    expect(beaconServices(document).map(beacon => beacon.type)).toEqual(['SingletonBeacon', 'CASBeacon', 'SMTBeacon']);
  });

  it('refuses another genesis document', () => {
    const altered = { ...genesis, assertionMethod: [] };
    expect(failure(() => documentOfGenesis(did, altered))).toEqual({ code: 'INVALID_DID', field: 'genesisDocument' });
    expect(failure(() => documentOfGenesis(did, new Date()))).toEqual({
      code: 'INVALID_DID',
      field: 'genesisDocument',
    });
    expect(failure(() => documentOfGenesis(DID, genesis))).toMatchObject({ code: 'INVALID_DID' });
  });

  it('builds one with the beacon of a cohort, and the own one beside it', () => {
    const built = genesisDocument({
      publicKey: KEY,
      network: 'regtest',
      services: [beaconService('#cohort', 'SMTBeacon', BEACON)],
    });
    const made = didOfGenesis(built, 'regtest');
    expect(decodeDid(made)).toMatchObject({ kind: 'external', network: 'regtest' });
    const document = documentOfGenesis(made, built);
    expect(beaconServices(document)).toEqual([
      { id: `${made}#cohort`, type: 'SMTBeacon', address: BEACON },
      { id: `${made}#singleton`, type: 'SingletonBeacon', address: singletonAddresses(KEY, 'regtest').p2tr },
    ]);
    for (const purpose of [
      'authentication',
      'assertionMethod',
      'capabilityInvocation',
      'capabilityDelegation',
    ] as const)
      expect(verificationMethodFor(document, purpose, '#key-0')).toEqual(KEY);
    expect(JSON.stringify(document)).not.toContain(PLACEHOLDER_DID);
  });

  it('leaves the own beacon out only when told', () => {
    const built = genesisDocument({ publicKey: KEY, network: 'regtest', singleton: false });
    expect(beaconServices(built)).toEqual([]);
  });

  it('is no genesis document under another id', () => {
    expect(failure(() => didOfGenesis(initialDocument(DID), 'regtest'))).toEqual({
      code: 'INVALID_DID_DOCUMENT',
      field: 'id',
    });
  });

  it('that is hashed right but is no DID document is refused', () => {
    const junk = { id: PLACEHOLDER_DID, '@context': ['https://www.w3.org/ns/did/v1.1'] };
    expect(failure(() => didOfGenesis(junk, 'regtest'))).toEqual({ code: 'INVALID_DID_DOCUMENT', field: '@context' });
  });
});

describe('document schema', () => {
  const base = initialDocument(DID);
  const bad: [string, unknown, string][] = [
    ['no context', { ...base, '@context': undefined }, '@context'],
    ['a context of old', { ...base, '@context': ['https://www.w3.org/ns/did/v1', base['@context'][1]] }, '@context'],
    ['no method context', { ...base, '@context': ['https://www.w3.org/ns/did/v1.1'] }, '@context'],
    ['another id', { ...base, id: 'did:btcr2:x' }, 'id'],
    ['a DID URL as id', { ...base, id: `${DID}#x` }, 'id'],
    ['a controller that is no DID', { ...base, controller: 'me' }, 'controller'],
    ['a reference with blanks', { ...base, authentication: ['# x'] }, 'authentication.0'],
    [
      'a method without type',
      { ...base, verificationMethod: [{ id: '#a', controller: DID }] },
      'verificationMethod.0.type',
    ],
    [
      'a service without endpoint',
      { ...base, service: [{ id: '#a', type: 'SMTBeacon' }] },
      'service.0.serviceEndpoint',
    ],
    ['deactivated by a word', { ...base, deactivated: 'true' }, 'deactivated'],
    ['a list', [base], ''],
  ];
  it.each(bad)('refuses %s', (_, value, field) => {
    expect(failure(() => parseDocument(value, DID))).toEqual({ code: 'INVALID_DID_DOCUMENT', field });
  });

  it('lets extension properties through, if they are JSON', () => {
    expect(parseDocument({ ...base, note: { any: [1] } }, DID)).toHaveProperty('note');
    expect(failure(() => parseDocument({ ...base, note: Number.NaN }, DID))).toMatchObject({
      code: 'INVALID_DID_DOCUMENT',
    });
  });

  it('knows a deactivated document', () => {
    expect(isDeactivated(base)).toBe(false);
    expect(isDeactivated({ ...base, deactivated: true })).toBe(true);
  });
});

describe('beacon services', () => {
  it('are those of the known types with a bitcoin URI', () => {
    const document: DidDocument = {
      ...initialDocument(DID),
      service: [
        { id: '#a', type: 'SMTBeacon', serviceEndpoint: `bitcoin:${BEACON}` },
        { id: `${DID}#b`, type: ['CASBeacon', 'Other'], serviceEndpoint: `BITCOIN:${BEACON}?label=x` },
        { type: 'SingletonBeacon', serviceEndpoint: `bitcoin:${BEACON}` },
        { id: '#c', type: 'SMTAggregatorBeacon', serviceEndpoint: `bitcoin:${BEACON}` },
        { id: '#d', type: 'SMTBeacon', serviceEndpoint: 'https://example.com' },
        { id: '#e', type: 'SMTBeacon', serviceEndpoint: { uri: `bitcoin:${BEACON}` } },
        { id: '#f', type: 'SMTBeacon', serviceEndpoint: 'bitcoin:' },
      ],
    };
    expect(beaconServices(document)).toEqual([
      { id: `${DID}#a`, type: 'SMTBeacon', address: BEACON },
      { id: `${DID}#b`, type: 'CASBeacon', address: BEACON },
      { id: '', type: 'SingletonBeacon', address: BEACON },
    ]);
    expect(beaconServices({ ...document, service: undefined })).toEqual([]);
    const former = { type: 'CIDAggregatorBeacon', serviceEndpoint: `bitcoin:${BEACON}` };
    const odd = { type: 'constructor', serviceEndpoint: `bitcoin:${BEACON}` };
    const old = { ...document, service: [...document.service!.slice(3, 4), former, odd] };
    expect(beaconServices(old)).toEqual([]);
    expect(beaconServices(old, { legacy: true })).toEqual([
      { id: `${DID}#c`, type: 'SMTBeacon', address: BEACON },
      { id: '', type: 'CASBeacon', address: BEACON },
    ]);
  });
});

describe('verification methods', () => {
  const method = (id: string, key = KEY) => ({
    id,
    type: 'Multikey',
    controller: DID,
    publicKeyMultibase: encodeMultikey(key),
  });
  const withKeys = (
    capabilityInvocation: DidDocument['capabilityInvocation'],
    ...methods: ReturnType<typeof method>[]
  ) => ({
    ...initialDocument(DID),
    verificationMethod: methods,
    capabilityInvocation,
  });

  it.each([
    ['absolute', 'absolute', `${DID}#k`, `${DID}#k`, `${DID}#k`],
    ['relative in the document', 'absolute in the proof', '#k', '#k', `${DID}#k`],
    ['absolute in the document', 'relative in the proof', `${DID}#k`, `${DID}#k`, '#k'],
    ['relative reference', 'absolute method', '#k', `${DID}#k`, '#k'],
  ])('are found: %s, %s', (_a, _b, reference, id, asked) => {
    const document = withKeys([reference], method('#other', OTHER), method(id));
    expect(toHex(verificationMethodFor(document, 'capabilityInvocation', asked)!)).toBe(toHex(KEY));
  });

  it('are found embedded', () => {
    const document = withKeys([method('#embedded')]);
    expect(verificationMethodFor(document, 'capabilityInvocation', `${DID}#embedded`)).toEqual(KEY);
    expect(verificationMethodFor(document, 'authentication', `${DID}#embedded`)).toBeNull();
  });

  it('are not found where they are not listed, not there, or no secp256k1 key', () => {
    const listed = `${DID}#k`;
    expect(verificationMethodFor(withKeys([], method('#k')), 'capabilityInvocation', listed)).toBeNull();
    expect(verificationMethodFor(withKeys(['#k']), 'capabilityInvocation', listed)).toBeNull();
    expect(
      verificationMethodFor(withKeys(['did:btcr2:other#k'], method('#k')), 'capabilityInvocation', listed),
    ).toBeNull();
    const jwk = { ...method('#k'), type: 'JsonWebKey' };
    expect(verificationMethodFor(withKeys(['#k'], jwk), 'capabilityInvocation', listed)).toBeNull();
    const ed25519 = { ...method('#k'), publicKeyMultibase: 'z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK' };
    expect(verificationMethodFor(withKeys(['#k'], ed25519), 'capabilityInvocation', listed)).toBeNull();
  });

  it('of the published key document', () => {
    const document = initialDocument(examples.key.did);
    expect(verificationMethodFor(document, 'authentication', '#initialKey')).toEqual(
      decodeMultikey(examples.key.publicKeyMultibase),
    );
  });
});

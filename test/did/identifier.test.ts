import { bech32, bech32m } from '@scure/base';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../src/crypto/index.ts';
import { cidV1, DidError, decodeDid, encodeDid, isOpaqueDid, isSupportedDid } from '../../src/did/index.ts';
import vectors from '../vectors/did/specification.json' with { type: 'json' };

const KEY = fromHex('0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798');
const K_DID = 'did:btcr2:k1qqp8n0nx0muaewav2ksx99wwsu9swq5mlndjmn3gm9vl9q2mzmup0xqhmkf96';

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof DidError ? error.code : `unexpected: ${error}`;
  }
  return 'nothing thrown';
}

const raw = (hrp: string, ...bytes: Uint8Array[]): string =>
  `did:btcr2:${bech32m.encode(hrp, bech32m.toWords(Uint8Array.from(bytes.flatMap(part => [...part]))))}`;

describe('published identifiers', () => {
  it.each(vectors.identifiers)('decodes and encodes $did', vector => {
    const parts = decodeDid(vector.did);
    expect({ ...parts, genesisBytes: toHex(parts.genesisBytes) }).toEqual({
      version: vector.version,
      network: vector.network,
      kind: vector.kind,
      genesisBytes: vector.genesis_bytes,
    });
    expect(encodeDid(parts)).toBe(vector.did);
  });

  it('makes the published CID', () => {
    expect(cidV1(fromHex(vectors.cid.sha256))).toBe(vectors.cid.cidv1);
    expect(() => cidV1(new Uint8Array(31))).toThrow(TypeError);
  });
});

describe('decoding inverts encoding exactly', () => {
  const words = bech32m.decode(K_DID.slice(10) as `k1${string}`).words;
  const cases: Record<string, string> = {
    'upper case': `did:btcr2:${K_DID.slice(10).toUpperCase()}`,
    'mixed case': K_DID.replace('k1', 'K1'),
    'another method': K_DID.replace('btcr2', 'btc1'),
    'upper-case method': K_DID.replace('btcr2', 'BTCR2'),
    'a wrong checksum': `${K_DID.slice(0, -1)}q`,
    'Bech32 instead of Bech32m': `did:btcr2:${bech32.encode('k', words)}`,
    'padding bits that are not zero': `did:btcr2:${bech32m.encode('k', [...words.slice(0, -1), words.at(-1)! | 1])}`,
    'a superfluous padding group': `did:btcr2:${bech32m.encode('k', [...words, 0])}`,
    'another human-readable part': raw('z', Uint8Array.of(0), KEY),
    'a version after 1': raw('k', Uint8Array.of(0x10), KEY),
    'a reserved network': raw('k', Uint8Array.of(6), KEY),
    'a custom network': raw('k', Uint8Array.of(12), KEY),
    'a key off the curve': raw('k', Uint8Array.of(0), fromHex(`02${'00'.repeat(31)}05`)),
    'an x-only key': raw('k', Uint8Array.of(0), KEY.subarray(1)),
    'an uncompressed prefix': raw('k', Uint8Array.of(0), fromHex(`04${toHex(KEY.subarray(1))}`)),
    'a hash that is too short': raw('x', Uint8Array.of(0), new Uint8Array(31)),
    'a hash that is too long': raw('x', Uint8Array.of(0), new Uint8Array(33)),
    'no bytes at all': raw('k'),
    'a fragment': `${K_DID}#initialKey`,
    nothing: 'did:btcr2:',
  };
  it.each(Object.entries(cases))('refuses %s', (_, did) => {
    expect(codeOf(() => decodeDid(did))).toBe('INVALID_DID');
  });

  it('says why a custom network is refused', () => {
    expect(() => decodeDid(raw('k', Uint8Array.of(15), KEY))).toThrow('custom networks are not supported');
  });

  it('encodes nothing it could not decode', () => {
    const parts = { version: 1, network: 'signet', kind: 'key', genesisBytes: KEY } as const;
    expect(codeOf(() => encodeDid({ ...parts, kind: 'external' }))).toBe('INVALID_DID');
    expect(codeOf(() => encodeDid({ ...parts, genesisBytes: KEY.subarray(1) }))).toBe('INVALID_DID');
  });
});

describe('which DIDs a beacon takes', () => {
  const seedDid = 'did:btc1:x1n3xa88mx0e2h0n2sv70tq8f6xu8yr8afhs0ktr9gz8fsq5qzslcsuzsk0e';
  it('takes did:btc1 as an opaque string on every network', () => {
    expect(isOpaqueDid(seedDid)).toBe(true);
    expect(isOpaqueDid(K_DID)).toBe(false);
    expect(isOpaqueDid('did:btc1:')).toBe(false);
    expect(isOpaqueDid(`${seedDid}#key`)).toBe(false);
    expect(isSupportedDid(seedDid, 'regtest')).toBe(true);
  });
  it('takes did:btcr2 of its own network only', () => {
    expect(isSupportedDid(K_DID, 'bitcoin')).toBe(true);
    expect(isSupportedDid(K_DID, 'signet')).toBe(false);
    expect(isSupportedDid('did:key:zQ3sh', 'bitcoin')).toBe(false);
  });
});

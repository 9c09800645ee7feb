import { describe, expect, test } from 'vitest';
import {
  addressToScript,
  BitcoinFormatError,
  beaconOutput,
  createMusig,
  NETWORKS,
  type Network,
  p2trOutputKey,
  p2trScript,
  scriptToAddress,
  tapTweak,
} from '../../src/bitcoin/index.ts';
import { curve } from '../../src/crypto/curve-tiny.ts';
import { fromHex, toHex } from '../../src/crypto/index.ts';
import { curves, readJson } from './helpers.ts';

interface SpkVector {
  given: { internalPubkey: string };
  intermediary: { merkleRoot: string | null; tweak: string; tweakedPubkey: string };
  expected: { scriptPubKey: string; bip350Address: string };
}
const { scriptPubKey } = readJson<{ scriptPubKey: SpkVector[] }>('bip341/wallet-test-vectors.json');
const fallback = readJson<{
  cases: {
    network: Network;
    participant_pubkeys: string[];
    internal_key: string;
    merkle_root: string;
    tap_tweak: string;
    beacon_address: string;
  }[];
}>('bitcoin/fallback-address.json');
const seed = readJson<{ beacon_address: string; prevout: { script_hex: string } }>('bitcoin/seed-signal.json');

test.each(scriptPubKey)('BIP-341 output $expected.bip350Address', ({ given, intermediary, expected }) => {
  const internal = fromHex(given.internalPubkey);
  const root = intermediary.merkleRoot === null ? undefined : fromHex(intermediary.merkleRoot);
  const tweak = tapTweak(internal, root);
  expect(toHex(tweak)).toBe(intermediary.tweak);
  const output = curve.pointX(curve.pointAddTweak(curve.liftX(internal)!, tweak, true)!);
  expect(toHex(output)).toBe(intermediary.tweakedPubkey);
  expect(toHex(p2trScript(output))).toBe(expected.scriptPubKey);
  expect(p2trOutputKey(fromHex(expected.scriptPubKey))).toEqual(output);
  expect(beaconOutput({ outputKey: output }, 'bitcoin')).toEqual({
    address: expected.bip350Address,
    scriptHex: expected.scriptPubKey,
  });
  expect(addressToScript(expected.bip350Address, 'bitcoin')).toBe(expected.scriptPubKey);
  expect(scriptToAddress(expected.scriptPubKey, 'bitcoin')).toBe(expected.bip350Address);
});

describe.each(curves)('outputs of key sets over %s', (_name, over) => {
  test.each(fallback.cases)('$network, with a script tree', each => {
    const keySet = createMusig(over).keySet(
      each.participant_pubkeys.map(key => fromHex(key)),
      { merkleRoot: fromHex(each.merkle_root) },
    );
    expect(toHex(keySet.internalKey)).toBe(each.internal_key);
    expect(toHex(keySet.tweak)).toBe(each.tap_tweak);
    expect(toHex(keySet.merkleRoot!)).toBe(each.merkle_root);
    expect(beaconOutput(keySet, each.network).address).toBe(each.beacon_address);
  });
});

// BIP-173, BIP-350 and Bitcoin Core's own examples: [address, network, script].
const known: [string, Network, string][] = [
  ['BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4', 'bitcoin', '0014751e76e8199196d454941c45d1b3a323f1433bd6'],
  ['bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', 'bitcoin', '0014751e76e8199196d454941c45d1b3a323f1433bd6'],
  [
    'tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7',
    'testnet3',
    '00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262',
  ],
  [
    'bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y',
    'bitcoin',
    '5128751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6',
  ],
  ['BC1SW50QGDZ25J', 'bitcoin', '6002751e'],
  ['1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2', 'bitcoin', '76a91477bff20c60e522dfaa3350c39b030a5d004e839a88ac'],
  ['3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy', 'bitcoin', 'a914b472a266d0bd89c13706a4132ccfb16f7c3b9fcb87'],
  ['mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn', 'regtest', '76a914243f1394f44554f4ce3fd68649c19adc483ce92488ac'],
  ['2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc', 'signet', 'a9144e9f39ca4688ff102128ea4ccda34105324305b087'],
  [seed.beacon_address, 'signet', seed.prevout.script_hex],
];

describe('addresses', () => {
  test.each(known)('%s on %s', (address, network, script) => {
    expect(addressToScript(address, network)).toBe(script);
    expect(scriptToAddress(script, network)).toBe(/^bc1/i.test(address) ? address.toLowerCase() : address);
  });

  test.each(known)('%s is refused where its prefix is another', (address, network) => {
    const isMain = (name: Network) => name === 'bitcoin';
    for (const other of NETWORKS.filter(name => isMain(name) !== isMain(network)))
      expect(() => addressToScript(address, other)).toThrow(BitcoinFormatError);
  });

  test('regtest and signet addresses are told apart by their prefix', () => {
    const script = `5120${'11'.repeat(32)}`;
    const regtest = scriptToAddress(script, 'regtest')!;
    expect(regtest.startsWith('bcrt1p')).toBe(true);
    expect(() => addressToScript(regtest, 'signet')).toThrow('another network than signet');
    expect(addressToScript(scriptToAddress(script, 'mutinynet')!, 'testnet4')).toBe(script);
  });

  test.each([
    ['nothing', ''],
    ['a word', 'address'],
    ['a broken checksum', `${seed.beacon_address.slice(0, -1)}q`],
    ['mixed case', seed.beacon_address.replace('tb1p', 'TB1p')],
    ['version 1 with the bech32 checksum', 'tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd'],
    ['version 0 with the bech32m checksum', 'tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47'],
    ['version 0 of 16 bytes', 'BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P'],
    ['a program of one byte', 'bc1pw5dgrnzv'],
    ['a witness version above 16', 'BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R'],
    ['a broken base58 checksum', '1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3'],
  ])('%s is no address', (_what, address) => {
    for (const network of NETWORKS) expect(() => addressToScript(address, network)).toThrow(BitcoinFormatError);
  });

  test.each([
    ['OP_RETURN', `6a20${'00'.repeat(32)}`],
    ['nothing', ''],
    ['a bare key', `21${'02'.repeat(33)}ac`],
    ['a P2PKH with a byte more', `76a914${'00'.repeat(20)}88ac00`],
    ['a witness program with a wrong push', `5121${'00'.repeat(32)}`],
    ['version 0 of 16 bytes', `0010${'00'.repeat(16)}`],
  ])('%s has no address', (_what, script) => {
    expect(scriptToAddress(script, 'bitcoin')).toBe(null);
  });

  test('lengths that are not a key', () => {
    expect(() => p2trScript(new Uint8Array(33))).toThrow(BitcoinFormatError);
    expect(() => tapTweak(new Uint8Array(33))).toThrow(BitcoinFormatError);
    expect(() => tapTweak(new Uint8Array(32), new Uint8Array(31))).toThrow(BitcoinFormatError);
    expect(p2trOutputKey(fromHex(`5220${'00'.repeat(32)}`))).toBe(null);
  });
});

import * as scure from '@scure/btc-signer';
import { describe, expect, test } from 'vitest';
import {
  BitcoinFormatError,
  beaconOutput,
  buildSignal,
  buildSpend,
  createMusig,
  type FallbackPolicy,
  fallbackTree,
  fallbackVsize,
  finalizeFallback,
  finalizeRecovery,
  finalizeSignal,
  isByRecoveryKey,
  leafSighash,
  type Network,
  parseTx,
  recoveryVsize,
  SPEND_VSIZE,
  signalSighash,
  signalVsize,
  verifyFallback,
  verifyRecovery,
  verifySignal,
} from '../../src/bitcoin/index.ts';
import { curve } from '../../src/crypto/curve-tiny.ts';
import { type Bytes, compareBytes, fromHex, toHex } from '../../src/crypto/index.ts';
import { draw, drawNonces, type Party, party, readJson, thrownBy } from './helpers.ts';

const { cases } = readJson<{
  cases: {
    network: Network;
    participant_pubkeys: string[];
    fallback_threshold: number;
    recovery_key: string;
    recovery_delay_blocks: number;
    internal_key: string;
    merkle_root: string;
    tap_tweak: string;
    beacon_address: string;
  }[];
}>('bitcoin/fallback-address.json');

const musig = createMusig(curve);
const recovery = party(curve, 'recovery');
const xOnly = (key: Bytes): string => toHex(key.slice(1));
const POLICY = { recovery_key: xOnly(recovery.publicKey), recovery_delay_blocks: 144 };
const SCURE_NETWORK = {
  bitcoin: scure.NETWORK,
  signet: scure.TEST_NETWORK,
  regtest: { ...scure.TEST_NETWORK, bech32: 'bcrt' },
} as Record<Network, typeof scure.NETWORK>;

/** The same leaves as another library writes them. */
const witnessLeaves = (keys: readonly Bytes[], policy: FallbackPolicy) => [
  scure.p2tr_ms(
    policy.threshold,
    keys.toSorted(compareBytes).map(key => key.slice(1)),
  ),
  {
    type: 'tr' as const,
    script: scure.Script.encode([
      policy.recovery_delay_blocks <= 16
        ? policy.recovery_delay_blocks
        : scure.ScriptNum().encode(BigInt(policy.recovery_delay_blocks)),
      'CHECKSEQUENCEVERIFY',
      'DROP',
      fromHex(policy.recovery_key),
      'CHECKSIG',
    ]),
  },
];

describe('addresses of the fallback policy', () => {
  test.each(cases)('$network, from members, threshold, recovery key and delay alone', each => {
    const keys = each.participant_pubkeys.map(key => fromHex(key));
    const { recovery_key, recovery_delay_blocks, fallback_threshold: threshold } = each;
    const tree = fallbackTree(keys.toReversed(), { threshold, recovery_key, recovery_delay_blocks });
    expect(toHex(tree.merkleRoot)).toBe(each.merkle_root);
    const keySet = musig.keySet(keys, { merkleRoot: tree.merkleRoot });
    expect(toHex(keySet.internalKey)).toBe(each.internal_key);
    expect(toHex(keySet.tweak)).toBe(each.tap_tweak);
    expect(beaconOutput(keySet, each.network).address).toBe(each.beacon_address);
  });

  test.each([3, 5, 17, 18, 50])('%i members: leaves and output as another library has them', size => {
    for (const delay of [1, 16, 17, 127, 128, 255, 256, 32_767, 32_768, 65_535]) {
      const { keys, tree, policy } = cohortOf(size, delay);
      const keySet = musig.keySet(keys, { merkleRoot: tree.merkleRoot });
      const leaves = witnessLeaves(keys, policy);
      expect(toHex(tree.fallback.script)).toBe(toHex(leaves[0]!.script));
      expect(toHex(tree.recovery.script)).toBe(toHex(leaves[1]!.script));
      const other = scure.p2tr(keySet.internalKey, leaves as never, SCURE_NETWORK.regtest, true);
      expect(other.address).toBe(beaconOutput(keySet, 'regtest').address);
    }
  });

  test.each<[string, number, Partial<FallbackPolicy>]>([
    ['members', 2, {}],
    ['members', 51, {}],
    ['threshold', 3, { threshold: 1 }],
    ['threshold', 5, { threshold: 3 }],
    ['threshold', 3, { threshold: 4 }],
    ['threshold', 3, { threshold: 2.5 }],
    ['recovery_key', 3, { recovery_key: toHex(recovery.publicKey) }],
    ['recovery_delay_blocks', 3, { recovery_delay_blocks: 0 }],
    ['recovery_delay_blocks', 3, { recovery_delay_blocks: 65_536 }],
    ['recovery_delay_blocks', 3, { recovery_delay_blocks: Number.NaN }],
  ])('%s out of its bounds is refused (%i members, %j)', (field, size, changes) => {
    const keys = Array.from({ length: size }, (_, i) => party(curve, 'bounds', i).publicKey);
    const error = thrownBy(() => fallbackTree(keys, { threshold: size - 1, ...POLICY, ...changes }));
    expect(error).toBeInstanceOf(BitcoinFormatError);
    expect((error as BitcoinFormatError).field).toBe(field);
  });
});

function cohortOf(size: number, recovery_delay_blocks = 144) {
  const parties = Array.from({ length: size }, (_, i) => party(curve, 'fallback', size, i));
  const keys = parties.map(({ publicKey }) => publicKey);
  const policy = { ...POLICY, threshold: size - 1, recovery_delay_blocks };
  const tree = fallbackTree(keys, policy);
  const keySet = musig.keySet(keys, { merkleRoot: tree.merkleRoot });
  const { scriptHex } = beaconOutput(keySet, 'regtest');
  return { parties, keys, policy, tree, keySet, scriptHex, both: { tree, keySet } };
}

const prevout = { txid: '11'.repeat(32), vout: 1, value_sats: 50_000 };
const signalBytes = draw('signal');
const signBy = (message: Bytes, { secretKey, publicKey }: Party) =>
  [xOnly(publicKey), curve.signSchnorr(message, secretKey, draw('aux', xOnly(publicKey)))] as const;

function signalOf(size: number, feeSats = 3_000) {
  const made = cohortOf(size);
  const spent = { scriptHex: made.scriptHex, valueSats: prevout.value_sats };
  const built = buildSignal({ prevout, scriptHex: made.scriptHex, signalBytes, feeSats });
  const message = leafSighash(built.unsignedHex, spent, made.tree.fallback);
  const signatures = new Map(made.parties.map(each => signBy(message, each)));
  return { ...made, spent, built, message, signatures };
}

const without = <K, V>(map: ReadonlyMap<K, V>, key: K): Map<K, V> => new Map([...map].filter(([each]) => each !== key));

describe('a signal by the fallback leaf', () => {
  test.each([3, 5, 20])('of %i members is signed by any of them but one', size => {
    const { built, both, spent, signatures, tree } = signalOf(size);
    for (const missing of signatures.keys()) {
      const { hex, txid, vsize } = finalizeFallback(built.unsignedHex, both, without(signatures, missing));
      expect(verifyFallback(hex, spent, both)).toBe(true);
      expect(txid).toBe(built.txid);
      expect(vsize).toBe(fallbackVsize(size, true));
      expect(parseTx(hex).inputs[0]!.witness).toHaveLength(size + 2);
      expect(isByRecoveryKey(hex, tree)).toBe(false);
      expect(verifySignal(hex, spent.scriptHex, spent.valueSats)).toBe(false);
    }
    const all = finalizeFallback(built.unsignedHex, both, signatures);
    expect(verifyFallback(all.hex, spent, both)).toBe(true);
  });

  test('has the sighash that another library computes', () => {
    const { built, spent, message, tree, scriptHex } = signalOf(3);
    const other = scure.Transaction.fromRaw(fromHex(built.unsignedHex), { allowUnknownOutputs: true });
    const theirs = other.preimageWitnessV1(
      0,
      [fromHex(scriptHex)],
      0,
      [BigInt(spent.valueSats)],
      -1,
      tree.fallback.script,
    );
    expect(toHex(message)).toBe(toHex(theirs));
    expect(toHex(leafSighash(built.unsignedHex, spent, tree.recovery))).not.toBe(toHex(message));
    expect(toHex(signalSighash(built.unsignedHex, scriptHex, spent.valueSats))).not.toBe(toHex(message));
  });

  test('takes about as much as was measured', () => {
    expect([3, 5, 10, 20, 50].map(size => fallbackVsize(size, true))).toEqual([214, 263, 387, 635, 1378]);
    expect(fallbackVsize(3, true) - fallbackVsize(3, false)).toBe(signalVsize(true) - signalVsize(false));
  });

  test('is worth nothing with too few, wrong, or other signatures', () => {
    const { built, both, spent, signatures, tree, message, parties } = signalOf(3);
    const [a, b, c] = tree.signers.map(toHex) as [string, string, string];
    expect(() => finalizeFallback(built.unsignedHex, both, without(without(signatures, a), b))).toThrow('1 more');
    const swapped = new Map([
      [a, signatures.get(b)!],
      [b, signatures.get(a)!],
    ]);
    const stranger = new Map([
      [a, signBy(message, party(curve, 'mallory'))[1]],
      [c, signatures.get(c)!],
    ]);
    const recoverys = signBy(leafSighash(built.unsignedHex, spent, tree.recovery), parties[0]!);
    const other = new Map([recoverys, ...without(signatures, recoverys[0])]);
    for (const wrong of [swapped, stranger, new Map([...other].slice(0, 2))]) {
      const { hex } = finalizeFallback(built.unsignedHex, both, wrong);
      expect(verifyFallback(hex, spent, both)).toBe(false);
    }
    const { hex } = finalizeFallback(built.unsignedHex, both, signatures);
    expect(verifyFallback(hex, { ...spent, valueSats: spent.valueSats + 1 }, both)).toBe(false);
    expect(verifyFallback(hex, spent, cohortOf(4).both)).toBe(false);
    expect(verifyFallback(built.unsignedHex, spent, both)).toBe(false);
    expect(verifyFallback('00', spent, both)).toBe(false);
    expect(() => finalizeFallback(hex, both, signatures)).toThrow('signed already');
  });

  test('does not hinder the key path: all together sign with one signature, under the tweak of the tree', () => {
    const { built, spent, keySet, parties, scriptHex } = signalOf(3);
    const message = signalSighash(built.unsignedHex, scriptHex, spent.valueSats);
    const ordered = keySet.publicKeys.map(key => parties.find(each => toHex(each.publicKey) === toHex(key))!);
    const nonces = drawNonces(musig, keySet, ordered, 'tree');
    const aggNonce = musig.nonceAgg(nonces.map(({ publicNonce }) => publicNonce));
    const session = musig.session({ keySet, aggNonce, message });
    const signature = session.aggregate(nonces.map((nonce, i) => nonce.sign(session, ordered[i]!.secretKey)));
    const { hex, vsize } = finalizeSignal(built.unsignedHex, signature);
    expect(verifySignal(hex, scriptHex, spent.valueSats)).toBe(true);
    expect(vsize).toBe(signalVsize(true));
  });
});

describe('a recovery spend', () => {
  const made = cohortOf(3);
  const spent = { scriptHex: made.scriptHex, valueSats: prevout.value_sats };
  const build = (delayBlocks: number) =>
    buildSpend({ prevout, scriptHex: made.scriptHex, toHex: `5120${'22'.repeat(32)}`, feeSats: 500, delayBlocks });
  const signed = (delayBlocks: number, by: Party) => {
    const { unsignedHex } = build(delayBlocks);
    const [, signature] = signBy(leafSighash(unsignedHex, spent, made.tree.recovery), by);
    return finalizeRecovery(unsignedHex, made.both, signature);
  };

  test('is signed by the recovery key alone, and shows that it is', () => {
    const { hex, vsize } = signed(144, recovery);
    expect(verifyRecovery(hex, spent, made.both)).toBe(true);
    expect(isByRecoveryKey(hex, made.tree)).toBe(true);
    expect(isByRecoveryKey(hex, cohortOf(4, 145).tree)).toBe(false);
    expect(isByRecoveryKey('zz', made.tree)).toBe(false);
    expect(vsize).toBe(recoveryVsize(made.tree, SPEND_VSIZE));
    expect(verifyFallback(hex, spent, made.both)).toBe(false);
  });

  test('by another key, or for a shorter delay than the leaf asks for, is none', () => {
    expect(verifyRecovery(signed(144, made.parties[0]!).hex, spent, made.both)).toBe(false);
    expect(verifyRecovery(signed(143, recovery).hex, spent, made.both)).toBe(false);
    expect(verifyRecovery(signed(0, recovery).hex, spent, made.both)).toBe(false);
    expect(verifyRecovery(signed(145, recovery).hex, spent, made.both)).toBe(true);
  });
});

import { Transaction } from 'bitcoinjs-lib';
import { describe, expect, test } from 'vitest';
import { tapTweak } from '../../src/bitcoin/index.ts';
import { decodeTx } from '../../src/bitcoin/transaction.ts';
import { type Bytes, type Curve, fromHex, toHex } from '../../src/crypto/index.ts';
import { curves, readJson } from './helpers.ts';

interface KeyPathVector {
  given: { rawUnsignedTx: string; utxosSpent: { scriptPubKey: string; amountSats: number }[] };
  inputSpending: {
    given: { txinIndex: number; internalPrivkey: string; merkleRoot: string | null; hashType: number };
    intermediary: { internalPubkey: string; tweak: string; tweakedPrivkey: string; sigHash: string };
    expected: { witness: [string] };
  }[];
  auxiliary: { fullySignedTx: string };
}
const [vector] = readJson<{ keyPathSpending: [KeyPathVector] }>('bip341/wallet-test-vectors.json').keyPathSpending;

const tweakedSecret = (curve: Curve, secret: Bytes, tweak: Bytes): Bytes =>
  curve.scalarAdd(curve.hasEvenY(curve.publicKey(secret)) ? secret : curve.scalarNegate(secret), tweak);

describe.each(curves)('BIP-341 key-path spends over %s', (_name, curve) => {
  test.each(vector.inputSpending)('input $given.txinIndex', ({ given, intermediary, expected }) => {
    const secret = fromHex(given.internalPrivkey);
    const internalKey = curve.publicKey(secret).slice(1);
    expect(toHex(internalKey)).toBe(intermediary.internalPubkey);
    const tweak = tapTweak(internalKey, given.merkleRoot === null ? undefined : fromHex(given.merkleRoot));
    expect(toHex(tweak)).toBe(intermediary.tweak);
    const outputSecret = tweakedSecret(curve, secret, tweak);
    expect(toHex(outputSecret)).toBe(intermediary.tweakedPrivkey);

    const { utxosSpent, rawUnsignedTx } = vector.given;
    const sighash = decodeTx(rawUnsignedTx).hashForWitnessV1(
      given.txinIndex,
      utxosSpent.map(({ scriptPubKey }) => fromHex(scriptPubKey)),
      utxosSpent.map(({ amountSats }) => BigInt(amountSats)),
      given.hashType,
    );
    expect(toHex(sighash)).toBe(intermediary.sigHash);

    const signature = fromHex(expected.witness[0]).slice(0, 64);
    expect(curve.signSchnorr(sighash, outputSecret, new Uint8Array(32))).toEqual(signature);
    const outputKey = fromHex(utxosSpent[given.txinIndex]!.scriptPubKey).slice(2);
    expect(curve.verifySchnorr(sighash, outputKey, signature)).toBe(true);
  });
});

test('the whole signed transaction decodes to the same bytes', () => {
  const signed = decodeTx(vector.auxiliary.fullySignedTx);
  expect(signed.ins).toHaveLength(9);
  for (const { given, expected } of vector.inputSpending)
    expect(signed.ins[given.txinIndex]!.witness.map(toHex)).toEqual(expected.witness);
  expect(Transaction.SIGHASH_DEFAULT).toBe(0);
});

import { p2pkh, p2tr, p2wpkh, TEST_NETWORK, Transaction as Witness } from '@scure/btc-signer';
import { describe, expect, test } from 'vitest';
import { parseTx, signalBytesOf } from '../../src/bitcoin/index.ts';
import {
  buildSingletonSignal,
  SCRIPT_KINDS,
  type ScriptKind,
  type SingletonRequest,
  SingletonUnfunded,
  type SingletonUtxo,
  signSingletonSignal,
  singletonDeposit,
  verifySingletonSignal,
} from '../../src/bitcoin/singleton.ts';
import { decodeTx } from '../../src/bitcoin/transaction.ts';
import { curve as tiny } from '../../src/crypto/curve-tiny.ts';
import { type Bytes, fromHex, toHex } from '../../src/crypto/index.ts';
import { singletonAddresses } from '../../src/did/index.ts';
import { curves, draw, party, thrownBy } from './helpers.ts';

const owner = party(tiny, 'owner of a singleton beacon');
/** A key with odd y, whose secret BIP-341 negates before the tweak, and one with even y. */
const ofParity = (prefix: number) =>
  Array.from({ length: 16 }, (_, i) => party(tiny, 'parity', i)).find(({ publicKey }) => publicKey[0] === prefix)!;
const announcement = draw('announcement');
const random = (length: number): Bytes => draw('aux').slice(0, length);
const lend =
  (secret: Bytes) =>
  <T>(use: (secret: Bytes) => T): T =>
    use(Uint8Array.from(secret));
const utxo = (value_sats: number, label = 'coin', vout = 1): SingletonUtxo => ({
  txid: toHex(draw(label)),
  vout,
  value_sats,
});
const request = (over: Partial<SingletonRequest> = {}): SingletonRequest => ({
  utxos: [utxo(50_000)],
  scriptKind: 'p2tr',
  publicKey: owner.publicKey,
  network: 'regtest',
  announcement,
  feeRate: 2,
  feeCapSats: 5_000,
  ...over,
});
const sign = (over: Partial<SingletonRequest> = {}, secret = owner.secretKey) => {
  const unsigned = buildSingletonSignal(request(over));
  return { unsigned, ...signSingletonSignal(unsigned, lend(secret), random) };
};
const DUST: Record<ScriptKind, number> = { p2tr: 330, p2wpkh: 294, p2pkh: 546 };

describe.each(curves)('ECDSA over %s', (_name, curve) => {
  // Published with RFC 6979 for secp256k1 by Bitcoin libraries: secret 1, sha256("Satoshi Nakamoto").
  const hash = fromHex('a0dc65ffca799873cbea0ac274015b9526505daaaed385155425f7337704883e');
  const secret = fromHex(`${'00'.repeat(31)}01`);
  const expected =
    '934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8' +
    '2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5';

  test('the known deterministic signature', () => {
    expect(toHex(curve.signEcdsa(hash, secret))).toBe(expected);
    expect(curve.verifyEcdsa(hash, curve.publicKey(secret), fromHex(expected))).toBe(true);
  });

  test('its twin with high s, other hashes and keys, and what is no signature are false', () => {
    const key = curve.publicKey(secret);
    const low = fromHex(expected);
    const high = Uint8Array.from([...low.slice(0, 32), ...curve.scalarNegate(low.slice(32))]);
    expect(curve.verifyEcdsa(hash, key, high)).toBe(false);
    expect(curve.verifyEcdsa(draw('other'), key, low)).toBe(false);
    expect(curve.verifyEcdsa(hash, owner.publicKey, low)).toBe(false);
    expect(curve.verifyEcdsa(hash, key, low.slice(1))).toBe(false);
    expect(curve.verifyEcdsa(hash, key, new Uint8Array(64))).toBe(false);
    expect(curve.verifyEcdsa(hash, new Uint8Array(33), low)).toBe(false);
    expect(() => curve.signEcdsa(hash.slice(1), secret)).toThrow();
    expect(() => curve.signEcdsa(hash, new Uint8Array(32))).toThrow();
  });
});

describe.each(SCRIPT_KINDS)('a signal of a %s beacon', scriptKind => {
  const change = { scriptKind, utxos: [utxo(9_000, 'a'), utxo(1_000, 'b')] };

  test('is version 2, replaceable, pays back to its own address, and ends in the announcement', () => {
    const { unsigned, hex, txid, vsize } = sign(change);
    const tx = parseTx(hex);
    expect(tx).toMatchObject({ txid, vsize, version: 2, locktime: 0 });
    expect(tx.inputs).toMatchObject([{ txid: toHex(draw('a')), vout: 1, sequence: 0xfffffffd }]);
    expect(unsigned.address).toBe(singletonAddresses(owner.publicKey, 'regtest')[scriptKind]);
    expect(tx.outputs).toEqual([
      { script_hex: unsigned.scriptHex, value_sats: 9_000 - unsigned.feeSats },
      { script_hex: `6a20${toHex(announcement)}`, value_sats: 0 },
    ]);
    expect(toHex(signalBytesOf(hex)!)).toBe(toHex(announcement));
    expect(unsigned).toMatchObject({ changeSats: 9_000 - unsigned.feeSats, feeSats: unsigned.vsize * 2 });
    // DER is a byte shorter now and then.
    expect(unsigned.vsize - vsize).toBeGreaterThanOrEqual(0);
    expect(unsigned.vsize - vsize).toBeLessThanOrEqual(2);
  });

  test('another library signs the same bytes the same', () => {
    const coin = scriptKind === 'p2pkh' ? 600 : 330;
    const { unsigned, hex } = sign({ ...change, utxos: [utxo(coin, 'a'), utxo(coin - 10, 'b')], feeRate: 3 });
    expect(unsigned.inputs).toHaveLength(2);
    const payment =
      scriptKind === 'p2tr'
        ? p2tr(owner.publicKey.slice(1), undefined, TEST_NETWORK)
        : { p2pkh, p2wpkh }[scriptKind](owner.publicKey, TEST_NETWORK);
    expect(toHex(payment.script)).toBe(unsigned.scriptHex);
    const witness = new Witness({
      version: 2,
      lockTime: 0,
      lowR: false,
      allowUnknownOutputs: true,
      allowLegacyWitnessUtxo: true,
    });
    for (const { txid, vout, value_sats } of unsigned.inputs)
      witness.addInput({
        txid,
        index: vout,
        sequence: 0xfffffffd,
        witnessUtxo: { script: payment.script, amount: BigInt(value_sats) },
        ...('tapInternalKey' in payment ? { tapInternalKey: payment.tapInternalKey } : {}),
      });
    for (const { script_hex, value_sats } of parseTx(unsigned.unsignedHex).outputs)
      witness.addOutput({ script: fromHex(script_hex), amount: BigInt(value_sats) });
    witness.sign(owner.secretKey, undefined, random(32));
    witness.finalize();
    expect(hex).toBe(witness.hex);
  });

  test.each([2, 3])('signs for a key with prefix %i', prefix => {
    const { publicKey, secretKey } = ofParity(prefix);
    const { unsigned, hex } = sign({ ...change, publicKey }, secretKey);
    expect(verifySingletonSignal(hex, unsigned)).toBe(true);
  });

  test('spends several outputs of the address where one is not enough, and no more than it needs', () => {
    const utxos = [300, 700, 900, 800].map((value, i) => utxo(value, `coin ${i}`));
    const { unsigned, hex } = sign({ scriptKind, utxos, feeRate: 1 });
    const few = unsigned.inputs.map(({ value_sats }) => value_sats);
    expect(few).toEqual([900, 800, 700].slice(0, few.length));
    expect(parseTx(hex).inputs).toHaveLength(few.length);
    expect(unsigned.feeSats + unsigned.changeSats).toBe(few.reduce((sum, value) => sum + value));
    const shuffled = buildSingletonSignal(request({ scriptKind, utxos: [...utxos].reverse(), feeRate: 1 }));
    expect(shuffled.unsignedHex).toBe(unsigned.unsignedHex);
  });

  test('change that would be dust goes into the fee', () => {
    const needed = singletonDeposit(scriptKind, 2, 5_000);
    const exact = buildSingletonSignal(request({ scriptKind, utxos: [utxo(needed)] }));
    expect(exact.changeSats).toBe(DUST[scriptKind]);
    const less = sign({ scriptKind, utxos: [utxo(needed - 1)] });
    expect(less.unsigned).toMatchObject({ changeSats: 0, feeSats: needed - 1 });
    expect(parseTx(less.hex).outputs).toEqual([{ script_hex: `6a20${toHex(announcement)}`, value_sats: 0 }]);
  });

  test('too little money names the address and what to send, and that is enough', () => {
    const needed = singletonDeposit(scriptKind, 2, 5_000);
    const { address } = buildSingletonSignal(request({ scriptKind }));
    for (const utxos of [[], [utxo(100)], [utxo(100), utxo(99, 'other')]]) {
      const error = thrownBy(() => buildSingletonSignal(request({ scriptKind, utxos })));
      expect(error).toBeInstanceOf(SingletonUnfunded);
      expect(error).toMatchObject({
        address,
        neededSats: needed,
        balanceSats: utxos.reduce((s, u) => s + u.value_sats, 0),
      });
      expect((error as Error).message).toContain(address);
      expect((error as Error).message).toContain(`send ${needed} sat`);
      expect(() => buildSingletonSignal(request({ scriptKind, utxos: [...utxos, utxo(needed, 'new')] }))).not.toThrow();
    }
  });

  test('the secret of another key makes no transaction', () => {
    const unsigned = buildSingletonSignal(request({ scriptKind }));
    const error = thrownBy(() => signSingletonSignal(unsigned, lend(draw('stranger')), random));
    expect(error).toMatchObject({ name: 'BitcoinFormatError', field: 'signature' });
    expect((error as Error).message).not.toContain(toHex(draw('stranger')));
  });

  test('what is altered after signing does not verify', () => {
    const { unsigned, hex } = sign(change);
    expect(verifySingletonSignal(hex, unsigned)).toBe(true);
    const altered = (change: (tx: ReturnType<typeof decodeTx>) => void): string => {
      const tx = decodeTx(hex);
      change(tx);
      return tx.toHex();
    };
    const flip = (bytes: Bytes, at: number): Bytes => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
    const forged = [
      altered(tx => {
        tx.outs[0]!.value -= 1n;
      }),
      altered(tx => {
        tx.outs[1]!.script = flip(tx.outs[1]!.script, 10);
      }),
      altered(tx => {
        tx.version = 1;
      }),
      altered(tx => {
        const input = tx.ins[0]!;
        if (scriptKind === 'p2pkh') input.script = flip(input.script, 20);
        else input.witness = input.witness.map((part, i) => (i === 0 ? flip(part, 20) : part));
      }),
      altered(tx => {
        tx.ins[0]!.witness = [...tx.ins[0]!.witness, new Uint8Array(1)];
      }),
      unsigned.unsignedHex,
      'junk',
    ];
    for (const text of forged) expect(verifySingletonSignal(text, unsigned)).toBe(false);
    expect(verifySingletonSignal(hex, { ...unsigned, inputs: [] })).toBe(false);
  });
});

test.each(['p2tr', 'p2wpkh'] as const)('%s: a source that lies about a value gets no valid signature', scriptKind => {
  const { unsigned, hex } = sign({ scriptKind });
  const truth = { ...unsigned, inputs: unsigned.inputs.map(input => ({ ...input, value_sats: 90_000 })) };
  expect(verifySingletonSignal(hex, truth)).toBe(false);
});

describe('the fee', () => {
  const feeOf = (over: Partial<SingletonRequest>) => buildSingletonSignal(request(over)).feeSats;

  test('follows the estimate between 1 sat/vB and the cap', () => {
    expect(feeOf({ feeRate: 7.5 })).toBe(Math.ceil(154 * 7.5));
    expect(feeOf({ feeRate: 0.1 })).toBe(154);
    for (const feeRate of [null, 0, Number.NaN, -3]) expect(feeOf({ feeRate })).toBe(154);
    for (const feeRate of [10_000, 33]) expect(feeOf({ feeRate })).toBe(5_000);
    expect(feeOf({ feeRate: 10_000, feeCapSats: 300 })).toBe(300);
  });

  test('is never over the cap, even where dust goes into it', () => {
    expect(feeOf({ feeRate: 30, utxos: [utxo(4_900)] })).toBe(4_900);
    expect(() => feeOf({ feeRate: 40, utxos: [utxo(5_100)] })).toThrow(SingletonUnfunded);
  });

  test('a cap that no node would relay is refused', () => {
    expect(thrownBy(() => feeOf({ feeCapSats: 153 }))).toMatchObject({ field: 'fee_cap' });
    expect(thrownBy(() => feeOf({ feeCapSats: 0 }))).toMatchObject({ name: 'BitcoinFormatError' });
    expect(thrownBy(() => feeOf({ feeCapSats: Number.NaN }))).toMatchObject({ name: 'BitcoinFormatError' });
  });

  test('a hundred crumbs are not spent past the cap', () => {
    const utxos = Array.from({ length: 500 }, (_, i) => utxo(55, `crumb ${i}`));
    expect(() => buildSingletonSignal(request({ utxos, feeRate: 1 }))).toThrow(SingletonUnfunded);
  });
});

test('what is no request is refused, naming the field', () => {
  const field = (over: Partial<SingletonRequest>) => thrownBy(() => buildSingletonSignal(request(over)));
  expect(field({ publicKey: owner.publicKey.slice(1) })).toMatchObject({ field: 'public_key' });
  expect(field({ announcement: announcement.slice(1) })).toMatchObject({ field: 'signal_bytes' });
  expect(field({ utxos: [{ ...utxo(9_000), txid: 'AB' }] })).toMatchObject({ field: 'utxo' });
  expect(field({ utxos: [{ ...utxo(9_000), vout: -1 }] })).toMatchObject({ field: 'utxo' });
  expect(field({ utxos: [utxo(0.5)] })).toMatchObject({ field: 'utxo' });
  expect(field({ utxos: [utxo(9_000), utxo(9_000)] })).toMatchObject({ field: 'utxo' });
});

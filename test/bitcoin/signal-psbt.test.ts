import { base64 } from '@scure/base';
import * as witness from '@scure/btc-signer';
import { Psbt, Transaction } from 'bitcoinjs-lib';
import { describe, expect, test } from 'vitest';
import { BitcoinFormatError, beaconOutput, buildSignal, readSignalPsbt } from '../../src/bitcoin/index.ts';
import { encodeSignalPsbt } from '../../src/bitcoin/signal-psbt.ts';
import { curve } from '../../src/crypto/curve-tiny.ts';
import { type Bytes, concatBytes, fromHex, toHex } from '../../src/crypto/index.ts';
import { cohort, draw } from './helpers.ts';

const { scriptHex } = beaconOutput(cohort(curve, 2).keySet, 'regtest');
const prevout = { txid: toHex(draw('txid')), vout: 1, value_sats: 20_000 };
const request = { prevout, scriptHex, signalBytes: draw('signal'), feeSats: 308 };
const built = buildSignal(request);
const bytes = base64.decode(built.psbt);

/** A key-value pair as PSBTs hold it, from hex. */
const field = (key: string, value: string): Bytes =>
  fromHex([key, value].map(part => (part.length / 2).toString(16).padStart(2, '0') + part).join(''));

const END = Uint8Array.of(0);
const MAGIC = fromHex('70736274ff');
const UNSIGNED = field('00', built.unsignedHex);
const value = '204e000000000000';
const UTXO = field('01', `${value}22${scriptHex}`);
const psbtOf = (global: Bytes[], input: Bytes[], outputs: Bytes[][]): string =>
  base64.encode(concatBytes(MAGIC, ...global, END, ...input, END, ...outputs.flatMap(output => [...output, END])));

describe('reading', () => {
  test('gives back what was built', () => {
    expect(readSignalPsbt(built.psbt)).toEqual({
      unsignedHex: built.unsignedHex,
      txid: built.txid,
      version: 2,
      locktime: 0,
      sequence: 0xfffffffd,
      prevout,
      prevoutScriptHex: scriptHex,
      outputs: [
        { script_hex: scriptHex, value_sats: 19_692 },
        { script_hex: `6a20${toHex(request.signalBytes)}`, value_sats: 0 },
      ],
      feeSats: 308,
    });
  });

  test('without change, and in the layout of the seed', () => {
    const dust = readSignalPsbt(buildSignal({ ...request, feeSats: 19_800 }).psbt);
    expect(dust).toMatchObject({ feeSats: 20_000, outputs: [{ value_sats: 0 }] });
    const first = readSignalPsbt(buildSignal({ ...request, signalOutput: 'first' }).psbt);
    expect(first.outputs.map(out => out.value_sats)).toEqual([0, 19_692]);
  });

  test('another implementation reads the same transaction', () => {
    const other = witness.Transaction.fromPSBT(bytes, { allowUnknownOutputs: true });
    expect(toHex(other.unsignedTx)).toBe(built.unsignedHex);
    expect(other.getInput(0).witnessUtxo).toMatchObject({ amount: 20_000n, script: fromHex(scriptHex) });
    expect(other.fee).toBe(308n);
  });

  test("the library's own writer makes the same bytes, of any number of outputs and any length of script", () => {
    for (const count of [1, 2, 3, 20])
      for (const length of [0, 22, 34, 252, 253, 300]) {
        const tx = new Transaction();
        tx.version = 2;
        tx.addInput(draw('parent'), 7, 0xfffffffd);
        for (let i = 0; i < count; i++) tx.addOutput(draw(`out ${i}`), BigInt(1_000 * i));
        const script = new Uint8Array(length).fill(0x51);
        const psbt = new Psbt();
        psbt.setVersion(2);
        psbt.addInput({
          hash: draw('parent'),
          index: 7,
          sequence: 0xfffffffd,
          witnessUtxo: { script, value: 70_000n },
        });
        for (const { script, value } of tx.outs) psbt.addOutput({ script, value });
        expect(encodeSignalPsbt(tx, toHex(script), 70_000)).toBe(psbt.toBase64());
      }
  });
});

const refused = (text: string): void => {
  expect(text).not.toBe(built.psbt);
  expect(() => readSignalPsbt(text)).toThrow(BitcoinFormatError);
};

describe('refusals', () => {
  test('the forgeries below are made from the parts of a good one', () => {
    expect(psbtOf([UNSIGNED], [UTXO], [[], []])).toBe(built.psbt);
  });

  const unknown = field('fc0474657374', '00');
  const parent = '02000000000000000000';
  const inputKey = toHex(draw('key'));
  test.each<[string, string]>([
    ['a global field', psbtOf([UNSIGNED, unknown], [UTXO], [[], []])],
    ['a version field', psbtOf([UNSIGNED, field('fb', '00000000')], [UTXO], [[], []])],
    ['an input field', psbtOf([UNSIGNED], [UTXO, unknown], [[], []])],
    ['an output field', psbtOf([UNSIGNED], [UTXO], [[unknown], []])],
    ['a sighash type', psbtOf([UNSIGNED], [UTXO, field('03', '83000000')], [[], []])],
    ['a key-path signature', psbtOf([UNSIGNED], [UTXO, field('13', '11'.repeat(64))], [[], []])],
    ['an internal key', psbtOf([UNSIGNED], [UTXO, field('17', inputKey)], [[], []])],
    ['a final witness', psbtOf([UNSIGNED], [UTXO, field('08', `0140${'11'.repeat(64)}`)], [[], []])],
    ['a parent transaction', psbtOf([UNSIGNED], [field('00', parent), UTXO], [[], []])],
    ['the spent output twice', psbtOf([UNSIGNED], [UTXO, UTXO], [[], []])],
    ['two transactions', psbtOf([UNSIGNED, UNSIGNED], [UTXO], [[], []])],
    ['no spent output', psbtOf([UNSIGNED], [], [[], []])],
    ['no transaction', psbtOf([], [UTXO], [[], []])],
    ['an output map too few', psbtOf([UNSIGNED], [UTXO], [[]])],
    ['an output map too many', psbtOf([UNSIGNED], [UTXO], [[], [], []])],
    ['trailing bytes', base64.encode(concatBytes(bytes, Uint8Array.of(7)))],
    [
      'a spent output below the outputs',
      psbtOf([UNSIGNED], [field('01', `0100000000000000${'22'}${scriptHex}`)], [[], []]),
    ],
    [
      'a spent output above all money',
      psbtOf([UNSIGNED], [field('01', `ffffffffffffff7f${'22'}${scriptHex}`)], [[], []]),
    ],
    ['a longer length than needed', psbtOf([UNSIGNED], [field('01', `${value}fd2200${scriptHex}`)], [[], []])],
    ['another magic', base64.encode(concatBytes(fromHex('70736275ff'), bytes.slice(5)))],
    ['hex', toHex(bytes)],
    ['nothing', ''],
    ['white space', `${built.psbt}\n`],
    ['padding too much', `${built.psbt}=`],
    ['base64url', built.psbt.replaceAll('/', '_').replaceAll('+', '-')],
    ['4 KB and more', base64.encode(new Uint8Array(4000))],
  ])('%s', (_what, forged) => {
    refused(forged);
  });

  const withInputs = (count: number): string => {
    const one = built.unsignedHex.slice(10, 10 + 82);
    const other = `${toHex(draw('other'))}${one.slice(64)}`;
    const inputs = [one, other].slice(0, count).join('');
    return `${built.unsignedHex.slice(0, 8)}0${count}${inputs}${built.unsignedHex.slice(10 + 82)}`;
  };

  test('a second input, or none', () => {
    expect(psbtOf([field('00', withInputs(1))], [UTXO], [[], []])).toBe(built.psbt);
    const two = concatBytes(UTXO, END, UTXO);
    refused(psbtOf([field('00', withInputs(2))], [two], [[], []]));
    refused(psbtOf([field('00', withInputs(0))], [], [[], []]));
  });

  test('every cut end', () => {
    for (let end = 0; end < bytes.length; end += 1) refused(base64.encode(bytes.slice(0, end)));
  });

  // What is not refused must at least say something else: no two texts stand for one signal.
  test('every changed byte is refused or read as another transaction', () => {
    const genuine = readSignalPsbt(built.psbt);
    let different = 0;
    for (let at = 0; at < bytes.length; at += 1)
      for (const flip of [0x01, 0x80]) {
        const forged = base64.encode(bytes.map((byte, i) => (i === at ? byte ^ flip : byte)));
        const read = readOrNull(forged);
        if (read === null) continue;
        different += 1;
        expect(read).not.toEqual(genuine);
        expect(read.feeSats).toBeGreaterThanOrEqual(0);
      }
    expect(different).toBeGreaterThan(0);
  });

  function readOrNull(text: string): ReturnType<typeof readSignalPsbt> | null {
    try {
      return readSignalPsbt(text);
    } catch (error) {
      expect(error).toBeInstanceOf(BitcoinFormatError);
      return null;
    }
  }
});

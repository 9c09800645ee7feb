import { describe, expect, test } from 'vitest';
import {
  BitcoinFormatError,
  type BuiltSignal,
  beaconOutput,
  buildSignal,
  carriesSignal,
  finalizeSignal,
  parseTx,
  SIGNAL_SEQUENCE,
  signalBytesOf,
  signalScript,
  signalSighash,
  signalVsize,
  verifySignal,
} from '../../src/bitcoin/index.ts';
import { curve } from '../../src/crypto/curve-tiny.ts';
import { type Bytes, fromHex, toHex } from '../../src/crypto/index.ts';
import { cohort, draw, drawNonces, party, readJson } from './helpers.ts';

const seed = readJson<{
  txid: string;
  hex: string;
  prevout: { txid: string; vout: number; value_sats: number; script_hex: string };
  signal_bytes: string;
  fee_sats: number;
  vsize: number;
}>('bitcoin/seed-signal.json');

const signalBytes = draw('signal');
const prevout = { txid: toHex(draw('txid')), vout: 3, value_sats: 50_000 };
const { musig, keySet, parties } = cohort(curve, 3);
const { scriptHex } = beaconOutput(keySet, 'regtest');
const build = (feeSats = 200): BuiltSignal => buildSignal({ prevout, scriptHex, signalBytes, feeSats });

let ceremonies = 0;
function ceremony(message: Bytes): Bytes {
  const nonces = drawNonces(musig, keySet, parties, `ceremony ${ceremonies++}`);
  const session = musig.session({ keySet, aggNonce: musig.nonceAgg(nonces.map(n => n.publicNonce)), message });
  return session.aggregate(parties.map(({ secretKey }, i) => nonces[i]!.sign(session, secretKey)));
}

describe("the seed's signal, mined on signet", () => {
  const { script_hex, value_sats } = seed.prevout;

  test('is read as it is', () => {
    const view = parseTx(seed.hex);
    expect(view).toMatchObject({ txid: seed.txid, version: 1, locktime: 0, vsize: seed.vsize });
    expect(view.inputs).toHaveLength(1);
    expect(view.inputs[0]).toMatchObject({ txid: seed.prevout.txid, vout: seed.prevout.vout, script_sig_hex: '' });
    expect(value_sats - view.outputs.reduce((sum, out) => sum + out.value_sats, 0)).toBe(seed.fee_sats);
    expect(signalVsize(true)).toBe(seed.vsize);
  });

  test('its key-path signature is valid, for that output only', () => {
    expect(verifySignal(seed.hex, script_hex, value_sats)).toBe(true);
    expect(verifySignal(seed.hex, script_hex, value_sats - 1)).toBe(false);
    expect(verifySignal(seed.hex, scriptHex, value_sats)).toBe(false);
  });

  test('it carries its bytes in the first output, where no resolver looks', () => {
    expect(signalBytesOf(seed.hex)).toBe(null);
    expect(toHex(signalBytesOf(parseTx(seed.hex).outputs[0]!.script_hex)!)).toBe(seed.signal_bytes);
  });

  test('its layout can be reproduced', () => {
    const { unsignedHex } = buildSignal({
      prevout: seed.prevout,
      scriptHex: script_hex,
      signalBytes: fromHex(seed.signal_bytes),
      feeSats: seed.fee_sats,
      signalOutput: 'first',
    });
    expect(parseTx(unsignedHex).outputs).toEqual(parseTx(seed.hex).outputs);
  });
});

describe('a signal', () => {
  test('has the shape that every member rebuilds', () => {
    const built = build();
    const view = parseTx(built.unsignedHex);
    expect(view).toMatchObject({ txid: built.txid, version: 2, locktime: 0 });
    expect(view.inputs).toEqual([
      { txid: prevout.txid, vout: 3, sequence: SIGNAL_SEQUENCE, script_sig_hex: '', witness: [] },
    ]);
    expect(view.outputs).toEqual([
      { script_hex: scriptHex, value_sats: 49_800 },
      { script_hex: signalScript(signalBytes), value_sats: 0 },
    ]);
    expect(built).toMatchObject({ vsize: 154, changeSats: 49_800, feeSats: 200 });
    expect(build()).toEqual(built);
  });

  test('is signed by all and by nobody less', () => {
    const built = build();
    const signature = ceremony(signalSighash(built.unsignedHex, scriptHex, prevout.value_sats));
    const signed = finalizeSignal(built.unsignedHex, signature);
    expect(signed).toMatchObject({ txid: built.txid, vsize: built.vsize });
    expect(verifySignal(signed.hex, scriptHex, prevout.value_sats)).toBe(true);
    expect(signalBytesOf(signed.hex)).toEqual(signalBytes);
    expect(parseTx(signed.hex).vsize).toBe(signalVsize(true));

    const one = curve.signSchnorr(
      signalSighash(built.unsignedHex, scriptHex, prevout.value_sats),
      party(curve, 3, 0).secretKey,
      draw('aux'),
    );
    expect(verifySignal(finalizeSignal(built.unsignedHex, one).hex, scriptHex, prevout.value_sats)).toBe(false);
  });

  test('fee steps differ in the change only, and have sighashes of their own', () => {
    const [low, high] = [build(200), build(400)] as const;
    const [a, b] = [parseTx(low.unsignedHex), parseTx(high.unsignedHex)] as const;
    expect(a.inputs).toEqual(b.inputs);
    expect(a.outputs[1]).toEqual(b.outputs[1]);
    expect(b.outputs[0]!.value_sats - a.outputs[0]!.value_sats).toBe(-200);
    const hash = ({ unsignedHex }: BuiltSignal) => toHex(signalSighash(unsignedHex, scriptHex, prevout.value_sats));
    expect(hash(low)).not.toBe(hash(high));
  });

  // fault 28
  test('change of 330 is paid back, of 329 goes to the fee', () => {
    expect(build(prevout.value_sats - 330)).toMatchObject({ changeSats: 330, vsize: 154 });
    const dust = build(prevout.value_sats - 329);
    expect(dust).toMatchObject({ changeSats: 0, feeSats: prevout.value_sats, vsize: signalVsize(false) });
    expect(parseTx(dust.unsignedHex).outputs).toEqual([{ script_hex: signalScript(signalBytes), value_sats: 0 }]);
    expect(signalBytesOf(dust.unsignedHex)).toEqual(signalBytes);
  });

  test.each<[string, Partial<Parameters<typeof buildSignal>[0]>]>([
    ['a fee above the value', { feeSats: 50_001 }],
    ['a negative fee', { feeSats: -1 }],
    ['a fee that is no number', { feeSats: Number.NaN }],
    ['a fee with a fraction', { feeSats: 200.5 }],
    ['31 signal bytes', { signalBytes: new Uint8Array(31) }],
    ['a P2WPKH script', { scriptHex: `0014${'00'.repeat(20)}` }],
    ['a script in upper case', { scriptHex: scriptHex.toUpperCase() }],
    ['a short txid', { prevout: { ...prevout, txid: 'ab' } }],
    ['a negative vout', { prevout: { ...prevout, vout: -1 } }],
    ['a value with a fraction', { prevout: { ...prevout, value_sats: 1000.5 } }],
    ['more than there is', { prevout: { ...prevout, value_sats: 2_100_000_000_000_001 } }],
  ])('%s is refused', (_what, wrong) => {
    expect(() => buildSignal({ prevout, scriptHex, signalBytes, feeSats: 200, ...wrong })).toThrow(BitcoinFormatError);
  });
});

describe('verifying', () => {
  const built = build();
  const sighash = signalSighash(built.unsignedHex, scriptHex, prevout.value_sats);
  const signature = ceremony(sighash);
  const { hex } = finalizeSignal(built.unsignedHex, signature);

  test.each([
    ['an unsigned transaction', built.unsignedHex],
    ['a changed signature', hex.replace(toHex(signature), toHex(signature.map((b, i) => (i === 63 ? b ^ 1 : b))))],
    ['another sighash byte behind the signature', hex.replace(`0140${toHex(signature)}`, `0141${toHex(signature)}01`)],
    ['an annex behind the signature', hex.replace(`0140${toHex(signature)}`, `0240${toHex(signature)}0150`)],
    ['a changed output', hex.replace(toHex(signalBytes), toHex(draw('other')))],
    ['trailing bytes', `${hex}00`],
    ['a cut end', hex.slice(0, -2)],
    ['upper case', hex.toUpperCase()],
    ['no transaction', 'zz'],
    ['nothing', ''],
  ])('%s is false, not a throw', (_what, forged) => {
    expect(forged).not.toBe(hex);
    expect(verifySignal(forged, scriptHex, prevout.value_sats)).toBe(false);
  });

  test.each([
    ['no script', ''],
    ['another version', `52${scriptHex.slice(2)}`],
    ['no hex', 'zz'],
  ])('%s as the spent output is false', (_what, script) => {
    expect(verifySignal(hex, script, prevout.value_sats)).toBe(false);
  });

  test('values that are no amounts are false', () => {
    for (const value of [Number.NaN, -1, 0.5, Number.POSITIVE_INFINITY, 2 ** 53])
      expect(verifySignal(hex, scriptHex, value)).toBe(false);
  });

  test('finalizing refuses another length, a signed transaction and more inputs', () => {
    expect(() => finalizeSignal(built.unsignedHex, signature.slice(1))).toThrow(BitcoinFormatError);
    expect(() => finalizeSignal(hex, signature)).toThrow('signed already');
    const input = built.unsignedHex.slice(10, 10 + 82);
    const two = `${built.unsignedHex.slice(0, 8)}02${input}${built.unsignedHex.slice(10)}`;
    expect(parseTx(two).inputs).toHaveLength(2);
    expect(() => finalizeSignal(two, signature)).toThrow('exactly one input');
    expect(() => signalSighash(two, scriptHex, prevout.value_sats)).toThrow('exactly one input');
  });
});

describe('signal bytes', () => {
  const bytes = '07'.repeat(32);

  test.each([
    ['OP_RETURN and a push of 32 bytes', `6a20${bytes}`, true],
    ['31 bytes', `6a1f${bytes.slice(2)}`, false],
    ['33 bytes', `6a21${bytes}07`, false],
    ['a byte behind', `6a20${bytes}00`, false],
    ['a longer push opcode', `6a4c20${bytes}`, false],
    ['two pushes', `6a10${bytes.slice(32)}10${bytes.slice(32)}`, false],
    ['no push', '6a', false],
    ['nothing', '', false],
    ['a P2TR script', `5120${bytes}`, false],
  ])('%s', (_what, script, expected) => {
    expect(carriesSignal(script)).toBe(expected);
  });

  test('come from the last output only', () => {
    const last = buildSignal({ prevout, scriptHex, signalBytes, feeSats: 200 });
    const first = buildSignal({ prevout, scriptHex, signalBytes, feeSats: 200, signalOutput: 'first' });
    expect(signalBytesOf(last.unsignedHex)).toEqual(signalBytes);
    expect(signalBytesOf(first.unsignedHex)).toBe(null);
    expect(signalBytesOf(signalScript(signalBytes))).toEqual(signalBytes);
    expect(() => signalBytesOf('6a')).toThrow(BitcoinFormatError);
    expect(() => signalScript(new Uint8Array(33))).toThrow(BitcoinFormatError);
  });
});

import { describe, expect, test } from 'vitest';
import {
  chooseOutpoint,
  confirmations,
  type OutpointChoice,
  outpointText,
  type Utxo,
} from '../../src/bitcoin/index.ts';

const capSats = 3000;
const tipHeight = 1000;
const utxo = (txid: string, over: Partial<Utxo> = {}): Utxo => ({
  txid: txid.repeat(64),
  vout: 0,
  value_sats: 100_000,
  height: 900,
  coinbase: false,
  fromOwnSignal: false,
  ...over,
});
const choose = (utxos: Utxo[], pinned?: { txid: string; vout: number }): OutpointChoice =>
  chooseOutpoint({ utxos, tipHeight, capSats, ...(pinned === undefined ? {} : { pinned }) });
const chosenOf = (choice: OutpointChoice): Utxo | null => ('chosen' in choice ? choice.chosen : null);
const reasonOf = (utxo: Utxo): string | undefined => choose([utxo]).reasons[0]?.reason;

// fault 24
describe('the rule', () => {
  test('own change before any deposit, however old', () => {
    const [change, deposit] = [utxo('a', { fromOwnSignal: true, height: 990 }), utxo('b', { height: 10 })];
    expect(chosenOf(choose([deposit, change]))).toBe(change);
  });

  test('the oldest deposit', () => {
    const [young, old] = [utxo('a', { height: 950, value_sats: 5_000_000 }), utxo('b', { height: 949 })];
    expect(chosenOf(choose([young, old]))).toBe(old);
  });

  test('the same choice for everybody, in whatever order the chain source lists them', () => {
    const same = [utxo('c', { vout: 1 }), utxo('c'), utxo('b', { vout: 7 }), utxo('b', { vout: 2 })];
    for (const utxos of [same, [...same].reverse(), [same[2]!, same[0]!, same[3]!, same[1]!]])
      expect(chosenOf(choose(utxos))).toBe(same[3]);
  });

  test('own change that is too small gives way to a deposit, and is reported', () => {
    const [change, deposit] = [utxo('a', { fromOwnSignal: true, value_sats: 3329 }), utxo('b')];
    const choice = choose([change, deposit]);
    expect(chosenOf(choice)).toBe(deposit);
    expect(choice.reasons).toEqual([{ outpoint: outpointText(change), reason: 'too_small' }]);
  });

  // fault 23
  test('a small deposit is reported, a later good one is used', () => {
    const [small, good] = [utxo('a', { height: 100, value_sats: 400 }), utxo('b', { height: 994 })];
    const choice = choose([small, good]);
    expect(chosenOf(choice)).toBe(good);
    expect(choice.reasons).toEqual([{ outpoint: outpointText(small), reason: 'too_small' }]);
  });

  test('none, with every reason', () => {
    const choice = choose([utxo('a', { height: null }), utxo('b', { value_sats: 1 })]);
    expect(choice).toMatchObject({ none: true });
    expect(choice.reasons.map(each => each.reason).sort()).toEqual(['too_small', 'unconfirmed']);
    expect(choose([])).toEqual({ none: true, reasons: [] });
  });
});

// fault 24
describe('what is usable', () => {
  test.each<[Partial<Utxo>, string | undefined]>([
    [{ height: null }, 'unconfirmed'],
    [{ height: 1001 }, 'unconfirmed'],
    [{ height: Number.NaN }, 'unconfirmed'],
    [{ height: 1000 }, 'too_shallow'],
    [{ height: 996 }, 'too_shallow'],
    [{ height: 995 }, undefined],
    [{ coinbase: true, height: 901 }, 'coinbase_immature'],
    [{ coinbase: true, height: 900 }, undefined],
    [{ value_sats: 3329 }, 'too_small'],
    [{ value_sats: 3330 }, undefined],
    [{ value_sats: Number.NaN }, 'too_small'],
    [{ fromOwnSignal: true, height: 996 }, 'too_shallow'],
  ])('%j: %s', (over, reason) => {
    expect(reasonOf(utxo('a', over))).toBe(reason);
  });

  test('nothing at all while the tip or the cap is unknown', () => {
    const utxos = [utxo('a')];
    expect(chooseOutpoint({ utxos, tipHeight: Number.NaN, capSats })).toMatchObject({ none: true });
    expect(chooseOutpoint({ utxos, tipHeight, capSats: Number.NaN })).toMatchObject({ none: true });
  });

  test('confirmations', () => {
    expect([null, 1000, 995, 1001].map(height => confirmations(height, tipHeight))).toEqual([0, 1, 6, 0]);
  });
});

describe('an open session', () => {
  const pinned = utxo('d', { height: 980 });

  // A stranger may send older-looking, larger or change-like outputs: the session stays where it is.
  test('keeps its outpoint whatever else arrives', () => {
    const others = [utxo('a', { height: 1 }), utxo('b', { fromOwnSignal: true }), utxo('d', { vout: 1, height: 1 })];
    expect(chosenOf(choose([...others, pinned], pinned))).toBe(pinned);
  });

  test('waits for it, and takes no other, when it is gone or not deep enough', () => {
    const other = utxo('a');
    const outpoint = outpointText(pinned);
    expect(choose([other], pinned)).toEqual({ none: true, reasons: [{ outpoint, reason: 'pinned_missing' }] });
    const reorged = { ...pinned, height: 998 };
    expect(choose([other, reorged], pinned)).toEqual({ none: true, reasons: [{ outpoint, reason: 'too_shallow' }] });
    const unconfirmed = { ...pinned, height: null };
    expect(choose([unconfirmed], pinned)).toEqual({ none: true, reasons: [{ outpoint, reason: 'unconfirmed' }] });
  });
});

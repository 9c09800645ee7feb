import { describe, expect, test } from 'vitest';
import {
  BitcoinFormatError,
  chooseFee,
  feeLadder,
  isOverCap,
  runway,
  signalVsize,
  splitChange,
} from '../../src/bitcoin/index.ts';

// fault 29
describe('choosing a fee', () => {
  const choose = (estimate: unknown, capSats = 3000, vsize = 154) => chooseFee({ estimate, capSats, vsize });

  test('a usable estimate is taken, rounded up to whole satoshis, without a note', () => {
    expect(choose(2)).toEqual({ feeSats: 308, rate: 2 });
    expect(choose(1)).toEqual({ feeSats: 154, rate: 1 });
    const fraction = choose(1.001);
    expect(fraction.feeSats).toBe(155);
    expect(fraction.note).toBeUndefined();
  });

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['zero', 0],
    ['less than nothing', -5],
    ['NaN', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
    ['a text', '12'],
    ['an object', { feerate: 2 }],
    ['under the relay minimum', 0.4],
  ])('%s becomes 1 sat/vB, and says so', (_what, estimate) => {
    const chosen = choose(estimate);
    expect(chosen).toMatchObject({ feeSats: 154, rate: 1 });
    expect(chosen.note).toContain('1 sat/vB');
  });

  test.each([20, 10_000, Number.MAX_VALUE])('%d sat/vB is cut to the cap, and says so', estimate => {
    const chosen = choose(estimate);
    expect(chosen.feeSats).toBe(3000);
    expect(chosen.note).toContain('cap of 3000 sat');
  });

  test('a text from the source does not get into the note', () => {
    expect(choose('evil\nline').note).not.toContain('evil');
  });

  test('the cap holds even where it is under the relay minimum', () => {
    const chosen = choose(5, 100);
    expect(chosen.feeSats).toBe(100);
    expect(chosen.note).toContain('may not be relayed');
  });

  test('caps and sizes that are none', () => {
    for (const capSats of [0, -1, Number.NaN, 1.5]) expect(() => choose(1, capSats)).toThrow(BitcoinFormatError);
    for (const vsize of [0, -1, Number.NaN, 1.5]) expect(() => choose(1, 3000, vsize)).toThrow(BitcoinFormatError);
  });
});

// fault 28
describe('change', () => {
  test.each([
    [10_000, 350, { feeSats: 350, changeSats: 9650 }],
    [680, 350, { feeSats: 350, changeSats: 330 }],
    [679, 350, { feeSats: 679, changeSats: 0 }],
    [350, 350, { feeSats: 350, changeSats: 0 }],
  ])('%i with a fee of %i', (valueSats, feeSats, expected) => {
    expect(splitChange({ valueSats, feeSats })).toEqual(expected);
  });

  test('a fee above the value', () => {
    expect(() => splitChange({ valueSats: 349, feeSats: 350 })).toThrow('higher than the value');
  });

  test('the cap', () => {
    expect(isOverCap(3000, 3000)).toBe(false);
    expect(isOverCap(3001, 3000)).toBe(true);
    expect(isOverCap(Number.NaN, 3000)).toBe(true);
    expect(isOverCap(1, Number.NaN)).toBe(true);
  });

  test('sizes', () => {
    expect([signalVsize(true), signalVsize(false)]).toEqual([154, 111]);
  });
});

describe('a ladder', () => {
  const ladder = (over: Partial<Parameters<typeof feeLadder>[0]> = {}) =>
    feeLadder({ base: 308, factor: 2, count: 4, capSats: 3000, vsize: 154, ...over });

  test('rises by the factor, and ends in the cap', () => {
    expect(ladder()).toEqual([308, 616, 1232, 2464]);
    expect(ladder({ count: 9 })).toEqual([308, 616, 1232, 2464, 3000]);
  });

  test('steps are never nearer than what nodes take as a replacement', () => {
    expect(ladder({ factor: 1 })).toEqual([308, 462, 616, 770]);
    expect(ladder({ factor: 1.1 })).toEqual([308, 462, 616, 770]);
    expect(ladder({ capSats: 308 + 153 })).toEqual([308]);
    expect(ladder({ capSats: 308 + 154 })).toEqual([308, 462]);
  });

  test('a base above the cap, and a ladder of one', () => {
    expect(ladder({ base: 9000 })).toEqual([3000]);
    expect(ladder({ count: 1 })).toEqual([308]);
  });

  test('for every input: rising, apart, under the cap, one step or more', () => {
    for (const base of [1, 154, 500, 2999, 3000, 8000])
      for (const factor of [1, 1.25, 1.5, 2, 10, 1e300])
        for (const count of [1, 2, 5, 40])
          for (const capSats of [1, 153, 154, 1000, 3000]) {
            const steps = ladder({ base, factor, count, capSats });
            expect(steps.length).toBeGreaterThanOrEqual(1);
            expect(steps.length).toBeLessThanOrEqual(count);
            expect(Math.max(...steps)).toBeLessThanOrEqual(capSats);
            for (const [i, step] of steps.slice(1).entries()) expect(step - steps[i]!).toBeGreaterThanOrEqual(154);
          }
  });

  test.each([
    { base: 0 },
    { base: 1.5 },
    { factor: 0.5 },
    { factor: Number.NaN },
    { factor: Number.POSITIVE_INFINITY },
    { count: 0 },
    { count: 1.5 },
    { capSats: 0 },
    { vsize: 0 },
  ])('%j is refused', over => {
    expect(() => ladder(over)).toThrow(BitcoinFormatError);
  });
});

describe('runway', () => {
  test('counts the signals that can still be made', () => {
    expect(runway(3329, 3000, 300)).toEqual({ atCap: 0, atEstimate: 0 });
    expect(runway(3330, 3000, 300)).toEqual({ atCap: 1, atEstimate: 1 });
    expect(runway(10_000, 3000, 300)).toEqual({ atCap: 3, atEstimate: 23 });
  });

  test('agrees with spending round after round', () => {
    for (const fee of [154, 500, 3000]) {
      let [value, made] = [50_000, 0];
      while (value >= 3000 + 330)
        [value, made] = [splitChange({ valueSats: value, feeSats: fee }).changeSats, made + 1];
      expect(runway(50_000, 3000, fee).atEstimate).toBe(made);
    }
  });

  test('a senseless estimate counts as the cap, or as 1', () => {
    expect(runway(10_000, 3000, Number.NaN).atEstimate).toBe(3);
    expect(runway(10_000, 3000, 99_999).atEstimate).toBe(3);
    expect(runway(3331, 3000, -4).atEstimate).toBe(2);
    expect(runway(Number.NaN, 3000, 300)).toEqual({ atCap: 0, atEstimate: 0 });
    expect(() => runway(10_000, 0, 300)).toThrow(BitcoinFormatError);
  });
});

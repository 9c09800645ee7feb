import { describe, expect, test } from 'vitest';
import {
  duration,
  fields,
  painter,
  plural,
  relativeTime,
  safeText,
  sats,
  table,
  wantsColour,
  withProgress,
} from '../../src/operator/terminal.ts';

const plain = painter(false);
const coloured = painter(true);
const ESCAPE = String.fromCharCode(27);
const uncoloured = (text: string): string => text.replace(new RegExp(`${ESCAPE}\\[[0-9;]*m`, 'g'), '');

describe('numbers and times', () => {
  test.each([
    [0, '0 s'],
    [59, '59 s'],
    [60, '1 min'],
    [61, '1 min 1 s'],
    [7_500, '2 h 5 min'],
    [86_400, '1 d'],
    [90_061, '1 d 1 h'],
    [-5, '0 s'],
  ])('%d seconds are %s', (seconds, text) => expect(duration(seconds)).toBe(text));

  test('times are told from now', () => {
    expect(relativeTime(100, 100)).toBe('now');
    expect(relativeTime(160, 100)).toBe('in 1 min');
    expect(relativeTime(95, 100)).toBe('5 s ago');
  });

  test('satoshis have separators, things are counted', () => {
    expect(sats(1_234_567)).toBe('1,234,567 sat');
    expect([plural(1, 'round'), plural(2, 'round')]).toEqual(['1 round', '2 rounds']);
  });
});

describe('tables', () => {
  const columns = [{ title: 'NAME' }, { title: 'N', align: 'right' as const }, { title: 'LAST' }];
  const rows = [
    ['a', '1', { text: 'yes', style: 'green' as const }],
    ['longer', '1,000', ''],
  ];

  test('are aligned', () => {
    expect(table(columns, rows, plain)).toBe('NAME        N  LAST\na           1  yes\nlonger  1,000\n');
  });

  test('are aligned alike in colour', () => {
    expect(uncoloured(table(columns, rows, coloured))).toBe(table(columns, rows, plain));
    expect(table(columns, rows, coloured)).toContain(ESCAPE);
  });

  test('fields line up, and null is left out', () => {
    expect(
      fields(
        [
          ['a', '1'],
          ['long', { text: '2', style: 'red' }],
          ['none', null],
        ],
        plain,
      ),
    ).toBe('a     1\nlong  2\n');
  });

  test('foreign text cannot leave its cell', () => {
    const hostile = `x${ESCAPE}[2J\n\u202ey\u009b`;
    expect(safeText(hostile)).toBe('x?[2J??y?');
    expect(table([{ title: 'T' }], [[hostile]], plain).split('\n')).toHaveLength(3);
    expect(fields([['t', hostile]], plain)).not.toContain(ESCAPE);
  });
});

test('colours are for terminals that want them', () => {
  expect(wantsColour({ write: () => {}, isTTY: true }, {})).toBe(true);
  expect(wantsColour({ write: () => {}, isTTY: true }, { NO_COLOR: '1' })).toBe(false);
  expect(wantsColour({ write: () => {}, isTTY: true }, { TERM: 'dumb' })).toBe(false);
  expect(wantsColour({ write: () => {} }, {})).toBe(false);
});

test('waiting is passed on, and silent where nobody watches', async () => {
  const written: string[] = [];
  const out = { write: (text: string) => written.push(text) };
  expect(await withProgress(out, 'x', Promise.resolve(1))).toBe(1);
  await expect(withProgress({ ...out, isTTY: true }, 'x', Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(written).toEqual([]);
});

import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { sha256, toBase64url, utf8 } from '../../src/crypto/index.ts';
import { jcs, jsonHash, jsonHash64, MAX_JSON_DEPTH } from '../../src/did/index.ts';

/** An independent implementation, by one of the authors of RFC 8785. */
const witness = createRequire(import.meta.url)('canonicalize') as (value: unknown) => string;

describe('RFC 8785', () => {
  it('serializes the example of section 3.2.2', () => {
    const value = {
      // biome-ignore lint/correctness/noPrecisionLoss: the published example is about just that
      numbers: [333333333.33333329, 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    };
    expect(jcs(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  it('sorts names by UTF-16 code units, as section 3.2.3', () => {
    const value = {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\ud83d\ude00': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    };
    expect(Object.values(JSON.parse(jcs(value)))).toHaveLength(7);
    const order = [...jcs(value).matchAll(/:"([^"]+)"/g)].map(match => match[1]);
    expect(order).toEqual([
      'Carriage Return',
      'One',
      'Control',
      'Latin Small Letter O With Diaeresis',
      'Euro Sign',
      'Emoji: Grinning Face',
      'Hebrew Letter Dalet With Dagesh',
    ]);
  });

  it.each([
    [-0],
    [0.1 + 0.2],
    [5e-324],
    [1.7976931348623157e308],
    [Number('9007199254740993')],
    ['\u2028\u0000\ud834\udd1e'],
    [[[], {}, [{}]]],
    [{ b: 1, a: { d: [1, { z: null, y: '' }], c: false } }],
    [JSON.parse('{"constructor":1,"toString":2,"":3}')],
  ])('agrees with another implementation: %j', value => {
    expect(jcs(value)).toBe(witness(value));
  });

  it('hashes the canonical text', () => {
    expect(jsonHash({ b: 1, a: 2 })).toEqual(sha256(utf8('{"a":2,"b":1}')));
    expect(jsonHash64({ b: 1, a: 2 })).toBe(toBase64url(sha256(utf8('{"a":2,"b":1}'))));
  });
});

describe('what JSON cannot say is refused, never dropped', () => {
  class Point {
    x = 1;
  }
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  const sparse: unknown[] = [];
  sparse[1] = 1;
  const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);

  const cases: [string, unknown][] = [
    ['undefined', undefined],
    ['an undefined member', { a: undefined }],
    ['a hole in an array', sparse],
    ['a function', { a: () => 1 }],
    ['a symbol', [Symbol('a')]],
    ['a bigint', { a: 1n }],
    ['NaN', Number.NaN],
    ['Infinity', [-Infinity]],
    ['a Date', new Date(0)],
    ['a Map', new Map()],
    ['bytes', new Uint8Array(2)],
    ['a class instance', new Point()],
    ['an object that writes itself', { toJSON: () => 'x' }],
    ['a lone surrogate', '\ud800'],
    ['a lone surrogate in a name', { '\udc00x': 1 }],
    ['a cycle', cyclic],
    ['too much nesting', nested(MAX_JSON_DEPTH + 1)],
    ['a name that copying code drops', JSON.parse('{"__proto__":1}')],
  ];
  it.each(cases)('%s', (_, value) => {
    expect(() => jcs(value)).toThrow(TypeError);
  });

  it('names the place, and takes what just fits', () => {
    expect(() => jcs({ a: [1, { b: Number.NaN }] })).toThrow('$.a[1].b');
    expect(jcs(nested(MAX_JSON_DEPTH))).toHaveLength(2 * MAX_JSON_DEPTH + 1);
    expect(jcs(Object.create(null))).toBe('{}');
  });
});

import { describe, expect, test } from 'vitest';
import { sha256, toHex, utf8 } from '../../../src/crypto/index.ts';
import { choose, type Shown } from '../../../src/wallet/saved/choose.ts';
import { type Manifest, manifestText, type Own, readManifest, stopOf } from '../../../src/wallet/saved/manifest.ts';

const WRITER = 'aa'.repeat(16);
const OTHER = 'bb'.repeat(16);
const hash = (text: string): string => toHex(sha256(utf8(text)));

const stateOf = (counter: number, texts: readonly string[], over: Partial<Manifest> = {}): Manifest => ({
  writer: WRITER,
  counter,
  network: 'regtest',
  made_at: 1_900_000_000 + counter,
  follows: null,
  chunks: texts.map((text, slot) => ({ slot, sha256: hash(text) })),
  ...over,
});

const shows = (
  relay: string,
  manifest: Manifest | null,
  texts: readonly string[],
  over: Partial<Shown> = {},
): Shown => ({
  relay,
  answered: true,
  manifest,
  unreadable: 0,
  texts: new Map(texts.map(text => [hash(text), text])),
  ...over,
});

const found = (shown: Shown[]) => {
  const { chosen, findings } = choose(shown);
  return { counter: chosen?.manifest.counter ?? null, texts: chosen?.texts, holds: findings.map(({ holds }) => holds) };
};

const [old, now] = [stateOf(1, ['a', 'b']), stateOf(2, ['a', 'c'])];

describe('of what relays show, the highest whole state is taken', () => {
  test('where one plays back an older one, which is told', () => {
    const all = [shows('liar', old, ['a', 'b']), shows('honest', now, ['a', 'c'])];
    expect(found(all)).toEqual({ counter: 2, texts: ['a', 'c'], holds: ['older', 'newest'] });
    expect(found(all.reverse()).holds).toEqual(['newest', 'older']);
  });

  test('from several relays together, each of which lost a piece', () => {
    const shown = [shows('one', now, ['a']), shows('two', now, ['c']), shows('three', null, [])];
    expect(found(shown)).toEqual({ counter: 2, texts: ['a', 'c'], holds: ['incomplete', 'incomplete', 'nothing'] });
    expect(choose(shown).findings.map(({ missing }) => missing)).toEqual([1, 1, 0]);
  });

  test('with the one before it, where a piece of the newest is nowhere: that there was a newer one is told', () => {
    const shown = [shows('one', now, ['a']), shows('two', old, ['a', 'b'])];
    expect(found(shown)).toEqual({ counter: 1, texts: ['a', 'b'], holds: ['newer', 'newest'] });
  });

  test('and a piece that says something else is none, whatever it is called', () => {
    const corrupt: Shown = {
      ...shows('one', now, ['a']),
      texts: new Map([
        [hash('a'), 'a'],
        [hash('C'), 'C'],
      ]),
    };
    expect(found([corrupt])).toEqual({ counter: null, texts: undefined, holds: ['incomplete'] });
  });

  test('or none at all: silence, junk and emptiness are three things', () => {
    const shown = [
      shows('down', null, [], { answered: false }),
      shows('junk', null, [], { unreadable: 1 }),
      shows('empty', null, []),
    ];
    expect(found(shown)).toEqual({ counter: null, texts: undefined, holds: ['silent', 'unreadable', 'nothing'] });
  });

  test('and another wallet of these words is told, unless this state went on from its', () => {
    const theirs = stateOf(3, ['x'], { writer: OTHER });
    expect(found([shows('one', now, ['a', 'c']), shows('two', theirs, ['x'])])).toMatchObject({
      counter: 3,
      holds: ['other', 'newest'],
    });
    const after = stateOf(3, ['x'], { writer: OTHER, follows: { writer: WRITER, counter: 2 } });
    expect(found([shows('one', now, ['a', 'c']), shows('two', after, ['x'])]).holds).toEqual(['older', 'newest']);
  });
});

describe('a wallet stops writing', () => {
  const own: Own = { writer: WRITER, counter: 5, follows: null };
  const at = (counter: number, writer = WRITER) => stateOf(counter, [], { writer });

  test.each([
    ['nothing is shown', own, [], null],
    ['its own last state, and an older one', own, [at(5), at(3)], null],
    ['a higher counter under its own name', own, [at(5), at(6)], 'old_copy'],
    ['any state by a stranger to it', own, [at(1, OTHER)], 'foreign'],
    ['the state that it went on from', { ...own, follows: { writer: OTHER, counter: 4 } }, [at(4, OTHER)], null],
    ['that writer writing on', { ...own, follows: { writer: OTHER, counter: 4 } }, [at(5, OTHER)], 'foreign'],
    ['a third one', { ...own, follows: { writer: OTHER, counter: 4 } }, [at(9, 'cc'.repeat(16))], 'foreign'],
  ] as const)('or not: %s', (_, mine, shown, why) => {
    expect(stopOf(mine, shown)?.why ?? null).toBe(why);
  });
});

describe('a manifest', () => {
  test('is read back as it was written', () => {
    const manifest = stateOf(7, ['a', 'b'], { follows: { writer: OTHER, counter: 6 } });
    expect(readManifest(manifestText(manifest))).toEqual(manifest);
  });

  test.each([
    ['another version', (text: string) => text.replace('"v":1', '"v":2')],
    ['more in it', (text: string) => text.replace('{', '{"cohort_key":"00",')],
    ['a counter of 0', (text: string) => text.replace('"counter":7', '"counter":0')],
    ['half of it', (text: string) => text.slice(0, -5)],
  ])('is none with %s', (_, change) => {
    expect(readManifest(change(manifestText(stateOf(7, ['a']))))).toBeNull();
  });

  test('of five hundred pieces still fits one event', () => {
    const texts = Array.from({ length: 500 }, (_, i) => `chunk ${i}`);
    expect(utf8(manifestText(stateOf(1_000_000, texts))).length).toBeLessThan(40_000);
  });
});

import { describe, expect, test } from 'vitest';
import { sha256, toHex, utf8 } from '../../../src/crypto/index.ts';
import { type Chunk, type Packed, pack, unpack } from '../../../src/wallet/saved/pack.ts';
import { lineOf, type SavedItem } from '../../../src/wallet/saved/record.ts';
import { filler } from './scene.ts';

const LIMIT = 10_000;
const NOTHING = { chunks: [], next: 0 };
const slots = (chunks: readonly Chunk[]): number[] => chunks.map(({ slot }) => slot);
const written = (packed: Packed, before: readonly Chunk[]): number[] =>
  slots(packed.chunks.filter(({ sha256: hash }) => !before.some(known => known.sha256 === hash)));
const whole = ({ chunks, textOf }: Packed): SavedItem[] => {
  const read = unpack(chunks.map(textOf));
  if (!read.ok) throw new Error(read.text);
  return read.items;
};
const byLine = (items: readonly SavedItem[]): string[] => items.map(lineOf).sort();

describe('given items that were packed', () => {
  const items = filler(27);
  const first = pack(items, NOTHING, LIMIT);

  test('they fill chunks below the limit, are named by their hash, and come out as they went in', () => {
    expect(slots(first.chunks)).toEqual([0, 1, 2, -1]);
    for (const chunk of first.chunks) {
      const text = utf8(first.textOf(chunk));
      expect([text.length <= LIMIT, chunk.bytes]).toEqual([true, text.length]);
      expect(chunk.sha256).toBe(toHex(sha256(text)));
    }
    expect(byLine(whole(first))).toEqual(byLine(items));
  });

  test('nothing new writes nothing', () => {
    const again = pack(filler(27), first, LIMIT);
    expect([again.changed, again.chunks, again.freed]).toEqual([false, first.chunks, []]);
  });

  test('a new item writes the open chunk alone, into the other slot: the old one stays until its list is replaced', () => {
    const next = pack([...items, ...filler(1, 500, 'new')], first, LIMIT);
    expect([next.changed, written(next, first.chunks)]).toEqual([true, [-2]]);
    const third = pack([...items, ...filler(2, 500, 'new')], next, LIMIT);
    expect(written(third, next.chunks)).toEqual([-1]);
    expect(byLine(whole(third))).toEqual(byLine([...items, ...filler(2, 500, 'new')]));
  });

  test('a chunk that fills up gets a slot of its own for ever', () => {
    const more = filler(12, 1_000, 'more');
    const next = pack([...items, ...more], first, LIMIT);
    expect(next.chunks.slice(0, 3)).toEqual(first.chunks.slice(0, 3));
    expect(written(next, first.chunks)).toEqual([3, -2]);
    expect(byLine(whole(next))).toEqual(byLine([...items, ...more]));
  });

  test('an item that is gone frees its chunk, whose other items are packed anew: every chunk can be made again', () => {
    const rest = items.filter((_, i) => i !== 3);
    const next = pack(rest, first, LIMIT);
    expect(next.freed).toEqual([0]);
    expect(slots(next.chunks)).not.toContain(0);
    expect(byLine(whole(next))).toEqual(byLine(rest));
    // Its number is never used again: what stands there is deleted later.
    expect(slots(next.chunks)).toEqual([1, 2, 3, -2]);
    const last = pack(
      items.filter((_, i) => i < 16),
      first,
      LIMIT,
    );
    expect([last.freed, last.next]).toEqual([[2], 3]);
    expect(slots(pack(items, last, LIMIT).chunks)).toEqual([0, 1, 3, -1]);
  });

  test('an item that is gone from the open chunk frees nothing', () => {
    const next = pack(items.slice(0, -1), first, LIMIT);
    expect([next.freed, written(next, first.chunks)]).toEqual([[], [-2]]);
    expect(byLine(whole(next))).toEqual(byLine(items.slice(0, -1)));
  });
});

describe('an item larger than a chunk', () => {
  const large = filler(1, 35_000, 'large');
  const packed = pack([...filler(3), ...large], NOTHING, LIMIT);

  test('is cut into chunks of its own and put together again', () => {
    expect(packed.chunks.every(({ bytes }) => bytes <= LIMIT)).toBe(true);
    expect(byLine(whole(packed))).toEqual(byLine([...filler(3), ...large]));
    expect(pack([...filler(3), ...large], packed, LIMIT).changed).toBe(false);
  });

  test('is not taken for whole without one of its parts', () => {
    const texts = packed.chunks.filter(({ items }) => !items[0]!.endsWith('/1/5')).map(packed.textOf);
    expect(texts).toHaveLength(packed.chunks.length - 1);
    expect(unpack(texts)).toMatchObject({ ok: false, text: expect.stringMatching(/4 of 5 parts/) });
  });

  test('goes with all of its parts', () => {
    const next = pack(filler(3), packed, LIMIT);
    expect(next.freed).toHaveLength(5);
    expect(byLine(whole(next))).toEqual(byLine(filler(3)));
  });
});

test.each([
  ['no JSON', 'nonsense'],
  ['another kind of item', '{"t":"cohort_key","secret":"00"}'],
  ['an item with more in it', '{"t":"seat","at":"a","did":"d","secret":"00"}'],
  ['a part that is none', '{"t":"part","of":1}'],
])('%s is no state', (_, text) => {
  expect(unpack([text])).toMatchObject({ ok: false });
});

test('nothing packs to nothing', () => {
  expect(pack([], NOTHING, LIMIT)).toMatchObject({ chunks: [], changed: false });
});

import { describe, expect, test } from 'vitest';
import { CHUNK_LIMITS, ChunkError, createChunkAssembler, splitText } from '../../src/nostr/chunk.ts';
import { random } from './keys.ts';

const text = Array.from({ length: 3_000 }, (_, i) => `${i} é🦄`).join();
const parts = splitText(text, 4_000, random(16));
const accept = (assembler = createChunkAssembler()) => {
  let events = 0;
  return (part: string, sender = 'alice', now = 0) =>
    assembler.accept({ sender, text: part, eventId: `event ${events++}`, now });
};
const altered = (part: string, change: (value: { chunk: Record<string, unknown>; data: unknown }) => void): string => {
  const value = JSON.parse(part);
  change(value);
  return JSON.stringify(value);
};

describe('chunks', () => {
  test('a text that fits is left alone', () => {
    expect(splitText('short', 4_000, random(16))).toEqual(['short']);
    expect(accept()('{"v":1}')).toEqual({ status: 'whole', text: '{"v":1}', eventIds: ['event 0'] });
    expect(accept()('no json "chunk"').status).toBe('whole');
  });
  test('come in any order, and more than once', () => {
    const take = accept();
    const [first, ...others] = [...parts].reverse();
    const half = take(first!);
    expect(half).toEqual({ status: 'partial', have: 1, of: parts.length });
    expect(take(first!)).toEqual(half);
    const results = others.map(part => take(part));
    expect(results.at(-1)).toMatchObject({ status: 'whole', text });
  });
  test('with their members in another order, and spaces', () => {
    const take = accept();
    const results = parts.map(part => {
      const { chunk, data } = JSON.parse(part);
      return take(JSON.stringify({ data, chunk }, null, 1));
    });
    expect(results.at(-1)).toMatchObject({ status: 'whole', text });
  });
  test('cannot be an envelope at the same time', () => {
    expect(accept()(altered(parts[0]!, value => Object.assign(value, { v: 1 })))).toEqual({
      status: 'refused',
      reason: 'malformed',
    });
  });
  test.each<[string, (value: { chunk: Record<string, unknown>; data: unknown }) => void]>([
    ['n of a million', value => Object.assign(value.chunk, { n: 1_000_000 })],
    ['n of one', value => Object.assign(value.chunk, { n: 1, i: 0 })],
    ['an index beyond n', value => Object.assign(value.chunk, { i: value.chunk.n })],
    ['a negative index', value => Object.assign(value.chunk, { i: -1 })],
    ['a fractional index', value => Object.assign(value.chunk, { i: 0.5 })],
    ['an upper-case hash', value => Object.assign(value.chunk, { sha256: 'A'.repeat(64) })],
    ['a short set id', value => Object.assign(value.chunk, { set: 'ab' })],
    ['a further member', value => Object.assign(value.chunk, { x: 1 })],
    ['no data', value => Object.assign(value, { data: '' })],
    ['data that is no text', value => Object.assign(value, { data: [] })],
    ['data that is no base64url', value => Object.assign(value, { data: '*' })],
    ['padded data', value => Object.assign(value, { data: 'YQ==' })],
  ])('%s is malformed', (_name, change) => {
    expect(accept()(altered(parts[0]!, change))).toEqual({ status: 'refused', reason: 'malformed' });
  });
  test('a text that would need too many parts is not cut', () => {
    expect(() => splitText('a'.repeat(400_000), 500, random(16))).toThrow(ChunkError);
    expect(() => splitText('a'.repeat(400_000), 100, random(16))).toThrow(ChunkError);
  });
});

// fault 12
describe('attacks on the assembler', () => {
  test('parts that contradict each other: the first stays', () => {
    const take = accept();
    take(parts[0]!);
    const other = altered(parts[1]!, value => Object.assign(value.chunk, { sha256: '0'.repeat(64) }));
    expect(take(other)).toEqual({ status: 'refused', reason: 'conflict' });
    expect(take(altered(parts[0]!, value => Object.assign(value, { data: 'YWJj' })))).toEqual({
      status: 'refused',
      reason: 'conflict',
    });
    expect(
      parts
        .slice(1)
        .map(part => take(part))
        .at(-1),
    ).toMatchObject({ status: 'whole', text });
  });
  test('another sender who knows the set id can neither add to it nor spoil it', () => {
    const take = accept();
    for (const part of parts.slice(1)) take(part);
    expect(
      take(
        altered(parts[0]!, value => Object.assign(value, { data: 'YWJj' })),
        'mallory',
      ).status,
    ).toBe('partial');
    expect(take(parts[0]!)).toMatchObject({ status: 'whole', text });
  });
  test('a wrong part shows in the hash, and the set is gone', () => {
    const assembler = createChunkAssembler();
    const take = accept(assembler);
    const wrong = parts.map((part, i) =>
      i === 0 ? altered(part, value => Object.assign(value, { data: 'YWJj' })) : part,
    );
    expect(wrong.map(part => take(part)).at(-1)).toEqual({ status: 'refused', reason: 'hash' });
    expect(assembler.held()).toBe(0);
  });
  // fault 57
  test('an endless number of open sets costs the flooder its own oldest ones', () => {
    const assembler = createChunkAssembler();
    const take = accept(assembler);
    take(parts[0]!);
    for (let i = 0; i < 200; i++) take(splitText(text, 4_000, random(16))[0]!, 'mallory');
    expect(assembler.held()).toBeLessThan((1 + CHUNK_LIMITS.setsPerSender) * 4_000);
    expect(
      parts
        .slice(1)
        .map(part => take(part))
        .at(-1),
    ).toMatchObject({ status: 'whole' });
  });
  // fault 57
  test('bytes are bounded for each sender', () => {
    const assembler = createChunkAssembler({ ...CHUNK_LIMITS, bytesPerSender: 8_000 });
    const results = parts.map(part => accept(assembler)(part));
    expect(results).toContainEqual({ status: 'refused', reason: 'too_big' });
    expect(assembler.held()).toBeLessThanOrEqual(8_000);
  });
  test('bytes are bounded for all together: whoever holds most gives way', () => {
    const assembler = createChunkAssembler({ ...CHUNK_LIMITS, bytes: 30_000 });
    const take = accept(assembler);
    const own = splitText('b'.repeat(6_000), 4_000, random(16));
    take(own[0]!);
    for (let i = 0; i < 20; i++) take(splitText(text, 4_000, random(16))[0]!, 'mallory');
    for (let i = 0; i < 20; i++) take(splitText(text, 4_000, random(16))[0]!, `mallory ${i % 3}`);
    expect(assembler.held()).toBeLessThanOrEqual(30_000);
    expect(
      own
        .slice(1)
        .map(part => take(part))
        .at(-1),
    ).toMatchObject({ status: 'whole' });
  });
  test('sets that are never finished expire', () => {
    const assembler = createChunkAssembler();
    const take = accept(assembler);
    take(parts[0]!, 'alice', 100);
    expect(assembler.expire(100 + CHUNK_LIMITS.maxAge)).toBe(0);
    expect(assembler.expire(101 + CHUNK_LIMITS.maxAge)).toBe(1);
    expect(assembler.held()).toBe(0);
  });
});

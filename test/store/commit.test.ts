import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { AlreadyAnswered, AlreadySeen, ArtifactConflict, NotStorable, StoreFull } from '../../src/store/index.ts';
import type { Batch } from '../../src/store/types.ts';
import { countSteps, step } from './steps.ts';
import { tempFolder, tempStore, toyEvent, toyItem } from './support.ts';

const event = (stream: string, n: number) => ({ stream, type: 'happened', at: n, body: { n } });
/** Forges a value that the types forbid. */
const forged = (value: unknown): never => value as never;

function cycle(): unknown {
  const loop: { self?: unknown } = {};
  loop.self = loop;
  return loop;
}

describe('the log', () => {
  test('gives back each stream in the order of its commits, with one order over all', () => {
    const store = tempStore();
    store.commit({ events: [event('b', 1), event('a', 2)] });
    store.commit({ events: [event('b', 3)] });
    expect(store.streams()).toEqual(['b', 'a']);
    expect([...store.read('b')]).toEqual([
      { seq: 1, stream: 'b', type: 'happened', at: 1, body: { n: 1 } },
      { seq: 3, stream: 'b', type: 'happened', at: 3, body: { n: 3 } },
    ]);
    expect([...store.read('nobody')]).toEqual([]);
  });

  test('reads streams of many pages, several at once, with commits in between', () => {
    const store = tempStore();
    for (const stream of ['a', 'b'])
      store.commit({ events: Array.from({ length: 1_200 }, (_, n) => event(stream, n)) });
    const [a, b] = [store.read('a')[Symbol.iterator](), store.read('b')[Symbol.iterator]()];
    for (let n = 0; n < 1_200; n++) {
      expect([a.next().value?.body, b.next().value?.body]).toEqual([{ n }, { n }]);
      if (n === 600) store.commit({ events: [event('a', 1_200)] });
    }
    expect(a.next().value?.body).toEqual({ n: 1_200 });
    expect([a.next().done, b.next().done]).toEqual([true, true]);
  });

  test('keeps any plain JSON as it is', () => {
    const store = tempStore();
    const body = {
      nul: 'a\0b',
      quotes: '"\\\u2028',
      emoji: '🜁',
      numbers: [0, -1.5, 1e300, Number.MAX_SAFE_INTEGER],
      nothing: [null, true, {}, []],
      ['__proto__']: 'own',
    };
    const text = `{"__proto__":{"polluted":true}}`;
    store.commit({
      events: [
        { ...event('a', 1), body },
        { ...event('a', 2), body: JSON.parse(text) },
      ],
    });
    const [first, second] = [...store.read('a')].map(row => row.body);
    expect(first).toEqual(body);
    expect(JSON.stringify(second)).toBe(text);
    expect(Object.hasOwn({}, 'polluted')).toBe(false);
  });
});

describe('a batch', () => {
  test('is stored whole', () => {
    const store = tempStore();
    for (let n = 0; n < 3; n++) store.commit(step(n));
    expect(countSteps(store)).toBe(3);
  });

  test('with an id that was seen before stores nothing', () => {
    const store = tempStore();
    store.commit(step(0));
    expect(() =>
      store.commit({
        ...step(1),
        seen: [
          { id: 'new', at: 1 },
          { id: 'seen 0', at: 1 },
        ],
      }),
    ).toThrow(AlreadySeen);
    expect(store.hasSeen('new')).toBe(false);
    expect(countSteps(store)).toBe(1);
  });

  test('that names one seen id twice stores nothing', () => {
    const store = tempStore();
    expect(() =>
      store.commit({
        seen: [
          { id: 'x', at: 1 },
          { id: 'x', at: 1 },
        ],
      }),
    ).toThrow(AlreadySeen);
    expect(store.hasSeen('x')).toBe(false);
  });

  // fault 4
  test('that answers a message a second time stores nothing', () => {
    const store = tempStore();
    store.commit(step(0));
    const again: Batch = { ...step(1), answers: [{ key: 'message 0', eventIds: ['event 1'] }] };
    expect(() => store.commit(again)).toThrow(AlreadyAnswered);
    expect(countSteps(store)).toBe(1);
  });

  test('whose answer names an unknown event stores nothing', () => {
    const store = tempStore();
    const batch: Batch = { ...step(0), answers: [{ key: 'message 0', eventIds: ['event 0', 'nowhere'] }] };
    expect(() => store.commit(batch)).toThrow(NotStorable);
    expect(countSteps(store)).toBe(0);
  });

  test('that would change an artifact stores nothing; the same bytes again are fine', () => {
    const store = tempStore();
    store.commit(step(0));
    store.commit({ artifacts: step(0).artifacts! });
    const other = { stream: 'cohort', key: 'signal 0', bytes: Uint8Array.of(9) };
    expect(() => store.commit({ ...step(1), artifacts: [other] })).toThrow(ArtifactConflict);
    expect(countSteps(store)).toBe(1);
  });

  const refused: [string, Batch][] = [
    ['a lone surrogate in a body', { events: [{ ...event('a', 1), body: { deep: ['\ud800'] } }] }],
    ['a lone surrogate in a name', { events: [{ ...event('a', 1), body: { '\udfff': 1 } }] }],
    ['a lone surrogate in a stream', { events: [event('\udc00', 1)] }],
    ['a lone surrogate in an event', { outbox: [toyItem('x', { content: 'a\ud800b' })] }],
    ['a lone surrogate in evidence', { evidence: [{ stream: 'a', at: 1, reason: 'r', body: '\udbff' }] }],
    ['a NUL in a key', { meta: [{ key: 'a\0b', value: 'c' }] }],
    ['NaN in a body', { events: [{ ...event('a', 1), body: [Number.NaN] }] }],
    ['undefined in a list', { events: [{ ...event('a', 1), body: [undefined] }] }],
    ['no body', { events: [{ ...event('a', 1), body: undefined }] }],
    ['a bigint in a body', { events: [{ ...event('a', 1), body: 1n }] }],
    ['bytes in a body', { events: [{ ...event('a', 1), body: { bytes: Uint8Array.of(1) } }] }],
    ['a date in a body', { events: [{ ...event('a', 1), body: new Date(0) }] }],
    ['a hole in a list', { events: [{ ...event('a', 1), body: new Array(2) }] }],
    ['a function in a body', { events: [{ ...event('a', 1), body: { run: () => 1 } }] }],
    [
      'more levels than a message has',
      { events: [{ ...event('a', 1), body: JSON.parse('['.repeat(5_000) + ']'.repeat(5_000)) }] },
    ],
    ['a cycle', { events: [{ ...event('a', 1), body: cycle() }] }],
    ['a boolean for a time', { seen: [{ id: 'x', at: forged(true) }] }],
    ['a boolean for a value', { meta: [{ key: 'x', value: forged(false) }] }],
    ['a fraction for a time', { seen: [{ id: 'x', at: 1.5 }] }],
    ['NaN for a time', { seen: [{ id: 'x', at: Number.NaN }] }],
    ['nothing for a time', { seen: [{ id: 'x', at: forged(undefined) }] }],
    ['an event under another id', { outbox: [{ ...toyItem('x'), id: 'y' }] }],
    ['an event under another kind', { outbox: [{ ...toyItem('x'), kind: 1 }] }],
  ];
  test.each(refused)('with %s stores nothing', (_, batch) => {
    const store = tempStore();
    const { events = [], seen = [], ...rest } = batch;
    const whole = { ...rest, seen: [{ id: 'first', at: 1 }, ...seen], events: [event('a', 0), ...events] };
    expect(() => store.commit(whole)).toThrow(NotStorable);
    expect(store.hasSeen('first')).toBe(false);
    expect(store.streams()).toEqual([]);
    store.commit(step(0));
    expect(countSteps(store)).toBe(1);
  });

  test('refused tells the place and not the value', () => {
    const store = tempStore();
    const body = { answer: { note: 'very private \ud800' } };
    expect(() => store.commit({ events: [{ ...event('a', 1), body }] })).toThrow(
      /^happened body\.answer\.note: text with a lone surrogate$/,
    );
  });
});

// fault 45
describe('a full disk', () => {
  test('stores nothing of the batch and keeps what was there', () => {
    const path = join(tempFolder(), 'a.db');
    const store = tempStore(path, { maxPages: 80 });
    let stored = 0;
    const fill = () => {
      for (; stored < 10_000; stored++) store.commit(step(stored));
    };
    expect(fill).toThrow(StoreFull);
    expect(stored).toBeGreaterThan(10);
    expect(countSteps(store)).toBe(stored);
    // One large part among small ones fails the same way, and small ones after it may still fit.
    const large = { stream: 'cohort', key: 'large', bytes: new Uint8Array(1_000_000) };
    expect(() => store.commit({ seen: [{ id: 'with large', at: 1 }], artifacts: [large] })).toThrow(StoreFull);
    expect(store.hasSeen('with large')).toBe(false);
    expect(store.artifact('cohort', 'large')).toBe(null);
    expect(countSteps(store)).toBe(stored);
    store.close();

    const roomy = tempStore(path, { check: true });
    expect(countSteps(roomy)).toBe(stored);
    roomy.commit(step(stored));
    expect(countSteps(roomy)).toBe(stored + 1);
  });

  test('while the database is made leaves nothing in the way', () => {
    const path = join(tempFolder(), 'a.db');
    expect(() => tempStore(path, { maxPages: 4 })).toThrow(StoreFull);
    const store = tempStore(path);
    store.commit(step(0));
    expect(countSteps(store)).toBe(1);
  });
});

describe('answers', () => {
  test('come back byte for byte and in order, and null means never answered', () => {
    const store = tempStore();
    const odd = toyEvent('two', { tags: [['e', ''], []], content: '"\\\n🜁' });
    store.commit({
      outbox: [toyItem('one'), { ...toyItem('two'), event: odd }],
      answers: [
        { key: 'alice m1', eventIds: ['two', 'one'] },
        { key: 'alice m2', eventIds: [] },
      ],
    });
    expect(JSON.stringify(store.answersFor('alice m1'))).toBe(JSON.stringify([odd, toyEvent('one')]));
    expect(store.answersFor('alice m2')).toEqual([]);
    expect(store.answersFor('alice m3')).toBe(null);
  });
});

describe('broadcasts', () => {
  const tx = (txid: string, hex = '02') => ({ txid, hex, stream: 'a', at: 1 });

  // fault 34
  test('are open until settled, and the first bytes stand', () => {
    const store = tempStore();
    store.commit({ broadcasts: [tx('b'), tx('a')] });
    store.commit({ broadcasts: [tx('b', 'ff')] });
    expect(store.broadcasts()).toEqual([tx('b'), tx('a')]);
    store.commit({ settleBroadcasts: ['b', 'unknown'] });
    expect(store.broadcasts()).toEqual([tx('a')]);
  });

  test('are open again when a reorganisation makes the caller commit them again', () => {
    const store = tempStore();
    store.commit({ broadcasts: [tx('a')] });
    store.commit({ settleBroadcasts: ['a'] });
    store.commit({ broadcasts: [tx('a')] });
    expect(store.broadcasts()).toEqual([tx('a')]);
  });
});

describe('artifacts, meta, evidence and cursors', () => {
  test('artifacts come back as bytes of their own, in the order they came, one stream at a time', () => {
    const store = tempStore();
    const bytes = (n: number) => Uint8Array.of(n, 0, 255);
    const rows = Array.from({ length: 40 }, (_, n) => ({
      stream: n % 2 ? 'a' : 'b',
      key: `k${40 - n}`,
      bytes: bytes(n),
    }));
    store.commit({ artifacts: [...rows, { stream: 'a', key: 'empty', bytes: new Uint8Array() }] });
    expect(store.artifact('b', 'k40')).toEqual(bytes(0));
    expect(store.artifact('a', 'empty')).toEqual(new Uint8Array());
    expect(store.artifact('a', 'k40')).toBe(null);
    expect([...store.artifacts('b')]).toEqual(
      rows.filter(row => row.stream === 'b').map(({ key, bytes }) => ({ key, bytes })),
    );
  });

  test('an artifact that is a part of a larger buffer is stored as that part', () => {
    const store = tempStore();
    const whole = Uint8Array.from({ length: 64 }, (_, i) => i);
    store.commit({
      artifacts: [
        { stream: 'a', key: 'part', bytes: whole.subarray(8, 12) },
        { stream: 'a', key: 'node', bytes: Buffer.from('0aff', 'hex') },
      ],
    });
    whole.fill(0);
    expect(store.artifact('a', 'part')).toEqual(Uint8Array.of(8, 9, 10, 11));
    expect(store.artifact('a', 'node')).toEqual(Uint8Array.of(10, 255));
  });

  test('meta keeps the last value', () => {
    const store = tempStore();
    expect(store.meta('k')).toBe(null);
    store.commit({ meta: [{ key: 'k', value: 'one' }] });
    store.commit({ meta: [{ key: 'k', value: 'two' }] });
    expect(store.meta('k')).toBe('two');
  });

  test('evidence is kept by stream and as a whole', () => {
    const store = tempStore();
    const proof = (stream: string, at: number) => ({ stream, at, reason: 'equivocation', body: { envelopes: [at] } });
    store.commit({ evidence: [proof('a', 1), proof('b', 2)] });
    store.commit({ evidence: [proof('a', 3)] });
    expect([...store.evidence('a')]).toEqual([
      { seq: 1, ...proof('a', 1) },
      { seq: 3, ...proof('a', 3) },
    ]);
    expect([...store.evidence()].map(row => row.at)).toEqual([1, 2, 3]);
  });

  test('cursors are kept for each relay and recipient, and can be set back', () => {
    const path = join(tempFolder(), 'a.db');
    const store = tempStore(path);
    expect(store.cursors.get('wss://r', 'me')).toBe(null);
    store.cursors.set('wss://r', 'me', 5_000_000_000);
    store.cursors.set('wss://r', 'me', 100);
    store.cursors.set('wss://r', 'other', 7);
    store.close();
    const again = tempStore(path);
    expect([again.cursors.get('wss://r', 'me'), again.cursors.get('wss://r', 'other')]).toEqual([100, 7]);
    expect(again.cursors.get('wss://s', 'me')).toBe(null);
  });
});

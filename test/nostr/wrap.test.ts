import { describe, expect, test } from 'vitest';
import { hmacSha256, toHex, utf8 } from '../../src/crypto/index.ts';
import { createChunkAssembler } from '../../src/nostr/chunk.ts';
import { eventBytes, signEvent, verifyEvent, xOnlyOf } from '../../src/nostr/event.ts';
import { conversationKey } from '../../src/nostr/nip44.ts';
import { PLAINTEXT_LIMIT, plaintextLimit, sessionTag, unwrapMessage, wrapMessage } from '../../src/nostr/wrap.ts';
import { alice, bob, bobKey, carol, random } from './keys.ts';

const wrap = (plaintext: string, limit?: number) =>
  wrapMessage({
    plaintext,
    from: alice,
    to: bobKey,
    contextId: 'advert',
    createdAt: 1_700_000_000,
    expiration: 1_700_086_400,
    random,
    ...(limit === undefined ? {} : { limit }),
  });
const opened = (events: ReturnType<typeof wrap>): string[] =>
  events.map(event => {
    const result = unwrapMessage(event, bob);
    return result.ok ? result.text : result.reason;
  });

describe('a directed message', () => {
  const [event] = wrap('{"v":1}');
  test('comes out as it went in', () => {
    expect(opened([event!])).toEqual(['{"v":1}']);
    expect(verifyEvent(event)).toEqual(event);
  });
  test('has p first and alone, the session tag, and the expiration', () => {
    const tag = toHex(hmacSha256(conversationKey(bob, xOnlyOf(alice)), utf8('advert')));
    expect(event!.kind).toBe(8252);
    expect(event!.tags).toEqual([
      ['p', bobKey],
      ['s', tag],
      ['expiration', '1700086400'],
    ]);
  });
  test('has a session tag that both sides compute, another for another context or peer', () => {
    const tag = sessionTag(bob, xOnlyOf(alice), 'advert');
    expect(tag).toBe(sessionTag(alice, bobKey, 'advert'));
    expect(sessionTag(bob, xOnlyOf(alice), 'session')).not.toBe(tag);
    expect(sessionTag(bob, xOnlyOf(carol), 'advert')).not.toBe(tag);
  });
  test('uses fresh randomness for each event', () => {
    expect(wrap('{"v":1}')[0]!.content).not.toBe(event!.content);
  });
  test('refuses a recipient that is no key', () => {
    const to = (key: string) => () =>
      wrapMessage({ plaintext: 'x', from: alice, to: key, contextId: '', createdAt: 1, expiration: 2, random });
    expect(to(bobKey.toUpperCase())).toThrow('lowercase');
    expect(to('f'.repeat(64))).toThrow('x-only');
  });
});

// fault 11
describe('what does not unwrap', () => {
  const sign = (kind: number, tags: string[][], content: string) =>
    unwrapMessage(signEvent({ kind, tags, content, created_at: 1 }, alice, random(32)), bob);
  const { content } = wrap('x')[0]!;
  test.each([
    ['another kind', 1, [['p', bobKey]], 'kind'],
    ['no recipient', 8252, [], 'recipient'],
    ['another recipient', 8252, [['p', xOnlyOf(carol)]], 'recipient'],
    [
      'a second recipient',
      8252,
      [
        ['p', bobKey],
        ['p', xOnlyOf(carol)],
      ],
      'recipient',
    ],
  ])('%s', (_name, kind, tags, reason) => {
    expect(sign(kind, tags, content)).toEqual({ ok: false, reason });
  });
  test('a message of somebody else, grafted onto an own event', () => {
    const grafted = signEvent({ kind: 8252, tags: [['p', bobKey]], content, created_at: 1 }, carol, random(32));
    expect(unwrapMessage(grafted, bob)).toEqual({ ok: false, reason: 'mac' });
  });
  // fault 3
  test('plaintext, NIP-04 and nothing', () => {
    for (const text of ['{"v":1}', 'aGVsbG8=?iv=aGVsbG8=', ''])
      expect(sign(8252, [['p', bobKey]], text)).toEqual({ ok: false, reason: 'malformed' });
  });
});

describe('sizes', () => {
  test('the largest plaintext in one event stays under what relays take', () => {
    const events = wrap('a'.repeat(PLAINTEXT_LIMIT));
    expect(events).toHaveLength(1);
    expect(eventBytes(events[0]!)).toBeLessThan(65_536);
  });
  test('a longer one travels in chunks that all fit, whatever it is made of', () => {
    for (const text of ['a', '"', '\\', '\u0001', '🦄'].map(unit => unit.repeat(50_000))) {
      const events = wrap(text);
      expect(events.length).toBeGreaterThan(1);
      for (const event of events) expect(eventBytes(event)).toBeLessThan(65_536);
      const assembler = createChunkAssembler();
      const results = opened(events).map((part, i) =>
        assembler.accept({ sender: 'alice', text: part, eventId: events[i]!.id, now: 0 }),
      );
      expect(results.at(-1)).toEqual({ status: 'whole', text, eventIds: events.map(({ id }) => id) });
    }
  });
  test('a relay that takes less gets smaller parts', () => {
    for (const max of [4_096, 10_000, 16_384, 65_536, 1_000_000]) {
      const limit = plaintextLimit(max);
      for (const event of wrap('x'.repeat(30_000), limit))
        expect(JSON.stringify(['EVENT', event]).length).toBeLessThanOrEqual(max);
    }
    expect(plaintextLimit(131_072)).toBe(PLAINTEXT_LIMIT);
  });
});

import { verifyEvent as libraryVerify } from 'nostr-tools/pure';
import { describe, expect, test } from 'vitest';
import {
  EventError,
  eventBytes,
  eventId,
  expirationOf,
  hasValidSignature,
  LIMITS,
  type NostrEvent,
  readEvent,
  signEvent,
  tagValue,
  tagValues,
  verifyEvent,
  xOnlyOf,
} from '../../src/nostr/event.ts';
import { minePow, powOf } from '../../src/nostr/pow.ts';
import { alice, bob, mail, random } from './keys.ts';

const aux = new Uint8Array(32);
const template = {
  kind: 1,
  created_at: 1_700_000_000,
  tags: [['p', xOnlyOf(bob)], ['t']],
  content: 'a "b" \n é 🦄 \x01',
};
const event = signEvent(template, alice, aux);
/** As it comes out of JSON. */
const foreign = (change: Record<string, unknown> = {}): unknown => JSON.parse(JSON.stringify({ ...event, ...change }));

describe('a signed event', () => {
  test('is what the common library takes too', () => {
    expect(verifyEvent(foreign())).toEqual(event);
    expect(libraryVerify({ ...event })).toBe(true);
    expect(eventId(event)).toBe(event.id);
  });
  test('is refused by the signer when it is malformed, and names no key', () => {
    expect(() => signEvent({ ...template, kind: 70_000 }, alice, aux)).toThrow(EventError);
    expect(() => signEvent({ ...template, created_at: 1.5 }, alice, aux)).toThrow(EventError);
    expect(() => signEvent({ ...template, content: '\udfff' }, alice, aux)).toThrow(EventError);
    expect(() => signEvent({ ...template, content: 'a'.repeat(70_000) }, alice, aux)).toThrow(EventError);
    expect(() => signEvent(template, new Uint8Array(32), aux)).toThrow('not a secret key');
  });
  test('may be as large as the limit, and no larger, for signer and verifier alike', () => {
    const room = LIMITS.eventBytes - eventBytes(signEvent({ ...template, content: '' }, alice, aux));
    const largest = signEvent({ ...template, content: 'a'.repeat(room) }, alice, aux);
    expect(eventBytes(largest)).toBe(LIMITS.eventBytes);
    expect(verifyEvent(largest)).toEqual(largest);
    expect(() => signEvent({ ...template, content: 'a'.repeat(room + 1) }, alice, aux)).toThrow(EventError);
  });
});

describe('foreign data', () => {
  const { sig: _, ...unsigned } = event;
  const other = mail('other');
  const flipped = `${event.sig.slice(0, -1)}${event.sig.endsWith('0') ? '1' : '0'}`;
  test.each<[string, unknown]>([
    ['no object', 'event'],
    ['null', null],
    ['an array', [event]],
    ['a missing member', unsigned],
    ['a further member', foreign({ relay: 'x' })],
    ['an own __proto__', JSON.parse(JSON.stringify(event).replace('"kind":1', '"kind":1,"__proto__":{}'))],
    ['an upper-case signature', foreign({ sig: event.sig.toUpperCase() })],
    ['an upper-case id', foreign({ id: event.id.toUpperCase() })],
    ['an upper-case key', foreign({ pubkey: event.pubkey.toUpperCase() })],
    ['another signature', foreign({ sig: flipped })],
    ['the signature of another event', foreign({ sig: other.sig })],
    ['another id', foreign({ id: other.id })],
    ['another key', foreign({ pubkey: xOnlyOf(bob) })],
    ['a key that is no point', foreign({ pubkey: 'f'.repeat(64) })],
    ['another content', foreign({ content: 'x' })],
    ['another time', foreign({ created_at: event.created_at + 1 })],
    ['a fractional time', foreign({ created_at: 0.5 })],
    ['a negative time', foreign({ created_at: -1 })],
    ['a huge time', foreign({ created_at: 1e300 })],
    ['a kind out of range', foreign({ kind: 65_536 })],
    ['a kind as text', foreign({ kind: '1' })],
    ['tags that are no arrays', foreign({ tags: [{}] })],
    ['tags with numbers', foreign({ tags: [['p', 1]] })],
    ['an empty tag', foreign({ tags: [[]] })],
    ['too many tags', foreign({ tags: Array.from({ length: 2_001 }, () => ['t']) })],
    ['a lone surrogate', foreign({ content: '\ud800' })],
  ])('%s is refused', (_name, value) => {
    expect(verifyEvent(value)).toBeNull();
  });
  test('a mark on the object convinces nobody: neither a symbol, nor an earlier success', () => {
    const marked = { ...event, [Symbol('verified')]: true };
    expect(verifyEvent(marked)).toBeNull();
    expect(verifyEvent(event)).not.toBeNull();
    expect(verifyEvent({ ...event, sig: flipped })).toBeNull();
  });
  test('what was read is a copy that later changes do not reach', () => {
    const value = foreign() as NostrEvent;
    const read = verifyEvent(value)!;
    value.tags[0]![1] = 'changed';
    expect(read).toEqual(event);
    expect(hasValidSignature(read)).toBe(true);
  });
  test('reading a shape is no verification', () => {
    expect(readEvent(foreign({ sig: flipped }))).not.toBeNull();
  });
});

test('tags', () => {
  const tagged = { tags: [['a', '1'], ['b'], ['a', '2']] };
  expect(tagValue(tagged, 'a')).toBe('1');
  expect(tagValue(tagged, 'b')).toBeNull();
  expect(tagValues(tagged, 'a')).toEqual(['1', '2']);
});

test('an expiration that is no number counts as long ago', () => {
  const expiring = (value: string): number | null => expirationOf(mail('x', 1, { tags: [['expiration', value]] }));
  expect(expirationOf(mail('x'))).toBeNull();
  expect(expiring('1700000000')).toBe(1_700_000_000);
  for (const junk of ['', 'NaN', '1e9', '-1', '9'.repeat(30)]) expect(expiring(junk)).toBe(0);
});

describe('proof of work (NIP-13)', () => {
  test('counts leading zero bits', () => {
    expect(powOf('000000000e9d97a1ab09fc381030b346cdd7a142ad57e6df0b46dc9bef6c7e2d')).toBe(36);
    expect(powOf('6bf5b4f434813c64b523d2b0e6efe18f3bd0cbbd0a5effd8ece9e00fd2531996')).toBe(1);
    expect(powOf('0'.repeat(64))).toBe(256);
  });
  test('is mined once, and signed as it is', () => {
    const mined = minePow({ ...template, tags: [['nonce', '1', '2']], pubkey: xOnlyOf(alice) }, 8)!;
    const signed = signEvent(mined, alice, random(32));
    expect(powOf(signed.id)).toBeGreaterThanOrEqual(8);
    expect(signed.tags).toHaveLength(1);
    expect(signed.tags[0]![2]).toBe('8');
    expect(minePow({ ...template, pubkey: xOnlyOf(alice) }, 200, 10)).toBeNull();
  });
});

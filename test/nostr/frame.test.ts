import { describe, expect, test } from 'vitest';
import { backoffDelay } from '../../src/nostr/backoff.ts';
import { parseRelayFrame } from '../../src/nostr/frame.ts';
import { isShallow } from '../../src/nostr/json.ts';
import { readRelayLimits } from '../../src/nostr/nip11.ts';
import { classifyOk } from '../../src/nostr/ok.ts';
import { normalizeRelayUrl, RelayUrlError } from '../../src/nostr/url.ts';

const id = 'a'.repeat(64);

describe('frames of a relay', () => {
  test.each([
    [['EVENT', 's', {}], { type: 'EVENT', sub: 's', event: {} }],
    [['EOSE', 's'], { type: 'EOSE', sub: 's' }],
    [['CLOSED', 's', 'error: x'], { type: 'CLOSED', sub: 's', message: 'error: x' }],
    [['CLOSED', 's'], { type: 'CLOSED', sub: 's', message: '' }],
    [['OK', id, true, ''], { type: 'OK', id, ok: true, message: '' }],
    [['NOTICE', 'hello'], { type: 'NOTICE', message: 'hello' }],
    [['AUTH', 'c'], { type: 'AUTH', challenge: 'c' }],
  ])('%j', (value, frame) => {
    expect(parseRelayFrame(JSON.stringify(value))).toEqual(frame);
  });
  test.each([
    'x',
    '',
    '{}',
    'null',
    '[]',
    '["EVENT"]',
    '["EVENT","s",[]]',
    '["EVENT",1,{}]',
    '["OK","short",true,""]',
    `["OK","${id}","true",""]`,
    `["AUTH","${'c'.repeat(2_000)}"]`,
    '["WHAT","s"]',
    `["EVENT","s",${'['.repeat(10_000)}${']'.repeat(10_000)}]`,
    `["NOTICE","${'a'.repeat(10_000_000)}"]`,
  ])('junk %#', text => {
    expect(parseRelayFrame(text)).toBeNull();
  });
  test('brackets inside strings are not depth, escaped quotes do not end a string', () => {
    expect(isShallow(JSON.stringify(['[[[[', '"[[[[', '\\']), 1)).toBe(true);
    expect(isShallow('["\\"",[[', 2)).toBe(false);
  });
});

test.each([
  [true, '', 'done'],
  [true, 'duplicate: x', 'done'],
  [false, 'duplicate: x', 'done'],
  [false, 'replaced: x', 'done'],
  [false, 'rate-limited: x', 'retry'],
  [false, 'error: x', 'retry'],
  [false, 'something else', 'retry'],
  [false, 'constructor: x', 'retry'],
  [false, 'auth-required: x', 'auth'],
  [false, 'invalid: x', 'refused'],
  [false, 'Blocked: x', 'refused'],
  [false, 'restricted: x', 'refused'],
  [false, 'pow: x', 'pow'],
])('OK %s "%s" means %s', (ok, message, verdict) => {
  expect(classifyOk(ok, message).verdict).toBe(verdict);
});

test('the work that a relay wants is the larger number in its words', () => {
  expect(classifyOk(false, 'pow: difficulty 25>=24').powBits).toBe(25);
  expect(classifyOk(false, 'pow: difficulty 26 is less than 30').powBits).toBe(30);
  expect(classifyOk(false, 'pow: more').powBits).toBeUndefined();
});

test('back-off doubles, is bounded, and is never in step', () => {
  const backoff = { base: 100, max: 1_000 };
  expect([0, 1, 2, 3, 4, 1_000].map(n => backoffDelay(backoff, n, () => 1))).toEqual([
    100, 200, 400, 800, 1_000, 1_000,
  ]);
  expect(backoffDelay(backoff, 0, () => 0)).toBe(50);
});

test('a relay has one spelling', () => {
  expect(normalizeRelayUrl('WSS://Relay.Example:443/')).toBe('wss://relay.example');
  expect(normalizeRelayUrl('ws://127.0.0.1:7777')).toBe('ws://127.0.0.1:7777');
  expect(normalizeRelayUrl('wss://relay.example/nostr/#x')).toBe('wss://relay.example/nostr');
  for (const bad of ['', 'relay.example', 'https://relay.example', 'wss://user:secret@relay.example'])
    expect(() => normalizeRelayUrl(bad)).toThrow(RelayUrlError);
});

test('a password in an address is not repeated in the error', () => {
  expect(() => normalizeRelayUrl('wss://user:hunter2@relay.example')).not.toThrow(/hunter2/);
});

test('absurd limits of a relay count as none', () => {
  expect(
    readRelayLimits({ limitation: { max_message_length: 16_384, max_limit: -1, max_subscriptions: '9' } }),
  ).toEqual({
    maxMessageBytes: 16_384,
    maxLimit: null,
    maxSubscriptions: null,
    maxSubIdChars: null,
    minPow: null,
  });
  expect(readRelayLimits([]).maxMessageBytes).toBeNull();
});

import { readFileSync } from 'node:fs';
import * as library from 'nostr-tools/nip04';
import { describe, expect, test } from 'vitest';
import { fromHex } from '../../src/crypto/index.ts';
import { createChunkAssembler } from '../../src/nostr/chunk.ts';
import { eventBytes, signEvent, verifyEvent, xOnlyOf } from '../../src/nostr/event.ts';
import {
  decryptNip04,
  encryptNip04,
  NIP04_LIMIT,
  Nip04Error,
  nip04Limit,
  unwrapNip04,
  wrapNip04,
} from '../../src/nostr/nip04.ts';
import { alice, bob, bobKey, carol, random } from './keys.ts';

const vector: { sec1: string; sec2: string; plaintext: string; payload: string } = JSON.parse(
  readFileSync(new URL('../vectors/nip04/nip04.json', import.meta.url), 'utf8'),
);
const aliceKey = xOnlyOf(alice);
const iv = new Uint8Array(16).fill(5);
const payload = encryptNip04('hello', alice, bobKey, iv);
const [content, ivText] = payload.split('?iv=') as [string, string];

const wrap = (plaintext: string, limit?: number) =>
  wrapNip04({
    plaintext,
    from: alice,
    to: bobKey,
    contextId: 'advert',
    createdAt: 1_700_000_000,
    expiration: 1_700_086_400,
    random,
    ...(limit === undefined ? {} : { limit }),
  });

describe('NIP-04', () => {
  test('decrypts what another implementation made, from both ends', () => {
    const [first, second] = [fromHex(vector.sec1), fromHex(vector.sec2)];
    const read = { ok: true, text: vector.plaintext };
    expect(decryptNip04(vector.payload, second, xOnlyOf(first))).toEqual(read);
    expect(decryptNip04(vector.payload, first, xOnlyOf(second))).toEqual(read);
  });
  test('is read by the library, and reads it', () => {
    for (const text of ['', 'x', 'a'.repeat(16), '🦄'.repeat(1_000)]) {
      expect(library.decrypt(bob, aliceKey, encryptNip04(text, alice, bobKey, random(16)))).toBe(text);
      expect(decryptNip04(library.encrypt(alice, bobKey, text), bob, aliceKey)).toEqual({ ok: true, text });
    }
  });
  test('refuses a lone surrogate, a short iv and keys off the curve', () => {
    expect(() => encryptNip04('a\ud800', alice, bobKey, iv)).toThrow(Nip04Error);
    expect(() => encryptNip04('a', alice, bobKey, new Uint8Array(12))).toThrow(Nip04Error);
    expect(() => encryptNip04('a', alice, 'f'.repeat(64), iv)).toThrow(Nip04Error);
    expect(() => encryptNip04('a', new Uint8Array(32), bobKey, iv)).toThrow(Nip04Error);
  });
  // fault 11
  test.each([
    ['no iv', content],
    ['an empty iv', `${content}?iv=`],
    ['an iv of 15 bytes', `${content}?iv=${Buffer.alloc(15).toString('base64')}`],
    ['an iv of 17 bytes', `${content}?iv=${Buffer.alloc(17).toString('base64')}`],
    ['two ivs', `${payload}?iv=${ivText}`],
    ['an iv as another parameter', `${content}&iv=${ivText}`],
    ['an iv in base64url', `${content}?iv=${Buffer.alloc(16, 0xff).toString('base64url')}==`],
    ['nothing before the iv', `?iv=${ivText}`],
    ['spaces', `${content} ?iv=${ivText}`],
    ['half a block', `${Buffer.alloc(8).toString('base64')}?iv=${ivText}`],
    ['plaintext', '{"v":1}'],
    ['NIP-44', 'AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=='],
    ['nothing', ''],
    ['far too much', `${'A'.repeat(70_000)}?iv=${ivText}`],
  ])('does not decrypt %s', (_name, text) => {
    expect(decryptNip04(text, bob, aliceKey)).toEqual({ ok: false, reason: 'malformed' });
  });
  test('an iv whose last bits are not zero is another spelling, and refused', () => {
    const sloppy = `${content}?iv=${ivText.slice(0, 21)}B==`;
    expect(decryptNip04(sloppy, bob, aliceKey).ok).toBe(false);
  });
  test('never throws, whatever is changed, and a text that came out of it proves nothing', () => {
    let texts = 0;
    for (let i = 0; i < 400; i++) {
      const bytes = Buffer.from(content, 'base64');
      bytes[i % bytes.length]! ^= 1 + (i % 255);
      const result = decryptNip04(`${bytes.toString('base64')}?iv=${ivText}`, bob, aliceKey);
      if (result.ok) texts++;
      else expect(result.reason).toBe('padding');
    }
    expect(texts).toBeLessThan(40);
    const flipped = Buffer.from(iv);
    flipped[0]! ^= 1;
    expect(decryptNip04(`${content}?iv=${flipped.toString('base64')}`, bob, aliceKey)).toEqual({
      ok: true,
      text: 'iello',
    });
  });
  test('a peer off the curve is a value too', () => {
    expect(decryptNip04(payload, bob, 'f'.repeat(64)).ok).toBe(false);
  });
});

describe('a kind 4 message', () => {
  test('comes out as it went in, with p first and an expiration', () => {
    const [event] = wrap('{"v":1}');
    expect(verifyEvent(event)).toEqual(event);
    expect(event!.kind).toBe(4);
    expect(event!.tags).toEqual([
      ['p', bobKey],
      ['expiration', '1700086400'],
    ]);
    expect(unwrapNip04(event!, bob)).toEqual({ ok: true, text: '{"v":1}' });
  });
  test.each([
    ['another kind', 8252, [['p', bobKey]], 'kind'],
    ['no recipient', 4, [], 'recipient'],
    ['another recipient', 4, [['p', aliceKey]], 'recipient'],
    ['two recipients', 4, [['p', bobKey], ['p', aliceKey]], 'recipient'], // biome-ignore format: one line a case
  ])('is not taken with %s', (_name, kind, tags, reason) => {
    const event = signEvent({ kind, tags, content: payload, created_at: 1 }, alice, random(32));
    expect(unwrapNip04(event, bob)).toEqual({ ok: false, reason });
  });
  test('grafted onto an own event does not decrypt to what it said', () => {
    const event = signEvent({ kind: 4, tags: [['p', bobKey]], content: payload, created_at: 1 }, carol, random(32));
    expect(unwrapNip04(event, bob)).not.toEqual({ ok: true, text: 'hello' });
  });
  test('fits into what relays take, in chunks where it must', () => {
    expect(wrap('a'.repeat(NIP04_LIMIT))).toHaveLength(1);
    expect(eventBytes(wrap('a'.repeat(NIP04_LIMIT))[0]!)).toBeLessThan(65_536);
    for (const max of [4_096, 16_384, 65_536, 1_000_000]) {
      const text = '"\\'.repeat(40_000);
      const events = wrap(text, nip04Limit(max));
      for (const event of events) expect(JSON.stringify(['EVENT', event]).length).toBeLessThanOrEqual(max);
      const assembler = createChunkAssembler();
      const whole = events.map(event => {
        const opened = unwrapNip04(event, bob);
        return assembler.accept({ sender: 'a', text: opened.ok ? opened.text : '', eventId: event.id, now: 0 });
      });
      expect(whole.at(-1)).toMatchObject({ status: 'whole', text });
    }
  });
});

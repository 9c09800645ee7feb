import { describe, expect, test } from 'vitest';
import { curve } from '#curve';
import { toHex } from '../../src/crypto/index.ts';
import { MAX_ENVELOPE, type Scheme, signEnvelope } from '../../src/messages/index.ts';
import { MAX_CARRIED, readCarried, splitCarried } from '../../src/nostr/carried.ts';
import { signEvent, xOnlyOf } from '../../src/nostr/event.ts';
import { createMail } from '../../src/shell/mail.ts';
import { alice, bob, bobKey, random } from './keys.ts';

const NOW = 1_700_000_000;
const keys = new Map([alice, bob].map(secret => [xOnlyOf(secret), secret]));
const mail = (maxMessageBytes: number | null = null) =>
  createMail({ lend: (key, use) => use(keys.get(key)!), random, maxMessageBytes: () => maxMessageBytes });
const letter = (scheme: Scheme, text = 'no') => ({
  from: xOnlyOf(alice),
  to: bobKey,
  cohort: 'c'.repeat(64),
  message: { type: 'leave' as const, body: { participant_pk: `02${xOnlyOf(alice)}`, reason: text } },
  seq: 1,
  scheme,
});
const SCHEMES: Scheme[] = ['nip44_v2', 'nip04', 'nip59'];
const sealed = (scheme: Scheme = 'nip44_v2') => mail().seal(letter(scheme), NOW);

describe('a file', () => {
  test.each([
    ['one value', '{"a":1}\n', ['{"a":1}']],
    ['one value over several lines', '{\n "a": 1\n}', ['{\n "a": 1\n}']],
    ['one value a line, with empty lines', '{"a":1}\r\n\n{"b":2}\n', ['{"a":1}\r', '{"b":2}']],
    ['an array', '[{"a":1},{"b":2}]', ['{"a":1}', '{"b":2}']],
  ])('may hold %s', (_, text, values) => {
    expect(splitCarried(text)).toEqual({ ok: true, values });
  });
  test.each([
    ['nothing', ' \n', 'file', 'empty'],
    ['an empty array', '[]', 'file', 'empty'],
    ['no JSON', 'hello', 'file', 'not JSON'],
    ['a line that was cut off', '{"a":1}\n{"b":', 'line 2', 'cut off'],
    ['more than anybody writes', ' '.repeat(MAX_CARRIED + 1), 'size', String(MAX_CARRIED)],
    ['10,000 levels', '['.repeat(10_000), 'file', 'not JSON'],
  ])('is refused with %s', (_, text, field, why) => {
    expect(splitCarried(text)).toMatchObject({ ok: false, field, text: expect.stringContaining(why) });
  });
});

describe('a carried event', () => {
  test.each(SCHEMES)('by %s is read as a relay would give it', scheme => {
    const { event } = sealed(scheme).items[0]!;
    expect(readCarried(JSON.stringify(event))).toEqual({ form: 'event', event, to: bobKey });
  });
  test.each([
    ['its content', { content: 'AAAA' }, 'id'],
    ['its time', { created_at: NOW + 1 }, 'id'],
    ['its tags', { tags: [['p', xOnlyOf(alice)]] }, 'id'],
    ['its signature', { sig: '0'.repeat(128) }, 'sig'],
    ['a member that NIP-01 does not know', { relay: 'x' }, 'event'],
    ['its kind', { kind: 1 }, 'kind'],
  ])('that was altered in %s is refused by that field', (_, change, field) => {
    const { event } = sealed().items[0]!;
    expect(readCarried(JSON.stringify({ ...event, ...change }))).toMatchObject({ form: 'refused', field });
  });
  test('that is an advert is told what to do with', () => {
    const advert = signEvent({ kind: 38252, created_at: NOW, tags: [], content: '{}' }, alice, random(32));
    expect(readCarried(JSON.stringify(advert))).toMatchObject({ field: 'kind', text: expect.stringContaining('join') });
  });
});

describe('a plain envelope', () => {
  test('proves itself', () => {
    const { envelope } = sealed();
    expect(readCarried(JSON.stringify(envelope))).toEqual({ form: 'plain', read: { ok: true, envelope } });
  });
  test.each([
    ['the body', { body: { participant_pk: `02${bobKey}`, reason: 'no' } }],
    ['the recipient', { to: xOnlyOf(alice) }],
    ['the sender', { from: bobKey }],
    ['the sequence', { seq: 2 }],
    ['the time', { created_at: NOW + 1 }],
    ['the id', { id: 'f'.repeat(64) }],
  ])('whose %s was altered is refused by its signature', (_, change) => {
    const { envelope } = sealed();
    expect(readCarried(JSON.stringify({ ...envelope, ...change }))).toMatchObject({ form: 'refused', field: 'sig' });
  });
  test('that is malformed is refused by name, as is what is neither form', () => {
    const { envelope } = sealed();
    expect(readCarried(JSON.stringify({ ...envelope, seq: -1 }))).toMatchObject({ field: 'envelope' });
    expect(readCarried(JSON.stringify({ ...envelope, more: 1 }))).toMatchObject({ field: 'envelope' });
    for (const text of ['[]', '1', 'null', '{"a":1}', '"x"'])
      expect(readCarried(text)).toMatchObject({ form: 'refused', field: 'file' });
    expect(readCarried(`"${'x'.repeat(MAX_ENVELOPE)}"`)).toMatchObject({ form: 'refused', text: 'too large' });
    expect(readCarried('['.repeat(100) + ']'.repeat(100))).toMatchObject({ form: 'refused', text: 'too deep' });
  });
  test('whose sender is proven and whose body is wrong may be answered', () => {
    const draft = { ...letter('nip44_v2'), created_at: NOW };
    const { message, scheme: _, ...header } = draft;
    const bad = { ...message, body: { reason: 'no key' } } as unknown as typeof message;
    const envelope = signEnvelope({ ...header, ...bad }, alice, random(32));
    expect(readCarried(JSON.stringify(envelope))).toMatchObject({
      form: 'plain',
      read: { ok: false, code: 'invalid_message', sender: { from: toHex(curve.publicKey(alice)).slice(2) } },
    });
  });
});

describe('what was sent', () => {
  test.each<[Scheme, number | null]>([
    ['nip44_v2', null],
    ['nip04', null],
    ['nip44_v2', 2_048],
    ['nip04', 2_048],
  ])('by %s is read back by its sender, in parts and in any order (limit %s)', (scheme, limit) => {
    const one = mail(limit);
    const { envelope, items } = one.seal(letter(scheme, 'because '.repeat(limit === null ? 1 : 60)), NOW);
    expect(items.length > 1).toBe(limit !== null);
    const events = items.map(({ event }) => event).reverse();
    expect(JSON.parse(one.readBack(events, envelope.from))).toEqual(envelope);
    expect(items.every(({ message, letter: text }) => message === envelope.id && text === undefined)).toBe(true);
  });
  test('by gift wrap is kept as text, once, since its key is forgotten', () => {
    const { envelope, items } = mail(2_048).seal(letter('nip59', 'because '.repeat(120)), NOW);
    expect(items.length).toBeGreaterThan(1);
    expect(items.map(({ letter: text }) => text)).toEqual([
      JSON.stringify(envelope),
      ...items.slice(1).map(() => undefined),
    ]);
    expect(() => mail().readBack([items[0]!.event], envelope.from)).toThrow('sender');
  });
  test('is read back by nobody else, nor in part', () => {
    const one = mail(2_048);
    const { envelope, items } = one.seal(letter('nip44_v2', 'because '.repeat(60)), NOW);
    expect(() =>
      one.readBack(
        items.slice(1).map(({ event }) => event),
        envelope.from,
      ),
    ).toThrow('missing');
    expect(() =>
      one.readBack(
        items.map(({ event }) => event),
        bobKey,
      ),
    ).toThrow('sender');
  });
});

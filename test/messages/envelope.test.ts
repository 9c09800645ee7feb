import { describe, expect, test } from 'vitest';
import { curve } from '#curve';
import { taggedHash, toHex, utf8 } from '../../src/crypto/index.ts';
import { jcs } from '../../src/did/index.ts';
import {
  BODIES,
  checkEnvelope,
  type EnvelopeDraft,
  type EnvelopeRead,
  MAX_ENVELOPE,
  type MessageType,
  readEnvelope,
  signEnvelope,
} from '../../src/messages/index.ts';
import { draw, hash, messageOf, SAMPLES, secretOf, xOnlyOfName } from './samples.ts';

const ada = secretOf('ada');

const draftOf = (type: MessageType): EnvelopeDraft => ({
  ...messageOf(type),
  from: xOnlyOfName('ada'),
  to: xOnlyOfName('aggregator'),
  cohort: hash('advert event'),
  seq: 1,
  created_at: 1_900_000_000,
});

const sign = (draft: EnvelopeDraft) => signEnvelope(draft, ada, draw('aux'));

/** Any JSON object as a validly signed envelope: what a hostile member can send. */
function forge(content: Record<string, unknown>): Record<string, unknown> {
  const digest = (value: object) => taggedHash('did:btcr2/aggregation/envelope', utf8(jcs(value)));
  const { id: _, sig: __, ...rest } = content;
  const identified = { ...rest, id: toHex(digest(rest)) };
  return { ...identified, sig: toHex(curve.signSchnorr(digest(identified), ada, draw('aux'))) };
}

const refused = (read: EnvelopeRead) => {
  if (read.ok || read.code === 'drop') throw new Error('expected a polite refusal');
  return read;
};
const droppedBy = (read: EnvelopeRead): string => {
  if (read.ok || read.code !== 'drop') throw new Error('expected a drop');
  return read.text;
};

describe('round trip', () => {
  test.each(Object.keys(BODIES) as MessageType[])('%s comes back as it was signed', type => {
    const signed = sign(draftOf(type));
    const read = readEnvelope(JSON.stringify(signed));
    expect(read).toEqual({ ok: true, envelope: signed });
  });

  test('session and in_reply_to travel, and are left out where there is none', () => {
    const plain = sign(draftOf('leave'));
    expect(Object.keys(plain)).not.toContain('session');
    const full = sign({ ...draftOf('leave'), session: hash('session'), in_reply_to: hash('request') });
    expect(readEnvelope(JSON.stringify(full))).toEqual({ ok: true, envelope: full });
    expect(full.id).not.toBe(plain.id);
  });

  test('the order of members and white space say nothing', () => {
    const signed = sign(draftOf('presence'));
    const reversed = Object.fromEntries(Object.entries(signed).reverse());
    expect(readEnvelope(JSON.stringify(reversed, null, 2))).toEqual({ ok: true, envelope: signed });
  });
});

// fault 2
describe('nobody is proven: drop', () => {
  const signed = sign(draftOf('leave'));
  const forgeries: [string, Record<string, unknown>][] = [
    ['another body', { ...signed, body: { ...SAMPLES.leave, reason: 'changed' } }],
    ['another recipient', { ...signed, to: xOnlyOfName('bob') }],
    ['another cohort', { ...signed, cohort: hash('another') }],
    ['another sender', { ...signed, from: xOnlyOfName('bob') }],
    ['another sequence', { ...signed, seq: 2 }],
    ['another time', { ...signed, created_at: 1 }],
    ['another type', { ...signed, type: 'nonce_lost' }],
    ['a session put in', { ...signed, session: hash('session') }],
    ['another id', { ...signed, id: hash('id') }],
    ['another signature', { ...signed, sig: 'ab'.repeat(64) }],
    ['an id without a signature', { ...signed, sig: undefined }],
    ['upper-case hex', { ...signed, from: signed.from.toUpperCase() }],
    ['an upper-case signature', { ...signed, sig: signed.sig.toUpperCase() }],
    ['a key off the curve', forge({ ...signed, from: 'f'.repeat(64) })],
    ['an extra field', forge({ ...signed, extra: true })],
    ['a negative sequence', forge({ ...signed, seq: -1 })],
    ['a huge sequence', forge({ ...signed, seq: 2 ** 60 })],
    ['a fraction', forge({ ...signed, created_at: 1.5 })],
    ['a body that is a list', forge({ ...signed, body: [] })],
    ['no body', forge({ ...signed, body: null })],
  ];
  test.each(forgeries)('%s', (_, forged) => {
    expect(droppedBy(checkEnvelope(forged))).not.toBe('');
    expect(droppedBy(readEnvelope(JSON.stringify(forged)))).not.toBe('');
  });

  // fault 9
  test('what is no JSON, no object, or holds what JSON has no number for', () => {
    const good = JSON.stringify(signed);
    for (const text of ['', '{', 'null', '[]', '"text"', '1', `${good}x`, good.replace('"seq":1', '"seq":NaN')])
      expect(readEnvelope(text).ok).toBe(false);
    expect(readEnvelope(good.replace('"seq":1', '"seq":1e400')).ok).toBe(false);
    expect(readEnvelope(good.replace('"seq":1', '"seq":9007199254740993')).ok).toBe(false);
  });

  // fault 8
  test('ten megabytes, before anything is parsed', () => {
    expect(droppedBy(readEnvelope(' '.repeat(10_000_000)))).toBe('too_large');
    expect(droppedBy(readEnvelope(' '.repeat(MAX_ENVELOPE + 1)))).toBe('too_large');
    expect(droppedBy(readEnvelope(' '.repeat(MAX_ENVELOPE)))).toBe('not_json');
  });

  // fault 8
  test('nesting of ten thousand, objects or lists, open or closed', () => {
    for (const text of [
      '['.repeat(10_000),
      `${'['.repeat(10_000)}${']'.repeat(10_000)}`,
      `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
    ])
      expect(droppedBy(readEnvelope(text))).toBe('too_deep');
  });

  test('brackets inside of text are no nesting', () => {
    const text = `${'['.repeat(300)}\\"${'{'.repeat(100)}`;
    const signed = sign({ ...draftOf('leave'), type: 'leave', body: { ...SAMPLES.leave, reason: text } });
    expect(readEnvelope(JSON.stringify(signed)).ok).toBe(true);
  });

  // fault 9
  test('lone surrogates, which have no canonical form', () => {
    const text = JSON.stringify(signed).replace('moving away', '\\ud800');
    expect(droppedBy(readEnvelope(text))).toMatch(/id or signature/);
  });

  // fault 9
  test.each(['', '"body":{', '"invocation":{'])('keys named __proto__ are never overlooked (after %s)', place => {
    const update = sign({ ...draftOf('did_update') });
    const text = JSON.stringify(update);
    const at = text.indexOf(place) + (place === '' ? 1 : place.length);
    const poisoned = `${text.slice(0, at)}"__proto__":{"ok":true},${text.slice(at)}`;
    expect(JSON.parse(poisoned)).toBeTypeOf('object');
    expect(readEnvelope(poisoned).ok).toBe(false);
    expect(Object.hasOwn(Object.prototype, 'ok')).toBe(false);
  });
});

describe('the sender is proven: a polite refusal', () => {
  const signed = sign(draftOf('leave'));
  const sender = { from: signed.from, to: signed.to, cohort: signed.cohort };

  // fault 10
  test('another version is told what this side speaks', () => {
    for (const v of [0, 2, 999]) {
      const read = refused(checkEnvelope(forge({ ...signed, v })));
      expect(read).toMatchObject({ code: 'unsupported_version', field: 'v', sender });
      expect(read.text).toContain('version 1');
    }
  });

  // fault 10
  test('another type is told the known ones', () => {
    for (const type of ['opt_out', '', 'toString', '__proto__', 'constructor']) {
      const read = refused(checkEnvelope(forge({ ...signed, type })));
      expect(read).toMatchObject({ code: 'unknown_type', field: 'type', sender });
      for (const known of Object.keys(BODIES)) expect(read.text).toContain(known);
    }
  });

  test('another version is told before another type or body', () => {
    const read = refused(checkEnvelope(forge({ ...signed, v: 2, type: 'future', body: { shape: 'unknown' } })));
    expect(read.code).toBe('unsupported_version');
  });

  test('a wrong body is told its field', () => {
    const cases: [Record<string, unknown>, string][] = [
      [{ ...SAMPLES.leave, reason: 5 }, 'body.reason'],
      [{ ...SAMPLES.leave, participant_pk: `04${'0'.repeat(64)}` }, 'body.participant_pk'],
      [{ ...SAMPLES.leave, extra: 1 }, 'body.extra'],
      [{ reason: 'no key' }, 'body.participant_pk'],
      [{ ...SAMPLES.leave, reason: 'bell \u0007' }, 'body.reason'],
    ];
    for (const [body, field] of cases)
      expect(refused(checkEnvelope(forge({ ...signed, body })))).toMatchObject({
        code: 'invalid_message',
        field,
        sender,
      });
  });

  test('the refusal can be sent, whatever the sender called its fields', () => {
    const hostile = `\u0000\u001b[2J${'x'.repeat(5000)}`;
    const read = refused(checkEnvelope(forge({ ...signed, body: { ...SAMPLES.leave, [hostile]: 1 } })));
    const { code, text, field } = read;
    expect(BODIES.rejection.safeParse({ code, text, field }).error).toBeUndefined();
  });
});

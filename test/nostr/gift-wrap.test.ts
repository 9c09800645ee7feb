import { readFileSync } from 'node:fs';
import * as library from 'nostr-tools/nip59';
import { describe, expect, test } from 'vitest';
import { fromHex } from '../../src/crypto/index.ts';
import { createChunkAssembler } from '../../src/nostr/chunk.ts';
import { eventBytes, eventId, type NostrEvent, signEvent, verifyEvent, xOnlyOf } from '../../src/nostr/event.ts';
import { GIFT_LIMIT, giftLimit, unwrapGift, wrapGift } from '../../src/nostr/gift-wrap.ts';
import { conversationKey, decrypt, encrypt } from '../../src/nostr/nip44.ts';
import { alice, bob, bobKey, carol, random } from './keys.ts';

const vector: {
  author: string;
  recipient: string;
  rumor_id: string;
  seal_id: string;
  seal_content: string;
  wrap: NostrEvent;
} = JSON.parse(readFileSync(new URL('../vectors/nip59/nip59.json', import.meta.url), 'utf8'));

const aliceKey = xOnlyOf(alice);
const carolKey = xOnlyOf(carol);
const NOW = 1_700_000_000;
const DAY = 86_400;

const wrap = (plaintext: string, limit?: number) =>
  wrapGift({
    plaintext,
    from: alice,
    to: bobKey,
    contextId: 'advert',
    createdAt: NOW,
    expiration: NOW + 30 * DAY,
    random,
    ...(limit === undefined ? {} : { limit }),
  });

const opened = (content: string, secret: Uint8Array, from: string): Record<string, unknown> => {
  const result = decrypt(content, conversationKey(secret, from));
  if (!result.ok) throw new Error(result.reason);
  return JSON.parse(result.text);
};

/** A gift wrap made by hand, each layer as a forger would have it. */
function forge(
  over: {
    rumor?: (rumor: Record<string, unknown>) => unknown;
    seal?: (seal: NostrEvent) => unknown;
    sealedBy?: Uint8Array;
    sealTags?: string[][];
    sealKind?: number;
    wrapTags?: string[][];
  } = {},
): NostrEvent {
  const sealer = over.sealedBy ?? alice;
  const bare = { pubkey: xOnlyOf(sealer), created_at: NOW, kind: 8252, tags: [['p', bobKey]], content: 'hello' };
  const rumor = over.rumor?.({ ...bare }) ?? { ...bare, id: eventId(bare) };
  const content = encrypt(JSON.stringify(rumor), conversationKey(sealer, bobKey), random(32));
  const template = { kind: over.sealKind ?? 13, created_at: NOW, tags: over.sealTags ?? [], content };
  const seal = signEvent(template, sealer, random(32));
  const key = random(32);
  const outer = encrypt(JSON.stringify(over.seal?.(seal) ?? seal), conversationKey(key, bobKey), random(32));
  const tags = over.wrapTags ?? [['p', bobKey]];
  return signEvent({ kind: 1059, created_at: NOW, tags, content: outer }, key, random(32));
}
const withId = (rumor: Record<string, unknown>) => ({
  ...rumor,
  id: eventId(rumor as unknown as Parameters<typeof eventId>[0]),
});

describe('NIP-59', () => {
  test("opens the NIP's example down to the rumor, whose kind 1 is none of ours", () => {
    const recipient = fromHex(vector.recipient);
    expect(verifyEvent(vector.wrap)).toEqual(vector.wrap);
    expect(unwrapGift(vector.wrap, recipient)).toEqual({ ok: false, reason: 'rumor_kind' });
    const seal = opened(vector.wrap.content, recipient, vector.wrap.pubkey);
    expect(seal).toMatchObject({ id: vector.seal_id, content: vector.seal_content });
    const rumor = opened(vector.seal_content, recipient, xOnlyOf(fromHex(vector.author)));
    expect(rumor.id).toBe(vector.rumor_id);
  });
  test('is opened by the library, and opens it', () => {
    expect(library.unwrapEvent(wrap('{"v":1}')[0]!, bob)).toMatchObject({
      kind: 8252,
      content: '{"v":1}',
      pubkey: aliceKey,
    });
    const theirs = library.wrapEvent({ kind: 8252, content: 'hi', tags: [['p', bobKey]] }, alice, bobKey);
    expect(unwrapGift({ ...theirs }, bob).ok).toBe(false);
    // The library leaves a symbol on the object; as it travels it is plain JSON.
    expect(unwrapGift(JSON.parse(JSON.stringify(theirs)), bob)).toEqual({ ok: true, text: 'hi', sender: aliceKey });
  });
});

describe('a gift wrap of ours', () => {
  test('tells the recipient and nothing else: another key each time, dates up to two days back, none to be derived', () => {
    const events = Array.from({ length: 12 }, () => wrap('x')[0]!);
    expect(new Set(events.map(({ pubkey }) => pubkey)).size).toBe(12);
    expect(new Set(events.map(event => event.created_at)).size).toBeGreaterThan(8);
    for (const event of events) {
      expect(event.pubkey).not.toBe(aliceKey);
      expect(event.created_at).toBeLessThanOrEqual(NOW);
      expect(event.created_at).toBeGreaterThan(NOW - 2 * DAY);
      expect(event.tags).toEqual([
        ['p', bobKey],
        ['expiration', String(event.created_at + 32 * DAY)],
      ]);
      const seal = opened(event.content, bob, event.pubkey);
      expect(seal).toMatchObject({ kind: 13, tags: [], pubkey: aliceKey });
      expect(seal.created_at).not.toBe(NOW);
    }
  });
  test('comes out as it went in', () => {
    expect(unwrapGift(wrap('{"v":1}')[0], bob)).toEqual({ ok: true, text: '{"v":1}', sender: aliceKey });
  });
  test('stays under what relays take, in chunks where it must, also where quotes double in the JSON', () => {
    expect(wrap('a'.repeat(GIFT_LIMIT))).toHaveLength(1);
    expect(wrap('a'.repeat(GIFT_LIMIT + 1))).toHaveLength(2);
    for (const unit of ['a', '"', '\\', '🦄'])
      for (const length of [GIFT_LIMIT / 2 + 1, GIFT_LIMIT - 100, 60_000]) {
        const text = unit.repeat(Math.ceil(length / unit.length));
        const events = wrap(text);
        for (const event of events) expect(eventBytes(event)).toBeLessThan(65_536);
        const assembler = createChunkAssembler();
        const results = events.map(event => {
          const part = unwrapGift(event, bob);
          return assembler.accept({ sender: 'a', text: part.ok ? part.text : '', eventId: event.id, now: 0 });
        });
        expect(results.at(-1)).toMatchObject({ status: 'whole', text });
      }
  });
  test('obeys a relay that takes less', () => {
    for (const max of [4_096, 8_192, 16_384, 65_536, 1_000_000])
      for (const event of wrap('"'.repeat(12_000), giftLimit(max)))
        expect(JSON.stringify(['EVENT', event]).length).toBeLessThanOrEqual(max);
    expect(giftLimit(131_072)).toBe(GIFT_LIMIT);
  });
  test('refuses a recipient that is no key', () => {
    const to = { plaintext: 'x', from: alice, contextId: '', createdAt: 1, expiration: 2, random };
    expect(() => wrapGift({ ...to, to: bobKey.toUpperCase() })).toThrow('lowercase');
    expect(() => wrapGift({ ...to, to: 'f'.repeat(64) })).toThrow('x-only');
  });
});

describe('forged gift wraps', () => {
  const genuine = forge();
  test('the honest one by the same hand is taken', () => {
    expect(unwrapGift(genuine, bob)).toEqual({ ok: true, text: 'hello', sender: aliceKey });
  });
  const other = genuine.sig.replace(/^./, digit => (digit === '0' ? '1' : '0'));
  test.each<[string, unknown, string]>([
    ['no event', 'x', 'kind'],
    ['another kind', signEvent({ ...genuine, kind: 8252 }, alice, random(32)), 'kind'],
    ['an ephemeral kind', signEvent({ ...genuine, kind: 21059 }, alice, random(32)), 'kind'],
    ['a wrap with a wrong signature', { ...genuine, sig: other }, 'signature'],
    ['a wrap with a wrong id', { ...genuine, id: '0'.repeat(64) }, 'signature'],
    ['a wrap for somebody else', forge({ wrapTags: [['p', carolKey]] }), 'recipient'],
    ['a wrap for two', forge({ wrapTags: [['p', bobKey], ['p', carolKey]] }), 'recipient'], // biome-ignore format: one line a case
    ['a wrap for nobody', forge({ wrapTags: [] }), 'recipient'],
    ['a seal of another kind', forge({ sealKind: 14 }), 'seal'],
    ['a seal with tags', forge({ sealTags: [['p', bobKey]] }), 'seal'],
    ['no seal', forge({ seal: () => 'hello' }), 'seal'],
    ['a seal with a wrong signature', forge({ seal: seal => ({ ...seal, sig: other }) }), 'seal_signature'],
    ['a seal in another name', forge({ seal: seal => ({ ...seal, pubkey: carolKey }) }), 'seal_signature'],
    ['a seal with a wrong id', forge({ seal: seal => ({ ...seal, id: genuine.id }) }), 'seal_signature'],
    ['no rumor', forge({ rumor: () => [] }), 'rumor'],
    ['a rumor with one more member', forge({ rumor: rumor => ({ ...withId(rumor), x: 1 }) }), 'rumor'],
    ['a rumor without id', forge({ rumor: rumor => rumor }), 'rumor'],
    ['a rumor that is signed', forge({ rumor: () => signEvent({ kind: 8252, created_at: NOW, tags: [['p', bobKey]], content: 'x' }, alice, random(32)) }), 'rumor'], // biome-ignore format: one line a case
    ['a rumor in another name', forge({ sealedBy: carol, rumor: rumor => withId({ ...rumor, pubkey: aliceKey }) }), 'rumor_author'], // biome-ignore format: one line a case
    ['a rumor under the id of another', forge({ rumor: rumor => ({ ...rumor, id: genuine.id }) }), 'rumor_id'],
    ['a rumor of kind 14', forge({ rumor: rumor => withId({ ...rumor, kind: 14 }) }), 'rumor_kind'],
    ['a rumor for somebody else', forge({ rumor: rumor => withId({ ...rumor, tags: [['p', carolKey]] }) }), 'rumor_recipient'], // biome-ignore format: one line a case
    ['a rumor for nobody', forge({ rumor: rumor => withId({ ...rumor, tags: [] }) }), 'rumor_recipient'],
  ])('%s', (_name, event, reason) => {
    expect(unwrapGift(event, bob)).toEqual({ ok: false, reason });
  });
  test('a seal of somebody else, wrapped anew for another recipient, does not open', () => {
    const seal = opened(genuine.content, bob, genuine.pubkey);
    const outer = encrypt(JSON.stringify(seal), conversationKey(alice, carolKey), random(32));
    const again = signEvent(
      { kind: 1059, created_at: NOW, tags: [['p', carolKey]], content: outer },
      alice,
      random(32),
    );
    expect(unwrapGift(again, carol)).toEqual({ ok: false, reason: 'mac' });
  });
  test('content that is not NIP-44', () => {
    for (const content of ['', 'x', '{"kind":13}', 'aGVsbG8=?iv=aGVsbG8='])
      expect(
        unwrapGift(signEvent({ kind: 1059, created_at: 1, tags: [['p', bobKey]], content }, carol, random(32)), bob).ok,
      ).toBe(false);
  });
});

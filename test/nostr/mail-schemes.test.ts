import { describe, expect, test } from 'vitest';
import type { Scheme } from '../../src/messages/index.ts';
import { type NostrEvent, signEvent, xOnlyOf } from '../../src/nostr/event.ts';
import { powOf } from '../../src/nostr/pow.ts';
import { wrapBy } from '../../src/nostr/schemes.ts';
import { createMail } from '../../src/shell/mail.ts';
import { connectAll, inbox, memory, relay } from './harness.ts';
import { alice, bob, bobKey, carol, random, seconds, until } from './keys.ts';

const NOW = 1_700_000_000;
const keys = new Map([alice, bob, carol].map(secret => [xOnlyOf(secret), secret]));
const mail = (maxMessageBytes: number | null = null) =>
  createMail({
    lend: (key, use) => use(keys.get(key)!),
    random,
    maxMessageBytes: () => maxMessageBytes,
  });
const letter = (scheme: Scheme, text = 'no') => ({
  from: xOnlyOf(alice),
  to: bobKey,
  cohort: 'c'.repeat(64),
  message: { type: 'leave' as const, body: { participant_pk: `02${xOnlyOf(alice)}`, reason: text } },
  seq: 1,
  scheme,
});
const SCHEMES: Scheme[] = ['nip44_v2', 'nip04', 'nip59'];
const KINDS = { nip44_v2: 8252, nip04: 4, nip59: 1059 };

describe.each(SCHEMES)('a letter by %s', scheme => {
  test('goes out in its kind, is read as itself, and says how it came', () => {
    const { envelope, items } = mail().seal(letter(scheme), NOW);
    expect(items.map(({ kind }) => kind)).toEqual([KINDS[scheme]]);
    expect(mail().open(items[0]!.event, bobKey, NOW)).toEqual({
      status: 'message',
      read: { ok: true, envelope },
      eventIds: [items[0]!.id],
      scheme,
      sender: xOnlyOf(alice),
    });
    expect(Object.keys(envelope)).not.toContain('scheme');
  });
  test('travels in parts where relays take little, and is acted on with the last one', () => {
    const { items } = mail(2_048).seal(letter(scheme, 'because '.repeat(60)), NOW);
    expect(items.length).toBeGreaterThan(1);
    const reader = mail();
    const results = items.map(({ event }) => reader.open(event, bobKey, NOW).status);
    expect(results).toEqual([...items.slice(1).map(() => 'partial'), 'message']);
  });
  test('carries the work that it is asked for, in every part', () => {
    const { items } = mail(2_048).seal({ ...letter(scheme, 'because '.repeat(60)), work: 6 }, NOW);
    expect(items.length).toBeGreaterThan(1);
    for (const { event } of items) {
      expect(powOf(event.id)).toBeGreaterThanOrEqual(6);
      expect(event.tags.find(([name]) => name === 'nonce')?.[2]).toBe('6');
    }
    const reader = mail();
    expect(items.map(({ event }) => reader.open(event, bobKey, NOW).status).at(-1)).toBe('message');
  });
  test('in parts is not put together for a stranger: open sets cost memory', () => {
    const { items } = mail(2_048).seal(letter(scheme, 'because '.repeat(60)), NOW);
    const reader = mail();
    for (const { event } of items)
      expect(reader.open(event, bobKey, NOW, () => false)).toMatchObject({ status: 'drop', why: 'chunks' });
  });
  // fault 2
  test('of another sender than its envelope says is dropped', () => {
    const { envelope } = mail().seal(letter(scheme), NOW);
    const outgoing = { plaintext: JSON.stringify(envelope), to: bobKey, contextId: '', createdAt: NOW, random };
    const [event] = wrapBy(scheme, { ...outgoing, from: carol, expiration: NOW + 60 }, null);
    expect(mail().open(event!, bobKey, NOW)).toMatchObject({
      status: 'drop',
      reason: expect.stringContaining('sender'),
    });
  });
});

// fault 3
test('a scheme in the kind of another is dropped', () => {
  for (const [from, to] of [
    ['nip44_v2', 4],
    ['nip04', 8252],
    ['nip04', 1059],
    ['nip59', 8252],
  ] as const) {
    // biome-ignore format: pairs
    const [item] = mail().seal(letter(from), NOW).items;
    const { content } = item!.event;
    const event = signEvent({ kind: to, created_at: NOW, tags: [['p', bobKey]], content }, alice, random(32));
    expect(mail().open(event, bobKey, NOW).status).toBe('drop');
  }
});

describe('the inbox', () => {
  const wraps = (kind: number): NostrEvent =>
    signEvent({ kind, created_at: seconds(), tags: [['p', bobKey]], content: `${kind}` }, carol, random(32));
  test('asks for a kind only where somebody takes it, and for each in a filter of its own', async () => {
    const server = await relay();
    const kept = memory();
    let gifts: string[] = [];
    const options = { kinds: [8252, 4, 1059], recipients: (kind: number) => (kind === 1059 ? gifts : kind === 4 ? [] : [bobKey]) }; // biome-ignore format: one line
    const relays = connectAll([server.url]);
    const opened = inbox(relays, kept, options);
    await until(() => opened.caughtUp().length === 1);
    const before = server.stats.requests;
    for (const kind of [8252, 4, 1059]) await Promise.all(relays.publish(wraps(kind)).map(({ result }) => result));
    await until(() => kept.delivered.length === 1);
    gifts = [bobKey];
    opened.refresh();
    await until(() => kept.delivered.length === 2);
    expect(server.stats.requests).toBeGreaterThan(before);
    expect(kept.delivered.map(({ kind }) => kind)).toEqual([8252, 1059]);
  });
  test('counts a relay as read although it does not serve gift wraps, after it was given its time', async () => {
    const server = await relay();
    const kept = memory();
    const relays = connectAll([server.url]);
    const closing = {
      ...relays,
      subscribe: (subscription: Parameters<typeof relays.subscribe>[0]) =>
        subscription.filters(server.url).some(filter => filter.kinds?.includes(1059))
          ? relays.subscribe({ ...subscription, onEose: () => {} })
          : relays.subscribe(subscription),
    };
    const told: string[] = [];
    const opened = inbox(closing, kept, {
      kinds: [8252, 1059],
      timing: { replayMs: 300, retryBaseMs: 10, retryMaxMs: 40 },
      onCaughtUp: url => told.push(url),
    });
    await until(() => relays.isConnected(server.url));
    await until(() => told.length > 0);
    expect(opened.caughtUp()).toEqual([server.url]);
  });
});

import { describe, expect, test } from 'vitest';
import { type NostrEvent, signEvent, xOnlyOf } from '../../src/nostr/event.ts';
import type { TestRelay } from '../../src/testing/relay.ts';
import { connectAll, inbox, memory, relay } from './harness.ts';
import { alice, bob, bobKey, carol, mail, random, seconds, texts, until } from './keys.ts';

/** Puts events into relays as somebody else would. */
async function store(servers: TestRelay[], events: NostrEvent[]): Promise<void> {
  const relays = connectAll(servers.map(({ url }) => url));
  const results = events.flatMap(event => relays.publish(event).map(({ result }) => result));
  for (const result of results) expect((await result).ok).toBe(true);
  await relays.close();
}
const now = seconds();
const series = (count: number, from = now - count): NostrEvent[] =>
  Array.from({ length: count }, (_, i) => mail(`${from + i}`, from + i));

describe('order of checks', () => {
  // fault 1
  test('drops what is expired, from the future, forged, or for others; remembers none of it', async () => {
    const server = await relay();
    const kept = memory();
    const genuine = mail('genuine');
    const bad = [
      { ...genuine, content: 'forged' },
      { ...genuine, sig: genuine.sig.toUpperCase() },
      mail('expired', now, { tags: [['expiration', String(now)]] }),
      mail('future', now + 10_000),
      signEvent({ kind: 1, created_at: now, tags: [['p', bobKey]], content: '' }, alice, random(32)),
    ];
    server.faults.tamper = event => [...bad, event];
    inbox(connectAll([server.url]), kept);
    await store([server], [genuine]);
    await until(() => kept.delivered.length === 1);
    expect(texts(kept.delivered)).toEqual(['genuine']);
    expect(kept.dropped).toEqual(['signature', 'shape', 'expired', 'future', 'unasked']);
    expect([...kept.seen]).toEqual([genuine.id]);
  });
  test('what is not welcome is not verified, whoever is said to have signed it, and is nobody’s junk', async () => {
    const server = await relay();
    const kept = memory();
    const genuine = mail('genuine');
    const flood = Array.from({ length: 1_500 }, (_, i) => ({ ...mail('', now), content: `forged ${i}` }));
    server.faults.tamper = event => [...flood, event];
    const asked: string[] = [];
    inbox(connectAll([server.url]), kept, {
      isWelcome(event) {
        asked.push(event.content);
        return event.content === 'genuine';
      },
    });
    await store([server], [genuine]);
    await until(() => kept.delivered.length === 1);
    expect(asked).toHaveLength(1_501);
    // A relay that stores a flood is not cut off for it: a bad signature would count, and a thousand of them end the connection.
    expect(kept.dropped).toEqual([]);
    expect(server.stats.connections).toBe(2);
  });
  test('a copy of what was dealt with is not verified again; one that says something else under its id is no copy', async () => {
    const server = await relay();
    const kept = memory();
    const first = mail('first', now - 50);
    const opened = inbox(connectAll([server.url]), kept);
    await store([server], [first]);
    await until(() => kept.delivered.length === 1);
    const unsigned = { ...first, sig: '00'.repeat(64) };
    const ahead = { ...first, created_at: now + 500 };
    server.faults.tamper = event => [unsigned, ahead, { ...first, content: 'other' }, event];
    await store([server], [mail('second', now - 40)]);
    await until(() => kept.delivered.length === 2);
    await opened.idle();
    expect(texts(kept.delivered)).toEqual(['first', 'second']);
    expect(kept.dropped).toEqual(['duplicate', 'signature', 'signature']);
    expect([...kept.cursors.values()]).toEqual([now - 50]);
  });
  test('copies move the cursor of the relay that brought them', async () => {
    const servers = [await relay(), await relay()];
    const kept = memory();
    const old = mail('old', now - 5_000);
    kept.seen.add(old.id);
    const opened = inbox(connectAll(servers.map(({ url }) => url)), kept);
    await store(servers, [old]);
    await until(() => opened.caughtUp().length === 2 && kept.dropped.length >= 2);
    opened.askAgain();
    await until(() => kept.cursors.size === 2);
    expect([...kept.cursors.values()]).toEqual([now - 5_000, now - 5_000]);
    expect(kept.delivered).toEqual([]);
  });
  test('a copy whose cursor the store does not take holds up nothing that comes after it', async () => {
    const server = await relay();
    const kept = memory();
    let fails = 0;
    let isFull = false;
    const get: typeof kept.store.get = (...key) => {
      if (isFull && ++fails) throw new Error('the disk is full');
      return kept.store.get(...key);
    };
    const opened = inbox(connectAll([server.url]), kept, { cursors: { ...kept.store, get } });
    await store([server], [mail('first', now - 9_000)]);
    await until(() => opened.caughtUp().length === 1 && kept.delivered.length === 1);
    const old = mail('old', now - 50);
    kept.seen.add(old.id);
    isFull = true;
    await store([server], [old]);
    await until(() => fails > 0);
    isFull = false;
    await store([server], [mail('after', now - 40)]);
    await until(() => texts(kept.delivered).includes('after'));
  });
  test('delivers copies of several relays, and repeats, once', async () => {
    const servers = [await relay({ faults: { duplicate: 2 } }), await relay()];
    const kept = memory();
    const opened = inbox(connectAll(servers.map(({ url }) => url)), kept);
    await store(servers, series(5));
    await until(() => kept.delivered.length === 5 && kept.dropped.length === 15);
    await opened.idle();
    expect(texts(kept.delivered).sort()).toEqual(texts(series(5)));
    expect(new Set(kept.dropped)).toEqual(new Set(['duplicate']));
  });
  // fault 7
  test('junk from the future moves no cursor', async () => {
    const server = await relay({ limits: { maxAhead: 1e9 } });
    const kept = memory();
    inbox(connectAll([server.url]), kept);
    await until(() => server.stats.requests > 0);
    await store([server], [mail('future', now + 1e8), mail('ahead', now + 300)]);
    await until(() => kept.delivered.length === 1 && kept.cursors.size === 1);
    expect([...kept.cursors.values()][0]).toBeLessThan(now + 100);
  });
});

describe('stored messages', () => {
  test('come oldest first, behind them the live ones, although the relay sends newest first', async () => {
    const server = await relay({ faults: { reorder: true } });
    const events = series(20);
    await store([server], events);
    const kept = memory();
    const opened = inbox(connectAll([server.url]), kept);
    await until(() => opened.caughtUp().length === 1);
    await store([server], [mail('live', now - 1_000)]);
    await until(() => kept.delivered.length === 21);
    expect(texts(kept.delivered)).toEqual([...texts(events), 'live']);
  });
  test('are all read from a relay that truncates, page by page, also beyond its own limit for a filter', async () => {
    const server = await relay({ limits: { maxLimit: 7 } });
    const events = series(30).flatMap(event => [event, mail(`${event.content} b`, event.created_at)]);
    await store([server], events);
    const kept = memory();
    inbox(connectAll([server.url]), kept);
    await until(() => kept.delivered.length === 60);
    const times = kept.delivered.map(({ created_at }) => created_at);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });
  test('of one relay are not held up by another that never ends its own', async () => {
    const [endless, good] = [await relay({ faults: { eose: 'never' } }), await relay()];
    await store([endless, good], series(3));
    const kept = memory();
    inbox(connectAll([endless.url, good.url]), kept);
    await until(() => kept.delivered.length === 3);
    expect([...kept.cursors.keys()]).toEqual([`${good.url} ${bobKey}`]);
  });
  // fault 43
  test('are handed over after a while when the relay never ends them, and the cursor stays', async () => {
    const server = await relay({ faults: { eose: 'never' } });
    await store([server], series(3));
    const kept = memory();
    const opened = inbox(connectAll([server.url]), kept, { timing: { replayMs: 50 } });
    await until(() => kept.delivered.length === 3);
    await store([server], [mail('live')]);
    await until(() => kept.delivered.length === 4);
    expect(kept.cursors.size).toBe(0);
    expect(opened.caughtUp()).toEqual([]);
  });
  // faults 7, 43
  test('that a relay sends behind its EOSE, or kept back, are not lost', async () => {
    const server = await relay({ faults: { eose: 'early' } });
    await store([server], series(3));
    const kept = memory();
    inbox(connectAll([server.url]), kept, { timing: { resyncMs: 30 } });
    await until(() => kept.delivered.length === 3);
    server.faults.eose = 'withhold';
    server.faults.drop = true;
    await store([server], [mail('withheld', now - 3_000)]);
    server.faults.eose = 'honest';
    server.faults.drop = false;
    await until(() => kept.delivered.length === 4);
  });
  test('are asked for again when a relay silently forgets its subscribers', async () => {
    const server = await relay({ faults: { forgetSubscriptions: true } });
    const kept = memory();
    const opened = inbox(connectAll([server.url]), kept, { timing: { resyncMs: 30 } });
    await until(() => opened.caughtUp().length === 1);
    await store([server], [mail('unannounced')]);
    await until(() => kept.delivered.length === 1);
  });
});

describe('the cursor', () => {
  test('lets a second start read on, reaching back by the overlap', async () => {
    const server = await relay();
    const day = 86_400;
    await store([server], [mail('old', now - 3 * day), mail('recent', now - 100)]);
    const kept = memory();
    const relays = connectAll([server.url]);
    const first = inbox(relays, kept);
    await until(() => first.caughtUp().length === 1);
    expect(kept.cursors.get(`${server.url} ${bobKey}`)).toBe(now - 100);
    await first.close();
    await store([server], [mail('late', now - day / 2), mail('too late', now - 2 * day)]);
    const second = inbox(relays, kept);
    await until(() => second.caughtUp().length === 1);
    expect(texts(kept.delivered)).toEqual(['old', 'recent', 'late']);
  });
  // fault 47
  test('from a wrong clock counts as now', async () => {
    const server = await relay();
    await store([server], [mail('x')]);
    const kept = memory();
    kept.store.set(server.url, bobKey, now + 1e8);
    inbox(connectAll([server.url]), kept);
    await until(() => kept.delivered.length === 1);
  });
  test('waits for the delivery, and does not pass one that failed', async () => {
    const server = await relay();
    const [bad, good] = [mail('bad', now - 20), mail('good', now - 10)];
    await store([server], [bad, good]);
    const kept = memory();
    let tries = 0;
    let isBroken = true;
    const opened = inbox(connectAll([server.url]), kept, {
      async deliver(event) {
        expect(kept.cursors.size).toBe(0);
        if (event.id === bad.id && ++tries > 0 && isBroken) throw new Error('disk full');
        kept.seen.add(event.id);
        kept.delivered.push(event);
      },
    });
    await until(() => tries >= 3);
    expect(texts(kept.delivered)).toEqual(['good']);
    expect(opened.caughtUp()).toEqual([]);
    isBroken = false;
    await until(() => opened.caughtUp().length === 1);
    expect(texts(kept.delivered)).toEqual(['good', 'bad']);
    expect([...kept.cursors.values()]).toEqual([now - 10]);
  });
  // fault 36
  test('is kept for each relay: what one missed comes from it when it is back', async () => {
    const [steady, flaky] = [await relay(), await relay()];
    const kept = memory();
    const relays = connectAll([steady.url, flaky.url]);
    const opened = inbox(relays, kept);
    await until(() => opened.caughtUp().length === 2);
    await store([steady], [mail('via steady', now)]);
    await flaky.stop();
    await until(() => opened.caughtUp().length === 1);
    await flaky.restart();
    await store([flaky], [mail('via flaky', now - 3_000)]);
    await until(() => kept.delivered.length === 2);
    expect(texts(kept.delivered)).toEqual(['via steady', 'via flaky']);
  });
});

describe('delivery', () => {
  test('is one at a time', async () => {
    const servers = [await relay(), await relay()];
    await store(servers, series(10));
    const kept = memory();
    let running = 0;
    let most = 0;
    inbox(connectAll(servers.map(({ url }) => url)), kept, {
      async deliver(event) {
        most = Math.max(most, ++running);
        await new Promise(resolve => setTimeout(resolve, 1));
        kept.seen.add(event.id);
        kept.delivered.push(event);
        running--;
      },
    });
    await until(() => kept.delivered.length === 10);
    expect(most).toBe(1);
  });
  test('hands over a further copy of what was not finished, and none of what was', async () => {
    const servers = [await relay(), await relay()];
    const [part, done] = [mail('part', now - 2), mail('done', now - 1)];
    await store(servers, [part, done]);
    const heard: string[] = [];
    const opened = inbox(connectAll(servers.map(({ url }) => url)), memory(), {
      deliver(event) {
        heard.push(event.content);
        return event.content === 'part' ? 'again' : undefined;
      },
    });
    await until(() => opened.caughtUp().length === 2);
    expect(heard.sort()).toEqual(['done', 'part', 'part']);
  });
  // fault 40
  test('a relay that floods does not hold up another', async () => {
    const [flooding, calm] = [await relay(), await relay()];
    await store([flooding], series(200));
    const kept = memory();
    const relays = connectAll([flooding.url, calm.url]);
    const order: string[] = [];
    const opened = inbox(relays, kept, {
      async deliver(event) {
        await new Promise(resolve => setTimeout(resolve, 1));
        kept.seen.add(event.id);
        order.push(event.content);
      },
    });
    await until(() => order.length > 5);
    await store([calm], [mail('calm')]);
    await until(() => opened.caughtUp().length === 2);
    expect(order).toHaveLength(201);
    expect(order.indexOf('calm')).toBeLessThan(200);
  });
});

describe('recipients', () => {
  const to = (key: string) =>
    signEvent({ kind: 8252, created_at: now, tags: [['p', key]], content: key }, alice, random(32));
  test('may change: new ones are read from their beginning, old ones no more', async () => {
    const server = await relay();
    const carolKey = xOnlyOf(carol);
    await store([server], [to(bobKey), to(carolKey)]);
    let recipients = [bobKey];
    const kept = memory();
    const opened = inbox(connectAll([server.url]), kept, { recipients: () => recipients });
    await until(() => kept.delivered.length === 1);
    recipients = [carolKey];
    opened.refresh();
    await until(() => kept.delivered.length === 2);
    await store([server], [mail('for bob')]);
    await store([server], [signEvent({ ...to(carolKey), created_at: now - 1 }, alice, random(32))]);
    await until(() => kept.delivered.length === 3);
    expect(texts(kept.delivered)).toEqual([bobKey, carolKey, carolKey]);
  });
  test('in any number take few subscriptions', async () => {
    const server = await relay();
    const keys = Array.from({ length: 12 }, (_, i) => xOnlyOf(new Uint8Array(32).fill(10 + i)));
    await store([server], keys.map(to));
    const kept = memory();
    let known = 0;
    const opened = inbox(connectAll([server.url]), kept, { recipients: () => keys.slice(0, known) });
    await until(() => opened.caughtUp().length === 0);
    for (known = 1; known <= keys.length; known++) opened.refresh();
    known = keys.length;
    await until(() => kept.delivered.length === keys.length && opened.caughtUp().length === 1);
    expect(kept.cursors.size).toBe(keys.length);
  });
  test('each kind is asked for by itself, and gift wraps without a cursor', async () => {
    const server = await relay();
    const wrap = (createdAt: number, kind = 1059) =>
      signEvent({ kind, created_at: createdAt, tags: [['p', bobKey]], content: `${kind}` }, bob, random(32));
    const kept = memory();
    const relays = connectAll([server.url]);
    const first = inbox(relays, kept, { kinds: [8252, 4, 1059] });
    await until(() => first.caughtUp().length === 1);
    await store([server], [mail('now', now), wrap(now, 4), wrap(now)]);
    await until(() => kept.delivered.length === 3);
    await first.close();
    await store([server], [wrap(now - 172_800), wrap(now - 172_800, 4)]);
    const second = inbox(relays, kept, { kinds: [8252, 4, 1059] });
    await until(() => second.caughtUp().length === 1);
    expect(kept.delivered.slice(3).map(({ kind }) => kind)).toEqual([1059]);
    expect([...kept.cursors.keys()]).toEqual([`${server.url} ${bobKey}`, `${server.url} ${bobKey}/4`]);
  });
});

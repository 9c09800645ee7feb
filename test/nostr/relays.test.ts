import { describe, expect, test } from 'vitest';
import type { NostrEvent } from '../../src/nostr/event.ts';
import { RelayUrlError } from '../../src/nostr/url.ts';
import { connectAll, relay } from './harness.ts';
import { bobKey, mail, seconds, texts, until } from './keys.ts';

const filters = () => [{ kinds: [8252], '#p': [bobKey] }];

describe('several relays', () => {
  test('hand an event over once, and every copy to who asks for it', async () => {
    const servers = [await relay(), await relay()];
    const relays = connectAll(servers.map(({ url }) => url));
    const once: NostrEvent[] = [];
    const copies: string[] = [];
    relays.subscribe({ key: 'once', filters, onEvent: event => once.push(event) });
    relays.subscribe({ key: 'all', filters, everyCopy: true, onEvent: (_event, url) => copies.push(url) });
    await until(() => relays.connectedCount() === 2);
    const results = relays.publish(mail('x')).map(({ result }) => result);
    expect((await Promise.all(results)).every(({ ok }) => ok)).toBe(true);
    await until(() => copies.length === 2);
    expect(texts(once)).toEqual(['x']);
    expect(copies.sort()).toEqual([...relays.urls].sort());
  });
  // fault 1
  test('a forged copy that comes first does not hide the genuine event', async () => {
    const [forger, honest] = [await relay(), await relay({ faults: { delayMs: 50 } })];
    const genuine = mail('genuine');
    forger.faults.tamper = () => [
      { ...genuine, content: 'forged' },
      { ...genuine, sig: mail('other').sig },
    ];
    const relays = connectAll([forger.url, honest.url]);
    const heard: string[] = [];
    const invalid: string[] = [];
    relays.subscribe({
      key: 's',
      filters,
      onEvent: (event, url) => heard.push(`${event.content} ${url}`),
      onInvalid: (reason, url) => invalid.push(`${reason} ${url}`),
    });
    await Promise.all(relays.publish(genuine).map(({ result }) => result));
    await until(() => heard.length === 1);
    expect(heard).toEqual([`genuine ${honest.url}`]);
    expect(invalid).toEqual([`signature ${forger.url}`, `signature ${forger.url}`]);
  });
  test('a relay that is down, and one that is silent, do not slow the others', async () => {
    const [down, mute, good] = [await relay(), await relay({ faults: { silent: true } }), await relay()];
    await down.stop();
    const relays = connectAll([down.url, mute.url, good.url]);
    const heard: NostrEvent[] = [];
    const ended: string[] = [];
    relays.subscribe({ key: 's', filters, onEvent: event => heard.push(event), onEose: url => ended.push(url) });
    const order: string[] = [];
    const reports = relays.publish(mail('x'));
    const results = reports.map(async ({ relay: url, result }) => {
      const { prefix } = await result;
      order.push(url);
      return prefix;
    });
    await results[2];
    await until(() => heard.length === 1);
    expect(order).toEqual([good.url]);
    expect(ended).toEqual([good.url]);
    expect(await Promise.all(results)).toEqual(['offline', 'timeout', '']);
  });
  test('are told apart by address, whatever its spelling', async () => {
    const server = await relay();
    const relays = connectAll([server.url, `${server.url}/`, server.url.toUpperCase().replace('WS', 'ws')]);
    expect(relays.urls).toEqual([server.url]);
    await until(() => relays.isConnected(server.url));
    expect(() => connectAll(['http://127.0.0.1'])).toThrow(RelayUrlError);
    expect(await relays.publishTo('ws://127.0.0.1:1', mail('x'))).toMatchObject({ prefix: 'offline' });
  });
  test('tell of every connect and disconnect, and of the smallest message they take', async () => {
    const servers = [await relay({ limits: { maxMessageBytes: 4_096 } }), await relay()];
    const states: string[] = [];
    const relays = connectAll(servers.map(({ url }) => url));
    relays.onState(() => {
      throw new Error('a listener that fails harms no other');
    });
    relays.onState((_url, state) => states.push(state));
    await until(() => relays.connectedCount() === 2);
    await servers[0]!.stop();
    await until(() => relays.connectedCount() === 1);
    expect(states).toEqual(['connected', 'connected', 'disconnected']);
    await until(() => relays.maxMessageBytes() !== null);
    expect([4_096, 131_072]).toContain(relays.maxMessageBytes());
  });
  // fault 42
  test('tell the work that they want, by NIP-11 or by a refusal, up to what is worth it', async () => {
    const [stated, unstated, absurd] = [
      await relay({ faults: { pow: 6 } }),
      await relay({ faults: { pow: 0 } }),
      await relay({ faults: { pow: 200 } }),
    ];
    const relays = connectAll([stated, unstated, absurd].map(({ url }) => url));
    await relays.introduced(10_000);
    expect(relays.workBits()).toBe(6);
    unstated.faults.pow = 9;
    let refused = { ok: true };
    while (refused.ok) refused = await relays.publishTo(relays.urls[1]!, mail(`x${Math.random()}`));
    expect(relays.workBits()).toBe(9);
  });
  test('a junk event from the future does not change what the others are asked for', async () => {
    const servers = [await relay(), await relay()];
    servers[0]!.faults.tamper = () => [mail('future', seconds() + 1e8)];
    const asked: string[] = [];
    const relays = connectAll(servers.map(({ url }) => url));
    relays.subscribe({
      key: 's',
      filters: () => {
        const own = [{ kinds: [8252], since: 100 }];
        asked.push(JSON.stringify(own));
        return own;
      },
      onEvent: () => {},
    });
    await until(() => relays.connectedCount() === 2);
    await Promise.all(relays.publish(mail('x')).map(({ result }) => result));
    for (const server of servers) server.disconnectAll();
    await until(() => asked.length === 4);
    expect(new Set(asked).size).toBe(1);
  });
});

import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { authEvent } from '../../src/nostr/auth.ts';
import type { NostrEvent } from '../../src/nostr/event.ts';
import type { Filter } from '../../src/nostr/filter.ts';
import { browserSocket } from '../../src/nostr/websocket-browser.ts';
import { startTestRelay } from '../../src/testing/relay.ts';
import { connect, fast, relay } from './harness.ts';
import { alice, bobKey, mail, random, seconds, texts, until } from './keys.ts';

/** A subscription to bob's mail that collects what it is told. */
function listener(filters: () => Filter[] = () => [{ kinds: [8252], '#p': [bobKey] }]) {
  const heard = { events: [] as NostrEvent[], invalid: [] as string[], starts: 0, ends: 0 };
  return {
    heard,
    handlers: {
      filters,
      onStart: () => void heard.starts++,
      onEvent: (event: NostrEvent) => void heard.events.push(event),
      onEose: () => void heard.ends++,
      onInvalid: (reason: string) => void heard.invalid.push(reason),
    },
  };
}
const authenticator = (challenge: string, relayUrl: string) => [
  authEvent({ challenge, relayUrl, createdAt: seconds() }, alice, random(32)),
];

describe('a relay that comes and goes', () => {
  test('is found when it was down at the start', async () => {
    const server = await relay();
    await server.stop();
    const connection = connect(server.url);
    const { heard, handlers } = listener();
    connection.subscribe('s', handlers);
    const published = connection.publish(mail('waited'));
    await server.restart();
    expect(await published).toMatchObject({ ok: true, verdict: 'done' });
    await until(() => heard.events.length === 1);
  });
  test('gets subscriptions and unanswered publications again after it died in the middle', async () => {
    const server = await relay();
    const states: string[] = [];
    const connection = connect(server.url, { onState: (_url, state) => states.push(state) });
    const { heard, handlers } = listener();
    connection.subscribe('s', handlers);
    await until(() => heard.ends === 1);
    server.faults.silent = true;
    const published = connection.publish(mail('in flight'));
    await until(() => server.stats.frames === 2);
    await server.stop();
    server.faults.silent = false;
    await server.restart();
    expect((await published).ok).toBe(true);
    await until(() => heard.events.length === 1 && heard.ends === 2);
    expect(states).toEqual(['connected', 'disconnected', 'connected']);
  });
  test('is asked with fresh filters each time, and nobody shares them', async () => {
    const server = await relay();
    const connection = connect(server.url);
    const asked: Filter[] = [];
    const { heard, handlers } = listener(() => {
      const filter = { kinds: [8252], since: 100 + asked.length };
      asked.push(filter);
      return [filter];
    });
    connection.subscribe('s', handlers);
    await until(() => heard.ends === 1);
    asked[0]!.since = 9e9;
    await connection.publish(mail('x'));
    await until(() => heard.events.length === 1);
    server.disconnectAll();
    await until(() => heard.ends === 2);
    expect(asked).toEqual([
      { kinds: [8252], since: 9e9 },
      { kinds: [8252], since: 101 },
    ]);
  });
  // fault 40
  test('is cut when it stops answering pings', async () => {
    const server = await relay({ faults: { silent: true } });
    const connection = connect(server.url, { timing: { ...fast, pingMs: 20 } });
    await until(() => server.stats.connections >= 2);
    server.faults.silent = false;
    await until(() => connection.isConnected());
    const before = server.stats.connections;
    expect((await connection.publish(mail('x'))).ok).toBe(true);
    expect(server.stats.connections).toBe(before);
  });
  // fault 40
  test('is cut when it accepts the connection and never answers the handshake', async () => {
    let accepted = 0;
    const loris = createServer(socket => {
      accepted++;
      socket.resume().on('error', () => {});
    });
    await new Promise<void>(resolve => loris.listen(0, '127.0.0.1', resolve));
    const address = loris.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const connection = connect(`ws://127.0.0.1:${port}`, { timing: { ...fast, connectMs: 20 }, fetchLimits: null });
    await until(() => accepted >= 3);
    expect(connection.isConnected()).toBe(false);
    await connection.close();
    await new Promise(resolve => loris.close(resolve));
  });
  test('is left for good by close, whatever its state', async () => {
    const server = await relay();
    const connection = connect(server.url);
    await until(() => connection.isConnected());
    await connection.close();
    expect(connection.isConnected()).toBe(false);
    expect(await connection.publish(mail('x'))).toMatchObject({ prefix: 'offline' });
    const early = connect(server.url);
    await early.close();
    await until(() => server.clients() === 0);
  });
});

describe('what a relay sends', () => {
  test('is verified before anybody sees it', async () => {
    const server = await relay();
    const connection = connect(server.url);
    const { heard, handlers } = listener();
    const genuine = mail('genuine');
    server.faults.tamper = event => [
      { ...event, content: 'forged' },
      { ...event, sig: mail('other').sig },
      { ...event, sig: event.sig.toUpperCase() },
      { ...event, extra: 1 },
      null,
      mail('not bob', seconds(), { from: alice, tags: [] }),
      event,
    ];
    connection.subscribe('s', { ...handlers, filters: () => [{ kinds: [8252], '#p': [bobKey], ids: [genuine.id] }] });
    await connection.publish(genuine);
    await until(() => heard.events.length === 1);
    expect(texts(heard.events)).toEqual(['genuine']);
    expect(heard.invalid).toEqual(['signature', 'signature', 'shape', 'shape', 'unasked']);
  });
  test('may be junk of all sorts, and a throwing consumer, without harm', async () => {
    const server = await relay();
    const connection = connect(server.url);
    const { heard, handlers } = listener();
    let isAngry = true;
    connection.subscribe('s', {
      ...handlers,
      onEvent(event) {
        if (isAngry) throw new Error('consumer');
        handlers.onEvent(event);
      },
    });
    await until(() => heard.ends === 1);
    for (const text of ['', 'x', '{}', '[]', '["EVENT","unknown",{}]', `["NOTICE","${'\u0007'.repeat(300)}"]`])
      server.sendRaw(text);
    server.sendRaw('['.repeat(100_000));
    server.sendRaw(`["NOTICE","${'a'.repeat(300_000)}"]`);
    await connection.publish(mail('first'));
    isAngry = false;
    await connection.publish(mail('second'));
    await until(() => heard.events.length === 1);
    expect(texts(heard.events)).toEqual(['second']);
    expect(server.stats.connections).toBe(1);
  });
  // fault 40
  test('ends the connection when it is endless junk, or one frame of megabytes', async () => {
    const server = await relay();
    const connection = connect(server.url);
    await until(() => connection.isConnected());
    for (let i = 0; i < 2_000; i++) server.sendRaw('junk');
    await until(() => server.stats.connections === 2 && connection.isConnected());
    server.sendRaw(`["NOTICE","${'a'.repeat(10_000_000)}"]`);
    await until(() => server.stats.connections === 3);
  });
});

describe('subscriptions that a relay closes', () => {
  test('are asked for again after a while', async () => {
    const server = await relay({ faults: { closed: 'error: shutting down idle subscription' } });
    const connection = connect(server.url);
    const { heard, handlers } = listener();
    connection.subscribe('s', handlers);
    await until(() => server.stats.requests >= 3);
    server.faults.closed = null;
    await until(() => heard.ends === 1);
    await connection.publish(mail('x'));
    await until(() => heard.events.length === 1);
  });
  test('stay closed when we close them', async () => {
    const server = await relay({ faults: { closed: 'error: no' } });
    const connection = connect(server.url);
    const subscription = connection.subscribe('s', listener().handlers);
    await until(() => server.stats.requests >= 2);
    subscription.close();
    subscription.refresh();
    const before = server.stats.requests;
    await connection.publish(mail('x'));
    expect(server.stats.requests).toBe(before);
  });
  test('an EOSE of an earlier request is not taken for this one', async () => {
    const server = await relay({ faults: { delayMs: 30 } });
    const connection = connect(server.url);
    const { heard, handlers } = listener();
    await until(() => connection.isConnected());
    const subscription = connection.subscribe('s', handlers);
    subscription.refresh();
    await until(() => heard.ends === 1);
    await connection.publish(mail('x'));
    expect(heard).toMatchObject({ starts: 2, ends: 1 });
  });
});

// fault 42
describe('authentication (NIP-42)', () => {
  test('is done once per challenge; what was refused before goes out again', async () => {
    const server = await relay({ faults: { authRequired: true } });
    const challenges: string[] = [];
    const connection = connect(server.url, {
      auth: (challenge, url) => {
        challenges.push(challenge);
        return authenticator(challenge, url);
      },
    });
    const { heard, handlers } = listener();
    connection.subscribe('s', handlers);
    expect(await connection.publish(mail('x'))).toMatchObject({ ok: true });
    await until(() => heard.events.length === 1 && heard.ends === 1);
    server.sendRaw(JSON.stringify(['AUTH', challenges[0]]));
    await connection.publish(mail('y'));
    expect(challenges).toHaveLength(1);
    server.disconnectAll();
    await until(() => heard.ends === 2);
    expect(challenges).toHaveLength(2);
  });
  test('waits for a challenge that comes only with the refusal', async () => {
    const server = await relay();
    const connection = connect(server.url, { auth: authenticator });
    await connection.publish(mail('x'));
    server.faults.authRequired = true;
    expect(await connection.publish(mail('y'))).toMatchObject({ ok: true });
    expect(server.stats.authenticated).toBe(1);
  });
  test('without a signer, or with one that fails, is reported', async () => {
    const server = await relay({ faults: { authRequired: true } });
    const without = connect(server.url);
    expect(await without.publish(mail('x'))).toMatchObject({ verdict: 'auth', prefix: 'auth-required' });
    const failing = connect(server.url, { auth: () => Promise.reject(new Error('locked')) });
    expect(await failing.publish(mail('x'))).toMatchObject({ verdict: 'auth' });
  });
  test('is not signed without end', async () => {
    const server = await relay();
    let signed = 0;
    const connection = connect(server.url, {
      auth: (challenge, url) => {
        signed++;
        return authenticator(challenge, url);
      },
    });
    await until(() => connection.isConnected());
    for (let i = 0; i < 50; i++) server.sendRaw(JSON.stringify(['AUTH', `challenge ${i}`]));
    await connection.publish(mail('x'));
    expect(signed).toBe(8);
  });
});

describe('publishing', () => {
  test.each([
    ['rate-limited', { rateLimited: true }, { verdict: 'retry', prefix: 'rate-limited' }],
    ['work', { pow: 200 }, { verdict: 'pow', powBits: 200 }],
    ['size', { maxEventBytes: 10 }, { verdict: 'refused', prefix: 'invalid' }],
    ['blocked', { reject: 'blocked: not you' }, { verdict: 'refused', prefix: 'blocked' }],
    ['error', { reject: 'error: disk' }, { verdict: 'retry', prefix: 'error' }],
  ])('reports %s', async (_name, faults, expected) => {
    const server = await relay({ faults });
    expect(await connect(server.url).publish(mail('x'))).toMatchObject({ ok: false, ...expected });
  });
  test('counts a duplicate as done, and two calls for one event as one', async () => {
    const server = await relay();
    const connection = connect(server.url);
    const event = mail('x');
    const both = await Promise.all([connection.publish(event), connection.publish(event)]);
    expect(both.map(({ verdict }) => verdict)).toEqual(['done', 'done']);
    expect(server.stats.published).toBe(1);
    expect(await connection.publish(event)).toMatchObject({ verdict: 'done', prefix: 'duplicate' });
  });
  test('ends after a time: without a connection, and without an OK', async () => {
    const server = await relay({ faults: { silent: true } });
    const timing = { ...fast, publishMs: 50 };
    expect(await connect(server.url, { timing }).publish(mail('x'))).toMatchObject({
      prefix: 'timeout',
      verdict: 'retry',
    });
    await server.stop();
    expect(await connect(server.url, { timing }).publish(mail('x'))).toMatchObject({
      prefix: 'offline',
      verdict: 'retry',
    });
  });
  test('does not send what the relay says is too long (NIP-11)', async () => {
    const server = await relay({ limits: { maxMessageBytes: 4_096 } });
    const connection = connect(server.url);
    await until(() => connection.limits().maxMessageBytes === 4_096);
    expect(await connection.publish(mail('x'.repeat(5_000)))).toMatchObject({
      prefix: 'too-large',
      verdict: 'refused',
    });
    expect(server.stats.connections).toBe(1);
  });
  test('goes on without NIP-11', async () => {
    const server = await relay();
    const connection = connect(server.url, { fetchLimits: () => Promise.reject(new Error('no')) });
    expect(await connection.publish(mail('x'))).toMatchObject({ ok: true });
    expect(connection.limits().maxMessageBytes).toBeNull();
  });
});

describe('in browsers', () => {
  test('works over their WebSocket, which cannot ping', async () => {
    const server = await relay();
    const connection = connect(server.url, {
      openSocket: browserSocket(WebSocket as never),
      timing: { ...fast, pingMs: 10 },
    });
    await until(() => connection.isConnected());
    const before = server.stats.connections;
    await until(() => server.stats.requests >= 5);
    expect(await connection.publish(mail('x'))).toMatchObject({ ok: true });
    expect(server.stats.connections).toBe(before);
    server.faults.silent = true;
    await until(() => !connection.isConnected());
    server.faults.silent = false;
    await until(() => connection.isConnected());
    server.sendRaw(`["NOTICE","${'a'.repeat(2_000_000)}"]`);
    await until(() => server.stats.connections > before + 1 && connection.isConnected());
  });
});

test('a relay on a busy port fails to start, and says so', async () => {
  const server = await relay();
  await expect(startTestRelay({ port: Number(new URL(server.url).port) })).rejects.toThrow(/EADDRINUSE/);
});

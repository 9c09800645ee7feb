import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { execPath } from 'node:process';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { authEvent } from '../../src/nostr/auth.ts';
import { type NostrEvent, signEvent } from '../../src/nostr/event.ts';
import { compile } from '../compile.ts';
import { relay } from '../nostr/harness.ts';
import { alice, bob, bobKey, mail, random, seconds, until } from '../nostr/keys.ts';

type Frame = [string, ...unknown[]];

/** A client that only collects what it hears. */
async function client(url: string) {
  const socket = new WebSocket(url);
  const frames: Frame[] = [];
  socket.on('message', data => frames.push(JSON.parse(data.toString())));
  await once(socket, 'open');
  return {
    frames,
    socket,
    send: (...frame: Frame) => socket.send(JSON.stringify(frame)),
    /** The next frame of that type that was not taken yet. */
    async next(type: string): Promise<Frame> {
      await until(() => frames.some(frame => frame[0] === type));
      return frames.splice(
        frames.findIndex(frame => frame[0] === type),
        1,
      )[0]!;
    },
  };
}
type Client = Awaited<ReturnType<typeof client>>;

async function publish(to: Client, ...events: NostrEvent[]): Promise<Frame[]> {
  const answers: Frame[] = [];
  for (const event of events) {
    to.send('EVENT', event);
    answers.push(await to.next('OK'));
  }
  return answers;
}
async function query(to: Client, ...filters: unknown[]): Promise<unknown[]> {
  to.send('REQ', 'q', ...filters);
  await until(() => to.frames.some(([type, id]) => (type === 'EOSE' || type === 'CLOSED') && id === 'q'));
  const found = to.frames.filter(([type]) => type === 'EVENT').map(frame => frame[2]);
  to.frames.length = 0;
  to.send('CLOSE', 'q');
  return found;
}
const note = (kind: number, createdAt: number, tags: string[][] = [], from = alice) =>
  signEvent({ kind, created_at: createdAt, tags, content: `${kind} ${createdAt}` }, from, random(32));

describe('NIP-01', () => {
  test('filters by id, author, kind, tag, time and limit; newest first', async () => {
    const { url } = await relay();
    const c = await client(url);
    const a = note(1, 100, [['p', bobKey]]);
    const b = note(1, 200);
    const d = note(2, 300, [['t', 'x']], bob);
    await publish(c, a, d, b);
    expect(await query(c, {})).toEqual([d, b, a]);
    expect(await query(c, { ids: [b.id] })).toEqual([b]);
    expect(await query(c, { authors: [bobKey] })).toEqual([d]);
    expect(await query(c, { kinds: [1], limit: 1 })).toEqual([b]);
    expect(await query(c, { '#p': [bobKey] })).toEqual([a]);
    expect(await query(c, { '#t': ['x'] }, { '#p': [bobKey] })).toEqual([d, a]);
    expect(await query(c, { since: 200, until: 200 })).toEqual([b]);
  });
  test('sends live events to those who asked, until they close', async () => {
    const { url } = await relay();
    const [c, other] = [await client(url), await client(url)];
    c.send('REQ', 'live', { '#p': [bobKey] });
    await c.next('EOSE');
    await publish(other, note(1, 1), mail('hello'));
    expect((await c.next('EVENT'))[2]).toMatchObject({ content: 'hello' });
    c.send('CLOSE', 'live');
    await query(c, { ids: [] });
    await publish(other, mail('again'));
    await query(c, { ids: [] });
    expect(c.frames).toEqual([]);
  });
  test('keeps the newest of replaceable and addressable kinds, of one second the lowest id', async () => {
    const { url, events } = await relay();
    const c = await client(url);
    const d = [['d', 'x']];
    const [old, young, other] = [note(38_252, 100, d), note(38_252, 200, d), note(38_252, 50, [['d', 'y']])];
    const answers = await publish(c, young, old, other, note(0, 1), note(0, 2));
    expect(answers.map(([, , ok]) => ok)).toEqual([true, true, true, true, true]);
    expect(answers[1]![3]).toMatch(/^replaced:/);
    expect(events().map(({ content }) => content)).toEqual(['38252 200', '38252 50', '0 2']);
    const same = ['a', 'b', 'c'].map(t => note(30_000, 300, [...d, ['t', t]])).sort((a, b) => (a.id < b.id ? -1 : 1));
    await publish(c, same[1]!, same[0]!, same[2]!);
    expect(await query(c, { kinds: [30_000] })).toEqual([same[0]]);
  });
  test('does not keep ephemeral kinds', async () => {
    const { url, events } = await relay();
    const c = await client(url);
    c.send('REQ', 'live', { kinds: [20_001] });
    await c.next('EOSE');
    await publish(c, note(20_001, 1));
    expect((await c.next('EVENT'))[2]).toMatchObject({ kind: 20_001 });
    expect(events()).toEqual([]);
  });
  test('refuses forged, upper-case, expired and future events, and says so', async () => {
    const { url, events } = await relay();
    const c = await client(url);
    const good = mail('x');
    const expired = mail('x', seconds(), { tags: [['expiration', '1']] });
    const answers = await publish(c, { ...good, sig: mail('y').sig }, expired, mail('x', seconds() + 2_000));
    for (const [, , ok, message] of answers) {
      expect(ok).toBe(false);
      expect(message).toMatch(/^invalid:/);
    }
    c.send('EVENT', { ...good, sig: good.sig.toUpperCase() });
    expect((await c.next('NOTICE'))[1]).toMatch(/^invalid:/);
    expect((await publish(c, good, good))[1]![3]).toMatch(/^duplicate:/);
    expect(events()).toEqual([good]);
  });
  test('closes requests that it does not understand', async () => {
    const { url } = await relay({ limits: { maxSubscriptions: 1 } });
    const c = await client(url);
    for (const filter of [{ ids: ['x'] }, { kinds: ['1'] }, { what: 1 }, []]) {
      c.send('REQ', 'bad', filter);
      expect((await c.next('CLOSED'))[2]).toMatch(/^invalid:/);
    }
    c.send('REQ', 'one', {});
    c.send('REQ', 'two', {});
    expect(await c.next('CLOSED')).toEqual(['CLOSED', 'two', 'error: too many subscriptions']);
    for (const text of ['x', '{}', '["WHAT"]', '['.repeat(10_000)]) {
      c.socket.send(text);
      expect((await c.next('NOTICE'))[1]).toMatch(/^invalid:/);
    }
  });
});

test('NIP-11: describes its limits', async () => {
  const { url } = await relay({ limits: { maxMessageBytes: 4_096 } });
  const document = await (await fetch(url.replace('ws', 'http'))).json();
  expect(document).toMatchObject({ limitation: { max_message_length: 4_096, max_limit: 500 } });
});

test('NIP-42: demands authentication when told to, for its own challenge only', async () => {
  const { url, stats } = await relay({ faults: { authRequired: true } });
  const c = await client(url);
  const challenge = String((await c.next('AUTH'))[1]);
  expect((await publish(c, mail('x')))[0]![3]).toMatch(/^auth-required:/);
  c.send('REQ', 'q', {});
  expect((await c.next('CLOSED'))[2]).toMatch(/^auth-required:/);
  const answer = (text: string, relayUrl: string) =>
    authEvent({ challenge: text, relayUrl, createdAt: seconds() }, alice, random(32));
  for (const wrong of [answer('other', url), answer(challenge, 'ws://other.example')]) {
    c.send('AUTH', wrong);
    expect((await c.next('OK'))[2]).toBe(false);
  }
  c.send('AUTH', answer(challenge, url));
  expect((await c.next('OK'))[2]).toBe(true);
  expect((await publish(c, mail('x')))[0]![2]).toBe(true);
  expect(stats.authenticated).toBe(1);
});

describe('faults to order', () => {
  test('drop, duplicate, tamper', async () => {
    const { url, faults } = await relay();
    const c = await client(url);
    const [a, b] = [note(1, 1), note(1, 2)];
    await publish(c, a, b);
    faults.drop = ({ id }) => id === a.id;
    faults.duplicate = 1;
    expect(await query(c, {})).toEqual([b, b]);
    faults.tamper = event => [{ ...event, content: 'forged' }];
    expect(await query(c, { ids: [b.id] })).toEqual([
      { ...b, content: 'forged' },
      { ...b, content: 'forged' },
    ]);
    faults.drop = true;
    expect(await query(c, {})).toEqual([]);
  });
  test('reorder: live events come last first', async () => {
    const { url } = await relay({ faults: { reorder: true } });
    const c = await client(url);
    c.send('REQ', 'live', {});
    await c.next('EOSE');
    for (const event of [note(1, 1), note(1, 2), note(1, 3)]) c.send('EVENT', event);
    const order = [await c.next('EVENT'), await c.next('EVENT'), await c.next('EVENT')];
    expect(order.map(frame => (frame[2] as NostrEvent).created_at)).toEqual([3, 2, 1]);
  });
  test('refusals: rate limit, size, work, anything', async () => {
    const { url, faults, events } = await relay();
    const c = await client(url);
    const prefixOf = async (): Promise<string> => String((await publish(c, mail('x')))[0]![3]).split(':')[0]!;
    faults.rateLimited = true;
    expect(await prefixOf()).toBe('rate-limited');
    faults.rateLimited = false;
    faults.maxEventBytes = 100;
    expect(await prefixOf()).toBe('invalid');
    faults.maxEventBytes = null;
    faults.pow = 200;
    expect(await prefixOf()).toBe('pow');
    faults.pow = 0;
    faults.reject = 'blocked: not you';
    expect(await prefixOf()).toBe('blocked');
    expect(events()).toEqual([]);
  });
  test('OK and nothing stored; CLOSED; lies about the end of stored events', async () => {
    const { url, faults, events } = await relay();
    const c = await client(url);
    faults.okButNotStored = true;
    expect((await publish(c, mail('x')))[0]![2]).toBe(true);
    expect(events()).toEqual([]);
    faults.okButNotStored = false;
    await publish(c, mail('y'));
    faults.closed = 'error: no';
    c.send('REQ', 'q', {});
    expect(await c.next('CLOSED')).toEqual(['CLOSED', 'q', 'error: no']);
    faults.closed = null;
    faults.eose = 'withhold';
    expect(await query(c, {})).toEqual([]);
    faults.eose = 'early';
    c.send('REQ', 'q', {});
    await c.next('EVENT');
    expect(c.frames).toEqual([['EOSE', 'q']]);
  });
  test('silence, and the way back', async () => {
    const { url, faults, stats } = await relay({ faults: { silent: true } });
    const c = await client(url);
    c.send('REQ', 'q', {});
    c.socket.ping();
    await until(() => stats.frames === 1);
    faults.silent = false;
    c.send('REQ', 'r', {});
    expect(await c.next('EOSE')).toEqual(['EOSE', 'r']);
    expect(stats.requests).toBe(1);
  });
  test('restart keeps port and events, or forgets them; disconnectAll goes on', async () => {
    const server = await relay();
    const { url } = server;
    const first = await client(url);
    await publish(first, mail('x'));
    const gone = once(first.socket, 'close');
    await server.restart();
    await gone;
    expect(server.url).toBe(url);
    const second = await client(url);
    expect(await query(second, {})).toHaveLength(1);
    server.disconnectAll();
    await once(second.socket, 'close');
    await server.restart({ wipe: true });
    expect(await query(await client(url), {})).toEqual([]);
  });
});

test('runs as a process of its own: says where it is, and ends when asked to', async () => {
  const { script, remove } = compile('src/testing/relay-main.ts');
  onTestFinished(remove);
  const process = spawn(execPath, [script, '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(process.stdout, 'data');
  const { url } = JSON.parse(String(line));
  expect((await publish(await client(url), mail('x')))[0]![2]).toBe(true);
  process.kill('SIGTERM');
  expect(await once(process, 'exit')).toEqual([0, null]);
});

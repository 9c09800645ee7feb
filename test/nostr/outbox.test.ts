import { describe, expect, test } from 'vitest';
import { connectAll, outbox, relay, rows } from './harness.ts';
import { mail, seconds, texts, until } from './keys.ts';

describe('the outbox', () => {
  test('sends every row to every relay, in order', async () => {
    const servers = [await relay(), await relay()];
    const relays = connectAll(servers.map(({ url }) => url));
    const kept = rows();
    const sent = outbox(relays, kept.store);
    const events = Array.from({ length: 40 }, (_, i) => mail(`${i}`));
    kept.add(...events);
    sent.wake();
    await until(() => servers.every(server => server.events().length === 40));
    await sent.idle();
    for (const server of servers) expect(texts(server.events())).toEqual(texts(events));
    for (const event of events) for (const url of relays.urls) expect(kept.status(event, url)).toBe('done');
  });
  test('sends what was stored while a relay was away, as soon as it is back', async () => {
    const [down, good] = [await relay(), await relay()];
    await down.stop();
    const relays = connectAll([down.url, good.url]);
    const kept = rows();
    const event = mail('x');
    kept.add(event);
    const sent = outbox(relays, kept.store);
    await until(() => kept.status(event, good.url) === 'done');
    await sent.idle();
    expect(kept.status(event, down.url)).toBe('new');
    await down.restart();
    await until(() => kept.status(event, down.url) === 'done');
    expect(down.events()).toEqual(good.events());
  });
  test('is not held up by a relay that answers nothing', async () => {
    const [mute, good] = [await relay({ faults: { silent: true } }), await relay()];
    const relays = connectAll([mute.url, good.url], { timing: { reconnectBaseMs: 10, publishMs: 30 } });
    const kept = rows();
    const events = Array.from({ length: 50 }, (_, i) => mail(`${i}`));
    kept.add(...events);
    outbox(relays, kept.store);
    await until(() => events.every(event => kept.status(event, good.url) === 'done'));
    expect(events.some(event => kept.status(event, mute.url) === 'done')).toBe(false);
    mute.faults.silent = false;
    await until(() => events.every(event => kept.status(event, mute.url) === 'done'));
  });
  test('sends the same bytes again after a crash before the answer was stored: a duplicate is done', async () => {
    const server = await relay();
    const relays = connectAll([server.url]);
    const event = mail('x');
    await relays.publishTo(server.url, event);
    const kept = rows();
    kept.add(event);
    outbox(relays, kept.store);
    await until(() => kept.status(event, server.url) === 'done');
    expect(server.events()).toEqual([event]);
  });
  // fault 42
  test.each(['rateLimited', 'authRequired'] as const)('comes again after %s', async fault => {
    const server = await relay({ faults: { [fault]: true } });
    const relays = connectAll([server.url]);
    const kept = rows();
    const event = mail('x');
    kept.add(event);
    outbox(relays, kept.store);
    await until(() => server.stats.published >= 1 && kept.status(event, server.url) === 'retry');
    server.faults[fault] = false;
    await until(() => kept.status(event, server.url) === 'done');
  });
  test.each([
    ['invalid', { maxEventBytes: 10 }],
    ['blocked', { reject: 'blocked: no' }],
    ['restricted', { reject: 'restricted: no' }],
  ])('stops on a relay that says %s, and there only', async (_name, faults) => {
    const [strict, good] = [await relay({ faults }), await relay()];
    const kept = rows();
    const event = mail('x');
    kept.add(event);
    const sent = outbox(connectAll([strict.url, good.url]), kept.store);
    await until(() => kept.status(event, good.url) === 'done' && kept.status(event, strict.url) === 'refused');
    sent.wake();
    await sent.idle();
    expect(strict.stats.published).toBe(1);
  });
  test('does not send what has expired', async () => {
    const server = await relay();
    const kept = rows();
    const event = mail('x', seconds(), { tags: [['expiration', String(seconds() - 1)]] });
    kept.add(event, mail('y'));
    outbox(connectAll([server.url]), kept.store);
    await until(() => server.events().length === 1 && kept.status(event, server.url) === 'refused');
    expect(server.stats.published).toBe(1);
  });
  test('survives a store that fails, and sends later', async () => {
    const server = await relay();
    const relays = connectAll([server.url]);
    const kept = rows();
    const event = mail('x');
    kept.add(event);
    let failures = 0;
    let time = 1_000;
    const sent = outbox(
      relays,
      {
        ...kept.store,
        settle(...settlement) {
          if (failures++ === 0) throw new Error('disk full');
          kept.store.settle(...settlement);
        },
      },
      { now: () => time },
    );
    await until(() => failures === 1);
    time += 60;
    sent.wake();
    await until(() => kept.status(event, server.url) === 'done');
    expect(server.stats.published).toBe(2);
  });
  test('close waits for the answers to what is under way, and sends no more', async () => {
    const server = await relay({ faults: { delayMs: 50 } });
    const relays = connectAll([server.url]);
    const kept = rows();
    const event = mail('x');
    kept.add(event);
    const sent = outbox(relays, kept.store);
    await until(() => server.stats.published === 1);
    await sent.close();
    expect(kept.status(event, server.url)).toBe('done');
    const late = mail('late');
    kept.add(late);
    sent.wake();
    await relays.publishTo(server.url, mail('probe'));
    expect(kept.status(late, server.url)).toBe('new');
  });
});

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createPublisher, kuboStore, MAX_BLOCK, type Publication, putChecked } from '../../src/content/index.ts';
import { sha256, utf8 } from '../../src/crypto/index.ts';
import { cidV1 } from '../../src/did/index.ts';
import { startTestKubo, type TestKubo } from '../../src/testing/kubo.ts';

let kubo: TestKubo;
beforeEach(async () => {
  kubo = await startTestKubo();
});
afterEach(() => kubo.stop());

const MAP = utf8('{"did:btcr2:x1example":"aAoZHMvvd4xWur3ypDeNrYjafe4xH71EL8X1Q29SGfw"}\r\n--x');
const CID = cidV1(sha256(MAP));

describe('a store behind the RPC API of an IPFS node', () => {
  test('takes the very bytes, under their own address', async () => {
    expect(await putChecked(kuboStore({ url: kubo.url }), MAP)).toBe(CID);
    expect(await putChecked(kuboStore({ url: `${kubo.url}/` }), utf8('another'))).toBe(cidV1(sha256(utf8('another'))));
    expect(kubo.blocks.get(CID)).toEqual(MAP);
  });

  test('that answers with another address is not believed', async () => {
    kubo.behave('lie');
    await expect(putChecked(kuboStore({ url: kubo.url }), MAP)).rejects.toMatchObject({ code: 'wrong_cid' });
  });

  test('that refuses, hangs or is gone says so, without waiting for ever', async () => {
    kubo.behave('refuse');
    await expect(kuboStore({ url: kubo.url }).put(MAP)).rejects.toMatchObject({ code: 'refused' });
    kubo.behave('hang');
    await expect(kuboStore({ url: kubo.url, timeoutMs: 200 }).put(MAP)).rejects.toMatchObject({ code: 'unreachable' });
    await kubo.stop();
    await expect(kuboStore({ url: kubo.url }).put(MAP)).rejects.toMatchObject({ code: 'unreachable' });
    kubo = await startTestKubo();
  });

  test('gets no block that others could not fetch', async () => {
    const store = kuboStore({ url: kubo.url });
    await expect(store.put(new Uint8Array(MAX_BLOCK + 1))).rejects.toMatchObject({ code: 'too_large' });
    expect(kubo.requests()).toBe(0);
    await putChecked(store, new Uint8Array(MAX_BLOCK));
  });

  test.each([
    ['another place to go to', (url: string) => ({ status: 307, headers: { location: url }, body: '' })],
    ['something else than a key', () => ({ status: 200, headers: {}, body: '{"Hash":"x"}' })],
    ['no JSON', () => ({ status: 200, headers: {}, body: 'x'.repeat(100_000) })],
  ])('that answers with %s is refused', async (_, answer) => {
    const server = createServer((request, response) => {
      const { status, headers, body } = answer(`${kubo.url}/api/v0/block/put?pin=true`);
      request.resume().on('end', () => response.writeHead(status, headers).end(body));
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await expect(kuboStore({ url }).put(MAP)).rejects.toMatchObject({ name: 'ContentStoreError' });
    server.close();
    expect(kubo.blocks.size).toBe(0);
  });
});

describe('publishing', () => {
  function publishing(count: number) {
    const at = { now: 1_000 };
    const asked: string[] = [];
    const noted = new Map<string, string>();
    const faults = new Map<string, number>();
    const all: Publication[] = Array.from({ length: count }, (_, i) => ({ key: `k${i}`, bytes: () => utf8(`k${i}`) }));
    const publisher = createPublisher({
      store: {
        async put(bytes) {
          const key = new TextDecoder().decode(bytes);
          asked.push(key);
          const left = faults.get(key) ?? 0;
          faults.set(key, left - 1);
          return left > 0 ? 'bafkreiother' : cidV1(sha256(bytes));
        },
      },
      pending: () => all.filter(({ key }) => !noted.has(key)),
      done: (key, cid) => void noted.set(key, cid),
      now: () => at.now,
      log: () => {},
    });
    const tick = async (seconds = 0): Promise<string[]> => {
      at.now += seconds;
      const before = asked.length;
      publisher.tick();
      for (let i = 0; i < 20; i++) await Promise.resolve();
      await new Promise(resolve => setTimeout(resolve, 1));
      return asked.slice(before);
    };
    return { tick, noted, faults, publisher };
  }

  test('tries again what was not taken, with growing pauses, and the rest meanwhile', async () => {
    const { tick, noted, faults } = publishing(2);
    faults.set('k0', 3);
    expect(await tick()).toEqual(['k0', 'k1']);
    expect([...noted.keys()]).toEqual(['k1']);
    expect(await tick(4)).toEqual([]);
    expect(await tick(1)).toEqual(['k0']);
    expect(await tick(9)).toEqual([]);
    expect(await tick(1)).toEqual(['k0']);
    expect(await tick(20)).toEqual(['k0']);
    expect(noted.get('k0')).toBe(cidV1(sha256(utf8('k0'))));
    expect(await tick(10_000)).toEqual([]);
  });

  test('notes nothing after it was stopped', async () => {
    const { tick, noted, publisher } = publishing(1);
    publisher.tick();
    publisher.stop();
    await tick();
    expect(noted.size).toBe(0);
    expect(await tick(10_000)).toEqual([]);
  });
});

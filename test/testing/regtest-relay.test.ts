import { once } from 'node:events';
import { afterEach, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { findNostrRsRelay, startNostrRsRelay } from '../../src/testing/nostr-rs-relay.ts';

afterEach(() => vi.unstubAllEnvs());

/** First message of the relay after a request for nothing. */
async function ask(url: string): Promise<unknown> {
  const socket = new WebSocket(url);
  await once(socket, 'open');
  socket.send(JSON.stringify(['REQ', 'x', { kinds: [38252], limit: 1 }]));
  const [message] = await once(socket, 'message');
  socket.terminate();
  return JSON.parse(String(message));
}

test('a relay that is not there is told with the command that builds it', async () => {
  vi.stubEnv('BTCR2_NOSTR_RS_RELAY', '/nowhere/nostr-rs-relay');
  expect(findNostrRsRelay()).toBeNull();
  await expect(startNostrRsRelay()).rejects.toThrow(/npm run setup:relay/);
});

// The relay is built by `npm run setup:relay`, which not every machine can do.
test('a real relay, where there is one, answers, and answers again after a restart', async () => {
  if (findNostrRsRelay() === null) return void (await expect(startNostrRsRelay()).rejects.toThrow(/setup:relay/));
  const relay = await startNostrRsRelay();
  expect(await ask(relay.url)).toEqual(['EOSE', 'x']);
  await relay.restart();
  expect(await ask(relay.url)).toEqual(['EOSE', 'x']);
  await relay.stop();
  await expect(ask(relay.url)).rejects.toThrow();
});

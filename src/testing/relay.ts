import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';
import type { NostrEvent } from '../nostr/event.ts';
import { type Log, silent } from '../nostr/log.ts';
import {
  type RelayClient,
  type RelayServerLimits,
  type RelayStats,
  SERVER_LIMITS,
  serveClient,
} from './relay-client.ts';
import { noFaults, type RelayFaults } from './relay-faults.ts';
import { createRelayStore } from './relay-store.ts';

export type { RelayServerLimits, RelayStats } from './relay-client.ts';
export type { RelayFaults } from './relay-faults.ts';

export interface TestRelayOptions {
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** 127.0.0.1 if left out. */
  readonly host?: string;
  readonly faults?: Partial<RelayFaults>;
  readonly limits?: Partial<RelayServerLimits>;
  readonly log?: Log;
  /** Unix seconds; the system's clock if left out. */
  readonly now?: () => number;
}

export interface TestRelay {
  /** Stays the same through `restart`. */
  readonly url: string;
  /** To be changed while it runs. */
  readonly faults: RelayFaults;
  readonly stats: Readonly<RelayStats>;
  /** What is stored, in the order of arrival. */
  events(): NostrEvent[];
  /** Sends a text, as it is, to every client. */
  sendRaw(text: string): void;
  /** Sends everything that is stored, oldest first, to every subscription that asks for it, as if it were new. */
  replay(): void;
  /** Connections that are open now. */
  clients(): number;
  /** Cuts all connections, and goes on. */
  disconnectAll(): void;
  /** Cuts all connections and closes the port; what is stored stays. */
  stop(): Promise<void>;
  /** Starts again on the same port after a stop, or stops first; `wipe` forgets what was stored. */
  restart(options?: { readonly wipe?: boolean }): Promise<void>;
}

const listening = (server: Server, port: number, host: string): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });

/**
 * Starts a relay inside this process: NIP-01 with verified signatures, replaceable, addressable and ephemeral kinds,
 * NIP-11, NIP-13, NIP-40, NIP-42; in memory; with faults to order. For tests and demos: it keeps everything it is given.
 */
export async function startTestRelay(options: TestRelayOptions = {}): Promise<TestRelay> {
  const host = options.host ?? '127.0.0.1';
  const log = options.log ?? silent;
  const now = options.now ?? (() => Math.floor(Date.now() / 1_000));
  const limits = { ...SERVER_LIMITS, ...options.limits };
  const faults: RelayFaults = { ...noFaults(), ...options.faults };
  const stats: RelayStats = {
    connections: 0,
    frames: 0,
    requests: 0,
    published: 0,
    stored: 0,
    sent: 0,
    authenticated: 0,
  };
  const store = createRelayStore();
  const clients = new Map<WebSocket, RelayClient>();
  let server: Server | null = null;
  let port = options.port ?? 0;
  let url = '';

  function describe(_request: IncomingMessage, response: ServerResponse): void {
    const limitation = {
      max_message_length: limits.maxMessageBytes,
      max_subscriptions: limits.maxSubscriptions,
      max_limit: limits.maxLimit,
      max_subid_length: limits.maxSubIdChars,
      min_pow_difficulty: faults.pow,
      auth_required: faults.authRequired,
    };
    const document = { name: 'btcr2 test relay', supported_nips: [1, 11, 13, 40, 42], limitation };
    response.writeHead(200, { 'content-type': 'application/nostr+json', 'access-control-allow-origin': '*' });
    response.end(JSON.stringify(document));
  }
  function broadcast(event: NostrEvent): void {
    for (const client of clients.values()) client.offer(event);
  }
  function send(socket: WebSocket, text: string): void {
    if (socket.readyState === WebSocket.OPEN) socket.send(text);
  }

  function welcome(socket: WebSocket): void {
    stats.connections++;
    const client = serveClient({
      store,
      faults,
      limits,
      stats,
      url,
      now,
      broadcast,
      send: text => send(socket, text),
      challenge: () => randomBytes(16).toString('hex'),
    });
    clients.set(socket, client);
    socket.on('message', (data, isBinary) => {
      if (!isBinary) client.onText(data.toString());
    });
    socket.on('ping', data => {
      if (!faults.silent) socket.pong(data);
    });
    socket.on('error', error => log('debug', 'relay client failed', { error: error.message }));
    socket.on('close', () => {
      client.close();
      clients.delete(socket);
    });
  }

  async function start(): Promise<void> {
    server = createServer(describe);
    const sockets = new WebSocketServer({ server, maxPayload: limits.maxMessageBytes, autoPong: false });
    sockets.on('error', error => log('debug', 'relay server failed', { error: error.message }));
    sockets.on('connection', welcome);
    port = await listening(server, port, host);
    url = `ws://${host.includes(':') ? `[${host}]` : host}:${port}`;
    log('info', 'relay listens', { url });
  }
  function disconnectAll(): void {
    for (const socket of clients.keys()) socket.terminate();
  }
  async function stop(): Promise<void> {
    const stopping = server;
    if (stopping === null) return;
    server = null;
    const closed = new Promise<void>(resolve => stopping.close(() => resolve()));
    disconnectAll();
    stopping.closeAllConnections();
    await closed;
  }

  await start();
  return {
    get url() {
      return url;
    },
    faults,
    stats,
    events: () => store.all(),
    sendRaw(text) {
      for (const socket of clients.keys()) send(socket, text);
    },
    replay() {
      for (const event of store.all()) broadcast(event);
    },
    clients: () => clients.size,
    disconnectAll,
    stop,
    async restart({ wipe = false } = {}) {
      await stop();
      if (wipe) store.clear();
      await start();
    },
  };
}

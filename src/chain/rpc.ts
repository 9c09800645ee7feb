import { readFile } from 'node:fs/promises';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, Agent as TlsAgent } from 'node:https';
import { z } from 'zod';
import { ChainError, ChainUnreachable } from './errors.ts';
import { turns } from './turns.ts';

/** How to log in: the cookie file that the node writes at each start, or a fixed user and password. */
export type RpcAuth = { cookieFile: string } | { user: string; password: string };

export interface RpcOptions {
  /** http(s) URL of the node, without credentials. */
  url: string;
  auth: RpcAuth;
  /** Milliseconds until a call counts as unanswered; 30,000 if left out. */
  timeoutMs?: number;
}

export interface RpcCall {
  method: string;
  params?: unknown[] | Record<string, unknown>;
}

export interface CallOptions {
  /** Name of the wallet whose endpoint is called. */
  wallet?: string;
  /** Overrides the client's timeout; 0 waits for ever, as a rescan needs. */
  timeoutMs?: number;
}

export type RpcReply = { ok: true; result: unknown } | { ok: false; code: number; message: string };

/** A JSON-RPC client of one bitcoind, over kept-alive connections. */
export interface Rpc {
  /** The result of one call, checked by `schema`. Throws ChainError `rpc` with the node's code when the node refuses. */
  call<T>(schema: z.ZodType<T>, call: RpcCall, options?: CallOptions): Promise<T>;
  /** Replies to many calls in their order; a refused call is a value here. */
  batch(calls: readonly RpcCall[], options?: CallOptions): Promise<RpcReply[]>;
  close(): void;
}

const BATCH = 100;
/** A node serves few calls at a time and refuses what its queue (16 calls in older ones) does not hold. */
const AT_ONCE = 8;
const RPC_IN_WARMUP = -28;

const replySchema = z.object({
  id: z.number().nullable(),
  result: z.unknown(),
  error: z
    .object({ code: z.number(), message: z.string() })
    .nullish()
    .transform(error => error ?? null),
});
type WireReply = z.infer<typeof replySchema>;

const hasCode = (fault: unknown): fault is Error & { code: string } =>
  fault instanceof Error && 'code' in fault && typeof fault.code === 'string';

/** Connection errors carry a short system code; anything longer might quote a header, so it stays out of messages. */
const reasonOf = (fault: unknown): string => (hasCode(fault) ? fault.code : 'connection failed');

async function readAll(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** A result of the shape that it must have. Throws ChainError `bad_answer` for another. */
export function parseAnswer<T>(schema: z.ZodType<T>, value: unknown, method: string): T {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new ChainError('bad_answer', `the node's answer to ${method} has an unknown shape`);
  return parsed.data;
}

/**
 * Opens a client; nothing is sent before the first call. A cookie is read at the first call and again after a 401,
 * since every start of the node makes a new one. Throws TypeError for a URL that is not http(s) or carries credentials.
 */
export function rpcClient(options: RpcOptions): Rpc {
  const base = new URL(options.url);
  if (base.protocol !== 'http:' && base.protocol !== 'https:') throw new TypeError('the RPC URL must be http or https');
  if (base.username !== '' || base.password !== '') throw new TypeError('the RPC URL must not contain credentials');
  const tls = base.protocol === 'https:';
  const agent = tls ? new TlsAgent({ keepAlive: true }) : new Agent({ keepAlive: true });
  const defaultTimeout = options.timeoutMs ?? 30_000;
  const inTurn = turns(AT_ONCE);
  let login: Promise<string> | null = null;
  let nextId = 0;

  async function readLogin(): Promise<string> {
    const { auth } = options;
    if ('user' in auth) return `${auth.user}:${auth.password}`;
    try {
      return (await readFile(auth.cookieFile, 'utf8')).trim();
    } catch {
      throw new ChainUnreachable(`cannot read the cookie file ${auth.cookieFile}; is the node running?`);
    }
  }

  function post(path: string, body: string, credentials: string, timeoutMs: number): Promise<[number, string]> {
    return new Promise((resolve, reject) => {
      let reused = false;
      const send = tls ? httpsRequest : httpRequest;
      const signal = timeoutMs > 0 ? AbortSignal.timeout(timeoutMs) : undefined;
      const sending = send(
        new URL(path, base),
        {
          method: 'POST',
          agent,
          signal,
          headers: {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
            authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
          },
        },
        message => readAll(message).then(text => resolve([message.statusCode ?? 0, text]), fail),
      );
      function fail(fault: unknown): void {
        if (signal?.aborted) reject(new ChainUnreachable('timeout'));
        // A kept-alive socket that the node closed meanwhile says nothing about the node: ask on a new one.
        else if (reused && hasCode(fault) && (fault.code === 'ECONNRESET' || fault.code === 'EPIPE'))
          post(path, body, credentials, timeoutMs).then(resolve, reject);
        else reject(new ChainUnreachable(reasonOf(fault)));
      }
      sending.on('socket', () => {
        reused = sending.reusedSocket;
      });
      sending.on('error', fail);
      sending.end(body);
    });
  }

  async function exchange(payload: unknown, call: CallOptions): Promise<unknown> {
    const body = JSON.stringify(payload);
    const prefix = base.pathname.replace(/\/$/, '');
    const path = call.wallet === undefined ? base.pathname : `${prefix}/wallet/${encodeURIComponent(call.wallet)}`;
    for (const attempt of [1, 2]) {
      login ??= readLogin();
      const credentials = await login.catch(fault => {
        login = null;
        throw fault;
      });
      const timeoutMs = call.timeoutMs ?? defaultTimeout;
      const send = (): Promise<[number, string]> => post(path, body, credentials, timeoutMs);
      // What may take hours holds up nothing else.
      const [status, text] = await (timeoutMs > 0 ? inTurn(send) : send());
      if (status === 401) {
        login = null;
        if (attempt === 1 && 'cookieFile' in options.auth) continue;
        throw new ChainError('unauthorized', 'the node refuses the RPC login');
      }
      if (status === 403) throw new ChainError('unauthorized', 'the node refuses RPC from this address');
      if (status === 503) throw new ChainUnreachable('the node is overloaded');
      try {
        return JSON.parse(text);
      } catch {
        throw new ChainError('bad_answer', `the node answered HTTP ${status} without JSON`);
      }
    }
    throw new ChainError('unauthorized', 'the node refuses the RPC login');
  }

  function toReply(wire: WireReply): RpcReply {
    if (wire.error === null) return { ok: true, result: wire.result };
    if (wire.error.code === RPC_IN_WARMUP) throw new ChainUnreachable('the node is starting');
    return { ok: false, code: wire.error.code, message: wire.error.message };
  }

  const toWire = (call: RpcCall) => ({ jsonrpc: '1.0', id: nextId++, method: call.method, params: call.params ?? [] });

  return {
    async call(schema, call, callOptions = {}) {
      const reply = toReply(parseAnswer(replySchema, await exchange(toWire(call), callOptions), call.method));
      if (!reply.ok) throw new ChainError('rpc', `${call.method}: ${reply.message}`, reply.code);
      return parseAnswer(schema, reply.result, call.method);
    },
    async batch(calls, callOptions = {}) {
      const replies: RpcReply[] = [];
      for (let start = 0; start < calls.length; start += BATCH) {
        const wires = calls.slice(start, start + BATCH).map(toWire);
        const what = wires[0]!.method;
        const answers = parseAnswer(z.array(replySchema), await exchange(wires, callOptions), what);
        const byId = new Map(answers.map(answer => [answer.id, answer]));
        for (const wire of wires) {
          const answer = byId.get(wire.id);
          if (answer === undefined) throw new ChainError('bad_answer', `the node left a call of ${what} unanswered`);
          replies.push(toReply(answer));
        }
      }
      return replies;
    },
    close: () => agent.destroy(),
  };
}

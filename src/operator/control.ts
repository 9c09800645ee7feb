import { chmodSync, existsSync, lstatSync, mkdtempSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { isRecord, parseJson } from '../nostr/json.ts';

/** What a socket serves, by method name. A rejection with an Error that has a lower-case `code` is told to the caller as it is. */
export type ControlMethods = Readonly<Record<string, (params: unknown) => Promise<unknown>>>;

/** The other side refused, or could not be asked: `code` is the refusal's, or one of the few that are named here. */
export class ControlError extends Error {
  override readonly name = 'ControlError';
  readonly code: string;

  constructor(
    code: 'not_running' | 'in_use' | 'timeout' | 'bad_answer' | 'no_access' | 'bad_path' | (string & {}),
    text: string,
  ) {
    super(text);
    this.code = code;
  }
}

export interface ControlLimits {
  /** Characters of one request. */
  requestChars: number;
  /** Requests of one connection that are worked on at a time; the next ones wait. */
  atOnce: number;
  connections: number;
}

export const CONTROL_LIMITS: ControlLimits = { requestChars: 65_536, atOnce: 16, connections: 64 };

/** Lines that are no requests, after which a connection is cut. */
const MAX_GARBAGE = 16;
const MAX_DEPTH = 32;
const MAX_ANSWER_CHARS = 64 * 1_048_576;
/** Bytes that fit a Unix socket's address everywhere (macOS: 104 with the closing zero). */
const MAX_PATH = 103;
const CLOSE_MS = 2_000;

type Answer = { id: string | number | null } & ({ result: unknown } | { error: { code: string; message: string } });

const refusal = (id: Answer['id'], code: string, message: string): Answer => ({ id, error: { code, message } });

const codeOf = (error: unknown): string | null =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;

function refusalOf(id: Answer['id'], error: unknown): Answer {
  const code = codeOf(error);
  // Refusals name themselves in lower case; system errors shout, and their texts are not meant for callers.
  if (code !== null && /^[a-z][a-z0-9_]*$/.test(code)) return refusal(id, code, (error as Error).message);
  return refusal(id, 'internal', 'the request failed; the log of the daemon says why');
}

type Request = { ok: true; id: string | number; method: string; params: unknown } | { ok: false; answer: Answer };

function readRequest(line: string, limits: ControlLimits): Request {
  const parsed = parseJson(line, { chars: limits.requestChars, depth: MAX_DEPTH });
  const id = isRecord(parsed) && (typeof parsed.id === 'string' || typeof parsed.id === 'number') ? parsed.id : null;
  if (!isRecord(parsed) || id === null || typeof parsed.method !== 'string')
    return {
      ok: false,
      answer: refusal(id, 'bad_request', 'a request is one line of JSON: {"id": 1, "method": "status", "params": {}}'),
    };
  return { ok: true, id, method: parsed.method, params: parsed.params };
}

/** Hands over whole lines; false from `onLine`, or a line over the limit, ends it. */
function splitLines(socket: Socket, maxChars: number, onLine: (line: string) => void, onTooLong: () => void): void {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let isOver = false;
  socket.on('data', (chunk: Buffer) => {
    if (isOver) return;
    rest += decoder.write(chunk);
    const lines = rest.split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      if (line.length > maxChars) isOver = true;
      else if (!isOver && line.trim() !== '') onLine(line);
    }
    if (rest.length > maxChars) isOver = true;
    if (!isOver) return;
    rest = '';
    onTooLong();
  });
}

function serveSocket(
  socket: Socket,
  methods: ControlMethods,
  limits: ControlLimits,
  onError: (method: string, error: unknown) => void,
): void {
  let working = 0;
  let garbage = 0;
  /** The caller has said all that it had to say, as a pipe into the socket does; it still gets its answers. */
  let hasEnded = false;
  const waiting: string[] = [];
  const answer = (given: Answer): void => {
    if (socket.writable) socket.write(`${JSON.stringify(given)}\n`);
  };

  async function run(line: string): Promise<void> {
    const request = readRequest(line, limits);
    if (!request.ok) {
      answer(request.answer);
      if (++garbage >= MAX_GARBAGE) socket.destroySoon();
      return;
    }
    const { id, method, params } = request;
    if (!Object.hasOwn(methods, method)) {
      const known = Object.keys(methods).join(', ');
      return answer(refusal(id, 'unknown_method', `there is no such method; there are ${known}`));
    }
    try {
      answer({ id, result: (await methods[method]!(params)) ?? null });
    } catch (error) {
      onError(method, error);
      answer(refusalOf(id, error));
    }
  }
  function next(): void {
    while (working < limits.atOnce && waiting.length > 0) {
      working++;
      void run(waiting.shift()!).finally(() => {
        working--;
        if (waiting.length === 0) socket.resume();
        next();
      });
    }
    if (waiting.length > limits.atOnce) socket.pause();
    if (hasEnded && working === 0) socket.end();
  }
  socket.on('end', () => {
    hasEnded = true;
    next();
  });
  splitLines(
    socket,
    limits.requestChars,
    line => {
      waiting.push(line);
      next();
    },
    () => {
      answer(refusal(null, 'too_large', `a request has at most ${limits.requestChars} characters`));
      socket.destroySoon();
    },
  );
  socket.on('error', () => socket.destroy());
}

/** Whether somebody answers at this path: a socket file outlives the process that made it. */
const isAlive = (path: string): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect(path);
    const done = (alive: boolean): void => {
      socket.destroy();
      resolve(alive);
    };
    socket.once('connect', () => done(true));
    socket.once('error', error => done(codeOf(error) !== 'ECONNREFUSED' && codeOf(error) !== 'ENOENT'));
  });

async function claim(path: string): Promise<void> {
  if (Buffer.byteLength(path) > MAX_PATH)
    throw new ControlError('bad_path', `${path} is too long for a Unix socket (at most ${MAX_PATH} bytes)`);
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (!stats) return;
  if (!stats.isSocket()) throw new ControlError('bad_path', `${path} is there and is no socket`);
  if (await isAlive(path)) throw new ControlError('in_use', `another process answers at ${path}`);
}

const listen = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });

/** Made in a folder of our own and moved into place: at no moment can anybody else connect, and a stale socket is replaced at once. */
async function listenPrivately(server: Server, path: string): Promise<number> {
  const nest = mkdtempSync(join(dirname(path), '.c'));
  const made = join(nest, 's');
  try {
    await listen(server, made);
    chmodSync(made, 0o600);
    const { ino } = lstatSync(made);
    renameSync(made, path);
    return ino;
  } finally {
    rmSync(nest, { recursive: true, force: true });
  }
}

/**
 * Serves methods on a Unix socket (mode 0600) as JSON lines: `{id, method, params}` is answered by `{id, result}` or
 * `{id, error: {code, message}}`, in the order of completion. Replaces the socket of a dead process. `onError` hears of
 * every failed call. Throws ControlError: `in_use` if a living process answers there, `bad_path` for a path that is too
 * long or something else than a socket.
 */
export async function serveControl(
  path: string,
  methods: ControlMethods,
  options: { limits?: Partial<ControlLimits>; onError?: (method: string, error: unknown) => void } = {},
): Promise<{ close(): Promise<void> }> {
  const limits = { ...CONTROL_LIMITS, ...options.limits };
  await claim(path);
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, socket => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serveSocket(socket, methods, limits, options.onError ?? (() => {}));
  });
  server.maxConnections = limits.connections;
  const inode = await listenPrivately(server, path);
  return {
    close: () =>
      new Promise(resolve => {
        const cut = setTimeout(() => {
          for (const socket of sockets) socket.destroy();
        }, CLOSE_MS);
        server.close(() => {
          clearTimeout(cut);
          resolve();
        });
        for (const socket of sockets) socket.destroySoon();
        // Another process may have put its own socket there by now.
        if (existsSync(path) && lstatSync(path).ino === inode) unlinkSync(path);
      }),
  };
}

function unreachable(path: string, error: unknown): ControlError {
  const code = codeOf(error);
  if (code === 'ENOENT' || code === 'ECONNREFUSED')
    return new ControlError('not_running', `nothing answers at ${path}: the daemon is not running`);
  if (code === 'EACCES' || code === 'EPERM') return new ControlError('no_access', `${path} belongs to another user`);
  return new ControlError('bad_answer', `the connection to ${path} failed (${code ?? 'unknown'})`);
}

function readAnswer(line: string): unknown {
  let answer: unknown;
  try {
    answer = JSON.parse(line);
  } catch {
    throw new ControlError('bad_answer', 'the answer is not JSON');
  }
  if (isRecord(answer) && 'result' in answer) return answer.result;
  const error = isRecord(answer) ? answer.error : undefined;
  if (isRecord(error) && typeof error.code === 'string' && typeof error.message === 'string')
    throw new ControlError(error.code, error.message);
  throw new ControlError('bad_answer', 'the answer has an unknown shape');
}

/**
 * Asks the process behind a control socket one thing, and resolves to its result. Throws ControlError: `not_running`,
 * `no_access`, `timeout` (milliseconds; none if left out), `bad_answer`, or the code of the refusal.
 */
export async function callControl(
  path: string,
  method: string,
  params: unknown = {},
  options: { timeoutMs?: number } = {},
): Promise<unknown> {
  const line = await new Promise<string>((resolve, reject) => {
    const socket = connect(path);
    const end = (run: () => void): void => {
      clearTimeout(timer);
      socket.destroy();
      run();
    };
    const fail = (error: unknown): void => end(() => reject(error));
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(
            () => fail(new ControlError('timeout', `no answer within ${options.timeoutMs! / 1000} s`)),
            options.timeoutMs,
          );
    socket.once('connect', () => socket.write(`${JSON.stringify({ id: 1, method, params })}\n`));
    socket.once('error', error => fail(unreachable(path, error)));
    socket.once('close', () => fail(new ControlError('bad_answer', 'the daemon hung up without an answer')));
    splitLines(
      socket,
      MAX_ANSWER_CHARS,
      answer => end(() => resolve(answer)),
      () => fail(new ControlError('bad_answer', 'the answer is too large')),
    );
  });
  return readAnswer(line);
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OperatorError } from '../../src/operator/api.ts';
import { type ControlMethods, callControl, serveControl } from '../../src/operator/control.ts';

let dir: string;
let path: string;
let closing: (() => Promise<void>)[];
const failures: string[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'btcr2-control-'));
  path = join(dir, 'control.sock');
  closing = [];
  failures.length = 0;
});
afterEach(async () => {
  for (const close of closing) await close();
  rmSync(dir, { recursive: true, force: true });
});

/** Lets a call wait until another one was made, so that order is shown without clocks. */
let release: () => void = () => {};
const methods: ControlMethods = {
  echo: async params => params,
  nothing: async () => undefined,
  wait: () => new Promise<string>(resolve => (release = () => resolve('released'))),
  refuse: async () => {
    throw new OperatorError('wrong_phase', 'the cohort is formed');
  },
  fault: async () => {
    throw new Error('the key is 0123');
  },
  missing: async () => {
    throw Object.assign(new Error('ENOENT: /secret/place'), { code: 'ENOENT' });
  },
  unprintable: async () => ({ amount: 1n }),
};

async function serve(limits = {}): Promise<{ close(): Promise<void> }> {
  const server = await serveControl(path, methods, { limits, onError: method => failures.push(method) });
  closing.push(server.close);
  return server;
}

/** A raw connection: what comes back, line by line. */
async function dial(): Promise<{ socket: Socket; lines: () => Promise<unknown[]>; next: () => Promise<unknown> }> {
  const socket = connect(path);
  await once(socket, 'connect');
  let text = '';
  const arrived: (() => void)[] = [];
  let given = 0;
  socket.on('data', chunk => {
    text += chunk.toString();
    for (const wake of arrived.splice(0)) wake();
  });
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  closing.push(async () => void socket.destroy());
  const read = (): unknown[] =>
    text
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line));
  return {
    socket,
    async lines() {
      await closed;
      return read();
    },
    async next() {
      while (read().length <= given) await new Promise<void>(resolve => arrived.push(resolve));
      return read()[given++];
    },
  };
}

const rejects = (call: Promise<unknown>): Promise<{ code: string; message: string }> =>
  call.then(
    () => ({ code: 'accepted', message: '' }),
    error => ({ code: error.code, message: error.message }),
  );

describe('a control socket', () => {
  test('answers its owner, and nobody else', async () => {
    await serve();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(lstatSync(path).isSocket()).toBe(true);
    expect(readdirSync(dir)).toEqual(['control.sock']);
    expect(await callControl(path, 'echo', { a: [1, 'ü', null] })).toEqual({ a: [1, 'ü', null] });
    expect(await callControl(path, 'nothing')).toBeNull();
  });

  test('is gone when it is closed, and then nobody answers', async () => {
    const server = await serve();
    await server.close();
    expect(existsSync(path)).toBe(false);
    expect(await rejects(callControl(path, 'echo'))).toMatchObject({ code: 'not_running' });
  });

  test('hands on refusals as they are, and of faults only that there was one', async () => {
    await serve();
    expect(await rejects(callControl(path, 'refuse'))).toEqual({
      code: 'wrong_phase',
      message: 'the cohort is formed',
    });
    for (const method of ['fault', 'missing', 'unprintable']) {
      const { code, message } = await rejects(callControl(path, method));
      expect(code).toBe('internal');
      expect(message).not.toMatch(/0123|secret/);
    }
    expect(failures).toEqual(['refuse', 'fault', 'missing', 'unprintable']);
  });

  test.each(['none', 'toString', '__proto__', 'constructor'])('refuses the unknown method %s', async method => {
    await serve();
    expect(await rejects(callControl(path, method))).toMatchObject({ code: 'unknown_method' });
  });

  test('answers calls as they are done, on one connection and on many', async () => {
    await serve();
    const line = await dial();
    line.socket.write('{"id":"slow","method":"wait"}\n{"id":2,"method":"echo","params":"fast"}\n');
    expect(await line.next()).toEqual({ id: 2, result: 'fast' });
    const many = Array.from({ length: 30 }, (_, i) => callControl(path, 'echo', i));
    expect(await Promise.all(many)).toEqual(Array.from({ length: 30 }, (_, i) => i));
    release();
    expect(await line.next()).toEqual({ id: 'slow', result: 'released' });
  });

  test('works on few calls of one connection at a time, and forgets none', async () => {
    await serve({ atOnce: 2 });
    const line = await dial();
    line.socket.end(Array.from({ length: 50 }, (_, id) => `{"id":${id},"method":"echo","params":${id}}\n`).join(''));
    const answers = await line.lines();
    expect(answers).toHaveLength(50);
    expect(answers).toContainEqual({ id: 49, result: 49 });
  });

  test('joins requests that arrive in pieces, inside a letter too', async () => {
    await serve();
    const line = await dial();
    const bytes = Buffer.from('{"id":1,"method":"echo","params":"ü"}\n');
    const cut = bytes.indexOf(0xc3) + 1;
    line.socket.write(bytes.subarray(0, cut));
    line.socket.write(bytes.subarray(cut));
    expect(await line.next()).toEqual({ id: 1, result: 'ü' });
  });

  test('answers garbage politely, then cuts the line, and goes on serving others', async () => {
    await serve();
    const line = await dial();
    line.socket.write(`${'not json\n'.repeat(8)}${'[1]\n'.repeat(7)}\u0000\n`);
    const answers = await line.lines();
    expect(answers).toHaveLength(16);
    for (const answer of answers) expect(answer).toMatchObject({ id: null, error: { code: 'bad_request' } });
    expect(await callControl(path, 'echo', 1)).toBe(1);
  });

  test('tells whose request was no request, where it has an id', async () => {
    await serve();
    const line = await dial();
    line.socket.write('{"id":7}\n{"id":{},"method":"echo"}\n');
    expect(await line.next()).toMatchObject({ id: 7, error: { code: 'bad_request' } });
    expect(await line.next()).toMatchObject({ id: null, error: { code: 'bad_request' } });
  });

  test.each([
    ['a line without an end', 'x'.repeat(2_000)],
    ['a line that is too long', `{"id":1,"method":"echo","params":"${'x'.repeat(2_000)}"}\n`],
  ])('refuses %s and hangs up', async (_, text) => {
    await serve({ requestChars: 1_000 });
    const line = await dial();
    line.socket.write(text);
    expect(await line.lines()).toEqual([
      expect.objectContaining({ error: expect.objectContaining({ code: 'too_large' }) }),
    ]);
    expect(await callControl(path, 'echo', 1)).toBe(1);
  });

  test('refuses nesting that would cost the reader more than the writer', async () => {
    await serve();
    const line = await dial();
    line.socket.write(`{"id":1,"method":"echo","params":${'['.repeat(5_000)}${']'.repeat(5_000)}}\n`);
    expect(await line.next()).toMatchObject({ error: { code: 'bad_request' } });
  });
});

describe('the place of the socket', () => {
  /** A process that dies without cleaning up leaves its socket behind. */
  async function leaveStale(): Promise<void> {
    const code = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    await once(spawn(process.execPath, ['-e', code]), 'exit');
  }

  test('the socket of a dead process is told as not running, and replaced', async () => {
    await leaveStale();
    expect(lstatSync(path).isSocket()).toBe(true);
    expect(await rejects(callControl(path, 'echo'))).toMatchObject({ code: 'not_running' });
    await serve();
    expect(await callControl(path, 'echo', 'alive')).toBe('alive');
  });

  test('the socket of a living process is not', async () => {
    await serve();
    expect(await rejects(serveControl(path, {}))).toMatchObject({ code: 'in_use' });
    expect(await callControl(path, 'echo', 'still here')).toBe('still here');
  });

  test('closing leaves the socket of another process alone', async () => {
    const first = await serve();
    rmSync(path);
    await serve();
    await first.close();
    expect(await callControl(path, 'echo', 'second')).toBe('second');
  });

  test('a file that is no socket is left as it is', async () => {
    writeFileSync(path, 'precious');
    expect(await rejects(serveControl(path, {}))).toMatchObject({ code: 'bad_path' });
    expect(lstatSync(path).isFile()).toBe(true);
  });

  test('a path that no socket fits is refused, not cut off', async () => {
    expect(await rejects(serveControl(join(dir, 'd'.repeat(120)), {}))).toMatchObject({ code: 'bad_path' });
  });
});

describe('whoever calls', () => {
  test('gives up after its timeout', async () => {
    await serve();
    const call = callControl(path, 'wait', {}, { timeoutMs: 50 });
    expect(await rejects(call)).toMatchObject({ code: 'timeout' });
  });

  test('hears of a daemon that dies meanwhile', async () => {
    const server = await serve();
    const call = rejects(callControl(path, 'wait'));
    await callControl(path, 'echo');
    await server.close();
    expect(await call).toMatchObject({ code: 'bad_answer' });
  });
});

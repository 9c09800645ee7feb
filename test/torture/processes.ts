import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { callControl } from '../../src/operator/control.ts';

const script = (path: string): string => fileURLToPath(new URL(`../../dist/${path}`, import.meta.url));

/** A built program that can be killed at any instruction and started again on the same folder. */
export interface Victim {
  name: string;
  kills: number;
  start(): Promise<void>;
  /** SIGKILL: nothing is drained, nothing is closed. */
  kill(): Promise<void>;
  stop(): Promise<void>;
  call<T>(method: string, params?: unknown): Promise<T>;
}

export function victim(name: string, path: string, args: readonly string[], socket: string, dir: string): Victim {
  let child: ChildProcess | null = null;
  mkdirSync(dir, { recursive: true });
  const log = createWriteStream(join(dir, `${name}.log`), { flags: 'a' });
  const self: Victim = {
    name,
    kills: 0,
    async start() {
      const next = spawn(process.execPath, [script(path), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
      child = next;
      next.stderr!.pipe(log, { end: false });
      let said = '';
      next.stderr!.on('data', chunk => {
        said = (said + String(chunk)).slice(-1_000);
      });
      const lines = createInterface({ input: next.stdout! });
      const first = once(lines, 'line');
      const ended = once(next, 'exit').then(([code]) =>
        Promise.reject(new Error(`${name} ended at its start with code ${code}: ${said.trim()}`)),
      );
      ended.catch(() => {});
      await Promise.race([first, ended]);
      lines.on('line', line => log.write(`${line}\n`));
    },
    async kill() {
      if (!child || child.exitCode !== null) return;
      self.kills++;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
    async stop() {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
    call: async <T>(method: string, params: unknown = {}) =>
      (await callControl(socket, method, params, { timeoutMs: 30_000 })) as T,
  };
  return self;
}

export async function run(path: string, args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [script(path), ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`${path} ${args[0]} failed with code ${code}`);
}

/** A small seeded generator, so that a run can be told again: xorshift32. */
export function seeded(seed: number): () => number {
  let x = seed >>> 0 || 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}

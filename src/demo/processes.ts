import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A program of this package, running beside the demo. */
export interface Running {
  name: string;
  pid: number;
  /** The next line of its standard output. */
  line(timeoutMs: number): Promise<string>;
  write(line: string): void;
  stop(): Promise<void>;
}

const children = new Set<ChildProcessWithoutNullStreams>();

/** Whatever ends the demo ends what it started. */
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

const script = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

/**
 * Starts a script of `dist`, its standard error going to a log file. `note` hears each of its lines until it says
 * something on its standard output: the first start of a node may take a while, and says why.
 */
export function start(
  name: string,
  path: string,
  args: readonly string[],
  logFile: string,
  note: (line: string) => void = () => {},
): Running {
  const child = spawn(process.execPath, [script(path), ...args], {
    stdio: 'pipe',
    env: { ...process.env, NO_COLOR: '1' },
  });
  children.add(child);
  const log = createWriteStream(logFile, { mode: 0o600 });
  child.stderr.pipe(log);
  let said = '';
  createInterface({ input: child.stderr }).on('line', text => {
    said = `${said}\n${text}`.slice(-2_000);
    if (queue.length === 0 && !isReady) note(text);
  });
  const exited = once(child, 'exit').then(([code]) => {
    children.delete(child);
    return code as number | null;
  });
  const lines: Interface = createInterface({ input: child.stdout });
  const queue: string[] = [];
  let isReady = false;
  let wake: () => void = () => {};
  lines.on('line', text => {
    isReady = true;
    queue.push(text);
    wake();
  });
  child.stdin.on('error', () => {});
  return {
    name,
    pid: child.pid!,
    async line(timeoutMs) {
      const timeout = new Promise<never>((_, reject) => {
        setTimeout(
          () => reject(new Error(`${name} said nothing for ${timeoutMs / 1000} s; its log is ${logFile}`)),
          timeoutMs,
        ).unref();
      });
      const ended = exited.then(code => {
        throw new Error(`${name} ended with code ${code}; its log is ${logFile}${said}`);
      });
      ended.catch(() => {});
      while (queue.length === 0)
        await Promise.race([
          new Promise<void>(resolve => {
            wake = resolve;
          }),
          timeout,
          ended,
        ]);
      return queue.shift()!;
    },
    write: text => void child.stdin.write(`${text}\n`),
    async stop() {
      if (child.exitCode !== null) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** Runs a script of `dist` to its end. Throws with what it wrote to its standard error if it fails. */
export async function run(name: string, path: string, args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [script(path), ...args], {
    stdio: 'pipe',
    env: { ...process.env, NO_COLOR: '1' },
  });
  children.add(child);
  let output = '';
  let errors = '';
  child.stdout.on('data', chunk => {
    output += String(chunk);
  });
  child.stderr.on('data', chunk => {
    errors += String(chunk);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  children.delete(child);
  if (code !== 0) throw new Error(`${name} failed with code ${code}: ${(errors || output).trim().slice(-2000)}`);
  return output;
}

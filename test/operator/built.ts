import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAIN = join(ROOT, 'dist', 'main.js');

function newest(folder: string): number {
  let at = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    at = Math.max(at, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs);
  }
  return at;
}

/** Builds the program if it is missing or older than its source. */
function build(): string {
  const isFresh = existsSync(MAIN) && newest(join(ROOT, 'dist')) >= newest(join(ROOT, 'src'));
  if (!isFresh) {
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    try {
      execFileSync(process.execPath, [tsc, '-p', join(ROOT, 'tsconfig.json')], { cwd: ROOT, stdio: 'pipe' });
    } catch (error) {
      // Types are the business of `npm run check`; what was emitted runs all the same.
      if (!existsSync(MAIN)) throw error;
    }
  }
  return MAIN;
}

/** The path of the built program. Looked at once, while the file is loaded: no test's time goes into it. */
const PROGRAM = build();

/** Another script of the built program. */
export const builtScript = (path: string): string => join(ROOT, 'dist', path);

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  pid: number;
  /** Everything on standard output up to now, as soon as it matches. */
  said(pattern: RegExp): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  ended: Promise<Ended>;
}

/** Starts the built program, as a person would, in a folder and with no more environment than is given. */
export function start(
  argv: readonly string[],
  { cwd, env = {} }: { cwd: string; env?: Record<string, string> },
): Running {
  const child = spawn(process.execPath, [PROGRAM, ...argv], {
    cwd,
    env: { PATH: process.env.PATH ?? '', HOME: cwd, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  const watchers = new Set<() => void>();
  child.stdout.on('data', chunk => {
    stdout += chunk;
    for (const watch of watchers) watch();
  });
  child.stderr.on('data', chunk => {
    stderr += chunk;
  });
  const ended = new Promise<Ended>(resolve => child.on('close', code => resolve({ code, stdout, stderr })));
  return {
    pid: child.pid!,
    ended,
    kill: signal => void child.kill(signal),
    said: pattern =>
      new Promise((resolve, reject) => {
        const watch = (): void => {
          if (!pattern.test(stdout)) return;
          watchers.delete(watch);
          resolve(stdout);
        };
        watchers.add(watch);
        watch();
        void ended.then(({ code }) => reject(new Error(`ended with ${code} before it said ${pattern}: ${stderr}`)));
      }),
  };
}

/** Runs the built program to its end. */
export const run = (argv: readonly string[], where: { cwd: string; env?: Record<string, string> }): Promise<Ended> =>
  start(argv, where).ended;

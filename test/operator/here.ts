import { randomBytes } from 'node:crypto';
import { type CliWorld, runCli } from '../../src/operator/cli.ts';
import type { Ended } from './built.ts';

/** Runs a command line in this process, in a world of its own. */
export async function runHere(argv: readonly string[], cwd: string, world: Partial<CliWorld> = {}): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  const code = await runCli({
    argv,
    cwd,
    env: { HOME: cwd },
    stdout: {
      write(text) {
        stdout += text;
      },
    },
    stderr: {
      write(text) {
        stderr += text;
      },
    },
    now: () => Math.floor(Date.now() / 1000),
    random: length => Uint8Array.from(randomBytes(length)),
    version: '0.0.0',
    nodeVersion: process.version,
    daemon: () => Promise.reject(new Error('this world has no daemon')),
    onSignal: () => () => {},
    exitNow: () => {},
    ...world,
  });
  return { code, stdout, stderr };
}

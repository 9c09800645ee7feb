#!/usr/bin/env node
import { randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { runCli } from './operator/cli.ts';
import { version } from './version.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Handles that something forgot to close must not keep the process. */
const LINGER_MS = 1_000;

// Whatever is made from here on, database and sockets included, is its owner's alone.
process.umask(0o077);
// A reader that went away, as `| head` does, is no error.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

function onSignal(handler: (signal: string) => void): () => void {
  for (const signal of SIGNALS) process.on(signal, handler);
  return () => {
    for (const signal of SIGNALS) process.off(signal, handler);
  };
}

process.exitCode = await runCli({
  argv: process.argv.slice(2),
  env: process.env,
  cwd: process.cwd(),
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: () => text(process.stdin),
  now: () => Math.floor(Date.now() / 1000),
  random: length => Uint8Array.from(randomBytes(length)),
  version,
  nodeVersion: process.version,
  daemon: async () => (await import('./daemon.ts')).startDaemon,
  onSignal,
  exitNow: code => process.exit(code),
});
setTimeout(() => process.exit(), LINGER_MS).unref();

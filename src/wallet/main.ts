#!/usr/bin/env node
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { runCli } from './cli/index.ts';

// What the wallet writes is its owner's alone, whatever the shell's habit is.
process.umask(0o077);

const leaving = new AbortController();
function onSignal(): void {
  // Whoever asks twice does not want to wait for a clean end.
  if (leaving.signal.aborted) process.exit(1);
  leaving.abort();
}
process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);

// A reader such as `head` that has seen enough is no fault of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // readline takes SIGINT for itself while it reads.
  terminal.on('SIGINT', onSignal);
  try {
    // The end of the input (Ctrl-D) is no answer, and readline would wait for one for ever.
    const ended = new Promise<string>(resolve => terminal.once('close', () => resolve('')));
    return await Promise.race([terminal.question(question, { signal: leaving.signal }), ended]);
  } finally {
    terminal.close();
  }
}

/** The question, and a line whose characters are shown to nobody. */
async function askSecret(question: string): Promise<string> {
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: unseen, terminal: true });
  terminal.on('SIGINT', onSignal);
  process.stderr.write(question);
  try {
    const ended = new Promise<string>(resolve => terminal.once('close', () => resolve('')));
    return await Promise.race([terminal.question('', { signal: leaving.signal }), ended]);
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}

const isTerminal = process.stdin.isTTY && process.stderr.isTTY;
const code = await runCli(
  process.argv.slice(2),
  {
    out: process.stdout,
    err: process.stderr,
    ask: isTerminal ? ask : null,
    askSecret: isTerminal ? askSecret : null,
    stdin: () => text(process.stdin),
    env: process.env,
    cwd: process.cwd(),
    now: () => Math.floor(Date.now() / 1_000),
    signal: leaving.signal,
  },
  // Only commands that open the wallet need its database.
  async options => (await import('./client.ts')).openWallet(options),
);
// A timer or socket that something forgot must not keep a finished command; what was written goes out first.
process.stdout.write('', () => process.exit(code));

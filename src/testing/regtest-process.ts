import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Runs "$@" and ends it when this shell's standard input closes: the kernel closes it however the parent dies, SIGKILL
 * included. A line on it before that means an orderly stop; without one, the folder "$1" is removed too, unless empty.
 */
export const GUARD = `
trap '' INT
dir=$1; shift
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
exec 2>/dev/null
( read -r _ <&3; orphaned=$?; trap '' TERM; kill -TERM $child; exit $orphaned ) &
guard=$!
wait $child
code=$?
kill $guard
wait $guard
[ $? -eq 1 ] && [ -n "$dir" ] && rm -rf "$dir"
exit $code
`;

export interface GuardedProcess {
  /** Resolves with the exit code once the program ended, whoever ended it. */
  exited: Promise<number | null>;
  /** The last lines that the program wrote to its standard error. */
  errors(): string;
  /** Ends the program with SIGTERM, and with SIGKILL if it does not go within `graceMs`. */
  stop(graceMs?: number): Promise<void>;
}

const KEPT = 4000;

/** Starts a program that does not outlive this process; `orphanDir` is removed if this process dies without stopping it. */
export function startGuarded(command: string, args: readonly string[], orphanDir: string | null): GuardedProcess {
  const child: ChildProcess = spawn('/bin/sh', ['-c', GUARD, 'sh', orphanDir ?? '', command, ...args], {
    stdio: ['pipe', 'ignore', 'pipe'],
    detached: true,
  });
  let errors = '';
  child.stderr?.on('data', chunk => {
    errors = (errors + String(chunk)).slice(-KEPT);
  });
  child.stdin?.on('error', () => {});
  const exited: Promise<number | null> = once(child, 'exit').then(([code]) => (typeof code === 'number' ? code : null));
  return {
    exited,
    errors: () => errors.trim(),
    async stop(graceMs = 20_000) {
      child.stdin?.end('stop\n');
      const timer = setTimeout(() => {
        if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
      }, graceMs);
      await exited.finally(() => clearTimeout(timer));
    },
  };
}

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

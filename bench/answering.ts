import { type ChildProcess, fork } from 'node:child_process';

/** A process that does what it is asked, one answer a question. */
export interface Helper {
  readonly pid: number;
  ask<T>(cmd: string, params?: object): Promise<T>;
  stop(): Promise<void>;
}

interface Answer {
  id: number;
  result?: unknown;
  error?: string;
}

const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** Starts a module as a process that serves `serveAsk`; `args` and `execArgv` as for fork. */
export function startHelper(module: string, args: readonly string[] = [], execArgv: readonly string[] = []): Helper {
  const child = fork(module, [...args], {
    execArgv: [...execArgv],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  children.add(child);
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  let asked = 0;
  child.on('message', (message: Answer) => {
    const { id, result, error } = message;
    const waiter = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) waiter?.resolve(result as never);
    else waiter?.reject(new Error(error));
  });
  child.once('exit', code => {
    children.delete(child);
    for (const { reject } of waiting.values()) reject(new Error(`${module} ended with ${code}`));
  });
  return {
    pid: child.pid!,
    ask: (cmd, params = {}) =>
      new Promise((resolve, reject) => {
        const id = ++asked;
        waiting.set(id, { resolve, reject });
        child.send({ id, cmd, params });
      }),
    stop() {
      if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
      return new Promise(resolve => {
        const impatience = setTimeout(() => child.kill('SIGKILL'), 20_000);
        child.once('exit', () => {
          clearTimeout(impatience);
          resolve();
        });
        child.kill('SIGTERM');
      });
    },
  };
}

/** The other end: answers what the parent asks. */
export function serveAsk(commands: Record<string, (params: never) => Promise<unknown> | unknown>): void {
  // Whoever asked is gone, however it ended.
  process.once('disconnect', () => process.exit());
  process.on('message', (message: { id: number; cmd: string; params: object }) => {
    const { id, cmd, params } = message;
    void (async () => commands[cmd]!(params as never))().then(
      result => process.send!({ id, result }),
      (error: unknown) => process.send!({ id, error: error instanceof Error ? (error.stack ?? '') : String(error) }),
    );
  });
}

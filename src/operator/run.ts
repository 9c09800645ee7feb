import { join } from 'node:path';
import type { Config } from '../config.ts';
import { type Log, messageOf } from '../nostr/log.ts';
import { type AggregatorApi, type DaemonStatus, OperatorError } from './api.ts';
import { serveControl } from './control.ts';
import { EXIT } from './exit.ts';
import { controlMethods, OPERATOR_LIMITS } from './methods.ts';

/** What `run` needs of the daemon. */
export interface RunningDaemon {
  api: AggregatorApi;
  stop(): Promise<void>;
  failed: Promise<never>;
}

export type StartDaemon = (config: Config, options: { log: Log }) => Promise<RunningDaemon>;

export interface RunOptions {
  config: Config;
  log: Log;
  startDaemon: StartDaemon;
  /** The daemon stands: its first status, and where its socket is. */
  onReady: (status: DaemonStatus, socket: string) => void;
  /** Calls back at every signal to end, until the returned function is called. */
  onSignal: (handler: (signal: string) => void) => () => void;
  /** Ends the process on the spot. */
  exitNow: (code: number) => void;
}

/** A daemon that has not stopped by then is left behind; whatever it accepted is stored. */
const STOP_MS = 8_000;

export const controlPath = (stateDir: string): string => join(stateDir, 'control.sock');

async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>(resolve => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Runs the daemon and its control socket until a signal comes or the daemon fails, and resolves to the exit code: 0
 * after a signal, 1 after a failure. A second signal ends the process at once. Rejects with whatever kept the daemon
 * from starting.
 */
export async function runDaemon({ config, log, startDaemon, onReady, onSignal, exitNow }: RunOptions): Promise<number> {
  let signals = 0;
  let stopNow: () => void = () => {};
  const signalled = new Promise<void>(resolve => {
    stopNow = resolve;
  });
  const forget = onSignal(signal => {
    if (++signals > 1) return exitNow(EXIT.failed);
    log('info', 'stopping', { signal });
    stopNow();
  });
  try {
    return await runUntil(signalled);
  } finally {
    forget();
  }

  async function runUntil(end: Promise<void>): Promise<number> {
    const starting = startDaemon(config, { log });
    // A signal while it starts: there is nothing to lose yet, but what is open has to be closed.
    const daemon = await Promise.race([starting, end.then(() => null)]);
    if (daemon === null) {
      const stopped = starting.then(started => started.stop()).catch(() => {});
      await within(STOP_MS, stopped);
      return EXIT.ok;
    }
    return serve(daemon, end);
  }

  async function serve(daemon: RunningDaemon, end: Promise<void>): Promise<number> {
    const path = controlPath(config.state_dir);
    let code: number = EXIT.ok;
    let close: () => Promise<void> = async () => {};
    try {
      const onError = (method: string, error: unknown): void =>
        error instanceof OperatorError
          ? log('debug', 'a request was refused', { method, code: error.code, reason: error.message })
          : log('error', 'a request failed', { method, error: messageOf(error) });
      ({ close } = await serveControl(path, controlMethods(daemon.api, config), { limits: OPERATOR_LIMITS, onError }));
      onReady(await daemon.api.status(), path);
      await Promise.race([end, daemon.failed]);
    } catch (error) {
      code = EXIT.failed;
      log('error', 'the aggregator cannot go on', { error: messageOf(error) });
    }
    await close();
    const stopped = await within(STOP_MS, daemon.stop()).catch((error: unknown) => {
      log('error', 'stopping failed', { error: messageOf(error) });
      code = EXIT.failed;
      return true;
    });
    if (stopped) log('info', 'stopped');
    else {
      log('error', 'something did not stop in time', { seconds: STOP_MS / 1000 });
      code = EXIT.failed;
    }
    return code;
  }
}

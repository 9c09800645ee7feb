import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Config } from '../../src/config.ts';
import { callControl } from '../../src/operator/control.ts';
import { controlPath, type RunOptions, runDaemon, type StartDaemon } from '../../src/operator/run.ts';
import { StoreFull } from '../../src/store/index.ts';
import { configIn, fakeApi } from './daemon.ts';
import { runHere } from './here.ts';

let dir: string;
let config: Config;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'btcr2-run-'));
  await runHere(['init'], dir);
  config = configIn(dir);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

interface Stage {
  exit: Promise<number>;
  ready: Promise<string>;
  signal: (name: string) => void;
  exited: number[];
  logged: string[];
  stops: () => number;
}

function stage(over: { failed?: Promise<never>; stop?: () => Promise<void>; start?: StartDaemon } = {}): Stage {
  let signal: (name: string) => void = () => {};
  let onReady: (socket: string) => void = () => {};
  let stops = 0;
  const exited: number[] = [];
  const logged: string[] = [];
  const ready = new Promise<string>(resolve => (onReady = resolve));
  const startDaemon: StartDaemon = async () => ({
    api: fakeApi(config).api,
    failed: over.failed ?? new Promise<never>(() => {}),
    async stop() {
      stops++;
      await over.stop?.();
    },
  });
  const options: RunOptions = {
    config,
    log: (level, message, data) => void logged.push(`${level} ${message} ${JSON.stringify(data ?? {})}`),
    startDaemon: over.start ?? startDaemon,
    onReady: (_, socket) => onReady(socket),
    onSignal: handler => {
      signal = handler;
      return () => {
        signal = () => {};
      };
    },
    exitNow: code => void exited.push(code),
  };
  const exit = runDaemon(options);
  return { exit, ready, signal: name => signal(name), exited, logged, stops: () => stops };
}

describe('run', () => {
  // fault 49
  test('serves the socket until a signal, then stops in order', async () => {
    const { exit, ready, signal, stops } = stage();
    expect(await ready).toBe(controlPath(config.state_dir));
    expect(await callControl(await ready, 'cohortList')).toHaveLength(1);
    signal('SIGTERM');
    expect(await exit).toBe(0);
    expect(stops()).toBe(1);
    expect(existsSync(await ready)).toBe(false);
  });

  // fault 45
  test('a daemon that cannot go on is told, and ends with 1', async () => {
    let fail: (error: unknown) => void = () => {};
    const failed = new Promise<never>((_, reject) => (fail = reject));
    const { exit, ready, logged, stops } = stage({ failed });
    await ready;
    fail(new StoreFull());
    expect(await exit).toBe(1);
    expect(logged.join('\n')).toMatch(/error the aggregator cannot go on .*no room left to store/);
    expect(stops()).toBe(1);
  });

  test('a second signal ends it at once', async () => {
    let release: () => void = () => {};
    let onStopping: () => void = () => {};
    const stopping = new Promise<void>(resolve => {
      onStopping = resolve;
    });
    const stop = () =>
      new Promise<void>(resolve => {
        release = resolve;
        onStopping();
      });
    const { exit, ready, signal, exited } = stage({ stop });
    await ready;
    signal('SIGINT');
    expect(exited).toEqual([]);
    signal('SIGINT');
    expect(exited).toEqual([1]);
    await stopping;
    release();
    expect(await exit).toBe(0);
  });

  test('a signal while it starts stops what was started', async () => {
    let started: () => void = () => {};
    let stops = 0;
    const start: StartDaemon = () =>
      new Promise(resolve => {
        started = () =>
          resolve({
            api: fakeApi(config).api,
            failed: new Promise<never>(() => {}),
            stop: async () => void stops++,
          });
      });
    const { exit, signal } = stage({ start });
    signal('SIGTERM');
    started();
    expect(await exit).toBe(0);
    expect(stops).toBe(1);
  });

  test('what keeps the daemon from starting is passed on', async () => {
    const start: StartDaemon = () => Promise.reject(new Error('the chain backend follows testnet3'));
    await expect(stage({ start }).exit).rejects.toThrow('testnet3');
  });

  test('a daemon whose stop fails ends with 1', async () => {
    const { exit, ready, signal } = stage({ stop: () => Promise.reject(new Error('no')) });
    await ready;
    signal('SIGTERM');
    expect(await exit).toBe(1);
  });
});

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AggregatorApi } from '../src/operator/api.ts';
import { callControl } from '../src/operator/control.ts';
import { type Regtest, startRegtest } from '../src/testing/regtest.ts';
import { type Helper, startHelper } from './answering.ts';
import type { Traffic } from './relay-process.ts';
import type { Vitals } from './watch.ts';

const here = (name: string): string => fileURLToPath(new URL(`./${name}`, import.meta.url));
const MEMORY = '/dev/shm';
const PROGRAM = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

export interface World {
  dir: string;
  node: Regtest;
  relayUrl: string;
  traffic(): Promise<Traffic>;
  wallets: Helper[];
  aggregator<M extends keyof AggregatorApi>(
    method: M,
    params?: unknown,
  ): Promise<Awaited<ReturnType<AggregatorApi[M]>>>;
  vitals(): Promise<Vitals>;
  /**
   * Ends the daemon and starts it again on the same state; resolves, with the milliseconds that the start took, when it
   * serves. `between` may look at what lies in the state folder.
   */
  restart(between?: (stateDir: string) => void): Promise<number>;
  stop(): Promise<void>;
}

/** Flags for Node from the environment, such as `--cpu-prof --cpu-prof-dir=profiles`. */
const flagsOf = (name: string): string[] => process.env[name]?.split(' ') ?? [];

export const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

/** Asks until the answer is there; fails after `seconds`. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  seconds = 600,
  every = 20,
): Promise<T> {
  for (const end = Date.now() + seconds * 1_000; ; await pause(every)) {
    const found = await look().catch(error => {
      if (Date.now() > end) throw error;
      return undefined;
    });
    if (found) return found;
    if (Date.now() > end) throw new Error(`timed out: ${what}`);
  }
}

/** Relay, node, the real daemon and wallets, each in processes of their own. `counts`: wallets in each worker process. */
export async function startWorld(counts: readonly number[], config: Record<string, string> = {}): Promise<World> {
  const dir = mkdtempSync(join(tmpdir(), 'btcr2-bench-'));
  // Members have disks of their own; theirs here are memory, where the machine has it, and the daemon's is the real one.
  const walletsDir = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'btcr2-bench-wallets-'));
  const relay = startHelper(here('relay-process.js'));
  const node = await startRegtest();
  const relayUrl = await relay.ask<string>('url');
  const state = join(dir, 'aggregator');
  execFileSync(process.execPath, [
    PROGRAM,
    ...['init', '--network', 'regtest', '--dir', state, '--relay', relayUrl],
    ...['--bitcoind', node.rpcUrl, '--cookie', node.cookieFile],
  ]);
  const configFile = join(state, 'btcr2-aggregator.toml');
  const text = Object.entries({ level: '"warn"', ...config }).reduce(
    (lines, [key, value]) => lines.replace(new RegExp(`^${key} = .*$`, 'm'), `${key} = ${value}`),
    readFileSync(configFile, 'utf8'),
  );
  writeFileSync(configFile, text);
  const socket = join(state, 'state', 'control.sock');
  const aggregator: World['aggregator'] = async (method, params = {}) =>
    (await callControl(socket, method, params)) as never;
  const launch = async (): Promise<Helper> => {
    const watch = [...flagsOf('BENCH_NODE_FLAGS'), '--import', here('watch.js')];
    const started = startHelper(PROGRAM, ['run', '--config', configFile], watch);
    await until('the daemon serves', () => aggregator('status'), 120, 5);
    return started;
  };
  let daemon = await launch();
  const wallets = counts.map(() => startHelper(here('wallets-process.js'), [], flagsOf('BENCH_WALLET_FLAGS')));
  await Promise.all(
    wallets.map((wallet, i) =>
      wallet.ask('open', {
        dir: walletsDir,
        count: counts[i]!,
        relay: relayUrl,
        rpcUrl: node.rpcUrl,
        cookieFile: node.cookieFile,
      }),
    ),
  );
  return {
    dir,
    node,
    relayUrl,
    traffic: () => relay.ask('traffic'),
    wallets,
    aggregator,
    vitals: () => daemon.ask('vitals'),
    async restart(between = () => {}) {
      await daemon.stop();
      between(join(state, 'state'));
      const start = performance.now();
      daemon = await launch();
      return performance.now() - start;
    },
    async stop() {
      await Promise.all(wallets.map(wallet => wallet.stop()));
      await daemon.stop();
      await relay.stop();
      await node.stop();
      for (const folder of [dir, walletsDir]) rmSync(folder, { recursive: true, force: true });
    },
  };
}

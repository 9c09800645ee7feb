import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bitcoindChain, type Chain } from '../chain/index.ts';
import type { AggregatorApi } from '../operator/api.ts';
import { callControl } from '../operator/control.ts';
import type { WalletApi } from '../wallet/api.ts';
import { nameOf } from './plan.ts';
import { type Running, run, start } from './processes.ts';

export interface Node {
  rpcUrl: string;
  cookieFile: string;
  esploraUrl: string;
  mine(blocks: number): Promise<void>;
  fund(address: string, sats: number): Promise<{ txid: string }>;
}

export interface Member {
  name: string;
  home: string;
  call<M extends keyof WalletApi>(method: M, params?: unknown): Promise<Awaited<ReturnType<WalletApi[M]>>>;
}

export interface World {
  dir: string;
  relay: string;
  node: Node;
  /** The demo's own look at the node, to check what the others say. */
  chain: Chain;
  aggregator<M extends keyof AggregatorApi>(
    method: M,
    params?: unknown,
  ): Promise<Awaited<ReturnType<AggregatorApi[M]>>>;
  members: Member[];
  stop(): Promise<void>;
}

const START_MS = 60_000;
/** The first start may fetch a node from the distribution's packages. */
const FETCH_MS = 300_000;

/** Starts the relay, the node, the aggregator and the wallets. They meet only on the relay and the chain. */
export async function startWorld(members: number, say: (text: string) => void): Promise<World> {
  const dir = mkdtempSync(join(tmpdir(), 'btcr2-demo-'));
  const running: Running[] = [];
  const launch = (name: string, path: string, args: string[], note?: (line: string) => void): Running => {
    const started = start(name, path, args, join(dir, `${name}.log`), note);
    running.push(started);
    return started;
  };
  const stop = async (): Promise<void> => {
    for (const process of running.reverse()) await process.stop();
  };
  try {
    const relayProcess = launch('relay', 'testing/relay-main.js', []);
    const nodeProcess = launch('node', 'testing/regtest-main.js', [], line => say(`node: ${line}`));
    const relay = (JSON.parse(await relayProcess.line(START_MS)) as { url: string }).url;
    say(`relay: our own test relay at ${relay}`);
    const where = JSON.parse(await nodeProcess.line(FETCH_MS)) as Pick<Node, 'rpcUrl' | 'cookieFile' | 'esploraUrl'>;
    const chain = bitcoindChain({ url: where.rpcUrl, auth: { cookieFile: where.cookieFile }, wallet: 'demo' });
    const node: Node = { ...where, ...commandsOf(nodeProcess) };
    say(`node: bitcoind on regtest at ${where.rpcUrl}, block ${(await chain.tip()).height}`);

    const state = join(dir, 'aggregator');
    const config = join(state, 'btcr2-aggregator.toml');
    mkdirSync(state, { mode: 0o700 });
    const chainFlags = ['--bitcoind', where.rpcUrl, '--cookie', where.cookieFile];
    await run('init', 'main.js', ['init', '--network', 'regtest', '--dir', state, '--relay', relay, ...chainFlags]);
    const daemon = launch('aggregator', 'main.js', ['run', '--config', config]);
    await daemon.line(START_MS);
    const socket = join(state, 'state', 'control.sock');

    const wallets = await Promise.all(
      Array.from({ length: members }, async (_, i): Promise<Member> => {
        const name = nameOf(i);
        const home = join(dir, name);
        const network = ['--network', 'regtest', '--home', home, '--relay', relay];
        await run('init', 'wallet/main.js', ['init', ...network, ...chainFlags]);
        await launch(name, 'wallet/main.js', ['run', '--home', home]).line(START_MS);
        return { name, home, call: caller(join(home, 'wallet.sock')) };
      }),
    );
    say(`aggregator (pid ${daemon.pid}) and ${members} wallets run, each a process of its own`);
    return { dir, relay, node, chain, aggregator: caller(socket), members: wallets, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const caller =
  (socket: string) =>
  async <T>(method: string, params: unknown = {}): Promise<T> =>
    (await callControl(socket, method, params)) as T;

function commandsOf(process: Running): Pick<Node, 'mine' | 'fund'> {
  let turn: Promise<unknown> = Promise.resolve();
  const ask = <T>(command: object): Promise<T> => {
    const answer = turn.then(async () => {
      process.write(JSON.stringify(command));
      const said = JSON.parse(await process.line(START_MS)) as T & { error?: string };
      if (said.error) throw new Error(`the node: ${said.error}`);
      return said;
    });
    turn = answer.catch(() => {});
    return answer;
  };
  return {
    async mine(n) {
      await ask({ cmd: 'mine', n });
    },
    fund: (address, sats) => ask({ cmd: 'fund', address, sats }),
  };
}

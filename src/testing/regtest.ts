import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { bitcoindChain } from '../chain/bitcoind.ts';
import { ChainError, ChainUnreachable } from '../chain/errors.ts';
import { type Rpc, rpcClient } from '../chain/rpc.ts';
import type { Chain } from '../chain/types.ts';
import { findBitcoind } from './regtest-find.ts';
import { freePort, type GuardedProcess, startGuarded } from './regtest-process.ts';

export { BitcoindNotFound, cacheFolder, findBitcoind } from './regtest-find.ts';

export interface RegtestOptions {
  /** Data folder to use and keep; a temporary one, removed at the end, if left out. */
  dir?: string;
  /** Further options of the node, such as `-minrelaytxfee=0.00002`; a restart keeps them unless it names others. */
  args?: readonly string[];
  log?: (line: string) => void;
}

/** A real bitcoind on a private chain, with a miner that has coins to spend. It ends with this process at the latest. */
export interface Regtest {
  readonly rpcUrl: string;
  readonly cookieFile: string;
  readonly dir: string;
  /** A chain view over this node, with a watch-only wallet of that name. */
  chain(walletName: string): Chain;
  /** Mines `n` blocks to `address` (the miner's if left out); returns their hashes. */
  mine(n: number, address?: string): Promise<string[]>;
  /** Pays `sats` satoshis to an address from the miner's mature coins, unconfirmed until the next block. */
  fund(address: string, sats: number): Promise<{ txid: string; vout: number }>;
  /** Any call; `wallet` names the wallet whose endpoint is used. */
  rpc(method: string, params?: unknown[] | Record<string, unknown>, wallet?: string): Promise<unknown>;
  invalidateBlock(hash: string): Promise<void>;
  reconsiderBlock(hash: string): Promise<void>;
  /** Sets the node's clock to Unix seconds; 0 gives it back its own. */
  setMockTime(seconds: number): Promise<void>;
  /** Stops the node and starts it again on the same port and data, with `args` if given; it writes a new cookie. */
  restart(args?: readonly string[]): Promise<void>;
  /** Stops the node only, as an outage does; `restart` brings it back. */
  halt(): Promise<void>;
  stop(): Promise<void>;
}

const MINER = 'miner';
const COINBASE_MATURITY = 100;
const START_COINS = 5;
const POLL_MS = 50;
const START_DEADLINE_MS = 60_000;
const SAT_PER_BTC = 1e8;
const PORT_ATTEMPTS = 3;

const walletTxSchema = z.object({
  hex: z.string(),
  decoded: z.object({
    vout: z.array(z.object({ n: z.number(), scriptPubKey: z.object({ address: z.string().optional() }) })),
  }),
});

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

const nodeArgs = (dir: string, port: number): string[] => [
  '-regtest',
  `-datadir=${dir}`,
  '-server=1',
  '-rpcbind=127.0.0.1',
  '-rpcallowip=127.0.0.1',
  `-rpcport=${port}`,
  '-rpcthreads=8',
  '-rpcworkqueue=256',
  // Nothing in, nothing out: the chain exists on this machine only.
  '-listen=0',
  '-connect=0',
  '-dnsseed=0',
  '-discover=0',
  '-natpmp=0',
  '-txindex=1',
  '-dbcache=16',
  '-fallbackfee=0.00002',
  '-printtoconsole=0',
];

/**
 * Knots refuses by default to relay what Bitcoin Core relays: a transaction with no output but OP_RETURN, which is a
 * signal without change. That is lifted in the configuration file, where Core overlooks options that it does not know.
 */
const CORE_POLICY = '[regtest]\npermitbaredatacarrier=1\n';

async function ready(rpc: Rpc, node: GuardedProcess): Promise<void> {
  let ended: number | null | undefined;
  node.exited.then(code => {
    ended = code;
  });
  for (const deadline = Date.now() + START_DEADLINE_MS; ; await pause(POLL_MS)) {
    if (ended !== undefined) throw new Error(`bitcoind ended at its start: ${node.errors() || `exit code ${ended}`}`);
    try {
      await rpc.call(z.unknown(), { method: 'getblockchaininfo' });
      return;
    } catch (fault) {
      // A cookie of the run before, or one half written, is refused; the right one follows.
      const early = fault instanceof ChainUnreachable || (fault instanceof ChainError && fault.code === 'unauthorized');
      if (!early) throw fault;
      if (Date.now() > deadline) throw new Error(`bitcoind did not start: ${node.errors() || fault.message}`);
    }
  }
}

/** Starts a node with `START_COINS` spendable coinbases. Throws BitcoindNotFound, or an Error with what the node said. */
export async function startRegtest(options: RegtestOptions = {}): Promise<Regtest> {
  const log = options.log ?? (() => {});
  const bitcoind = await findBitcoind(log);
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'btcr2-regtest-')));
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'bitcoin.conf'), CORE_POLICY, { flag: 'wx' }).catch(() => undefined);
  const cookieFile = join(dir, 'regtest', '.cookie');
  const temporary = options.dir === undefined;
  const chains: Chain[] = [];
  let extra = options.args ?? [];

  async function launch(port: number): Promise<{ node: GuardedProcess; rpc: Rpc }> {
    await rm(cookieFile, { force: true });
    const node = startGuarded(bitcoind, [...nodeArgs(dir, port), ...extra], temporary ? dir : null);
    const rpc = rpcClient({ url: `http://127.0.0.1:${port}`, auth: { cookieFile }, timeoutMs: 0 });
    try {
      await ready(rpc, node);
    } catch (fault) {
      rpc.close();
      await node.stop();
      throw fault;
    }
    return { node, rpc };
  }

  async function launchOnFreePort(): Promise<{ port: number; node: GuardedProcess; rpc: Rpc }> {
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      try {
        return { port, ...(await launch(port)) };
      } catch (fault) {
        // Somebody else may have taken the port between the look and the start.
        if (attempt >= PORT_ATTEMPTS || !(fault instanceof Error) || !/bind/i.test(fault.message)) throw fault;
      }
    }
  }

  const { port, ...started } = await launchOnFreePort();
  let { node, rpc: client } = started;
  let halted = false;

  const call = <T>(
    schema: z.ZodType<T>,
    method: string,
    params: unknown[] | Record<string, unknown>,
    wallet?: string,
  ) => client.call(schema, { method, params }, wallet === undefined ? {} : { wallet });
  const toMiner = () => call(z.string(), 'getnewaddress', ['', 'bech32'], MINER);
  const mine = async (n: number, address?: string) =>
    call(z.array(z.string()), 'generatetoaddress', [n, address ?? (await toMiner())]);

  async function loadMiner(): Promise<void> {
    const [loaded] = await client.batch([{ method: 'loadwallet', params: [MINER] }]);
    if (!loaded!.ok) await call(z.unknown(), 'createwallet', { wallet_name: MINER });
  }

  async function halt(): Promise<void> {
    if (halted) return;
    halted = true;
    client.close();
    await node.stop();
  }

  await loadMiner();
  const height = await call(z.number(), 'getblockcount', []);
  if (height < COINBASE_MATURITY + START_COINS) await mine(COINBASE_MATURITY + START_COINS - height);
  log(`regtest node at http://127.0.0.1:${port}, data in ${dir}`);

  return {
    rpcUrl: `http://127.0.0.1:${port}`,
    cookieFile,
    dir,
    chain(walletName) {
      const chain = bitcoindChain({ url: `http://127.0.0.1:${port}`, auth: { cookieFile }, wallet: walletName });
      chains.push(chain);
      return chain;
    },
    mine,
    async fund(address, sats) {
      const params = { address, amount: (sats / SAT_PER_BTC).toFixed(8), fee_rate: 2 };
      for (let tries = 1; ; tries++) {
        const txid = await call(z.string(), 'sendtoaddress', params, MINER);
        const { hex, decoded } = await call(walletTxSchema, 'gettransaction', [txid, true, true], MINER);
        // The wallet says nothing when the mempool refuses what it made.
        const [held] = await client.batch([{ method: 'getmempoolentry', params: [txid] }]);
        if (!held!.ok)
          try {
            await call(z.string(), 'sendrawtransaction', [hex]);
          } catch (error) {
            // Knots takes no transaction of lock time 21, which its own wallet draws now and then.
            if (tries >= 5 || !(error instanceof Error) || !error.message.includes('parasite')) throw error;
            await call(z.null(), 'abandontransaction', [txid], MINER);
            continue;
          }
        const paid = decoded.vout.find(output => output.scriptPubKey.address === address);
        if (paid === undefined) throw new Error('the funding transaction does not pay the address');
        return { txid, vout: paid.n };
      }
    },
    rpc: (method, params = [], wallet) => call(z.unknown(), method, params, wallet),
    invalidateBlock: async hash => void (await call(z.null(), 'invalidateblock', [hash])),
    reconsiderBlock: async hash => void (await call(z.null(), 'reconsiderblock', [hash])),
    setMockTime: async seconds => void (await call(z.null(), 'setmocktime', [seconds])),
    async restart(args) {
      await halt();
      extra = args ?? extra;
      ({ node, rpc: client } = await launch(port));
      halted = false;
      await loadMiner();
    },
    halt,
    async stop() {
      await Promise.all(chains.map(chain => chain.close()));
      await halt();
      if (temporary) await rm(dir, { recursive: true, force: true });
    },
  };
}

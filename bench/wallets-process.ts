import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { bitcoindChain, type Chain } from '../src/chain/index.ts';
import { silent } from '../src/nostr/log.ts';
import { nodeSocket } from '../src/nostr/websocket-node.ts';
import { openKeyFile } from '../src/shell/keystore.ts';
import { openStore } from '../src/store/index.ts';
import { createWallet, type Wallet } from '../src/wallet/sdk.ts';
import { deriveSecret } from '../src/wallet/seed.ts';
import { serveAsk } from './answering.ts';

interface Open {
  dir: string;
  count: number;
  relay: string;
  rpcUrl: string;
  cookieFile: string;
}

const now = (): number => Math.floor(Date.now() / 1_000);
const random = (length: number): Uint8Array => Uint8Array.from(randomBytes(length));
/** Members look at the chain from machines of their own; here many share one node, which is not what is measured. */
const SHARE_MS = 1_000;

function shared(chain: Chain): Chain {
  const answers = new Map<string, { at: number; answer: Promise<unknown> }>();
  const once =
    <A extends unknown[], T>(name: string, call: (...args: A) => Promise<T>) =>
    (...args: A): Promise<T> => {
      const key = `${name} ${args.join(' ')}`;
      const known = answers.get(key);
      if (known && Date.now() - known.at < SHARE_MS) return known.answer as Promise<T>;
      const answer = call(...args);
      answers.set(key, { at: Date.now(), answer });
      return answer;
    };
  return {
    ...chain,
    tip: once('tip', chain.tip),
    utxos: once('utxos', chain.utxos),
    history: once('history', chain.history),
    feeRate: once('fee', chain.feeRate),
    close: async () => {},
  };
}

const wallets: Wallet[] = [];
let node: Chain | null = null;
const dids = new Map<Wallet, string[]>();

/** So many at a time: nobody starts a thousand wallets in one second. */
async function each<T, R>(list: readonly T[], atOnce: number, run: (one: T, i: number) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(list.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < list.length) {
      const i = next++;
      results[i] = await run(list[i]!, i);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return results;
}

async function readied(wallet: Wallet, cohort: string): ReturnType<Wallet['ready']> {
  for (let i = 0; ; i++)
    try {
      return await wallet.ready(cohort);
    } catch (error) {
      if (i > 60) throw error;
    }
}

serveAsk({
  async open({ dir, count, relay, rpcUrl, cookieFile }: Open) {
    node = bitcoindChain({ url: rpcUrl, auth: { cookieFile }, wallet: `wallets-${process.pid}` });
    const chain = shared(node);
    for (let i = 0; i < count; i++) {
      const home = join(dir, `wallet-${process.pid}-${i}`);
      mkdirSync(home, { recursive: true, mode: 0o700 });
      const store = openStore(join(home, 'wallet.db'), { application: 'wallet' });
      const keys = openKeyFile(join(home, 'keys.json'), random, now, { passphrase: undefined, derive: deriveSecret });
      const wallet = createWallet({
        network: 'regtest',
        relays: [relay],
        chain,
        store,
        keys,
        openSocket: nodeSocket,
        random,
        now,
        log: silent,
        pollMs: 60_000,
        timing: { resendMs: 30_000, lookMs: 3_600_000 },
      });
      wallets.push(wallet);
    }
  },
  /** These wallets (`from` to below `to`) join one cohort; resolves when it is formed. */
  async join({ cohort, from, to }: { cohort: string; from: number; to: number }) {
    const joining = wallets.slice(from, to);
    const found = await joining[0]!.discover({ seconds: 10 });
    const view = found.find(({ advert }) => advert.cohort === cohort);
    if (!view) throw new Error('the advert was not found');
    await each(joining, 25, wallet => wallet.join({ advert: view.advert }));
  },
  /** All wallets join all of these cohorts, and register a DID in each; resolves with the beacons' addresses. */
  async joinAll({ cohorts }: { cohorts: readonly string[] }) {
    const found = new Map<string, Awaited<ReturnType<Wallet['discover']>>[number]>();
    for (let i = 0; i < 30 && !cohorts.every(cohort => found.has(cohort)); i++)
      for (const view of await wallets[0]!.discover({ seconds: 10 })) found.set(view.advert.cohort, view);
    const first = wallets[0]!;
    return each(cohorts, 4, async cohort => {
      for (const wallet of wallets) await wallet.join({ advert: found.get(cohort)!.advert });
      const { beacon_address } = await readied(first, cohort);
      const { did } = await first.createDid({ kind: 'x', cohort });
      await first.register({ did, cohort });
      dids.set(first, [...(dids.get(first) ?? []), did]);
      return beacon_address;
    });
  },
  /** The first wallet updates all its DIDs. */
  async updateAll({ tag }: { tag: string }) {
    const wallet = wallets[0]!;
    const value = { id: `#${tag}`, type: 'LinkedDomains', serviceEndpoint: `https://${tag}.example` };
    await each(dids.get(wallet)!, 8, did => wallet.update({ did, patch: [{ op: 'add', path: '/service/-', value }] }));
  },
  async ready({ cohort, from, to }: { cohort: string; from: number; to: number }) {
    const sets = await each(wallets.slice(from, to), 1_000, wallet => readied(wallet, cohort));
    return sets[0]!.beacon_address;
  },
  async register({ cohort, from, to, count }: { cohort: string; from: number; to: number; count: number }) {
    await each(wallets.slice(from, to), 25, async wallet => {
      for (let i = 0; i < count; i++) {
        const { did } = await wallet.createDid({ kind: 'x', cohort });
        await wallet.register({ did, cohort });
        dids.set(wallet, [...(dids.get(wallet) ?? []), did]);
      }
    });
  },
  async update({ wallet: i, tag }: { wallet: number; tag: string }) {
    const wallet = wallets[i]!;
    const value = { id: `#${tag}`, type: 'LinkedDomains', serviceEndpoint: `https://${tag}.example` };
    await wallet.update({ did: dids.get(wallet)![0]!, patch: [{ op: 'add', path: '/service/-', value }] });
  },
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  },
  async stop() {
    await each(wallets, 50, wallet => wallet.stop());
    await node?.close();
  },
});
process.on('SIGTERM', () => process.exit(0));

import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../../src/config.ts';
import { type Daemon, startDaemon } from '../../src/daemon.ts';
import type { Log } from '../../src/nostr/index.ts';
import type { AdvertTerms } from '../../src/operator/api.ts';
import { newKeyFile, openKeyFile } from '../../src/shell/keystore.ts';
import type { Regtest } from '../../src/testing/regtest.ts';
import { openWallet, type Wallet, type WalletOptions } from '../../src/wallet/client.ts';
import { deriveSecret, rootOfMnemonic } from '../../src/wallet/seed.ts';
import { PLAIN_FORM } from '../terms.ts';

export const terms: AdvertTerms = {
  ...PLAIN_FORM,
  cohort_size: { min: 2, max: 3 },
  frequency: { interval: 3600, min_interval: 0, pending_updates: 1 },
  latency: { cohort_set: 20, presence: 10, nonce: 20, signature: 20 },
  dids: { min: 0, max: 20 },
  funder: 'operator',
  fee_cap: 2_000,
  communication: ['nip44_v2'],
};

export interface World {
  dir: string;
  node: Regtest;
  relays: string[];
  log: Log;
}

const lines: string[] = [];
/** Kept in memory; printed when a test fails. */
export const log =
  (who: string): Log =>
  (level, message, data) => {
    lines.push(
      `${new Date().toISOString().slice(14, 23)} ${who} ${level} ${message} ${data ? JSON.stringify(data) : ''}`,
    );
    if (process.env.BTCR2_TEST_LOG) process.stderr.write(`${lines.at(-1)}\n`);
  };
export const logged = (): string => lines.join('\n');

export const tempDir = (): string => mkdtempSync(join(tmpdir(), 'btcr2-e2e-'));
export const removeDir = (dir: string): void => rmSync(dir, { recursive: true, force: true });

export function configOf(world: Pick<World, 'dir' | 'node' | 'relays'>, over: Partial<AdvertTerms> = {}): Config {
  mkdirSync(join(world.dir, 'aggregator'), { recursive: true, mode: 0o700 });
  const key_file = join(world.dir, 'identity');
  try {
    writeFileSync(key_file, randomBytes(32).toString('hex'), { mode: 0o600, flag: 'wx' });
  } catch {
    // The identity of an earlier start.
  }
  return {
    network: 'regtest',
    mainnet: false,
    state_dir: join(world.dir, 'aggregator'),
    identity: { key_file },
    relays: world.relays,
    relays_file: '',
    chain: {
      backend: 'bitcoind',
      url: world.node.rpcUrl,
      auth: { cookieFile: world.node.cookieFile },
      wallet: `aggregator-${world.dir.slice(-6)}`,
      poll_ms: 100,
    },
    advert: { ...terms, ...over, expires_in: 3600 },
    admission: { invites: [], allowlist: [] },
    profile: { name: 'test', about: 'a test' },
    log: { level: 'debug', format: 'text' },
  };
}

export const startAggregator = (
  world: Pick<World, 'dir' | 'node' | 'relays'>,
  over?: Partial<AdvertTerms>,
): Promise<Daemon> => startDaemon(configOf(world, over), { log: log('aggregator') });

export async function startWallet(
  world: Pick<World, 'dir' | 'node' | 'relays'>,
  name: string,
  options: Partial<WalletOptions> = {},
): Promise<Wallet> {
  const wallet = await openWallet({
    home: join(world.dir, name),
    network: 'regtest',
    relays: world.relays,
    chain: world.node.chain(`${name}-${world.dir.slice(-6)}`),
    log: log(name),
    pollMs: 100,
    ...options,
  });
  wallet.start();
  return wallet;
}

/** Drawn bytes, as the programs draw them. */
export const random = (length: number): Uint8Array => Uint8Array.from(randomBytes(length));

/** The folder of a wallet whose keys come from these words, and that has none yet; `count` of each kind are put back. */
export function seedHome(dir: string, name: string, words: string, count = 0): void {
  const folder = join(dir, name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'keys.json');
  writeFileSync(path, newKeyFile({ root: rootOfMnemonic(words, 'regtest'), random }), { mode: 0o600 });
  if (count === 0) return;
  const keys = openKeyFile(path, random, () => 0, { derive: deriveSecret });
  for (const kind of ['did', 'transport', 'nonces'] as const) keys.restore(kind, count);
}

export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  ms = 30_000,
): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`timed out: ${what}\n${lines.slice(-60).join('\n')}`);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

/** Advertises a cohort of these wallets, which all join it; the address is theirs then, and empty. */
export async function gather(
  aggregator: Daemon,
  wallets: readonly Wallet[],
  over: Partial<AdvertTerms> = {},
): Promise<{ cohort: string; address: string }> {
  const size = wallets.length;
  const { cohort } = await aggregator.api.advertCreate({ cohort_size: { min: size, max: size }, ...over });
  const [set] = await Promise.all(
    wallets.map(async wallet => {
      const { advert } = await until('the advert', async () =>
        (await wallet.discover({ seconds: 1 })).find(view => view.advert.cohort === cohort),
      );
      await wallet.join({ advert, allowFallback: advert.terms.policy.type === 'fallback' });
      return wallet.ready(cohort);
    }),
  );
  return { cohort, address: set!.beacon_address };
}

/** Pays every address what many rounds cost, deep enough to be used. */
export async function deposit(node: Regtest, ...addresses: string[]): Promise<void> {
  for (const address of addresses) await node.fund(address, 100_000);
  await node.mine(6);
}

/** An `x` identifier that lists the cohort's beacon from its first document on, registered there. */
export async function newDid(wallet: Wallet, cohort: string): Promise<string> {
  const { did } = await wallet.createDid({ kind: 'x', cohort });
  await wallet.register({ did, cohort });
  return did;
}

/** Opens a round and waits for its signal in the mempool: the aggregator's number of it. */
export async function announced(aggregator: Daemon, cohort: string): Promise<number> {
  const rounds = async () => (await aggregator.api.cohortShow({ cohort })).rounds;
  const last = (await rounds()).at(-1)?.round ?? 0;
  await until('a round opens', async () => (await aggregator.api.roundOpen({ cohort })).opened, 60_000);
  const sent = await until(
    `the signal after round ${last}`,
    async () => (await rounds()).find(({ round, stage, status }) => round > last && stage === 'announced' && status),
    60_000,
  );
  return sent.round;
}

/** Waits until the aggregator has seen a round's signal six blocks deep. */
export const closed = (aggregator: Daemon, cohort: string, round: number) =>
  until(
    `round ${round} is closed`,
    async () =>
      (await aggregator.api.cohortShow({ cohort })).rounds.find(known => known.round === round)?.stage === 'closed',
    60_000,
  );

/** Waits until a wallet sees so many signals of each cohort six blocks deep, and holds every proof of them. */
export const settled = (wallet: Wallet, count: number) =>
  until(
    `${count} signals are final for the wallet`,
    () => {
      const { cohorts, dids } = wallet.status();
      return (
        cohorts.every(({ signals }) => signals.filter(({ status }) => status === 'final').length === count) &&
        dids.every(({ beacons }) => beacons.every(({ missing_proofs }) => missing_proofs === 0)) &&
        dids.every(({ updates }) => updates.every(({ state }) => state === 'final'))
      );
    },
    60_000,
  );

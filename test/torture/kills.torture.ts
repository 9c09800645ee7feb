import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Resolution } from '../../src/did/index.ts';
import type { CohortDetail } from '../../src/operator/api.ts';
import { findNostrRsRelay, type RelayProcess, startNostrRsRelay } from '../../src/testing/nostr-rs-relay.ts';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay } from '../../src/testing/relay.ts';
import type { AdvertView, WalletStatus } from '../../src/wallet/api.ts';
import { removeDir, tempDir } from '../e2e/harness.ts';
import { note } from './figures.ts';
import { run, seeded, type Victim, victim } from './processes.ts';

const KILLS = Number(process.env.TORTURE_KILLS ?? 200);
const SEED = Number(process.env.TORTURE_SEED ?? 20261122);
const MEMBERS = 3;

const dir = tempDir();
let node: Regtest;
let relay: Pick<RelayProcess, 'url' | 'stop'>;
let daemon: Victim;
const wallets: Victim[] = [];

beforeAll(async () => {
  node = await startRegtest();
  relay = findNostrRsRelay() ? await startNostrRsRelay() : await startTestRelay();
  const chain = ['--bitcoind', node.rpcUrl, '--cookie', node.cookieFile];
  const home = join(dir, 'aggregator');
  await run('main.js', ['init', '--network', 'regtest', '--dir', home, '--relay', relay.url, ...chain]);
  const config = join(home, 'btcr2-aggregator.toml');
  daemon = victim('aggregator', 'main.js', ['run', '--config', config], join(home, 'state', 'control.sock'), dir);
  await daemon.start();
  for (let i = 0; i < MEMBERS; i++) {
    const folder = join(dir, `w${i}`);
    await run('wallet/main.js', ['init', '--network', 'regtest', '--home', folder, '--relay', relay.url, ...chain]);
    const wallet = victim(`w${i}`, 'wallet/main.js', ['run', '--home', folder], join(folder, 'wallet.sock'), dir);
    await wallet.start();
    wallets.push(wallet);
  }
});
afterAll(async () => {
  for (const each of [...wallets, daemon]) await each?.stop().catch(() => {});
  await relay?.stop();
  await node?.stop();
  if (!process.env.TORTURE_KEEP) removeDir(dir);
});

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

async function until<T>(what: string, look: () => Promise<T | false | undefined | null>, ms = 60_000): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look().catch(() => null);
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited in vain: ${what}; the logs are in ${dir}`);
    await pause(100);
  }
}

/** A command that is repeated until it is answered: whoever should answer may have been killed. */
const insist = <T>(who: Victim, method: string, params: unknown): Promise<T> =>
  until(`${who.name} ${method}`, () => who.call<T>(method, params), 120_000);

// fault 44
test(`${KILLS} kills of aggregator and wallets in live rounds: every acknowledged update is announced, every DID resolves`, async () => {
  const random = seeded(SEED);
  const { cohort } = await insist<{ cohort: string }>(daemon, 'advertCreate', {
    cohort_size: { min: MEMBERS, max: MEMBERS },
    frequency: { interval: 3_600, min_interval: 0, pending_updates: 1 },
    latency: { cohort_set: 10, presence: 3, nonce: 5, signature: 5 },
    fee_cap: 2_000,
  });
  await Promise.all(
    wallets.map(async wallet => {
      const [view] = await insist<AdvertView[]>(wallet, 'discover', [{ all: true }]);
      await insist(wallet, 'join', [{ advert: view!.advert }]);
      await insist(wallet, 'ready', [cohort]);
    }),
  );
  const show = () => daemon.call<CohortDetail>('cohortShow', { cohort });
  const { beacon_address } = await until('the address', show);
  await node.fund(beacon_address!, 1_000_000);
  await node.mine(6);
  const dids = await Promise.all(
    wallets.map(async wallet => {
      const { did } = await insist<{ did: string }>(wallet, 'createDid', [{ kind: 'x', cohort }]);
      await insist(wallet, 'register', [{ did, cohort }]);
      return did;
    }),
  );

  const acked = wallets.map(() => 1);
  let isOver = false;
  const submit = async (i: number): Promise<void> => {
    while (!isOver) {
      const service = {
        id: `#v${acked[i]! + 1}`,
        type: 'LinkedDomains',
        serviceEndpoint: `https://${acked[i]! + 1}.example`,
      };
      const request = { did: dids[i], patch: [{ op: 'add', path: '/service/-', value: service }], cohorts: [cohort] };
      const done = await wallets[i]!.call<{ version: number; state: string }>('update', [request]).catch(() => null);
      if (done) acked[i] = Math.max(acked[i]!, done.version);
      await pause(200 + random() * 800);
    }
  };
  const miner = (async () => {
    while (!isOver) {
      await node.mine(1).catch(() => {});
      await pause(150);
    }
  })();
  const submitters = wallets.map((_, i) => submit(i));

  const victims = [daemon, ...wallets];
  let restarts = 0;
  for (let kills = 0; kills < KILLS; kills++) {
    await pause(random() * 1_200);
    const target = victims[Math.floor(random() * victims.length)]!;
    await target.kill();
    // Some are killed again while they recover.
    for (let again = 0; random() < 0.2 && again < 2; again++) {
      void target.start().catch(() => {});
      await pause(random() * 400);
      await target.kill();
      restarts++;
    }
    await target.start();
  }
  isOver = true;
  await Promise.all([miner, ...submitters]);

  // Everybody is up: the rest must come to its end by itself.
  let last = '';
  const settled = await until(
    'every acknowledged update to be final',
    async () => {
      await node.mine(1);
      await pause(500);
      const states = await Promise.all(wallets.map(wallet => wallet.call<WalletStatus>('status', [])));
      const all = states.flatMap(state => state.dids.flatMap(did => did.updates));
      const unfinished = all.filter(update => !['final', 'replaced', 'refused'].includes(update.state));
      last = JSON.stringify({
        unfinished,
        sessions: states.map(state => state.cohorts[0]?.open_sessions),
        round: (await show()).round,
      });
      return all.length > 0 && unfinished.length === 0 && states;
    },
    240_000,
  ).catch(error => {
    throw new Error(`${error.message}: ${last}`);
  });
  const detail = await show();
  const versions = await Promise.all(
    dids.map(async (did, i) => {
      const { resolution } = await wallets[i]!.call<{ resolution: Resolution }>('tryResolve', [{ did, minConf: 6 }]);
      return Number(resolution.versionId);
    }),
  );
  for (const [i, version] of versions.entries()) {
    expect(version, `an acknowledged update of ${dids[i]} was lost`).toBeGreaterThanOrEqual(acked[i]!);
    const announced = settled[i]!.dids[0]!.updates.filter(update => update.state === 'final');
    expect(new Set(announced.map(update => update.version)).size).toBe(announced.length);
  }
  const spends = await node.chain('oracle').spends(beacon_address!);
  expect(spends).toHaveLength(detail.signals);
  const count = victims.reduce((sum, each) => sum + each.kills, 0);
  const { signals } = detail;
  note({ part: 'kills', seed: SEED, kills: count, during_recovery: restarts, signals, versions, acked, violations: 0 });
  expect(count).toBeGreaterThanOrEqual(KILLS);
  expect(restarts).toBeGreaterThan(0);
});

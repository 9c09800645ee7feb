import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { scriptToAddress } from '../../src/bitcoin/index.ts';
import type { Daemon } from '../../src/daemon.ts';
import { findNostrRsRelay, type RelayProcess, startNostrRsRelay } from '../../src/testing/nostr-rs-relay.ts';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay } from '../../src/testing/relay.ts';
import type { WalletStatus } from '../../src/wallet/api.ts';
import type { Wallet } from '../../src/wallet/client.ts';
import { draw, xOnly } from '../cohort/members.ts';
import { builtScript } from '../operator/built.ts';
import { run, type Victim, victim } from '../torture/processes.ts';
import { closed, deposit, newDid, removeDir, startAggregator, startWallet, tempDir, until } from './harness.ts';
import { openHalves } from './pair.ts';
import { addService } from './raw-did.ts';

const WAIT_MS = 90_000;
const dir = tempDir();
let node: Regtest;
let relay: Pick<RelayProcess, 'url' | 'stop'>;
let aggregator: Daemon;
let companion: Victim;
const wallets = new Map<string, Wallet>();

// A missing real part is a failure in CI; elsewhere the relay of the tests takes its place, and that is said.
const isReal = findNostrRsRelay() !== null || process.env.CI !== undefined;
if (!isReal)
  process.stderr.write('\nnostr-rs-relay is missing: the test relay takes its place (npm run setup:relay)\n\n');

beforeAll(async () => {
  builtScript('wallet/main.js');
  node = await startRegtest();
  relay = isReal ? await startNostrRsRelay() : await startTestRelay();
}, 240_000);
afterAll(async () => {
  await Promise.all([...wallets.values()].map(wallet => wallet.stop()));
  await companion?.stop();
  await aggregator?.stop();
  await relay?.stop();
  await node?.stop();
  removeDir(dir);
});

const world = () => ({ dir, node, relays: [relay.url] });

async function open(name: string): Promise<Wallet> {
  const wallet = await startWallet(world(), name);
  wallets.set(name, wallet);
  return wallet;
}

async function close(name: string): Promise<void> {
  await wallets.get(name)?.stop();
  wallets.delete(name);
}

test('over a real relay, the companion a program of its own: an update is had back, it is killed while it signs, its cohort ends, it deletes its key by itself and is revoked', {
  timeout: 420_000,
}, async () => {
  aggregator = await startAggregator(world(), { latency: { cohort_set: 60, presence: 10, nonce: 20, signature: 20 } });
  const home = join(dir, 'companion');
  const chain = ['--bitcoind', node.rpcUrl, '--cookie', node.cookieFile];
  await run('wallet/main.js', ['init', '--network', 'regtest', '--home', home, '--relay', relay.url, ...chain]);
  companion = victim('companion', 'wallet/main.js', ['run', '--home', home], join(home, 'wallet.sock'), dir);
  await companion.start();
  const owner = await open('owner');
  let other = await open('other');
  const companionOpen = () => companion.call<Awaited<ReturnType<Wallet['companionOpen']>>>('companionOpen');
  const { cohort, address } = await openHalves(aggregator, { owner, companion: { companionOpen }, other });
  await deposit(node, address);
  const did = await newDid(owner, cohort);
  const latest = () => owner.status().dids[0]!.updates.at(-1)!;
  const rounds = async () => (await aggregator.api.cohortShow({ cohort })).rounds;
  const announcedAfter = (last: number) =>
    until(
      'a signal',
      async () => (await rounds()).find(({ round, stage, status }) => round > last && stage === 'announced' && status),
      WAIT_MS,
    );
  const bury = async (round: number): Promise<void> => {
    await node.mine(6);
    await closed(aggregator, cohort, round);
    await until('final for the owner', () => latest().state === 'final', WAIT_MS);
  };

  // While the other member is away nothing is signed for: the first update is had back, and another takes its place.
  await close('other');
  const wrong = await owner.update({ did, patch: addService('wrong') });
  expect(wrong.state).toBe('locked');
  expect(await owner.companionWithdraw({ did })).toMatchObject({ announcement: wrong.announcement, state: 'replaced' });
  const right = await owner.update({ did, patch: addService('right') });
  expect(right).toMatchObject({ version: 2, state: 'locked' });

  // It is killed when nonces are drawn, at whatever instruction it is; the round begins again when it is back.
  other = await startWallet(world(), 'other');
  wallets.set('other', other);
  await new Promise<void>(resolve => {
    other.onEvent(event => {
      if (event.type === 'nonce_drawn') resolve();
    });
  });
  await companion.kill();
  await companion.start();
  expect(companion.kills).toBe(1);
  const first = await announcedAfter(0);
  await bury(first.round);
  expect(latest()).toMatchObject({ announcement: right.announcement, version: 2 });
  await expect(owner.companionWithdraw({ did, announcement: right.announcement })).rejects.toThrow(/version_taken/);
  expect(latest().state).toBe('final');

  // The cohort ends: what the aggregator says reaches the owner, its DID takes the beacon out, the money moves.
  await aggregator.api.cohortEnd({ cohort, text: 'we part' });
  await until('the owner is told', () => owner.status().cohorts[0]!.status?.succession, WAIT_MS);
  await until('the other is told', () => other.status().cohorts[0]!.status?.succession, WAIT_MS);
  const step = async (wallet: Wallet) => (await wallet.succession({ cohort })).step;
  expect(await owner.succession({ cohort })).toMatchObject({ step: 'last_signal', by_companion: true });
  const last = await announcedAfter(first.round);
  await bury(last.round);
  const to = scriptToAddress(`5120${xOnly(draw('where the money goes'))}`, 'regtest')!;
  await until('it leaves the money to a person', async () => (await step(owner)) === 'release', WAIT_MS);
  await owner.release({ cohort, to });
  await other.release({ cohort, to });
  const keys = () => readFileSync(join(home, 'keys.json'), 'utf8');
  const { participant_pk } = owner.status().cohorts[0]!;
  expect(keys()).toContain(participant_pk);
  expect(await owner.succession({ cohort, deleteKey: true })).toMatchObject({
    step: 'delete_key',
    next: expect.stringMatching(/sat are at the address/),
  });
  await expect(owner.update({ did, patch: addService('late'), cohorts: [cohort] })).rejects.toThrow(/wrong_phase/);
  await until('the move', () => aggregator.api.spendStart({ cohort, purpose: 'move', to }).catch(() => undefined));
  await until(
    'it is complete',
    async () => (await aggregator.api.spendList({ cohort })).at(-1)?.status === 'complete',
    WAIT_MS,
  );
  expect(keys()).toContain(participant_pk);
  await close('owner');
  await node.mine(6);
  await until(
    'the companion deletes its key, and nobody is there to say so',
    () => !keys().includes(participant_pk),
    WAIT_MS,
  );

  // It signs for nothing, and its owner wakes and hears of it; then the pair ends.
  const awake = await open('owner');
  await until('the owner knows', async () => (await step(awake)) === 'done', WAIT_MS);
  await awake.companionRevoke();
  expect(awake.status().companion).toMatchObject({ phase: 'ended', reason: 'revoked' });
  const told = await companion.call<WalletStatus>('status');
  expect(told.companion).toMatchObject({ role: 'companion', policy: { revoked: true } });
  expect(told.cohorts).toMatchObject([{ phase: 'retired' }]);
  await expect(awake.companionPolicy({ feeCapSats: 2_000 })).rejects.toThrow(/no companion/);
  expect((await awake.resolve({ did, minConf: 6 })).versionId).toBe('3');
  expect((await other.resolve({ did, sidecar: awake.sidecar(did), minConf: 6 })).versionId).toBe('3');
});

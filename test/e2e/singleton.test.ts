import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Chain, ChainUnreachable } from '../../src/chain/index.ts';
import { fromHex, toBase64url } from '../../src/crypto/index.ts';
import type { Daemon } from '../../src/daemon.ts';
import { beaconService, type DidDocument, type Patch } from '../../src/did/index.ts';
import type { AdvertTerms } from '../../src/operator/api.ts';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import { openWallet, type Wallet } from '../../src/wallet/client.ts';
import { cli } from '../wallet/cli/harness.ts';
import { deposit, gather, log, removeDir, startAggregator, startWallet, tempDir, until } from './harness.ts';
import { addService } from './raw-did.ts';

let node: Regtest;
let relay: TestRelay;
let dir: string;
const running = new Set<{ stop(): Promise<void> }>();
const dirs: string[] = [];

beforeAll(async () => {
  node = await startRegtest();
  relay = await startTestRelay();
}, 180_000);
afterEach(async () => {
  await Promise.all([...running].map(stop));
});
afterAll(async () => {
  await relay?.stop();
  await node?.stop();
  for (const each of dirs) removeDir(each);
});

async function stop(one: { stop(): Promise<void> }): Promise<void> {
  running.delete(one);
  await one.stop();
}
function fresh() {
  dir = tempDir();
  dirs.push(dir);
  return { dir, node, relays: [relay.url] };
}
const world = () => ({ dir, node, relays: [relay.url] });
async function open(name: string): Promise<Wallet> {
  const wallet = await startWallet(world(), name);
  running.add(wallet);
  return wallet;
}

/** A funded cohort of two wallets. */
async function twoWallets(over: Partial<AdvertTerms> = {}) {
  fresh();
  const aggregator = await startAggregator(world());
  running.add(aggregator);
  const [ada, bob] = await Promise.all([open('ada'), open('bob')]);
  const { cohort, address } = await gather(aggregator, [ada, bob], over);
  await deposit(node, address);
  return { aggregator, cohort, ada, bob, address };
}

const without = (document: DidDocument, address: string): Patch => [
  { op: 'remove', path: `/service/${document.service!.findIndex(s => JSON.stringify(s).includes(address))}` },
];
const updatesOf = (wallet: Wallet, did: string) => wallet.status().dids.find(view => view.did === did)!.updates;
const stateIs = (wallet: Wallet, did: string, version: number, state: string) =>
  until(`version ${version} is ${state}`, () =>
    updatesOf(wallet, did).some(update => update.version === version && update.state === state),
  );
const signals = (aggregator: Daemon, cohort: string, count: number) =>
  until(
    `signal ${count} of the cohort`,
    async () => {
      const { rounds } = await aggregator.api.cohortShow({ cohort });
      return (
        rounds.filter(round => round.txid && /^(broadcast|confirmed|final)/.test(round.status ?? '')).length >= count
      );
    },
    60_000,
  );
const resolvesTo = (wallet: Wallet, did: string, version: string) =>
  until(`version ${version} resolves`, async () => {
    const resolution = await wallet.resolve({ did });
    return resolution.versionId === version && resolution;
  });

test('a k DID comes into a cohort by its own beacon, and is updated through the cohort then', {
  timeout: 120_000,
}, async () => {
  const { aggregator, cohort, ada: first, bob, address } = await twoWallets({ bit_order: 'lsb' });
  let ada = first;
  const other = await bob.createDid({ kind: 'x', cohort });
  await bob.register({ did: other.did, cohort });
  await bob.update({ did: other.did, patch: addService('before') });
  await signals(aggregator, cohort, 1);
  await node.mine(6);
  await stateIs(bob, other.did, 2, 'final');

  const { did } = await ada.createDid({ kind: 'k' });
  expect(await ada.register({ did, cohort })).toMatchObject({ proven: true, signals: 1 });
  const service = beaconService('#smt', 'SMTBeacon', address);
  const patch: Patch = [{ op: 'add', path: '/service/-', value: service }];

  const funding = await ada.fundingAddress(did);
  expect(funding).toMatchObject({ kind: 'p2tr', balance_sats: 0, waiting_sats: 0 });
  expect(funding.needed_sats).toBeGreaterThan(153 + 330);
  await expect(ada.update({ did, patch, via: 'singleton' })).rejects.toMatchObject({
    code: 'unfunded',
    message: expect.stringMatching(new RegExp(`${funding.address} holds 0 sat.* needs ${funding.needed_sats} sat`)),
  });
  expect(updatesOf(ada, did)).toEqual([]);
  await node.fund(funding.address, funding.needed_sats);
  expect(await ada.fundingAddress(did)).toMatchObject({ balance_sats: 0, waiting_sats: funding.needed_sats });
  await node.mine(1);
  expect(await ada.fundingAddress(did)).toMatchObject({ balance_sats: funding.needed_sats, needed_sats: 0 });

  const sent = await ada.update({ did, patch, via: 'singleton' });
  expect(sent).toMatchObject({
    version: 2,
    cohorts: [],
    state: 'broadcast',
    singleton: { address: funding.address, text: null },
  });
  // In flight: neither another update, nor another transaction for the same one.
  await expect(ada.update({ did, patch: addService('rival'), via: 'singleton' })).rejects.toMatchObject({
    code: 'version_busy',
  });
  expect((await ada.announce({ did, via: 'singleton' })).singleton).toEqual(sent.singleton);
  expect(updatesOf(ada, did)).toHaveLength(1);

  await stop(ada);
  await node.mine(6);
  ada = await open('ada');
  await stateIs(ada, did, 2, 'final');
  expect((await resolvesTo(ada, did, '2')).document.service).toContainEqual(service);

  await ada.update({ did, patch: addService('through-the-cohort') });
  await signals(aggregator, cohort, 2);
  await node.mine(6);
  await stateIs(ada, did, 3, 'final');
  const { document, neededSignals } = await resolvesTo(ada, did, '3');
  expect(JSON.stringify(document.service)).toContain('through-the-cohort');
  expect(neededSignals.map(signal => signal.type).sort()).toEqual(['SMTBeacon', 'SingletonBeacon']);
  // Also for somebody who has nothing but the sidecar.
  const sidecar = ada.sidecar(did);
  expect((await bob.resolve({ did, sidecar, bitOrder: 'lsb' })).versionId).toBe('3');

  // The order is all that has to be said; older software also wants to know what was before the beacon was added.
  const needed = new Set(neededSignals.map(({ signalBytes }) => toBase64url(fromHex(signalBytes))));
  const lean = { ...sidecar, smtProofs: sidecar.smtProofs.filter(({ id }) => needed.has(id)) };
  expect([sidecar.smtProofs.length, lean.smtProofs.length]).toEqual([2, 1]);
  const chain = ['--bitcoind', node.rpcUrl, '--cookie', node.cookieFile];
  const said = (data: object, ...options: string[]) => {
    const file = join(dir, 'sidecar.json');
    writeFileSync(file, JSON.stringify(data));
    return cli(['resolve', did, '--sidecar', file, '--home', join(dir, 'nowhere'), ...chain, ...options]);
  };
  expect(await said(lean, '--bit-order', 'lsb')).toMatchObject({ code: 0, err: expect.stringMatching(/^version 3,/) });
  expect(await said(sidecar, '--bit-order', 'lsb', '--legacy')).toMatchObject({ code: 0 });
  expect((await said(lean, '--bit-order', 'lsb', '--legacy')).err).toContain('MISSING_UPDATE_DATA');
  expect((await said(lean)).err).toContain('INVALID_SIGNAL_DATA');
});

test('the same bytes through both beacons; a rival in the cohort gives way; out of a dead cohort', {
  timeout: 120_000,
}, async () => {
  const { aggregator, cohort, ada, bob, address } = await twoWallets();
  const { did } = await ada.createDid({ kind: 'x', cohort });
  await ada.register({ did, cohort });
  const funding = await ada.fundingAddress(did);
  await node.fund(funding.address, 20_000);
  await node.mine(1);

  const both = await ada.update({ did, patch: addService('both'), via: 'singleton', cohorts: [cohort] });
  expect(both).toMatchObject({ version: 2, cohorts: [cohort], singleton: { text: null } });
  await signals(aggregator, cohort, 1);
  await node.mine(6);
  await stateIs(ada, did, 2, 'final');
  const twice = await resolvesTo(ada, did, '2');
  expect(twice.neededSignals.map(signal => signal.type).sort()).toEqual(['SMTBeacon', 'SingletonBeacon']);

  // A member is gone for good: what the cohort holds is never announced by it.
  await stop(bob);
  expect(await ada.update({ did, patch: addService('never') })).toMatchObject({ version: 3, state: 'acked' });
  const { document } = await ada.resolve({ did });
  const out = await ada.update({ did, patch: without(document, address), via: 'singleton' });
  // The cohort gets it too, in the place of the one that it must not announce any more.
  expect(out).toMatchObject({ version: 3, cohorts: [cohort], state: 'broadcast', singleton: { text: null } });
  expect(updatesOf(ada, did).map(({ version, state }) => `${version} ${state}`)).toEqual([
    '2 final',
    '3 replaced',
    '3 broadcast',
  ]);
  await node.mine(6);
  await stateIs(ada, did, 3, 'final');
  expect(JSON.stringify((await resolvesTo(ada, did, '3')).document)).not.toContain(address);

  await ada.update({ did, patch: addService('alone'), via: 'singleton' });
  await node.mine(6);
  await stateIs(ada, did, 4, 'final');
  expect((await resolvesTo(ada, did, '4')).updates).toHaveLength(3);
});

test('P2WPKH and P2PKH beacons; a node that was down; a reorganization', { timeout: 90_000 }, async () => {
  fresh();
  const wallet = await open('carol');
  for (const [kind, service] of [
    ['p2wpkh', 1],
    ['p2pkh', 0],
  ] as const) {
    const { did, document } = await wallet.createDid({ kind: 'k' });
    const endpoint = document.service![service]!.serviceEndpoint;
    const address = String(endpoint).slice('bitcoin:'.length);
    await node.fund(address, 700);
    await node.fund(address, 710);
    await node.mine(1);
    expect(await wallet.fundingAddress(did)).toMatchObject({ address, kind, balance_sats: 1_410, needed_sats: 0 });
    const sent = await wallet.update({ did, patch: addService(kind), via: 'singleton' });
    expect(sent).toMatchObject({ state: 'broadcast', singleton: { address, text: null } });
    const [block] = await node.mine(6);
    await stateIs(wallet, did, 2, 'final');
    await resolvesTo(wallet, did, '2');
    await node.invalidateBlock(block!);
    await stateIs(wallet, did, 2, 'broadcast');
    await node.mine(7);
    await stateIs(wallet, did, 2, 'final');
  }

  // Stored, but not sent: the node does not answer.
  await stop(wallet);
  const chain = node.chain(`carol-${dir.slice(-6)}-down`);
  const deaf: Chain = {
    ...chain,
    submit: async () => {
      throw new ChainUnreachable('the node is down');
    },
  };
  const home = join(dir, 'carol');
  const offline = await openWallet({
    home,
    network: 'regtest',
    relays: [relay.url],
    chain: deaf,
    log: log('carol'),
    pollMs: 100,
  });
  running.add(offline);
  const { did } = await offline.createDid({ kind: 'k' });
  const { address } = await offline.fundingAddress(did);
  await node.fund(address, 10_000);
  await node.mine(1);
  const stored = await offline.update({ did, patch: addService('later'), via: 'singleton' });
  expect(stored).toMatchObject({ state: 'locked', singleton: { text: expect.stringContaining('down') } });
  await expect(offline.update({ did, patch: addService('rival'), via: 'singleton' })).rejects.toMatchObject({
    code: 'version_busy',
  });
  await stop(offline);
  const again = await open('carol');
  await until('it is sent by itself', async () => {
    const mempool = (await node.rpc('getrawmempool')) as string[];
    return mempool.includes(stored.singleton!.txid);
  });
  await node.mine(6);
  await stateIs(again, did, 2, 'final');
  await resolvesTo(again, did, '2');
});

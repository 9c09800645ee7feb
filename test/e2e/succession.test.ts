import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Daemon } from '../../src/daemon.ts';
import { sidecarFrom, verifyArchive } from '../../src/operator/archive.ts';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import type { Wallet } from '../../src/wallet/client.ts';
import { closed, deposit, gather, newDid, removeDir, startAggregator, startWallet, tempDir, until } from './harness.ts';
import { addService } from './raw-did.ts';

const WAIT_MS = 60_000;
const TERMS = { latency: { cohort_set: 60, presence: 10, nonce: 60, signature: 60 } };
const dir = tempDir();
let node: Regtest;
let relay: TestRelay;
let aggregator: Daemon;
let world: { dir: string; node: Regtest; relays: string[] };
const wallets: Record<string, Wallet> = {};

beforeAll(async () => {
  node = await startRegtest();
  relay = await startTestRelay();
  world = { dir, node, relays: [relay.url] };
  aggregator = await startAggregator(world, TERMS);
}, 180_000);
afterAll(async () => {
  await Promise.all(Object.values(wallets).map(wallet => wallet.stop()));
  await aggregator?.stop();
  await relay?.stop();
  await node?.stop();
  removeDir(dir);
});

async function open(name: string): Promise<Wallet> {
  const wallet = await startWallet(world, name);
  wallets[name] = wallet;
  return wallet;
}

async function restartAggregator(): Promise<void> {
  await aggregator.stop();
  aggregator = await startAggregator(world, TERMS);
}

/** Services of a DID as a resolver finds them, six deep. */
async function servicesOf(wallet: Wallet, did: string): Promise<string> {
  return JSON.stringify((await wallet.resolve({ did, minConf: 6 })).document.service);
}

/** Blocks until everybody's chain shows them. */
async function bury(...seen: Wallet[]): Promise<void> {
  await node.mine(6);
  const { height } = (await aggregator.api.status()).chain;
  await until('everybody sees the blocks', async () => {
    const tip = (await aggregator.api.status()).chain.height;
    return tip !== null && tip >= (height ?? 0) && seen.every(wallet => wallet.status().chain.height === tip);
  });
}

test('a cohort of three ends: one leaves by its own beacon, the others move to a successor with one who is new, with DIDs and money, and delete their keys', {
  timeout: 300_000,
}, async () => {
  const [ada, bob, eve] = [await open('ada'), await open('bob'), await open('eve')];
  const { cohort, address } = await gather(aggregator, [ada, bob, eve]);
  await deposit(node, address);
  const one = await newDid(ada, cohort);
  const two = await newDid(bob, cohort);
  const three = await newDid(eve, cohort);
  await ada.update({ did: one, patch: addService('one') });
  await until('the first signal', async () => (await aggregator.api.cohortShow({ cohort })).signals === 1, WAIT_MS);
  await node.mine(6);
  await closed(aggregator, cohort, 1);
  const succession = () => aggregator.api.cohortSuccession({ cohort });
  const step = async (wallet: Wallet) => (await wallet.succession({ cohort })).step;
  await expect(ada.succession({ cohort })).rejects.toThrow(/has not said that this cohort ends/);

  // Her DID first, by the beacon under its own key; then the word.
  await expect(eve.leave(cohort)).rejects.toThrow(new RegExp(`${three} still lists`));
  expect((await eve.exit({ cohort })).dids).toMatchObject([{ did: three, state: 'failed', text: /unfunded/ }]);
  await node.fund((await eve.fundingAddress(three)).address, 20_000);
  await node.mine(6);
  await until('her money', async () => (await eve.exit({ cohort })).dids[0]!.state === 'announced', WAIT_MS);
  await node.mine(6);
  await until('her DID is out', async () => (await eve.exit({ cohort })).dids[0]!.state === 'left', WAIT_MS);
  await eve.leave(cohort);
  expect(eve.status().dids[0]!.beacons).toMatchObject([{ state: 'removed', missing_proofs: 0 }]);
  await until('the others know', () => ada.status().cohorts[0]!.status?.leaving.length === 1, WAIT_MS);

  const dora = await open('dora');
  const next = await aggregator.api.advertCreate({ id: 'next', cohort_size: { min: 3, max: 3 } });
  await aggregator.api.cohortEnd({ cohort, advert: 'next', text: 'eve leaves, dora comes' });
  await until(
    'all are told',
    () => [ada, bob, eve].every(each => each.status().cohorts[0]!.status?.succession),
    WAIT_MS,
  );
  for (const wallet of [ada, bob]) {
    const { step: first, advert } = await wallet.succession({ cohort });
    expect(first).toBe('join');
    await wallet.join({ advert: advert! });
  }
  expect(await step(ada)).toBe('forming');
  expect(await succession()).toMatchObject({ stage: 'forming', successor: { advert_id: 'next', seats: { taken: 2 } } });
  await restartAggregator();
  const { advert } = (await dora.discover({ link: ada.status().cohorts[0]!.status!.succession!.successor!.link }))[0]!;
  await dora.join({ advert });
  const { beacon_address: after } = await dora.ready(next.cohort);
  await until('it is said', () => ada.status().cohorts[0]!.status?.succession?.stage === 'updating', WAIT_MS);

  // The old cohort's last signal: not before both have sent theirs.
  expect(await step(ada)).toBe('last_signal');
  expect((await succession()).listing.map(({ did, update_waits }) => [did, update_waits]).sort()).toEqual(
    [
      [one, true],
      [two, false],
    ].sort(),
  );
  expect((await aggregator.api.cohortShow({ cohort })).round).toMatch(/last signal waits/);
  expect(await step(bob)).toBe('last_signal');
  await until('the last signal', async () => (await aggregator.api.cohortShow({ cohort })).signals === 2, WAIT_MS);
  expect(await step(ada)).toBe('last_signal');
  await node.mine(6);
  await closed(aggregator, cohort, 2);
  await until('moving', async () => (await succession()).stage === 'moving', WAIT_MS);

  await restartAggregator();
  for (const wallet of [ada, bob]) {
    await until('the update is final', async () => (await step(wallet)) === 'moving', WAIT_MS);
    await expect(wallet.succession({ cohort, deleteKey: true })).rejects.toThrow(/sat are at the address/);
  }
  // She is in no successor: only her person can say that the money goes there.
  expect(await eve.succession({ cohort })).toMatchObject({ step: 'release', next: expect.stringContaining(after) });
  await eve.release({ cohort, to: after });
  const move = await until('the move', () =>
    aggregator.api.spendStart({ cohort, purpose: 'move' }).catch(() => undefined),
  );
  expect(move.to).toBe(after);
  await until(
    'it is complete',
    async () => (await aggregator.api.spendList({ cohort })).at(-1)?.status === 'complete',
    WAIT_MS,
  );
  await bury(ada, bob, eve);
  await until('deleting', async () => (await succession()).stage === 'deleting', WAIT_MS);

  for (const [name, wallet] of [
    ['ada', ada],
    ['bob', bob],
    ['eve', eve],
  ] as const) {
    const { participant_pk } = wallet.status().cohorts.find(known => known.cohort === cohort)!;
    const keys = () => readFileSync(join(dir, name, 'keys.json'), 'utf8');
    expect(keys()).toContain(participant_pk);
    await until('nothing needs it', async () => (await step(wallet)) === 'delete_key', WAIT_MS);
    expect(await wallet.succession({ cohort, deleteKey: true })).toMatchObject({ step: 'done' });
    expect(keys()).not.toContain(participant_pk);
    expect(await step(wallet)).toBe('done');
    await expect(wallet.register({ did: one, cohort })).rejects.toThrow();
    await expect(wallet.rebind(cohort)).rejects.toThrow(/cohort key/);
  }
  await until('over', async () => (await succession()).stage === 'over', WAIT_MS);
  expect(await succession()).toMatchObject({
    waits_for: [],
    listing: [],
    members: Array(3).fill({ key_deleted: true }),
  });

  // The successor works on the money that moved; everybody's DID resolves, and the past is proven as before.
  await ada.update({ did: one, patch: addService('later') });
  await until('its signal', async () => (await aggregator.api.cohortShow({ cohort: 'next' })).signals === 1, WAIT_MS);
  await node.mine(6);
  await closed(aggregator, next.cohort, 1);
  await until('later', async () => /later/.test(await servicesOf(ada, one)), WAIT_MS);
  for (const [wallet, did] of [
    [ada, one],
    [bob, two],
  ] as const) {
    const services = await servicesOf(wallet, did);
    expect(services).toContain(after);
    expect(services).not.toContain(address);
  }
  expect(await servicesOf(eve, three)).not.toMatch(new RegExp(`${address}|${after}`));
  expect((await aggregator.api.status()).cohorts.map(({ alarms }) => alarms)).toEqual([[], []]);

  // Whoever keeps the archive next proves the same: a DID resolves by it, its own genesis document and nothing else.
  await restartAggregator();
  const folder = join(dir, 'archive');
  expect((await aggregator.api.archiveExport({ folder })).files).toHaveLength(2);
  const judged = await verifyArchive(folder);
  expect(judged.map(({ verdict }) => verdict?.problems)).toEqual([[], []]);
  const parts = Object.values(await sidecarFrom(folder, one));
  const sidecar = {
    genesisDocument: ada.sidecar(one).genesisDocument,
    updates: parts.flatMap(({ updates }) => updates),
    smtProofs: parts.flatMap(({ smtProofs }) => smtProofs),
  };
  const resolved = await dora.resolve({ did: one, sidecar, minConf: 6 });
  expect(resolved).toMatchObject({ versionId: '4' });
  expect(JSON.stringify(resolved.document.service)).toContain(after);
});

test('a member vanishes: the other is told, takes its DID out by its own beacon, and deletes its key, with the money that nobody can move', {
  timeout: 240_000,
}, async () => {
  const [fay, gus] = [await open('fay'), await open('gus')];
  const { cohort, address } = await gather(aggregator, [fay, gus]);
  await deposit(node, address);
  const did = await newDid(fay, cohort);
  const { participant_pk } = gus.status().cohorts[0]!;
  await gus.stop();
  delete wallets.gus;
  const sent = await fay.update({ did, patch: addService('stuck') });
  await until(
    'a round that fails',
    async () => (await aggregator.api.cohortShow({ cohort })).rounds.length > 0,
    WAIT_MS,
  );

  const marked = await aggregator.api.memberMark({ cohort, member: participant_pk.slice(0, 12), gone: true });
  expect(marked.members).toContainEqual({ participant_pk, departure: 'gone', key_deleted: false });
  await until('she is told', () => fay.status().cohorts[0]!.status?.gone.length === 1, WAIT_MS);
  expect(await fay.succession({ cohort })).toMatchObject({ step: 'exit', listing: [did] });
  await expect(fay.succession({ cohort, deleteKey: true, abandon: true })).resolves.toMatchObject({ step: 'exit' });

  await node.fund((await fay.fundingAddress(did)).address, 20_000);
  await node.mine(6);
  const { dids } = await until('she is out', async () => {
    const result = await fay.exit({ cohort });
    return result.dids[0]!.state === 'announced' && result;
  });
  // The update that nobody signed for gave way: one version, one update.
  const [old, own] = fay.status().dids[0]!.updates;
  expect([old, own]).toMatchObject([{ announcement: sent.announcement, state: 'replaced' }, { version: 2 }]);
  expect(dids[0]!.txid).toMatch(/^[0-9a-f]{64}$/);
  await node.mine(6);
  await until('it is deep', async () => (await fay.exit({ cohort })).dids[0]!.state === 'left', WAIT_MS);
  await expect(fay.succession({ cohort, deleteKey: true })).rejects.toThrow(/100000 sat are at the address/);
  expect(await fay.succession({ cohort, deleteKey: true, abandon: true })).toMatchObject({ step: 'done' });
  expect(await servicesOf(fay, did)).not.toContain(address);
  await until('over', async () => (await aggregator.api.cohortSuccession({ cohort })).members.some(m => m.key_deleted));
  expect((await aggregator.api.cohortShow({ cohort })).round).toMatch(/deleted their cohort keys/);
});

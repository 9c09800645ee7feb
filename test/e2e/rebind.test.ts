import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Daemon } from '../../src/daemon.ts';
import type { Wallet } from '../../src/wallet/client.ts';
import { announced, closed, deposit, gather, newDid, settled, startAggregator, startWallet, until } from './harness.ts';
import { addService } from './raw-did.ts';
import { stage } from './stage.ts';

let aggregator: Daemon;
let ada: Wallet;
let bob: Wallet;
const at = stage();

afterAll(async () => {
  await Promise.all([ada?.stop(), bob?.stop()]);
  await aggregator?.stop();
});

/** Takes the transport keys out of a wallet that is not running. */
function loseTransportKeys(home: string): void {
  const path = join(home, 'keys.json');
  const file = JSON.parse(readFileSync(path, 'utf8')) as { keys: Record<string, { kind: string }> };
  const keys = Object.fromEntries(Object.entries(file.keys).filter(([, { kind }]) => kind !== 'transport'));
  expect(Object.keys(keys).length).toBeLessThan(Object.keys(file.keys).length);
  writeFileSync(path, JSON.stringify({ ...file, keys }));
}

test('fault 62: a wallet whose transport key is lost goes on with another one', { timeout: 180_000 }, async () => {
  const world = at.world;
  aggregator = await startAggregator(world, {
    frequency: { interval: 3_600, min_interval: 0, pending_updates: 1_000 },
    latency: { cohort_set: 60, presence: 120, nonce: 120, signature: 120 },
  });
  [ada, bob] = (await Promise.all(['ada', 'bob'].map(name => startWallet(world, name)))) as [Wallet, Wallet];
  const { cohort, address } = await gather(aggregator, [ada, bob]);
  await deposit(at.node, address);
  const [hers, his] = [await newDid(ada, cohort), await newDid(bob, cohort)];
  await ada.update({ did: hers, patch: addService('before') });
  const memberOf = async (wallet: Wallet) => {
    const { participant_pk } = wallet.status().cohorts[0]!;
    const { members } = await aggregator.api.cohortShow({ cohort });
    return members.find(member => member.participant_pk === participant_pk)!;
  };
  const { transport: before } = await memberOf(ada);

  await ada.stop();
  loseTransportKeys(join(at.dir, 'ada'));
  ada = await startWallet(world, 'ada');
  const seen = () => ada.status().cohorts[0]!.transport;
  expect(seen()).toBe('lost');
  await expect(ada.update({ did: hers, patch: addService('mute') })).rejects.toMatchObject({
    code: 'transport_lost',
    message: expect.stringContaining('rebind'),
  });

  // A round that begins meanwhile waits for a member that hears nothing.
  await bob.update({ did: his, patch: addService('his') });
  const signal = announced(aggregator, cohort);
  await until('the round waits for her', async () => (await aggregator.api.cohortShow({ cohort })).rounds.length === 1);
  const { transport_key } = await ada.rebind(cohort);
  expect(transport_key).not.toBe(before);
  expect(seen()).toBe('here');
  expect((await memberOf(ada)).transport).toBe(transport_key);
  const first = await signal;
  await at.node.mine(6);
  await closed(aggregator, cohort, first);
  await Promise.all([settled(ada, 1), settled(bob, 1)]);
  expect((await ada.resolve({ did: hers })).versionId).toBe('2');

  // Again, with the key at hand, as one does whose key was seen by others; through a restart of both sides.
  const again = await ada.rebind(cohort);
  expect(again.transport_key).not.toBe(transport_key);
  await ada.stop();
  await aggregator.stop();
  aggregator = await startAggregator(world);
  ada = await startWallet(world, 'ada');
  expect((await memberOf(ada)).transport).toBe(again.transport_key);
  await ada.update({ did: hers, patch: addService('after') });
  const second = await announced(aggregator, cohort);
  await at.node.mine(6);
  await closed(aggregator, cohort, second);
  await Promise.all([settled(ada, 2), settled(bob, 2)]);
  expect((await ada.resolve({ did: hers })).versionId).toBe('3');
  expect((await bob.resolve({ did: his })).neededSignals).toHaveLength(2);
});

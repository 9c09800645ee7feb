import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fromHex, sha256, toHex, utf8 } from '../../src/crypto/index.ts';
import { startDaemon } from '../../src/daemon.ts';
import { cidV1, jcs } from '../../src/did/index.ts';
import { startTestKubo, type TestKubo } from '../../src/testing/kubo.ts';
import { openWallet } from '../../src/wallet/client.ts';
import { kuboStore } from '../../src/wallet/index.ts';
import { announced, closed, configOf, deposit, gather, log, newDid, startWallet, until } from './harness.ts';
import { addService } from './raw-did.ts';
import { stage } from './stage.ts';

/** Bytes of the largest event that the relay takes. */
const EVENT = 8_192;
/** An entry of a map has 122 bytes, and base64 makes a third more of them: these fill more than one event. */
const DIDS = 52;

let kubo: TestKubo;
const at = stage({ limits: { maxMessageBytes: EVENT } });
beforeAll(async () => {
  kubo = await startTestKubo();
}, 180_000);
afterAll(async () => {
  await kubo?.stop();
});

test('a map that no event holds travels in chunks, to a late DID too, and is published when its signal is final', {
  timeout: 300_000,
}, async () => {
  const world = at.world;
  const form = {
    type: 'CASBeacon' as const,
    dids: { min: 0, max: DIDS },
    frequency: { interval: 3_600, min_interval: 0, pending_updates: 1_000 },
    latency: { cohort_set: 120, presence: 120, nonce: 120, signature: 120 },
  };
  const config = { ...configOf(world, form), cas: { kubo_url: kubo.url } };
  const aggregator = await startDaemon(config, { log: log('aggregator') });
  const alexis = await openWallet({
    home: join(at.dir, 'alexis'),
    network: 'regtest',
    relays: [at.relay.url],
    chain: at.node.chain('alexis-cas'),
    log: log('alexis'),
    pollMs: 100,
    content: kuboStore({ url: kubo.url }),
  });
  alexis.start();
  const satoshi = await startWallet(world, 'satoshi');
  const { cohort, address } = await gather(aggregator, [alexis, satoshi]);
  await deposit(at.node, address);
  const dids: string[] = [];
  for (let i = 0; i < DIDS; i++) dids.push(await newDid(alexis, cohort));
  for (const [i, did] of dids.entries()) await alexis.update({ did, patch: addService(`s${i}`), bare: i === 1 });

  kubo.behave('refuse');
  const round = await announced(aggregator, cohort);
  await expect(alexis.publish({ did: dids[0]! })).rejects.toThrow(/no update that is final/);
  await at.node.mine(5);
  await until('five deep', async () =>
    /\(5 conf/.test((await aggregator.api.roundShow({ cohort, round })).status ?? ''),
  );
  // Nothing is published of a signal that a reorganization could still take away.
  expect(kubo.requests()).toBe(0);
  await at.node.mine(1);
  await closed(aggregator, cohort, round);
  await until('a try', () => kubo.requests() > 0, 60_000);
  expect(await aggregator.api.roundShow({ cohort, round })).toMatchObject({ map_published: false });
  kubo.behave('well');
  await until('published', async () => (await aggregator.api.roundShow({ cohort, round })).map_published, 90_000);

  const shown = await aggregator.api.roundShow({ cohort, round });
  const map = kubo.blocks.get(shown.map_cid!)!;
  expect(toHex(sha256(map))).toBe(shown.signal_bytes);
  expect(Object.keys(JSON.parse(new TextDecoder().decode(map))).sort()).toEqual([...dids].sort());
  expect((map.length * 4) / 3).toBeGreaterThan(EVENT);
  expect(at.relay.events().every(event => JSON.stringify(event).length <= EVENT)).toBe(true);

  // Who registers later is given the maps of the past, in chunks as well.
  const late = await newDid(satoshi, cohort);
  expect(satoshi.sidecar(late).casUpdates.map(past => jcs(past))).toEqual([new TextDecoder().decode(map)]);
  expect((await satoshi.resolve({ did: late })).versionId).toBe('1');
  await until('final', async () => (await alexis.resolve({ did: dids[0]! })).versionId === '2', 60_000);

  // Updates are published when their controller asks, and those kept from the aggregator when that is said.
  await until(
    'the wallet sees it',
    () => alexis.status().dids.every(({ updates }) => updates[0]?.state === 'final'),
    60_000,
  );
  const { signals } = alexis.status().cohorts[0]!;
  expect(signals).toMatchObject([{ map_cid: shown.map_cid }]);
  const before = kubo.blocks.size;
  const [update] = alexis.status().dids.find(({ did }) => did === dids[0])!.updates;
  expect(update!.cid).toBe(cidV1(fromHex(update!.announcement)));
  expect(await alexis.publish({ did: dids[0]! })).toMatchObject([{ version: 2, cid: update!.cid }]);
  expect(kubo.blocks.get(update!.cid)).toEqual(utf8(jcs(alexis.sidecar(dids[0]!).updates[0]!)));
  await expect(alexis.publish({ did: dids[1]! })).rejects.toThrow(/kept from its aggregator/);
  await expect(alexis.publish({ did: dids[0]!, version: 3 })).rejects.toThrow(/version 3 .* is not final/);
  await expect(satoshi.publish({ did: late })).rejects.toThrow(/no content store is configured/);
  expect(kubo.blocks.size).toBe(before + 1);
  expect(await alexis.publish({ did: dids[1]!, reveal: true })).toHaveLength(1);
  await Promise.all([alexis.stop(), satoshi.stop(), aggregator.stop()]);
});

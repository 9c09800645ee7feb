import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { esploraChain } from '../../src/chain/index.ts';
import { DEFAULT_LIMITS } from '../../src/config/limits.ts';
import type { Config } from '../../src/config.ts';
import { type Daemon, startDaemon } from '../../src/daemon.ts';
import { powOf } from '../../src/nostr/index.ts';
import { openStore } from '../../src/store/index.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import { openWallet } from '../../src/wallet/client.ts';
import { startFakeEsplora } from '../operator/fake-esplora.ts';
import { configOf, log, removeDir, tempDir, until } from './harness.ts';
import { advertise, formCohort } from './raw-member.ts';

let relay: TestRelay;
let esplora: Awaited<ReturnType<typeof startFakeEsplora>>;
let aggregator: Daemon;
let config: Config;
const dir = tempDir();

beforeAll(async () => {
  relay = await startTestRelay();
  esplora = await startFakeEsplora();
  const base = configOf({ dir, node: { rpcUrl: '', cookieFile: '' } as never, relays: [relay.url] });
  config = {
    ...base,
    chain: { backend: 'esplora', url: esplora.url, poll_ms: 60_000 },
    limits: { ...DEFAULT_LIMITS, refusals_per_minute: 1, member_per_minute: 20 },
  };
  aggregator = await startDaemon(config, { log: log('aggregator') });
}, 60_000);
afterAll(async () => {
  await aggregator?.stop();
  await esplora?.stop();
  await relay?.stop();
  removeDir(dir);
});

const advertised = (over: Parameters<Daemon['api']['advertCreate']>[0] = {}) =>
  advertise(aggregator, relay, { cohort_size: { min: 2, max: 2 }, ...over });

const dropped = async (reason: string): Promise<number> => (await aggregator.api.status()).dropped[reason] ?? 0;
const seats = async (cohort: string): Promise<number> => (await aggregator.api.cohortShow({ cohort })).seats.taken;

test('an advert that asks for work drops who did none, and takes a wallet, which mines it when it joins', async () => {
  const { cohort, advert, member } = await advertised({ pow_bits: 8 });
  expect(advert.terms.pow_bits).toBe(8);
  const lazy = member();
  const before = await dropped('no_work');
  let sent = 0;
  // One in 256 is lucky: those pass, and are not sent here.
  while (sent < 3) {
    const [event] = lazy.wrap(JSON.stringify(lazy.draft(lazy.optIn())));
    if (powOf(event!.id) >= 8) continue;
    await lazy.publish([event!]);
    sent++;
  }
  await until('three drops', async () => (await dropped('no_work')) === before + 3, 60_000);
  expect(await seats(cohort)).toBe(0);

  const wallet = await openWallet({
    home: join(dir, 'wallet'),
    network: 'regtest',
    relays: [relay.url],
    chain: esploraChain({ url: esplora.url }),
    log: log('wallet'),
  });
  onTestFinished(() => wallet.stop());
  await wallet.join({ advert });
  expect(await seats(cohort)).toBe(1);
}, 120_000);

test('refusals to strangers are limited and leave nothing behind but an event that expires within the hour', async () => {
  const { cohort, advert, member } = await advertised();
  const askers = Array.from({ length: 14 }, member);
  const asked = await Promise.all(askers.map(asker => asker.send(asker.optIn({ advert_id: 'another' }))));
  await until('four unanswered', async () => (await dropped('refusals_limited')) >= 4, 60_000);
  const answered = asked.filter(({ id }, i) => askers[i]!.repliesTo(id).length > 0);
  expect(answered.length).toBeLessThanOrEqual(10);
  expect(await seats(cohort)).toBe(0);
  const store = openStore(join(config.state_dir, 'aggregator.db'), { application: 'aggregator', readonly: true });
  try {
    for (const { id, from } of asked) expect(store.answersFor(`${from}:${id}`)).toBeNull();
  } finally {
    store.close();
  }
  const refusals = relay.events().filter(({ pubkey }) => pubkey === advert.terms.transport_key);
  expect(refusals.length).toBeGreaterThan(0);
  for (const { created_at, tags } of refusals)
    expect(Number(tags.find(([name]) => name === 'expiration')![1]) - created_at).toBe(3_600);
}, 120_000);

test('a member that floods meets its own limit, and is told; the others are answered as before (fault 57)', async () => {
  const { member } = await advertised();
  const [loud, quiet] = [member(), member()];
  await formCohort([loud, quiet]);
  const { beacon_address } = loud.ready();
  const question = { type: 'proof_request' as const, body: { beacon_address, did: 'did:btcr2:nobody' } };
  const flood = async (n: number): Promise<void> => {
    for (let i = 0; i < n; i++) void loud.send(question).catch(() => {});
    await new Promise(resolve => setTimeout(resolve, 10));
  };
  for (let i = 0; i < 24; i++) await flood(100);
  await until('the limit', async () => (await dropped('member_limited')) > 0, 120_000);
  const told = await loud.next('rejection', ({ body }) => body.code === 'rate_limited', 60_000);
  expect(told.body.text).toMatch(/more than its share/);
  expect((await quiet.ask(question)).type).toBe('proofs');
}, 240_000);

test('forgeries in a member’s name, which a relay makes up, use up nothing of what that member may send (fault 57)', async () => {
  const { member } = await advertised();
  const [named, other] = [member(), member()];
  await formCohort([named, other]);
  const { beacon_address } = named.ready();
  const question = { type: 'proof_request' as const, body: { beacon_address, did: 'did:btcr2:nobody' } };
  expect((await named.ask(question)).type).toBe('proofs');
  const [limited, forged] = [await dropped('member_limited'), await dropped('signature')];
  // Three times what a member may send at once, and fewer than what ends a connection.
  relay.faults.tamper = event => [
    ...Array.from({ length: 300 }, (_, i) => ({ ...event, content: `${event.content.slice(0, -8)}${i}` })),
    event,
  ];
  try {
    expect((await named.ask(question)).type).toBe('proofs');
  } finally {
    relay.faults.tamper = null;
  }
  expect(await dropped('signature')).toBeGreaterThanOrEqual(forged + 300);
  for (let i = 0; i < 20; i++) expect((await named.ask(question)).type).toBe('proofs');
  expect(await dropped('member_limited')).toBe(limited);
}, 120_000);

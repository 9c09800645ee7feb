import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Daemon } from '../../../src/daemon.ts';
import type { Resolution } from '../../../src/did/index.ts';
import { startEsplora } from '../../../src/testing/esplora.ts';
import { type Regtest, startRegtest } from '../../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay } from '../../../src/testing/relay.ts';
import type { Announced, CohortView, SingletonFunding, WalletStatus } from '../../../src/wallet/api.ts';
import { runCli } from '../../../src/wallet/cli/index.ts';
import { openWallet } from '../../../src/wallet/client.ts';
import { startAggregator, until } from '../../e2e/harness.ts';

let node: Regtest;
let esplora: Awaited<ReturnType<typeof startEsplora>>;
let relay: TestRelay;
let elsewhere: TestRelay;
let aggregator: Daemon;
let dir: string;
const leaving = new AbortController();
const running: Promise<unknown>[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'bw-'));
  node = await startRegtest();
  [esplora, relay, elsewhere] = await Promise.all([startEsplora(node), startTestRelay(), startTestRelay()]);
  aggregator = await startAggregator(
    { dir, node, relays: [relay.url] },
    { communication: ['nip44_v2', 'nip59'], cohort_size: { min: 2, max: 2 }, flow: 'pull' },
  );
}, 180_000);
afterAll(async () => {
  leaving.abort();
  await Promise.all(running);
  await aggregator?.stop();
  await Promise.all([relay?.stop(), elsewhere?.stop(), esplora?.stop()]);
  await node?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Runs a command line as `main.ts` does, over a real wallet, and gives its JSON. */
async function cli<T>(name: string, ...argv: string[]): Promise<T> {
  let written = '';
  const io = {
    out: {
      write(text: string) {
        written += text;
      },
    },
    err: { write: () => {} },
    ask: null,
    env: {},
    cwd: dir,
    now: () => Math.floor(Date.now() / 1_000),
    signal: leaving.signal,
  };
  const code = await runCli([...argv, '--home', join(dir, name), '--json'], io, options =>
    openWallet({ ...options, pollMs: 100 }),
  );
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${written}`);
  const [answer = ''] = written.split('\n');
  return JSON.parse(answer === '' ? 'null' : answer) as T;
}

const LINKED = [
  { op: 'add', path: '/service/-', value: { id: '#s', type: 'LinkedDomains', serviceEndpoint: 'https://s.example' } },
];

test('from a string in print to a k DID in a cohort, by commands alone', { timeout: 90_000 }, async () => {
  const { cohort, advert_id } = await aggregator.api.advertCreate({ id: 'printed' });
  const { link, document, short_link } = await aggregator.api.advertExport({ advert: advert_id });
  writeFileSync(join(dir, 'advert.json'), JSON.stringify(document));
  for (const name of ['alexis', 'satoshi']) {
    // Neither knows the relay that the aggregator is at: the string and the document say it.
    await cli(name, 'init', '--network', 'regtest', '--relay', elsewhere.url, '--esplora', esplora.url);
    // Opened for one command alone, it sees the chain all the same.
    expect((await cli<WalletStatus>(name, 'status')).chain.height).toBe((await node.chain('look').tip()).height);
    running.push(cli(name, 'run'));
  }
  const status = (name: string): Promise<WalletStatus> => cli(name, 'status');
  for (const name of ['alexis', 'satoshi'])
    await until(`${name} runs`, async () => (await status(name)).relays.some(({ connected }) => connected));

  expect(await cli('alexis', 'discover', '--link', short_link)).toMatchObject([{ advert_id, open: true }]);
  expect(await cli('alexis', 'discover')).toEqual([]);
  await cli('alexis', 'join', link, '--yes', '--scheme', 'nip59');
  await cli('satoshi', 'join', 'advert.json', '--yes', '--wait');
  await until('both are in', async () => {
    const all = await Promise.all([status('alexis'), status('satoshi')]);
    return all.every(({ cohorts }) => cohorts[0]?.phase === 'ready');
  });
  const { height } = (await status('alexis')).chain;
  expect(height).toBe((await node.chain('look').tip()).height);

  const { did } = await cli<{ did: string }>('alexis', 'did', 'create', '--kind', 'k', '--name', 'me');
  await cli('alexis', 'register', 'me', '--cohort', 'printed');
  const before = await cli<SingletonFunding>('alexis', 'funding', 'me');
  expect(before).toMatchObject({ did, balance_sats: 0 });
  expect(before.needed_sats).toBeGreaterThan(0);
  await node.fund(before.address, before.needed_sats);
  await node.mine(1);
  const { beacon_address } = (await status('alexis')).cohorts[0] as CohortView;
  const service = { id: '#beacon', type: 'SMTBeacon', serviceEndpoint: `bitcoin:${beacon_address}` };
  const patch = JSON.stringify([{ op: 'add', path: '/service/-', value: service }]);
  const sent = await until('the deposit is seen', () =>
    cli<Announced>('alexis', 'update', 'me', '--patch', patch, '--via', 'singleton').catch(error => {
      if (error instanceof Error && error.message.includes('unfunded')) return undefined;
      throw error;
    }),
  );
  expect(sent).toMatchObject({ did, version: 2, cohorts: [], singleton: { address: before.address } });
  await node.mine(6);
  const listed = await until('the cohort is listed', async () => {
    const resolution = await cli<Resolution>('alexis', 'resolve', 'me');
    return resolution.versionId === '2' && resolution;
  });
  expect(JSON.stringify(listed.document)).toContain(beacon_address);

  const waiting = await until('the wallet saw it final', () =>
    cli<Announced>('alexis', 'update', 'me', '--patch', JSON.stringify(LINKED), '--bare').catch(() => undefined),
  );
  expect(waiting).toMatchObject({ did, version: 3, cohorts: [cohort], state: 'signed' });
});

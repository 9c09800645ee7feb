import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import { removeDir, startAggregator, startWallet, tempDir, until } from '../e2e/harness.ts';

const sdk = fileURLToPath(new URL('../../src/wallet/index.ts', import.meta.url));
const text = readFileSync(new URL('../../docs/WALLET.md', import.meta.url), 'utf8');
const program = text.split('<!-- program -->')[1]?.match(/```ts\n([\s\S]*?)```/)?.[1] ?? '';

let node: Regtest;
let relay: TestRelay;
const dir = tempDir();

beforeAll(async () => {
  node = await startRegtest();
  relay = await startTestRelay();
}, 180_000);
afterAll(async () => {
  await relay?.stop();
  await node?.stop();
  removeDir(dir);
});

test('the program of docs/WALLET.md has thirty lines and ends with a co-signed signal', {
  timeout: 120_000,
}, async () => {
  expect(
    program
      .trimEnd()
      .split('\n')
      .filter(line => line !== '').length,
  ).toBeLessThanOrEqual(30);
  const world = { dir, node, relays: [relay.url] };
  const aggregator = await startAggregator(world, { cohort_size: { min: 2, max: 2 } });
  const { cohort } = await aggregator.api.advertCreate({});
  const other = await startWallet(world, 'other');
  const { advert } = await until('the advert', async () => (await other.discover())[0]);
  await other.join({ advert });

  const home = join(dir, 'thirty-lines');
  mkdirSync(home, { mode: 0o700 });
  const file = join(dir, 'program.ts');
  writeFileSync(file, program.replace("'btcr2-aggregator/wallet'", JSON.stringify(sdk)));
  Object.assign(process.env, { HOME_DIR: home, RELAY: relay.url, RPC_URL: node.rpcUrl, RPC_COOKIE: node.cookieFile });
  const running = import(/* @vite-ignore */ pathToFileURL(file).href);
  running.catch(() => {});

  await other.ready(cohort);
  const show = () => aggregator.api.cohortShow({ cohort });
  const beacon_address = await until('the address', async () => (await show()).beacon_address ?? undefined);
  await node.fund(beacon_address, 100_000);
  await node.mine(6);
  await until('the signal', async () => (await show()).rounds.find(round => round.status?.startsWith('broadcast')));
  await node.mine(6);
  await running;

  const { document, sidecar } = JSON.parse(readFileSync(join(home, 'sidecar.json'), 'utf8')) as {
    document: { id: string; service: { serviceEndpoint: string }[] };
    sidecar: { smtProofs: unknown[] };
  };
  expect(document.service.map(service => service.serviceEndpoint)).toContain('https://example.com');
  expect(sidecar.smtProofs).toHaveLength(1);
  // Anybody resolves it from the sidecar; here the other member, through its own view.
  expect((await other.resolve({ did: document.id, sidecar })).versionId).toBe('2');
  await Promise.all([other.stop(), aggregator.stop()]);
});

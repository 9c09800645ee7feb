import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import { removeDir, startAggregator, startWallet, tempDir, until } from '../e2e/harness.ts';

interface News {
  event: string;
  did?: string;
  proven?: boolean;
  txid?: string;
  file?: string;
}

const program = fileURLToPath(new URL('../../examples/stranger/wallet.js', import.meta.url));
const dir = tempDir();
let node: Regtest;
let relay: TestRelay;
let running: ChildProcess | undefined;

beforeAll(async () => {
  node = await startRegtest();
  relay = await startTestRelay();
}, 180_000);
afterAll(async () => {
  running?.kill('SIGKILL');
  await relay?.stop();
  await node?.stop();
  removeDir(dir);
});

/** Starts the example in its folder; what it prints is added to `news`. */
function startStranger(advert: string, news: News[], more: string[] = []): ChildProcess {
  const where = ['--home', join(dir, 'stranger'), '--relay', relay.url];
  const chain = ['--bitcoind', node.rpcUrl, '--cookie', node.cookieFile];
  const child = spawn(process.execPath, [program, ...where, ...chain, '--advert', advert, ...more]);
  createInterface({ input: child.stdout }).on('line', line => news.push(JSON.parse(line) as News));
  createInterface({ input: child.stderr }).on('line', text => news.push({ event: `stderr: ${text}` }));
  return child;
}

test('a wallet that was written from the document co-signs with our SDK’s, and its DID resolves', {
  timeout: 240_000,
}, async () => {
  // given an aggregator, a wallet of ours and the stranger, which is killed once its DID is registered
  const world = { dir, node, relays: [relay.url] };
  const aggregator = await startAggregator(world, { cohort_size: { min: 2, max: 2 } });
  const { cohort } = await aggregator.api.advertCreate({ fee_ladder: { steps: 4, factor: 2, blocks: 3 } });
  const ours = await startWallet(world, 'ours');
  const { advert } = await until('the advert', async () => (await ours.discover())[0]);
  const news: News[] = [];
  const told = (event: string) =>
    until(`the stranger: ${event}; so far ${JSON.stringify(news)}`, () => news.find(each => each.event === event));
  running = startStranger(cohort, news);
  try {
    await ours.join({ advert });
    const { beacon_address } = await ours.ready(cohort);
    const { did, proven } = await told('registered');
    expect(proven).toBe(true);
    running.kill('SIGKILL');
    await node.fund(beacon_address, 100_000);
    await node.mine(6);
    const { did: mine } = await ours.createDid({ kind: 'x', cohort });
    await ours.register({ did: mine, cohort });

    // when it is started again with an update
    const site = { id: '#site', type: 'LinkedDomains', serviceEndpoint: 'https://example.com' };
    const patch = JSON.stringify([{ op: 'add', path: '/service/-', value: site }]);
    running = startStranger(cohort, news, ['--patch', patch]);
    await told('signed');
    await told('status');
    await node.mine(6);
    await told('settled');

    // then its sidecar and the chain make the second version of its document
    const { file } = await told('sidecar');
    const sidecar = JSON.parse(readFileSync(file!, 'utf8'));
    const resolved = await ours.resolve({ did: did!, sidecar });
    expect(resolved.versionId).toBe('2');
    expect(JSON.stringify(resolved)).toContain('https://example.com');
    await until('our DID', async () => (await ours.resolve({ did: mine })).versionId === '1');
    const bad = ['vetoed', 'rejected', 'aborted', 'set refused', 'proof refused'];
    expect(news.filter(each => bad.includes(each.event) || each.event.startsWith('stderr'))).toEqual([]);
  } finally {
    running.kill('SIGTERM');
    await Promise.all([ours.stop(), aggregator.stop()]);
  }
});

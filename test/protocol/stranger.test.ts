import { afterAll, beforeAll, expect, test } from 'vitest';
import { type EsploraFacade, startEsplora } from '../../src/testing/esplora.ts';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import { removeDir, startAggregator, startWallet, tempDir, until } from '../e2e/harness.ts';

interface News {
  step: string;
  txid?: string;
  proven?: boolean;
  proof?: { updateId?: string };
}
interface Stranger {
  cohort: string;
  did: string;
  stop(): void;
}
type Join = (options: { relay: string; esplora: string; onNews: (news: News) => void }) => Promise<Stranger>;

let node: Regtest;
let relay: TestRelay;
let esplora: EsploraFacade;
const dir = tempDir();

beforeAll(async () => {
  node = await startRegtest();
  relay = await startTestRelay();
  esplora = await startEsplora(node);
}, 180_000);
afterAll(async () => {
  await esplora?.stop();
  await relay?.stop();
  await node?.stop();
  removeDir(dir);
});

test('a wallet that was written from the document joins our SDK’s and co-signs', { timeout: 120_000 }, async () => {
  const { join } = (await import(new URL('../../examples/stranger/wallet.mjs', import.meta.url).href)) as {
    join: Join;
  };
  const world = { dir, node, relays: [relay.url] };
  const aggregator = await startAggregator(world, { cohort_size: { min: 2, max: 2 } });
  const { cohort } = await aggregator.api.advertCreate({});
  const ours = await startWallet(world, 'ours');
  const { advert } = await until('the advert', async () => (await ours.discover())[0]);
  const news: News[] = [];
  const stranger = await join({ relay: relay.url, esplora: esplora.url, onNews: each => news.push(each) });
  const told = (step: string) =>
    until(`the stranger: ${step}; so far ${JSON.stringify(news)}`, () => news.find(each => each.step === step));
  try {
    expect(stranger.cohort).toBe(cohort);
    await ours.join({ advert });
    const { beacon_address } = await ours.ready(cohort);
    expect((await told('ack did_registration')).proven).toBe(true);
    await node.fund(beacon_address, 100_000);
    await node.mine(6);
    const { did } = await ours.createDid({ kind: 'x', cohort });
    await ours.register({ did, cohort });
    const site = { id: '#site', type: 'LinkedDomains', serviceEndpoint: 'https://example.com' };
    await ours.update({ did, patch: [{ op: 'add', path: '/service/-', value: site }] });
    const { txid } = await told('signed');
    await told('broadcast');
    await node.mine(6);
    const final = await told('final');
    expect(final.txid).toBe(txid);
    expect(final.proof?.updateId).toBeUndefined();
    await until('our DID', async () => (await ours.resolve({ did })).versionId === '2');
    expect(news.filter(each => ['veto', 'rejection', 'failed', 'aborted'].includes(each.step))).toEqual([]);
  } finally {
    stranger.stop();
    await Promise.all([ours.stop(), aggregator.stop()]);
  }
});

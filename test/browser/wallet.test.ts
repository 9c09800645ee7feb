import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildBrowser } from '../../scripts/build-browser.mjs';
import type { Daemon } from '../../src/daemon.ts';
import { type EsploraFacade, startEsplora } from '../../src/testing/esplora.ts';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import type * as Sdk from '../../src/wallet/browser.ts';
import { removeDir, startAggregator, startWallet, tempDir, until } from '../e2e/harness.ts';
import { type Browser, findChromium, type Site, serveSdk, startBrowser } from './chromium.ts';

/** What stands in the page, seen from the functions that are sent there. */
interface InPage {
  sdk: typeof Sdk;
  wallet: Sdk.Wallet;
  navigator: { locks: { request(name: string, options: { steal: boolean }, use: () => void): Promise<void> } };
  location: { reload(): void };
  asked: unknown[];
  IDBObjectStore: { prototype: { put: (value: unknown, key: unknown) => unknown } };
  IDBDatabase: { prototype: { transaction: (...args: [unknown, string, { durability?: string }?]) => unknown } };
  indexedDB: {
    open(
      name: string,
      version: number,
    ): { result: { close(): void }; onsuccess: (() => void) | null; onerror: (() => void) | null };
  };
  sessionStorage: { getItem(key: string): string | null; setItem(key: string, value: string): void };
}
declare const window: InPage;

interface Opening {
  name?: string;
  passphrase?: string;
  relays: string[];
  esplora: string;
}

const executable = findChromium();

describe.skipIf(executable === null)('the SDK in a browser', () => {
  let node: Regtest;
  let relay: TestRelay;
  let esplora: EsploraFacade;
  let browser: Browser;
  let site: Site;
  const dir = tempDir();
  const hosts = new Set<string>();
  const faults: string[] = [];

  beforeAll(async () => {
    [node, relay] = await Promise.all([startRegtest(), startTestRelay()]);
    esplora = await startEsplora(node);
    const { file } = await buildBrowser({ outDir: join(dir, 'bundle') });
    site = await serveSdk(file);
    browser = await startBrowser(executable!);
    browser.context.on('request', request => hosts.add(new URL(request.url()).hostname));
  }, 180_000);
  afterAll(async () => {
    await browser?.stop();
    await site?.stop();
    await esplora?.stop();
    await relay?.stop();
    await node?.stop();
    removeDir(dir);
  });

  async function newTab(): Promise<Page> {
    const page = await browser.context.newPage();
    page.on('pageerror', error => faults.push(error.message));
    page.on('websocket', socket => hosts.add(new URL(socket.url()).hostname));
    await page.goto(site.url);
    return page;
  }

  /** Null, or the name and text of the error that kept the wallet shut. */
  function open(page: Page, over: Partial<Opening> = {}): Promise<string | null> {
    const opening: Opening = { relays: [relay.url], esplora: esplora.url, ...over };
    return page.evaluate(async ({ esplora: url, ...options }) => {
      const { esploraChain, openBrowserWallet } = window.sdk;
      try {
        const chain = esploraChain({ url });
        window.wallet = await openBrowserWallet({ ...options, network: 'regtest', chain, pollMs: 200 });
        window.wallet.onEvent(({ type }) => {
          const [at, ...rest] = JSON.parse(window.sessionStorage.getItem('reload at') ?? '[]') as string[];
          if (type !== at) return;
          window.sessionStorage.setItem('reload at', JSON.stringify(rest));
          window.location.reload();
        });
        window.wallet.start();
        return null;
      } catch (error) {
        return error instanceof Error ? `${error.name}: ${error.message}` : 'unknown';
      }
    }, opening);
  }

  /** As when a person presses F5: nobody says good-bye to the wallet. */
  async function reload(page: Page): Promise<void> {
    await page.reload();
    expect(await open(page)).toBeNull();
  }

  test('joins, co-signs a signal that the chain confirms, and resolves it, over reloads', {
    timeout: 180_000,
  }, async () => {
    const world = { dir, node, relays: [relay.url] };
    const aggregator: Daemon = await startAggregator(world, { cohort_size: { min: 2, max: 2 } });
    await aggregator.api.advertCreate({});
    const page = await newTab();
    expect(await open(page)).toBeNull();

    const cohort = await page.evaluate(async () => {
      const { wallet } = window;
      for (;;) {
        const [found] = await wallet.discover();
        if (found) return (await wallet.join({ advert: found.advert })).cohort;
      }
    });
    // Its keys, its seat and what it agreed to must be there again: the cohort forms only now.
    await reload(page);
    const hal = await startWallet(world, 'hal');
    const advert = await until('the advert', async () => (await hal.discover())[0]?.advert);
    await hal.join({ advert });
    const { beacon_address } = await page.evaluate(id => window.wallet.ready(id), cohort);
    await hal.ready(cohort);

    const did = await page.evaluate(async id => {
      const { did } = await window.wallet.createDid({ kind: 'x', cohort: id, name: 'mine' });
      await window.wallet.register({ did, cohort: id });
      return did;
    }, cohort);
    await node.fund(beacon_address, 100_000);
    await node.mine(6);

    const service = { id: '#blog', type: 'LinkedDomains', serviceEndpoint: 'https://blog.example' };
    const sent = await page.evaluate(
      ({ did, value }) => window.wallet.update({ did, patch: [{ op: 'add', path: '/service/-', value }] }),
      { did, value: service },
    );
    expect(sent).toMatchObject({ version: 2, cohorts: [cohort] });
    // The round is about to open, or has: nonces that are out are lost with the page, the update and the key are not.
    await reload(page);
    const status = await page.evaluate(() => window.wallet.status());
    expect(status.dids).toMatchObject([
      { did, name: 'mine', updates: [{ version: 2, announcement: sent.announcement }] },
    ]);

    const show = () => aggregator.api.cohortShow({ cohort });
    const signal = await until('the signal', async () => (await show()).rounds.find(({ txid }) => txid), 90_000);
    await until('the node has it', async () => ((await node.rpc('getrawmempool')) as string[]).includes(signal.txid!));
    await node.mine(6);
    await until('final', async () => (await show()).rounds[0]?.status?.startsWith('final'));

    const resolved = await until('the new version', async () => {
      const { versionId, document } = await page.evaluate(id => window.wallet.resolve({ did: id }), did);
      return versionId === '2' && document;
    });
    expect(resolved.service).toContainEqual(service);

    // A round in which the page goes away the moment that its nonce, then that its partial signature is stored: the nonce
    // is drawn anew in another attempt, the signature is the same.
    const { did: other } = await hal.createDid({ kind: 'x', cohort });
    await hal.register({ did: other, cohort });
    const reloads: (string | null)[] = [];
    let loadedAt = 0;
    page.on('load', () => {
      loadedAt = Date.now();
      void open(page).then(fault => reloads.push(fault));
    });
    await page.evaluate(at => window.sessionStorage.setItem('reload at', at), '["nonce_drawn","session_signed"]');
    await hal.update({ did: other, patch: [{ op: 'add', path: '/service/-', value: service }] });
    // A page goes on until its successor takes over: the signature may be made in the life that drew the nonce.
    const marks = () => page.evaluate(() => window.sessionStorage.getItem('reload at')).catch(() => null);
    await until(
      'the reloads',
      async () => reloads.length > 0 && Date.now() > loadedAt + 2_000 && (await marks()) === '[]',
      60_000,
    );
    expect(reloads.filter(fault => fault !== null)).toEqual([]);
    const next = await until(
      'the second signal',
      async () => (await show()).rounds.find(r => r.round === 2 && r.txid),
      90_000,
    );
    await until('the node has it', async () => ((await node.rpc('getrawmempool')) as string[]).includes(next.txid!));
    await node.mine(6);
    // Both proofs are in the page: whoever resolves needs them for ever.
    const sidecar = await until('its proofs', async () => {
      const known = await page.evaluate(id => window.wallet.sidecar(id), did);
      return known.smtProofs?.length === 2 && known;
    });
    const seen = await until('depth', async () => {
      const found = await hal.resolve({ did, sidecar });
      return found.neededSignals.length === 2 && found;
    });
    expect(seen.versionId).toBe('2');

    await page.evaluate(() => window.wallet.stop());
    await page.close();
    await Promise.all([hal.stop(), aggregator.stop()]);
  });

  test('two tabs on one wallet exclude each other', async () => {
    const [first, second] = [await newTab(), await newTab()];
    expect(await open(first, { name: 'shared' })).toBeNull();
    expect(await open(second, { name: 'shared' })).toMatch(
      /^OpenInOtherTab: the wallet "shared" is open in another tab/,
    );
    expect(await open(second, { name: 'another' })).toBeNull();
    // A tab that dies frees it, as does one that closes it.
    await first.close();
    const third = await newTab();
    await until('free again', async () => (await open(third, { name: 'shared' })) === null);
    await third.evaluate(() => window.wallet.stop());
    await second.evaluate(() => window.wallet.stop());
    expect(await open(second, { name: 'shared' })).toBeNull();
    await Promise.all([second.close(), third.close()]);
  });

  test('a wallet that is taken over by force stores, and so sends, nothing more', async () => {
    const page = await newTab();
    expect(await open(page, { name: 'stolen' })).toBeNull();
    const thief = await newTab();
    await thief.evaluate(() => window.navigator.locks.request('btcr2-wallet stolen', { steal: true }, () => {}));
    const fault = await until('the loss', () =>
      page.evaluate(() =>
        window.wallet.createDid({ kind: 'k' }).then(
          () => '',
          error => `${error.name}: ${error.message}`,
        ),
      ),
    );
    expect(fault).toBe('StoreFailed: the wallet was taken over by another tab');
    await Promise.all([page.close(), thief.close()]);
  });

  test('a passphrase seals the keys', { timeout: 60_000 }, async () => {
    const page = await newTab();
    expect(await open(page, { name: 'sealed', passphrase: 'correct horse' })).toBeNull();
    const { did } = await page.evaluate(() => window.wallet.createDid({ kind: 'k' }));
    await page.reload();
    expect(await open(page, { name: 'sealed' })).toMatch(/^KeyFileError: .* locked/);
    expect(await open(page, { name: 'sealed', passphrase: 'battery staple' })).toMatch(/^KeyFileError: .*passphrase/);
    expect(await open(page, { name: 'sealed', passphrase: 'correct horse' })).toBeNull();
    const { dids } = await page.evaluate(() => window.wallet.status());
    expect(dids.map(known => known.did)).toEqual([did]);
    await page.close();
  });

  test('a disk that is full stops it, and a new start finds what was stored', async () => {
    const page = await newTab();
    expect(await open(page, { name: 'full' })).toBeNull();
    const { did } = await page.evaluate(() => window.wallet.createDid({ kind: 'k' }));
    const names = await page.evaluate(async () => {
      const put = window.IDBObjectStore.prototype.put;
      window.IDBObjectStore.prototype.put = () => {
        throw new DOMException('full', 'QuotaExceededError');
      };
      const create = () =>
        window.wallet.createDid({ kind: 'k' }).then(
          () => 'made',
          error => error.name as string,
        );
      const first = await create();
      window.IDBObjectStore.prototype.put = put;
      // Nothing overtakes what was lost.
      return [first, await create()];
    });
    expect(names).toEqual(['StoreFull', 'StoreFull']);
    await page.evaluate(() => window.wallet.stop());
    expect(await open(page, { name: 'full' })).toBeNull();
    expect((await page.evaluate(() => window.wallet.status())).dids.map(known => known.did)).toEqual([did]);
    await page.close();
  });

  test('every write is asked to reach the disk, and a newer version is left alone', async () => {
    const page = await newTab();
    await page.evaluate(() => {
      const asked: unknown[] = [];
      const { prototype } = window.IDBDatabase;
      const { transaction } = prototype;
      prototype.transaction = function (...args) {
        if (args[1] === 'readwrite') asked.push(args[2]?.durability);
        return transaction.apply(this, args);
      };
      window.asked = asked;
    });
    expect(await open(page, { name: 'strict' })).toBeNull();
    await page.evaluate(() => window.wallet.createDid({ kind: 'k' }));
    const asked = await page.evaluate(() => window.asked);
    expect(asked.length).toBeGreaterThan(0);
    expect(new Set(asked)).toEqual(new Set(['strict']));
    await page.evaluate(
      () =>
        new Promise<void>((resolve, reject) => {
          const opening = window.indexedDB.open('btcr2-wallet newer', 99);
          opening.onsuccess = () => {
            opening.result.close();
            resolve();
          };
          opening.onerror = () => reject(new Error('not made'));
        }),
    );
    expect(await open(page, { name: 'newer' })).toMatch(/^StoreFailed: .*newer version/);
    await page.close();
  });

  test('asked nobody but this machine, and no error went unheard', () => {
    expect([...hosts]).toEqual(['127.0.0.1']);
    expect(faults).toEqual([]);
  });
});

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as nip49 from 'nostr-tools/nip49';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { curve } from '#curve';
import { type Bytes, sha256, toHex, utf8 } from '../../src/crypto/index.ts';
import { startDaemon } from '../../src/daemon.ts';
import { newKeyFile } from '../../src/shell/keystore.ts';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import type { DidSigner } from '../../src/wallet/api.ts';
import { openWallet, type Wallet } from '../../src/wallet/client.ts';
import { newMnemonic, rootOfMnemonic } from '../../src/wallet/seed.ts';
import { configOf, log, removeDir, tempDir, until } from '../e2e/harness.ts';

const PASSPHRASE = 'correct horse battery staple';

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

let drawn = 0;
const random = (length: number): Bytes => sha256(utf8(`round ${drawn++}`)).slice(0, length);

/** A device that holds a DID's key, and counts what it signed. */
function device(): DidSigner & { signed: string[] } {
  const secret = random(32);
  const signed: string[] = [];
  return {
    publicKey: toHex(curve.publicKey(secret)),
    signed,
    async sign(hash32) {
      signed.push(toHex(hash32));
      return curve.signSchnorr(hash32, secret, random(32));
    },
  };
}

async function lockedWallet(name: string): Promise<Wallet> {
  const home = join(dir, name);
  mkdirSync(home, { mode: 0o700 });
  const root = rootOfMnemonic(newMnemonic(random), 'regtest');
  writeFileSync(join(home, 'keys.json'), newKeyFile({ root, passphrase: PASSPHRASE, random }), { mode: 0o600 });
  const chain = node.chain(`${name}-${dir.slice(-6)}`);
  const options = { home, network: 'regtest' as const, relays: [relay.url], chain, log: log(name), pollMs: 100 };
  await expect(openWallet({ ...options, chain: null, passphrase: 'a guess' })).rejects.toMatchObject({
    fault: 'wrong_passphrase',
  });
  const wallet = await openWallet({ ...options, passphrase: PASSPHRASE });
  wallet.start();
  return wallet;
}

test('a round of locked wallets with a seed, a locked aggregator, and a DID whose key is elsewhere', async () => {
  const config = configOf({ dir, node, relays: [relay.url] });
  const { key_file } = config.identity;
  const secret = random(32);
  writeFileSync(key_file, nip49.encrypt(secret, PASSPHRASE), { mode: 0o600 });
  const passphrase_file = join(dir, 'passphrase');
  await expect(startDaemon(config, { log: log('locked') })).rejects.toMatchObject({ fault: 'locked' });
  writeFileSync(passphrase_file, 'a guess\n', { mode: 0o600 });
  const locked = { ...config, identity: { key_file, passphrase_file } };
  await expect(startDaemon(locked, { log: log('locked') })).rejects.toMatchObject({ fault: 'wrong_passphrase' });
  writeFileSync(passphrase_file, `${PASSPHRASE}\n`);
  const aggregator = await startDaemon(locked, { log: log('aggregator') });
  const wallets: Wallet[] = [];
  try {
    const { cohort } = await aggregator.api.advertCreate({ cohort_size: { min: 2, max: 2 } });
    expect((await aggregator.api.status()).identity).toBe(toHex(curve.publicKey(secret)).slice(2));
    for (const name of ['alexis', 'hal']) wallets.push(await lockedWallet(name));
    const [alexis, hal] = wallets as [Wallet, Wallet];
    await Promise.all(
      wallets.map(async wallet => {
        const { advert } = await until('the advert', async () =>
          (await wallet.discover()).find(seen => seen.advert.cohort === cohort),
        );
        await wallet.join({ advert });
      }),
    );
    const { beacon_address } = await alexis.ready(cohort);
    await hal.ready(cohort);

    const didSigner = device();
    const { did } = await alexis.createDid({ kind: 'x', cohort, didSigner });
    await expect(alexis.register({ did, cohort })).rejects.toMatchObject({ code: 'refused' });
    await expect(alexis.register({ did, cohort, didSigner: device() })).rejects.toThrow(/has another/);
    const liar: DidSigner = { publicKey: didSigner.publicKey, sign: async () => random(32) };
    await expect(alexis.register({ did, cohort, didSigner: liar })).rejects.toThrow(/is no signature by its key/);
    expect(await alexis.register({ did, cohort, didSigner })).toMatchObject({ proven: true });
    const other = await hal.createDid({ kind: 'x', cohort });
    await hal.register({ did: other.did, cohort });
    await node.fund(beacon_address, 100_000);
    await node.mine(6);

    const value = { id: '#site', type: 'LinkedDomains', serviceEndpoint: 'https://site.example' };
    const patch = [{ op: 'add' as const, path: '/service/-', value }];
    await expect(alexis.update({ did, patch })).rejects.toThrow(/its signer has to be given/);
    await expect(alexis.update({ did, patch, via: 'singleton', didSigner })).rejects.toThrow(/own beacon/);
    await alexis.update({ did, patch, didSigner });
    await until('the signal', () =>
      alexis.status().cohorts[0]!.signals.some(({ status }) => status === 'broadcast') ? true : undefined,
    );
    await node.mine(6);
    const { versionId, document } = await alexis.resolve({ did });
    expect(versionId).toBe('2');
    expect(document.service).toContainEqual(value);
    expect(didSigner.signed).toHaveLength(2);

    for (const folder of ['alexis', 'hal', 'aggregator']) {
      const text = readFileSync(join(dir, folder, 'keys.json'), 'utf8');
      expect(text).toContain('ncryptsec1');
      expect(text).not.toContain('"secret"');
      expect(text).not.toContain(didSigner.publicKey);
    }
  } finally {
    await Promise.all(wallets.map(wallet => wallet.stop()));
    await aggregator.stop();
  }
}, 90_000);

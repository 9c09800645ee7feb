import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import { openWallet, type Wallet } from '../../src/wallet/client.ts';
import { log, removeDir, tempDir, until } from './harness.ts';

let dir: string;
let relay: TestRelay;
const open: Wallet[] = [];

beforeEach(async () => {
  dir = tempDir();
  relay = await startTestRelay();
});
afterEach(async () => {
  for (const wallet of open.splice(0)) await wallet.stop();
  await relay.stop();
  removeDir(dir);
});

async function start(name: string): Promise<Wallet> {
  const home = join(dir, name);
  const wallet = await openWallet({ home, network: 'regtest', relays: [relay.url], chain: null, log: log(name) });
  wallet.start();
  open.push(wallet);
  return wallet;
}

test('a companion that was away while it was revoked is revoked when it comes back, and said again it is no error', {
  timeout: 120_000,
}, async () => {
  const owner = await start('owner');
  const companion = await start('companion');
  const { link, companion: key } = await companion.companionOpen();
  await owner.companionPair({ link });
  await owner.companionPolicy({ feeCapSats: 2_000 });
  const { policy } = owner.status().companion!;
  open.splice(open.indexOf(companion), 1);
  await companion.stop();

  const once = owner.companionRevoke();
  await until('it is stored', () => owner.status().companion?.policy?.revoked === true);
  const twice = owner.companionRevoke();
  await start('companion');
  expect(await Promise.all([once, twice])).toEqual([{ companion: key }, { companion: key }]);
  expect(owner.status().companion).toMatchObject({ phase: 'ended', reason: 'revoked' });
  expect(owner.status().companion?.policy?.version).toBe(policy!.version + 1);
});

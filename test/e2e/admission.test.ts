import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { curve } from '#curve';
import { toHex } from '../../src/crypto/index.ts';
import { startDaemon } from '../../src/daemon.ts';
import { configOf, log, startWallet, until } from './harness.ts';
import { stage } from './stage.ts';

const at = stage();

const random = (length: number): Uint8Array => Uint8Array.from(randomBytes(length));

test('a wallet joins by an invitation, or by the word of a listed key; without them it is told why not', async () => {
  const world = at.world;
  const secret = random(32);
  const publicKey = toHex(curve.publicKey(secret));
  const voucher = { publicKey, sign: async (hash: Uint8Array) => curve.signSchnorr(hash, secret, random(32)) };
  const admission = { invites: ['golden ticket'], allowlist: [publicKey.slice(2)] };
  const daemon = await startDaemon({ ...configOf(world), admission }, { log: log('aggregator') });
  const invited = await daemon.api.advertCreate({ admission: 'invite' });
  const listed = await daemon.api.advertCreate({ admission: 'allowlist' });
  const wallets = await Promise.all(['alexis', 'satoshi', 'hal'].map(name => startWallet(world, name)));
  const [alexis, satoshi, hal] = wallets as [(typeof wallets)[0], (typeof wallets)[0], (typeof wallets)[0]];
  const find = (cohort: string) =>
    until('the advert', async () => (await alexis.discover()).find(seen => seen.advert.cohort === cohort)?.advert);

  const byInvite = await find(invited.cohort);
  await expect(hal.join({ advert: byInvite, invite: 'paper ticket' })).rejects.toThrow(/not_admitted/);
  await alexis.join({ advert: byInvite, invite: 'golden ticket' });
  const byList = await find(listed.cohort);
  await expect(hal.join({ advert: byList })).rejects.toThrow(/not_admitted/);
  await satoshi.join({ advert: byList, voucher });
  const adverts = await daemon.api.advertList();
  expect(adverts.map(({ seats }) => seats.taken)).toEqual([1, 1]);
  await Promise.all([...wallets.map(wallet => wallet.stop()), daemon.stop()]);
});

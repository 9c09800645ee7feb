import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { encodeAdvertLink } from '../../../src/nostr/advert-link.ts';
import type { Wallet } from '../../../src/wallet/client.ts';
import { readQr } from '../../operator/read-qr.ts';
import {
  advertEvent,
  advertOf,
  cli,
  cohortView,
  DID_ONE,
  didView,
  fakeWallet,
  statusOf,
  tempFolder,
  tempHome,
} from './harness.ts';

const demo = advertOf(advertEvent('demo', { communication: ['nip44_v2', 'nip59'] }));
const other = advertOf(advertEvent('other'));
const link = encodeAdvertLink(demo.event, ['ws://127.0.0.1:9']);
const seat = { cohort: demo.cohort, participant_pk: `02${'1'.repeat(64)}` };
const patch = [{ op: 'add', path: '/alsoKnownAs', value: ['https://example.org'] }];
const status = () => statusOf({ cohorts: [cohortView(demo)], dids: [didView(DID_ONE, 'one')] });

let home: string;
beforeEach(async () => {
  home = await tempHome();
});
const at = (...argv: string[]): string[] => [...argv, '--home', home, '--log-level', 'error'];
const jsonOf = (text: string): unknown => JSON.parse(text);
const asked = (wallet: { calls: [string, ...unknown[]][] }, method: string): unknown[] =>
  wallet.calls.filter(([name]) => name === method).map(([, request]) => request);

describe('an advert that was carried by hand', () => {
  const joinable = (found = [demo]) =>
    fakeWallet({ discover: async () => found.map(advert => ({ advert, open: true })), join: async () => seat });

  test('discover --link asks for that one', async () => {
    const wallet = joinable();
    const { code, out } = await cli(at('discover', '--link', link, '--json'), { wallet });
    expect(code).toBe(0);
    expect(jsonOf(out)).toMatchObject([{ advert_id: 'demo' }]);
    expect(asked(wallet, 'discover')).toEqual([{ all: false, link, seconds: 3 }]);
    expect(wallet.calls.map(([method]) => method)).not.toContain('start');
  });

  test('a form that is out of the ordinary is told', async () => {
    const form = { flow: 'pull', privacy: 'blinded', bit_order: 'lsb' } as const;
    const { out } = await cli(at('discover'), { wallet: joinable([advertOf(advertEvent('odd', form)), demo]) });
    expect(out).toMatch(/^odd +\S+ +SMTBeacon, pull, blinded, lsb +regtest/m);
    expect(out).toMatch(/^demo +\S+ +SMTBeacon +regtest/m);
  });

  test('discover --file takes links too', async () => {
    const file = join(tempFolder(), 'link.txt');
    writeFileSync(file, `${link}\n`);
    const wallet = joinable();
    expect((await cli(at('discover', '--file', file), { wallet })).err).not.toContain('entry 1');
    expect(asked(wallet, 'discover')).toEqual([{ all: false, events: [link], seconds: 3 }]);
  });

  test('a link that was tampered with is refused before anything is asked', async () => {
    const wallet = joinable();
    const { code, err } = await cli(at('join', `${link.slice(0, -9)}AAAAAAAAA`, '--yes'), { wallet });
    expect(code).toBe(1);
    expect(err).toMatch(/the link|the event in the link/);
    expect(asked(wallet, 'join')).toEqual([]);
  });

  test('join takes the string alone', async () => {
    const wallet = joinable();
    expect((await cli(at('join', link, '--yes'), { wallet })).code).toBe(0);
    expect(asked(wallet, 'discover')).toEqual([{ all: true, link, seconds: 3 }]);
    expect(asked(wallet, 'join')).toEqual([{ advert: demo }]);
  });

  test('join takes a file with one advert', async () => {
    const folder = tempFolder();
    writeFileSync(join(folder, 'advert.json'), JSON.stringify(demo.event));
    const wallet = joinable();
    expect((await cli(at('join', 'advert.json', '--yes'), { wallet, cwd: folder })).code).toBe(0);
    expect(asked(wallet, 'discover')).toEqual([{ all: true, events: [demo.event], seconds: 3 }]);
    const several = await cli(at('join', 'advert.json', '--yes'), { wallet: joinable([demo, other]), cwd: folder });
    expect(several).toMatchObject({ code: 1, err: expect.stringContaining('several adverts') });
    const none = await cli(at('join', 'advert.json', '--yes'), { wallet: joinable([]), cwd: folder });
    expect(none).toMatchObject({ code: 1, err: expect.stringContaining('no advert found there') });
  });

  test('join --scheme chooses the envelope, and the terms say which there are', async () => {
    const wallet = joinable();
    const { out } = await cli(at('join', 'demo', '--yes', '--scheme', 'nip59'), { wallet });
    expect(asked(wallet, 'join')).toEqual([{ advert: demo, scheme: 'nip59' }]);
    expect(out).toMatch(/^messages +nip44_v2, nip59$/m);
  });
});

describe('through which beacons an update goes', () => {
  const done = { did: DID_ONE, version: 2, announcement: 'aa', cohorts: [] as string[], state: 'broadcast' };
  const singleton = { address: 'bcrt1pown', txid: 'ff', fee_sats: 1_540, text: null };
  const wallet = (answer: Awaited<ReturnType<Wallet['announce']>> = { ...done, singleton }) =>
    fakeWallet({ status, update: async () => answer, announce: async () => answer });
  const update = (...more: string[]) => at('update', 'one', '--patch', JSON.stringify(patch), ...more);

  test('update --via singleton says where its signal is', async () => {
    const own = wallet();
    const { out } = await cli(update('--via', 'singleton', '--fee-cap', '2000'), { wallet: own });
    expect(asked(own, 'update')).toEqual([{ did: DID_ONE, patch, via: 'singleton', feeCapSats: 2_000 }]);
    expect(out).toContain('signal ff from bcrt1pown, fee 1,540 sat');
  });

  test('a signal that the node did not take yet is told of', async () => {
    const { err } = await cli(update('--via', 'singleton'), {
      wallet: wallet({ ...done, singleton: { ...singleton, text: 'mempool full' } }),
    });
    expect(err).toContain('the node has not taken it yet: mempool full');
  });

  test('update --bare sends the hash, and a pull cohort is told to be waited for', async () => {
    const own = wallet({ ...done, cohorts: [demo.cohort], state: 'signed' });
    const { err } = await cli(update('--bare'), { wallet: own });
    expect(asked(own, 'update')).toEqual([{ did: DID_ONE, patch, bare: true }]);
    expect(err).toContain('asks for updates: keep `btcr2-wallet run` going');
  });

  test('announce sends what was signed before', async () => {
    const own = wallet();
    const hash = 'ab'.repeat(32);
    await cli(at('announce', 'one', '--cohort', 'demo'), { wallet: own });
    await cli(at('announce', 'one', '--via', 'singleton', '--announcement', hash, '--json'), { wallet: own });
    expect(asked(own, 'announce')).toEqual([
      { did: DID_ONE, cohorts: [demo.cohort] },
      { did: DID_ONE, via: 'singleton', announcement: hash },
    ]);
  });
});

describe('funding', () => {
  const held = {
    did: DID_ONE,
    address: 'bcrt1pown',
    kind: 'p2tr' as const,
    balance_sats: 100,
    waiting_sats: 0,
    needed_sats: 2_345,
  };
  const wallet = () => fakeWallet({ status, fundingAddress: async () => held });

  test('shows the address, what it holds, and what is needed', async () => {
    const { out } = await cli(at('funding', 'one'), { wallet: wallet() });
    expect(out).toMatch(/^address +bcrt1pown \(p2tr\)\nholds +100 sat\nneeded +2,345 sat, in one payment$/m);
    expect(jsonOf((await cli(at('funding', 'one', '--json'), { wallet: wallet() })).out)).toEqual(held);
  });

  test('draws the payment for a phone', async () => {
    const { out } = await cli(at('funding', 'one', '--qr'), { wallet: wallet() });
    const code = out.slice(out.indexOf('█'));
    expect(readQr(code)).toBe('bitcoin:bcrt1pown?amount=0.00002345');
  });
});

test('resolve passes the old ways on', async () => {
  const resolution = {
    document: { id: DID_ONE } as never,
    versionId: '1',
    deactivated: false,
    confirmations: 0,
    updates: [],
    neededSignals: [],
  };
  const wallet = fakeWallet({ status, resolve: async () => resolution });
  await cli(at('resolve', 'one', '--bit-order', 'lsb'), { wallet });
  await cli(at('resolve', 'one', '--legacy'), { wallet });
  await cli(at('resolve', 'one', '--bit-order', 'spec'), { wallet });
  expect(asked(wallet, 'resolve')).toEqual([
    { did: DID_ONE, bitOrder: 'lsb' },
    { did: DID_ONE, legacy: true },
    { did: DID_ONE, bitOrder: 'spec' },
  ]);
});

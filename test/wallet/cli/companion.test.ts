import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { type CohortView, type CompanionView, WalletError } from '../../../src/wallet/api.ts';
import { encodeCompanionLink } from '../../../src/wallet/companion/link.ts';
import {
  advertEvent,
  advertOf,
  cli,
  cohortView,
  DID_ONE,
  didView,
  fakeWallet,
  NOW,
  statusOf,
  tempHome,
} from './harness.ts';

const companion = 'c'.repeat(64);
const link = encodeCompanionLink({
  companion,
  network: 'regtest',
  relays: ['ws://127.0.0.1:9'],
  secret: '5'.repeat(64),
});
const policy = {
  version: 3,
  fee_cap: 2_000,
  expires_at: NOW + 30 * 86_400,
  cohorts: ['d'.repeat(64)],
  dids: [DID_ONE],
  revoked: false,
};
const asOwner: CompanionView = {
  role: 'owner',
  companion,
  owner: 'e'.repeat(64),
  phase: 'paired',
  reason: null,
  heard_at: NOW - 60,
  policy,
  policy_in_force: 3,
  text: null,
  not_joined: [],
};

let home: string;
beforeEach(async () => {
  home = await tempHome();
});
const at = (...argv: string[]): string[] => ['companion', ...argv, '--home', home, '--log-level', 'error'];

describe('companion open', () => {
  test('shows the string, and how long it is good for', async () => {
    const opened = { companion, link, expires_at: NOW + 600 };
    const wallet = fakeWallet({ companionOpen: async () => opened });
    const said = await cli(at('open', '--expires', '10min'), { wallet });
    expect(said).toMatchObject({ code: 0, out: `${link}\n` });
    expect(said.err).toMatch(/in 10 min it is good for nothing/);
    expect(wallet.calls).toContainEqual(['companionOpen', { expiresIn: 600 }]);
    const drawn = await cli(at('open', '--qr'), { wallet });
    expect(drawn.out.split('\n').length).toBeGreaterThan(20);
    expect(JSON.parse((await cli(at('open', '--json'), { wallet })).out)).toEqual(opened);
    expect((await cli(at('open', '--json', '--qr'), { wallet })).code).toBe(2);
    expect((await cli(at('open', '--expires', 'soon'), { wallet })).err).toMatch(/--expires takes a time such as/);
  });
});

describe('companion pair', () => {
  test('takes the string, or a file with it, and never repeats it', async () => {
    const wallet = fakeWallet({ companionPair: async () => ({ companion }) });
    const file = join(home, 'string');
    writeFileSync(file, `${link}\n`);
    for (const word of [link, file]) {
      const said = await cli(at('pair', word), { wallet });
      expect(said).toMatchObject({ code: 0, out: `paired with the companion ${companion}\n` });
      expect(said.err).not.toContain(link);
    }
    expect(wallet.calls).toContainEqual(['companionPair', { link }]);
    expect(wallet.calls).toContainEqual(['companionPair', { link: `${link}\n` }]);
    expect((await cli(at('pair', 'nonsense'), { wallet })).code).toBe(2);
  });

  test('a refusal is a refusal', async () => {
    const wallet = fakeWallet({
      companionPair: () => Promise.reject(new WalletError('refused', 'this companion has an owner already')),
    });
    const said = await cli(at('pair', link, '--json'), { wallet });
    expect(said.code).toBe(1);
    expect(JSON.parse(said.out)).toEqual({
      error: { code: 'refused', message: 'this companion has an owner already' },
    });
  });
});

describe('companion policy, withdraw, revoke', () => {
  test('a policy says what it caps, and until when', async () => {
    const wallet = fakeWallet({ companionPolicy: async () => policy });
    const said = await cli(at('policy', '--fee-cap', '2000', '--expires', '30d'), { wallet });
    expect(said.code).toBe(0);
    expect(said.out).toMatch(/fee cap +2,000 sat/);
    expect(said.out).toMatch(/ends in 30 d/);
    expect(wallet.calls).toContainEqual(['companionPolicy', { feeCapSats: 2_000, expiresAt: expect.any(Number) }]);
    expect((await cli(at('policy', '--fee-cap', '0'), { wallet })).code).toBe(2);
  });

  test('withdraw finds the DID by its name', async () => {
    const announcement = 'a'.repeat(64);
    const wallet = fakeWallet({
      status: () => statusOf({ dids: [didView(DID_ONE, 'me')] }),
      companionWithdraw: async ({ did }) => ({ did, announcement, state: 'replaced' }),
    });
    const said = await cli(at('withdraw', 'me'), { wallet });
    expect(said).toMatchObject({ code: 0, out: expect.stringContaining('never signs for') });
    expect(wallet.calls).toContainEqual(['companionWithdraw', { did: DID_ONE }]);
    expect((await cli(at('withdraw', 'me', '--announcement', 'x'), { wallet })).code).toBe(2);
  });

  test('revoke asks back, and does not ask a companion that is lost', async () => {
    const wallet = fakeWallet({
      companionRevoke: async () => ({ companion }),
      companionLost: async () => ({ companion, cohorts: [] }),
    });
    expect((await cli(at('revoke'), { wallet })).code).toBe(2);
    expect(wallet.calls).toEqual([]);
    expect((await cli(at('revoke', '--yes'), { wallet })).out).toMatch(/is revoked/);
    const lost = await cli(at('revoke', '--yes', '--lost', '--json'), { wallet });
    expect(JSON.parse(lost.out)).toEqual({ companion, cohorts: [], lost: true });
    const names = wallet.calls.map(([name]) => name);
    expect(names).toEqual(['start', 'companionRevoke', 'stop', 'companionLost', 'stop']);
  });
});

describe('companion status', () => {
  const shown = async (view: CompanionView | null) =>
    (await cli(at('status'), { wallet: fakeWallet({ status: () => statusOf({ companion: view }) }) })).out;

  test('of a wallet that is whole', async () => {
    expect(await shown(null)).toMatch(/has no companion, and is none/);
  });

  test('of an owner, with what is wrong', async () => {
    const [well, silent, ended] = await Promise.all([
      shown(asOwner),
      shown({ ...asOwner, heard_at: NOW - 3 * 86_400, policy_in_force: 2 }),
      shown({ ...asOwner, policy: { ...policy, expires_at: NOW - 60 } }),
    ]);
    expect(well).toMatch(/state +paired\nheard +1 min ago\npolicy +3\n/);
    expect(silent).toMatch(/3 d ago: is it running\?.*cohort keys are gone/);
    expect(silent).toMatch(/version 2: the companion has not taken the newest/);
    expect(ended).toMatch(/nothing is signed; renew it/);
  });

  test('of an owner that slept: it asks its companion first, and shows what that says', async () => {
    let view: CompanionView = asOwner;
    const wallet = fakeWallet({ status: () => statusOf({ companion: view }) });
    wallet.start = () => {
      view = { ...asOwner, heard_at: NOW - 1 };
    };
    expect((await cli(at('status'), { wallet })).out).toMatch(/heard +1 s ago/);
    // A wallet that has none is not connected for it.
    const whole = fakeWallet({ status: () => statusOf({ companion: null }) });
    whole.start = () => {
      throw new Error('not expected');
    };
    expect((await cli(at('status'), { wallet: whole })).code).toBe(0);
  });

  test('of a companion', async () => {
    const view: CompanionView = {
      role: 'companion',
      companion,
      owner: null,
      pairing_expires_at: NOW + 600,
      policy: null,
      not_joined: [{ cohort: 'd'.repeat(64), text: 'the advert is full' }],
      unacknowledged: 2,
    };
    const text = await shown(view);
    expect(text).toMatch(/none: waits for one, until in 10 min/);
    expect(text).toMatch(/policy +none yet: nothing is signed/);
    expect(text).toMatch(/to tell +2 signatures/);
    expect(text).toMatch(/not joined +dddddddddddd: the advert is full/);
  });
});

test('status of an owner that sleeps says who answers rounds, and of a seat of its own that nobody does', async () => {
  const seat = cohortView(advertOf(advertEvent('demo')));
  const shown = async (cohorts: CohortView[]) => {
    const wallet = fakeWallet({ status: () => statusOf({ companion: asOwner, cohorts }) });
    return (await cli(['status', '--home', home, '--log-level', 'error'], { wallet })).out;
  };
  const by = { ...seat, companion };
  expect(await shown([by])).toMatch(/process +not running: the companion answers rounds\n/);
  expect(await shown([by])).toMatch(/seat +held by the companion/);
  expect(await shown([by, seat])).toMatch(/process +not running: nobody answers rounds/);
});

test('join --companion gives the advert to the companion, after its terms were shown', async () => {
  const advert = advertOf(advertEvent('demo'));
  const participant_pk = `02${'1'.repeat(64)}`;
  const wallet = fakeWallet({
    discover: async () => [{ advert, open: true }],
    companionJoin: async () => ({ cohort: advert.cohort, participant_pk }),
  });
  const argv = ['join', 'demo', '--yes', '--companion', '--home', home, '--log-level', 'error'];
  const said = await cli(argv, { wallet });
  expect(said.code).toBe(0);
  expect(said.out).toMatch(/at most 12,345 sat/);
  expect(wallet.calls).toContainEqual(['companionJoin', { advert }]);
  expect((await cli([...argv, '--invite', 'x'], { wallet })).code).toBe(2);
});

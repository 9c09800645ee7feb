import { beforeEach, describe, expect, test } from 'vitest';
import { WalletError } from '../../../src/wallet/api.ts';
import type { SuccessionProgress } from '../../../src/wallet/succession-api.ts';
import { advertEvent, advertOf, cli, cohortView, DID_ONE, DID_TWO, fakeWallet, statusOf, tempHome } from './harness.ts';

const demo = advertOf(advertEvent('demo'));
const next = advertOf(advertEvent('next'));
const status = () => statusOf({ cohorts: [cohortView(demo)] });

let home: string;
beforeEach(async () => {
  home = await tempHome();
});
const at = (...argv: string[]): string[] => [...argv, '--home', home, '--log-level', 'error'];

const progress = (over: Partial<SuccessionProgress> = {}): SuccessionProgress => ({
  cohort: demo.cohort,
  advert_id: 'demo',
  step: 'last_signal',
  did: ['sent version 2'],
  next: 'the last signal has to be six blocks deep',
  successor: null,
  advert: null,
  listing: [DID_ONE],
  by_companion: false,
  ...over,
});

describe('succession', () => {
  test('says what was done and what comes next', async () => {
    const wallet = fakeWallet({ status, succession: async () => progress() });
    const said = await cli(at('succession', 'demo'), { wallet });
    expect(said).toMatchObject({
      code: 0,
      out: 'sent version 2\nlast_signal: the last signal has to be six blocks deep\n',
      err: expect.stringContaining('keep `btcr2-wallet run` going'),
    });
    expect(wallet.calls).toContainEqual(['succession', { cohort: demo.cohort }]);
    const { out } = await cli(at('succession', 'demo', '--json'), { wallet });
    expect(JSON.parse(out)).toMatchObject({ step: 'last_signal', listing: [DID_ONE] });
  });

  test('shows the successor and joins it only if the person agrees', async () => {
    const steps = () => {
      const all = [progress({ step: 'join', did: [], advert: next }), progress({ step: 'forming', did: [] })];
      return fakeWallet({
        status,
        succession: async () => all.shift()!,
        join: async () => ({ cohort: next.cohort, participant_pk: `02${'1'.repeat(64)}` }),
      });
    };
    const agreed = steps();
    const said = await cli(at('succession', 'demo'), { wallet: agreed, answers: ['y'] });
    expect(said.out).toMatch(/next, open[\s\S]*12,345 sat a signal[\s\S]*forming: /);
    expect(agreed.calls).toContainEqual(['join', { advert: next }]);

    const declined = steps();
    expect(await cli(at('succession', 'demo'), { wallet: declined, answers: ['n'] })).toMatchObject({ code: 1 });
    expect(declined.calls.map(([name]) => name)).not.toContain('join');

    // Nobody can be asked: nothing is agreed to, and the step is said.
    const unasked = steps();
    const { code, out } = await cli(at('succession', 'demo', '--json'), { wallet: unasked });
    expect({ code, step: JSON.parse(out).step }).toEqual({ code: 0, step: 'join' });
    expect(unasked.calls.map(([name]) => name)).not.toContain('join');

    // A person at a pipe sees what there is to agree to, not a string that fills a screen.
    const piped = steps();
    const shown = await cli(at('succession', 'demo'), { wallet: piped });
    expect(shown.out).toMatch(
      /next, open[\s\S]*12,345 sat a signal[\s\S]*\njoin: agree to these terms of next by --yes/,
    );
    expect(piped.calls.map(([name]) => name)).not.toContain('join');

    const told = steps();
    await cli(at('succession', 'demo', '--yes', '--json'), { wallet: told });
    expect(told.calls.map(([name]) => name)).toContain('join');
  });

  test('has the companion join the successor where the companion is the member', async () => {
    const all = [
      progress({ step: 'join', did: [], advert: next, by_companion: true }),
      progress({ step: 'forming', did: [], by_companion: true }),
    ];
    const wallet = fakeWallet({
      status,
      succession: async () => all.shift()!,
      companionJoin: async () => ({ cohort: next.cohort, participant_pk: `02${'1'.repeat(64)}` }),
    });
    expect(await cli(at('succession', 'demo', '--yes'), { wallet })).toMatchObject({ code: 0 });
    expect(wallet.calls).toContainEqual(['companionJoin', { advert: next }]);
    expect(wallet.calls.map(([name]) => name)).not.toContain('join');
  });

  test('deletes the key by a flag of its own only, and a refusal has its code', async () => {
    const wallet = fakeWallet({ status, succession: async () => progress({ step: 'done' }) });
    await cli(at('succession', 'demo', '--delete-key', '--abandon'), { wallet });
    expect(wallet.calls).toContainEqual(['succession', { cohort: demo.cohort, deleteKey: true, abandon: true }]);
    await cli(at('succession', 'demo', '--alone'), { wallet });
    expect(wallet.calls).toContainEqual(['succession', { cohort: demo.cohort, alone: true }]);
    expect(await cli(at('succession', 'demo', '--abandon'), { wallet })).toMatchObject({ code: 2 });
    const needed = () => Promise.reject(new WalletError('refused', '5 sat are at the address'));
    const refused = await cli(at('succession', 'demo', '--delete-key', '--json'), {
      wallet: fakeWallet({ status, succession: needed }),
    });
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.out)).toEqual({ error: { code: 'refused', message: '5 sat are at the address' } });
  });
});

describe('exit', () => {
  test('says of every DID what became of it; one that failed is exit code 1', async () => {
    const dids = [
      { did: DID_ONE, state: 'announced' as const, txid: 'ab'.repeat(32), text: null },
      { did: DID_TWO, state: 'failed' as const, txid: null, text: 'unfunded: a signal needs 400 sat more' },
    ];
    const wallet = fakeWallet({ status, exit: async () => ({ cohort: demo.cohort, advert_id: 'demo', dids }) });
    const said = await cli(at('exit', 'demo', '--fee-cap', '900'), { wallet });
    expect(said.code).toBe(1);
    expect(said.out).toBe(
      `${DID_ONE} is taken out by ${'ab'.repeat(32)}\n${DID_TWO} failed: unfunded: a signal needs 400 sat more\n`,
    );
    expect(said.err).toContain('btcr2-wallet funding DID');
    expect(wallet.calls).toContainEqual(['exit', { cohort: demo.cohort, feeCapSats: 900 }]);
    expect(await cli(at('exit', 'demo', '--fee-cap', 'x'), { wallet })).toMatchObject({ code: 2 });
    const none = fakeWallet({ status, exit: async () => ({ cohort: demo.cohort, advert_id: 'demo', dids: [] }) });
    expect(await cli(at('exit', 'demo'), { wallet: none })).toMatchObject({
      code: 0,
      out: 'no DID of this wallet lists the beacon of demo\n',
    });
  });
});

test('leave of a cohort that stands says that it is a word only; --force is passed on', async () => {
  const leaving = () => statusOf({ cohorts: [cohortView(demo, { leaving: true })] });
  const wallet = fakeWallet({ status: leaving, leave: async () => {} });
  const said = await cli(at('leave', 'demo', '--force'), { wallet });
  expect(wallet.calls).toContainEqual(['leave', demo.cohort, { force: true }]);
  expect(said.out).toBe('asked to leave demo\n');
  expect(said.err).toContain('btcr2-wallet succession');
});

test('status says who goes and what to do about it', async () => {
  const told = {
    beacon_address: 'bcrt1pbeacon',
    number: 1,
    leaving: [],
    gone: [`02${'1'.repeat(64)}`],
    succession: { stage: 'moving' as const, deadline: 0, successor: null },
    text: 'so',
  };
  const views = (over: object) => () => statusOf({ cohorts: [cohortView(demo, over)] });
  const { out } = await cli(at('status'), { wallet: fakeWallet({ status: views({ status: told, leaving: true }) }) });
  expect(out).toMatch(
    /leaving +said[\s\S]*gone +1 member; see btcr2-wallet exit demo[\s\S]*ends +moving; see btcr2-wallet succession demo/,
  );
  const quiet = await cli(at('status'), { wallet: fakeWallet({ status: views({}) }) });
  expect(quiet.out).not.toMatch(/leaving|gone|ends/);
  const over = await cli(at('status'), { wallet: fakeWallet({ status: views({ phase: 'retired', status: told }) }) });
  expect(over.out).not.toMatch(/succession/);
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { type Finding, type SavedView, WalletError } from '../../../src/wallet/api.ts';
import { cli, DID_ONE, fakeWallet, statusOf, tempFolder, tempHome } from './harness.ts';

let home: string;
beforeEach(async () => {
  home = await tempHome();
});
const at = (...argv: string[]): string[] => [...argv, '--home', home, '--log-level', 'error'];

const [ONE, TWO] = ['wss://one.example/', 'wss://two.example/'];
const view = (over: Partial<SavedView> = {}): SavedView => ({
  on: true,
  saved: true,
  needed: 2,
  counter: 7,
  chunks: 3,
  bytes: 81_234,
  relays: [
    { url: ONE, counter: 7 },
    { url: TWO, counter: 7 },
  ],
  stopped: null,
  forgotten: false,
  ...over,
});
const found: Finding[] = [
  { relay: ONE, holds: 'newest', counter: 7, missing: 0 },
  { relay: TWO, holds: 'incomplete', counter: 7, missing: 2 },
];
const text = 'another wallet of these words wrote state 9';

describe('state', () => {
  test('shows what was written, and what every relay shows of it', async () => {
    const wallet = fakeWallet({ savedState: async () => ({ ...view(), found }) });
    const { code, out } = await cli(at('state'), { wallet });
    expect(code).toBe(0);
    for (const part of ['state 7, 3 pieces, 81,234 bytes', 'yes, on 2 relays', ONE, 'holds all of it', '(2 pieces)'])
      expect(out).toContain(part);
    const { out: json } = await cli(at('state', '--json'), { wallet });
    expect(JSON.parse(json)).toEqual({ ...view(), found });
  });

  test('fails where it is not saved, and says why it is not', async () => {
    const stopped = { why: 'foreign' as const, writer: 'aa', counter: 9, text };
    const wallet = fakeWallet({ savedState: async () => ({ ...view({ saved: false, stopped }), found }) });
    expect(await cli(at('state'), { wallet })).toMatchObject({ code: 1, out: expect.stringContaining(text) });
  });
});

test.each([
  [[], { takeOver: false }],
  [['--take-over'], { takeOver: true }],
])('state push %j', async (argv, request) => {
  const wallet = fakeWallet({ saveState: async () => view() });
  expect(await cli(at('state', 'push', ...argv), { wallet })).toMatchObject({
    code: 0,
    out: expect.stringContaining('yes, on 2 relays'),
  });
  expect(wallet.calls).toContainEqual(['saveState', request]);
});

test('state push passes a refusal on', async () => {
  const wallet = fakeWallet({ saveState: () => Promise.reject(new WalletError('refused', text)) });
  expect(await cli(at('state', 'push'), { wallet })).toMatchObject({ code: 1, err: expect.stringContaining(text) });
});

describe('state forget', () => {
  const forgetting = (emptied: boolean) =>
    fakeWallet({
      forgetState: async () => ({
        relays: [
          { url: ONE, emptied: true },
          { url: TWO, emptied },
        ],
      }),
    });

  test('does nothing before it is said that it is meant', async () => {
    const wallet = forgetting(true);
    expect(await cli(at('state', 'forget'), { wallet })).toMatchObject({
      code: 1,
      err: expect.stringContaining('--yes'),
    });
    expect(wallet.calls).toEqual([]);
  });

  test('tells of each relay, and fails while one still shows something', async () => {
    const { code, out } = await cli(at('state', 'forget', '--yes'), { wallet: forgetting(true) });
    expect([code, out.includes(`${ONE} shows nothing any more`)]).toEqual([0, true]);
    expect(await cli(at('state', 'forget', '--yes'), { wallet: forgetting(false) })).toMatchObject({
      code: 1,
      out: expect.stringContaining(`${TWO} still shows`),
    });
  });
});

test('restore --from-relays tells which state it was, and of each relay what it held', async () => {
  const restored = {
    dids: [{ did: DID_ONE, version: '2', deactivated: false, missing_proofs: 0, text: null }],
    cohorts: [],
    can: [],
    cannot: [],
    saved: { counter: 7, made_at: 1_900_000_000, follows: false, relays: found },
  };
  const wallet = fakeWallet({ restore: async () => restored });
  const { code, out } = await cli(at('restore', '--from-relays'), { wallet });
  expect(wallet.calls).toContainEqual(['restore', { fromRelays: true }]);
  expect(code).toBe(0);
  for (const part of ['state 7 of 2030-03-17T17:46:40', `${TWO} holds it with pieces missing (2 pieces)`, 'state push'])
    expect(out).toContain(part);
  expect(await cli(at('restore', '--from-relays', '--scan'), { wallet })).toMatchObject({ code: 2 });
});

test.each([
  [null, null],
  [view({ on: false, counter: 0 }), null],
  [view(), 'saved (7) on 2 relays'],
  [view({ saved: false }), 'not saved yet: it changed'],
  [view({ saved: false, relays: [{ url: ONE, counter: 7 }] }), 'not saved yet: 1 of 2 relays hold it'],
  [view({ saved: false, counter: 0 }), 'not saved yet'],
  [view({ saved: false, forgotten: true }), 'deleted'],
  [view({ stopped: { why: 'old_copy', writer: 'aa', counter: 9, text } }), text],
])('status with %j', async (saved, line) => {
  const { out } = await cli(at('status'), { wallet: fakeWallet({ status: () => statusOf({ seeded: true, saved }) }) });
  if (line === null) expect(out).not.toContain('state on relays');
  else expect(out).toMatch(new RegExp(`state on relays.*${line.replace(/[()]/g, '\\$&')}`));
});

test('status of a wallet that should save and has no seed says why it does not', async () => {
  const wallet = fakeWallet({ status: () => statusOf({ seeded: false, saved: view({ saved: false, counter: 0 }) }) });
  expect((await cli(at('status'), { wallet })).out).toMatch(/state on relays.*no seed/);
});

test('did create connects a wallet that saves its state, and says so', async () => {
  const made = async () => ({ did: DID_ONE, document: { id: DID_ONE } }) as never;
  const creating = (over: Partial<SavedView>) =>
    fakeWallet({ createDid: made, status: () => statusOf({ seeded: true, saved: view(over) }) });
  const env = { BTCR2_WALLET_STATE_ON_RELAYS: 'true' };
  const saving = creating({});
  expect((await cli(at('did', 'create'), { wallet: saving, env })).err).toContain('it is saved on relays');
  expect(saving.calls.map(([name]) => name)).toContain('start');
  const other = creating({ on: false });
  expect((await cli(at('did', 'create'), { wallet: other })).err).toContain('btcr2-wallet recovery');
  expect(other.calls.map(([name]) => name)).not.toContain('start');
});

describe('init', () => {
  const init = (...argv: string[]) => {
    const folder = join(tempFolder(), 'wallet');
    const base = ['init', '--home', folder, '--network', 'regtest', '--esplora', 'http://127.0.0.1:1'];
    return cli([...base, ...argv]).then(result => ({ ...result, folder }));
  };
  const toml = (folder: string): string => readFileSync(join(folder, 'wallet.toml'), 'utf8');

  test('--state-on-relays writes it into wallet.toml; without, it stands there as a comment', async () => {
    const on = await init('--relay', 'ws://127.0.0.1:9', '--seed', '--state-on-relays');
    expect(on.code).toBe(0);
    expect(toml(on.folder)).toContain('\n[state]\non_relays = true\n');
    const off = await init('--relay', 'ws://127.0.0.1:9', '--seed');
    expect(toml(off.folder)).toContain('\n# [state]\n# on_relays = true\n');
    expect(off.err).toContain('state.on_relays');
  });

  test.each([
    [['--relay', 'ws://127.0.0.1:9', '--state-on-relays'], 'needs --seed or --restore'],
    [['--by-hand', '--seed', '--state-on-relays'], 'needs relays'],
  ])('%j is refused: %s', async (argv, why) => {
    expect(await init(...argv)).toMatchObject({ code: 2, err: expect.stringContaining(why) });
  });
});

test('to save there without any relay is a mistake in the configuration', async () => {
  const folder = join(tempFolder(), 'wallet');
  await cli(['init', '--home', folder, '--network', 'regtest', '--esplora', 'http://127.0.0.1:1', '--by-hand']);
  const env = { BTCR2_WALLET_STATE_ON_RELAYS: 'true' };
  expect(await cli(['status', '--home', folder], { wallet: fakeWallet(), env })).toMatchObject({
    code: 2,
    err: expect.stringContaining('state.on_relays'),
  });
});

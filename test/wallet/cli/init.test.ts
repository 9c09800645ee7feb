import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openKeyFile } from '../../../src/shell/keystore.ts';
import { loadWalletConfig } from '../../../src/wallet/config.ts';
import { cli, NO_CHAIN, tempFolder } from './harness.ts';

const RELAY = ['--relay', 'ws://127.0.0.1:9'];
const init = (home: string, ...more: string[]) => cli(['init', '--home', home, '--network', 'regtest', ...more]);
const modeOf = (path: string): number => statSync(path).mode & 0o777;
const load = (home: string) => loadWalletConfig(home, { flags: {}, env: {}, cwd: '/' });

test('makes a folder and two files that only their owner can read', async () => {
  const home = join(tempFolder(), 'deep', 'wallet');
  const said = await init(home, ...RELAY, ...NO_CHAIN);
  expect(said).toMatchObject({ code: 0, out: `made a regtest wallet in ${home}\n` });
  expect([home, join(home, 'wallet.toml'), join(home, 'keys.json')].map(modeOf)).toEqual([0o700, 0o600, 0o600]);
});

test('its files are what the wallet reads', async () => {
  const home = join(tempFolder(), 'w');
  await init(home, ...RELAY, '--relay', 'wss://relay.example.org/', ...NO_CHAIN);
  expect(load(home)).toEqual({
    home,
    network: 'regtest',
    relays: ['ws://127.0.0.1:9', 'wss://relay.example.org'],
    chain: { backend: 'esplora', url: 'http://127.0.0.1:9' },
    kubo_url: null,
    state_on_relays: false,
    log_level: 'warn',
  });
  const random = (length: number) => new Uint8Array(length).fill(1);
  const keys = openKeyFile(join(home, 'keys.json'), random, () => 0);
  expect(keys.has(keys.create('did'))).toBe(true);
});

test('a bitcoind gets a watch-only wallet of its own, and paths that hold wherever the wallet is started', async () => {
  const folder = tempFolder();
  const make = async (name: string) => {
    const home = join(folder, name);
    const argv = ['init', '--home', home, '--network', 'regtest', ...RELAY];
    await cli([...argv, '--bitcoind', 'http://127.0.0.1:1', '--cookie', 'c'], { cwd: '/srv/node' });
    return load(home).chain;
  };
  const [one, two] = [await make('one'), await make('two')];
  expect(one).toMatchObject({
    auth: { cookieFile: '/srv/node/c' },
    wallet: expect.stringMatching(/^btcr2-wallet-[0-9a-f]{8}$/),
  });
  expect(one).not.toEqual(two);
});

test('a password stays in its file', async () => {
  const folder = tempFolder();
  const file = join(folder, 'password');
  writeFileSync(file, 'correct horse', { mode: 0o600 });
  const home = join(folder, 'w');
  const login = ['--bitcoind', 'http://127.0.0.1:1', '--user', 'me', '--password-file', file];
  const said = await init(home, ...RELAY, ...login, '--json');
  expect(said.code).toBe(0);
  expect(said.out + said.err + readFileSync(join(home, 'wallet.toml'), 'utf8')).not.toContain('horse');
  expect(load(home).chain).toMatchObject({ auth: { user: 'me', password: 'correct horse' } });
});

test('answers a program with where things are', async () => {
  const home = join(tempFolder(), 'w');
  expect(JSON.parse((await init(home, ...RELAY, ...NO_CHAIN, '--json')).out)).toEqual({
    home,
    network: 'regtest',
    relays: ['ws://127.0.0.1:9'],
    files: { config: join(home, 'wallet.toml'), keys: join(home, 'keys.json') },
  });
});

test('odd paths survive', async () => {
  const home = join(tempFolder(), 'w');
  const cookie = '/srv/a "node"\\\u007f/c';
  await init(home, ...RELAY, '--bitcoind', 'http://127.0.0.1:1', '--cookie', cookie);
  expect(load(home).chain).toMatchObject({ auth: { cookieFile: cookie } });
});

test.each(['wallet.toml', 'keys.json', 'wallet.db'])('never overwrites a %s', async name => {
  const home = join(tempFolder(), 'w');
  mkdirSync(home, { mode: 0o700 });
  writeFileSync(join(home, name), 'mine');
  const said = await init(home, ...RELAY, ...NO_CHAIN, '--json');
  expect(said.code).toBe(1);
  expect(JSON.parse(said.out)).toMatchObject({ error: { code: 'exists' } });
  expect(readFileSync(join(home, name), 'utf8')).toBe('mine');
  expect(['wallet.toml', 'keys.json'].filter(file => existsSync(join(home, file)))).toEqual(
    name === 'wallet.db' ? [] : [name],
  );
});

test('closes an empty folder to others, and refuses one with somebody’s files in it', async () => {
  const folder = tempFolder();
  const [empty, used] = [join(folder, 'empty'), join(folder, 'used')];
  for (const path of [empty, used]) mkdirSync(path, { mode: 0o755 });
  writeFileSync(join(used, 'notes'), '');
  expect((await init(empty, ...RELAY, ...NO_CHAIN)).code).toBe(0);
  expect(modeOf(empty)).toBe(0o700);
  const said = await init(used, ...RELAY, ...NO_CHAIN);
  expect(said).toMatchObject({ code: 1, err: expect.stringContaining(`chmod 700 ${used}`) });
  expect(modeOf(used)).toBe(0o755);
});

test.each([
  [['--network', 'bitcoin'], 'mainnet'],
  [['--network', 'mainnet'], 'network'],
  [['--relay', 'http://127.0.0.1'], 'relays'],
  [['--esplora', 'ftp://127.0.0.1'], 'chain.url'],
  [['--cookie', 'c'], 'chain.cookie_file'],
])('%j leaves nothing behind, and is refused as configuration', async (flags, key) => {
  const home = join(tempFolder(), 'w');
  const said = await init(home, ...RELAY, ...NO_CHAIN, ...flags, '--json');
  expect(said.code).toBe(2);
  expect(JSON.parse(said.out)).toMatchObject({ error: { code: 'configuration', detail: [{ key }] } });
  expect(existsSync(home)).toBe(false);
});

test('by hand it has no relay, and says so', async () => {
  const home = join(tempFolder(), 'w');
  const said = await init(home, '--by-hand', ...NO_CHAIN);
  expect(said).toMatchObject({ code: 0, err: expect.stringContaining('join FILE') });
  expect(load(home).relays).toEqual([]);
  const both = await init(join(tempFolder(), 'w'), '--by-hand', ...RELAY, ...NO_CHAIN);
  expect(both).toMatchObject({ code: 2, err: expect.stringContaining('--by-hand') });
  expect(await init(join(tempFolder(), 'w'), ...NO_CHAIN)).toMatchObject({ code: 2 });
});

// fault 51
test('mainnet needs --mainnet', async () => {
  const home = join(tempFolder(), 'w');
  expect((await init(home, ...RELAY, ...NO_CHAIN, '--network', 'bitcoin', '--mainnet')).code).toBe(0);
  expect(load(home).network).toBe('bitcoin');
});

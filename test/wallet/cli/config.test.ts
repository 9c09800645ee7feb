import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  type ConfigFlags,
  chainOfSources,
  homeFolder,
  loadWalletConfig,
  WalletConfigError,
  walletConfig,
} from '../../../src/wallet/config.ts';
import { tempFolder } from './harness.ts';

const GOOD = `
network = "regtest"
relays = ["ws://127.0.0.1:7001"]
[chain]
backend = "bitcoind"
url = "http://127.0.0.1:18443"
cookie_file = "cookie"
wallet = "mine"
`;

const sources = (flags: ConfigFlags = {}, env: Record<string, string> = {}) => ({ flags, env, cwd: '/here' });
const read = (text: string, flags?: ConfigFlags, env?: Record<string, string>) =>
  walletConfig('/home/w', text, sources(flags, env));

function problemsOf(run: () => unknown): { key: string; text: string }[] {
  try {
    run();
  } catch (error) {
    if (error instanceof WalletConfigError) return [...error.problems];
    throw error;
  }
  throw new Error('nothing was wrong');
}

test('a file alone', () => {
  expect(read(GOOD)).toEqual({
    home: '/home/w',
    network: 'regtest',
    relays: ['ws://127.0.0.1:7001'],
    chain: {
      backend: 'bitcoind',
      url: 'http://127.0.0.1:18443',
      auth: { cookieFile: '/home/w/cookie' },
      wallet: 'mine',
    },
    kubo_url: null,
    state_on_relays: false,
    log_level: 'warn',
  });
});

describe('precedence', () => {
  const env = {
    BTCR2_WALLET_RELAYS: 'ws://127.0.0.1:7002, ws://127.0.0.1:7003',
    BTCR2_WALLET_LOG_LEVEL: 'info',
    BTCR2_WALLET_CHAIN_URL: 'http://127.0.0.1:2',
  };
  test('environment over file', () => {
    const config = read(GOOD, {}, env);
    expect(config.relays).toEqual(['ws://127.0.0.1:7002', 'ws://127.0.0.1:7003']);
    expect(config.log_level).toBe('info');
    expect(config.chain).toMatchObject({ url: 'http://127.0.0.1:2', auth: { cookieFile: '/home/w/cookie' } });
  });
  test('flags over environment', () => {
    const config = read(GOOD, { relay: ['ws://127.0.0.1:7004'], 'log-level': 'debug' }, env);
    expect(config.relays).toEqual(['ws://127.0.0.1:7004']);
    expect(config.log_level).toBe('debug');
  });
  test('by hand no relay is needed, and one that is named is used', () => {
    const byHand = GOOD.replace(/relays.*/, 'by_hand = true');
    expect(read(byHand).relays).toEqual([]);
    expect(read(GOOD.replace(/relays.*/, 'by_hand = true\nrelays = []')).relays).toEqual([]);
    expect(read(GOOD.replace(/relays.*/, 'relays = []'), {}, { BTCR2_WALLET_BY_HAND: 'true' }).relays).toEqual([]);
    expect(read(byHand, { relay: ['ws://127.0.0.1:7004'] }).relays).toEqual(['ws://127.0.0.1:7004']);
  });
  test('an empty variable is none', () => {
    expect(read(GOOD, {}, { BTCR2_WALLET_RELAYS: '' }).relays).toEqual(['ws://127.0.0.1:7001']);
  });
  test('another backend brings nothing of the old one along', () => {
    expect(read(GOOD, { esplora: 'http://127.0.0.1:3' }).chain).toEqual({
      backend: 'esplora',
      url: 'http://127.0.0.1:3',
    });
  });
  test('another login replaces the old one as a whole', () => {
    const password = join(tempFolder(), 'password');
    writeFileSync(password, 'hush\n', { mode: 0o600 });
    expect(read(GOOD, { user: 'me', 'password-file': password }).chain).toMatchObject({
      auth: { user: 'me', password: 'hush' },
    });
  });
  test('relative paths of the command line start where it was typed', () => {
    expect(read(GOOD, { cookie: 'c' }).chain).toMatchObject({ auth: { cookieFile: '/here/c' } });
  });
});

test('the home: flag, else variable, else ~/.btcr2-wallet', () => {
  const env = { HOME: '/home/me', BTCR2_WALLET_HOME: '/elsewhere' };
  expect(homeFolder('w', { env, cwd: '/here' })).toBe('/here/w');
  expect(homeFolder(undefined, { env, cwd: '/here' })).toBe('/elsewhere');
  expect(homeFolder(undefined, { env: { HOME: '/home/me' }, cwd: '/here' })).toBe('/home/me/.btcr2-wallet');
  expect(read(GOOD, {}, env).network).toBe('regtest');
});

// fault 52
describe('what is wrong is named by its key', () => {
  const line = (from: string | RegExp, to: string) => GOOD.replace(from, to);
  test.each([
    ['no network', line(/network.*/, ''), 'network', /missing; one of bitcoin, signet, regtest/],
    ['another network', line('"regtest"', '"mainnet"'), 'network', /one of bitcoin, signet/],
    ['mainnet without saying so', line('"regtest"', '"bitcoin"'), 'mainnet', /mainnet = true/],
    ['no relays', line(/relays.*/, ''), 'relays', /missing/],
    ['an empty list of relays', line(/relays.*/, 'relays = []'), 'relays', /at least one.*by_hand = true/],
    ['by_hand that is no flag', line(/relays.*/, 'by_hand = "yes"\nrelays = ["ws://a"]'), 'by_hand', /true or false/],
    ['a relay that is none', line('ws://127', 'http://127'), 'relays', /ws:\/\/ or wss:\/\//],
    ['a relay with a password', line('ws://', 'ws://me:hush@'), 'relays', /without credentials/],
    ['relays that are no list', line(/relays.*/, 'relays = "ws://127.0.0.1"'), 'relays', /a list/],
    ['an unknown key', `colour = 1\n${GOOD}`, 'colour', /unknown in wallet.toml; known: network/],
    ['an unknown key of the chain', `${GOOD}colour = 1`, 'chain.colour', /unknown/],
    ['an unknown table', `${GOOD}[tor]\nport = 1`, 'tor.port', /unknown/],
    ['a log level', `log_level = "loud"\n${GOOD}`, 'log_level', /debug, info, warn, error/],
    ['a backend', line('"bitcoind"', '"electrum"'), 'chain.backend', /bitcoind, esplora/],
    ['no backend', line(/backend.*/, ''), 'chain.backend', /missing/],
    ['a chain without address', line(/url.*/, ''), 'chain.url', /missing/],
    ['credentials in the address', line('http://', 'http://me:hush@'), 'chain.url', /without credentials/],
    ['another protocol', line('http://', 'ftp://'), 'chain.url', /http/],
    ['no login', line(/cookie.*/, ''), 'chain.cookie_file', /either a cookie file/],
    ['two logins', `${GOOD}user = "me"`, 'chain.cookie_file', /either a cookie file/],
    ['half a login', line(/cookie.*/, 'user = "me"'), 'chain.cookie_file', /either a cookie file/],
    ['a login for Esplora', line('"bitcoind"', '"esplora"'), 'chain.cookie_file', /only a bitcoind/],
    ['a wallet name', line('"mine"', '"../x"'), 'chain.wallet', /letters, digits/],
    ['no password file', line(/cookie.*/, 'user = "me"\npassword_file = "none"'), 'chain.password_file', /ENOENT/],
    ['no TOML', `${GOOD}]`, 'wallet.toml', /is not TOML at line 9, column 1/],
  ])('%s', (_, text, key, says) => {
    const found = problemsOf(() => read(text)).filter(problem => problem.key === key);
    expect(found).not.toEqual([]);
    expect(found[0]!.text).toMatch(says);
  });

  test('of the environment and of the command line, too', () => {
    const found = problemsOf(() =>
      read(
        GOOD,
        { relay: ['tcp://x'], bitcoind: 'http://a', esplora: 'http://b' },
        { BTCR2_WALLET_COLOUR: 'red', BTCR2_WALLET_LOG_LEVEL: 'loud' },
      ),
    );
    expect(found.map(({ key }) => key).sort()).toEqual([
      'BTCR2_WALLET_COLOUR',
      'chain.backend',
      'log_level (BTCR2_WALLET_LOG_LEVEL)',
      'relays (--relay)',
    ]);
  });

  test('all at once, in one message', () => {
    const found = problemsOf(() => read('network = 1\nrelays = []\nlog_level = 2\n[chain]\nurl = 3'));
    expect(found.map(({ key }) => key)).toEqual(['network', 'relays', 'log_level', 'chain.url', 'chain.backend']);
    expect(new WalletConfigError(found).message.split('\n')).toHaveLength(5);
  });
});

test('mainnet is possible for whoever says so', () => {
  const text = GOOD.replace('"regtest"', '"bitcoin"\nmainnet = true');
  expect(read(text).network).toBe('bitcoin');
});

test('a password that others can read is refused with the command that helps, and never shown', () => {
  const folder = tempFolder();
  const file = join(folder, 'password');
  writeFileSync(file, 'correct horse');
  chmodSync(file, 0o644);
  const text = GOOD.replace(/cookie.*/, `user = "me"\npassword_file = "${file}"`);
  const [problem] = problemsOf(() => read(text));
  expect(problem).toMatchObject({ key: 'chain.password_file' });
  expect(problem!.text).toContain(`chmod 600 ${file}`);
  expect(problem!.text).not.toContain('horse');
});

test('problems never quote what may be a secret', () => {
  const text = GOOD.replace('ws://', 'ws://me:hush@').replace('http://', 'http://me:hush@');
  expect(new WalletConfigError(problemsOf(() => read(`${text}\nuser = ["hush"]\nx = "hush`))).message).not.toContain(
    'hush',
  );
});

test('a folder without a wallet says how to make one', () => {
  const home = join(tempFolder(), 'none');
  expect(() => loadWalletConfig(home, sources())).toThrow(/there is no wallet in .*btcr2-wallet init/);
});

describe('a chain without a wallet', () => {
  test('of flags or environment', () => {
    expect(chainOfSources(sources())).toBeNull();
    expect(chainOfSources(sources({ bitcoind: 'http://127.0.0.1:1', cookie: '/c' }))).toEqual({
      backend: 'bitcoind',
      url: 'http://127.0.0.1:1',
      auth: { cookieFile: '/c' },
      wallet: 'btcr2-wallet',
    });
    const env = { BTCR2_WALLET_CHAIN_BACKEND: 'esplora', BTCR2_WALLET_CHAIN_URL: 'http://127.0.0.1:1' };
    expect(chainOfSources(sources({}, env))).toMatchObject({ backend: 'esplora' });
  });
  test('has to be whole', () => {
    expect(problemsOf(() => chainOfSources(sources({ bitcoind: 'http://127.0.0.1:1' })))).toMatchObject([
      { key: 'chain.cookie_file' },
    ]);
  });
});

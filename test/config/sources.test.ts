import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as nip19 from 'nostr-tools/nip19';
import { afterEach, describe, expect, test } from 'vitest';
import { locateState, withoutSecrets } from '../../src/config.ts';
import { fromHex } from '../../src/crypto/index.ts';
import { termsSchema } from '../../src/messages/terms.ts';
import { BASE, type Folder, makeFolder, SECRET_KEY } from './folder.ts';

let folder: Folder;
afterEach(() => folder?.remove());

const XONLY = 'f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9';

describe('a configuration that loads', () => {
  test('has absolute paths, a state folder of mode 0700, and defaults that suit regtest', () => {
    folder = makeFolder();
    const config = folder.load();
    expect(config).toMatchObject({
      network: 'regtest',
      mainnet: false,
      state_dir: folder.path('state'),
      identity: { key_file: folder.path('identity.key') },
      relays: ['ws://127.0.0.1:7777'],
      relays_file: folder.path('relays.json'),
      chain: { backend: 'esplora', url: 'http://127.0.0.1:3002', poll_ms: 1000 },
      admission: { invites: [], allowlist: [] },
      log: { level: 'info', format: 'text' },
    });
    expect(statSync(config.state_dir).mode & 0o777).toBe(0o700);
    expect(config.advert.latency.nonce).toBeLessThanOrEqual(600);
    expect(folder.load({ tty: false }).log.format).toBe('json');
  });

  test('waits for hours off regtest', () => {
    folder = makeFolder(BASE.replace('regtest', 'signet'));
    const { advert } = folder.load();
    expect(advert.latency.nonce).toBeGreaterThanOrEqual(3_600);
    expect(advert.frequency.interval).toBeGreaterThanOrEqual(3_600);
  });

  test.each(['regtest', 'signet', 'bitcoin'])('has advert terms that the wire takes on %s', network => {
    folder = makeFolder(`mainnet = ${network === 'bitcoin'}\n${BASE.replace('regtest', network)}`);
    const { expires_in, ...terms } = folder.load().advert;
    expect(expires_in).toBeGreaterThan(0);
    const whole = {
      v: 1,
      id: 'a',
      btc_network: network,
      transport_key: XONLY,
      return_address: 'nostr:nprofile1x',
      aggregator_did: 'did:btcr2:k1x',
      ...terms,
    };
    expect(termsSchema.safeParse(whole).error).toBeUndefined();
  });

  // fault 51
  test('goes on mainnet when that is meant', () => {
    folder = makeFolder(`mainnet = true\n${BASE.replace('regtest', 'bitcoin')}`);
    expect(folder.load()).toMatchObject({ network: 'bitcoin', mainnet: true });
  });

  test('takes an nsec', () => {
    folder = makeFolder();
    folder.write('identity.key', `${nip19.nsecEncode(fromHex(SECRET_KEY))}\n`);
    expect(folder.problems()).toEqual([]);
  });

  test('takes relays as a plain list and in one spelling each', () => {
    folder = makeFolder();
    folder.write('relays.json', '["wss://Relay.Example:443/", "wss://relay.example"]');
    expect(folder.load().relays).toEqual(['wss://relay.example']);
  });

  test('takes nprofiles and nostr: URIs on the allowlist, and no secret key', () => {
    const nprofile = nip19.nprofileEncode({ pubkey: XONLY, relays: ['wss://relay.example'] });
    folder = makeFolder(`${BASE}[admission]\nallowlist = ["${nprofile}", "nostr:${nip19.npubEncode(XONLY)}"]\n`);
    expect(folder.load().admission.allowlist).toEqual([XONLY, XONLY]);
    const nsec = nip19.nsecEncode(new Uint8Array(32).fill(3));
    folder.write('btcr2-aggregator.toml', `${BASE}[admission]\nallowlist = ["${nsec}"]\n`);
    const problems = folder.problems();
    expect(problems).toEqual([expect.stringMatching(/^admission\.allowlist\[0\]: /)]);
    expect(problems.join()).not.toContain(nsec);
  });

  test('takes npubs on the allowlist', () => {
    folder = makeFolder(`${BASE}[admission]\nallowlist = ["${nip19.npubEncode(XONLY)}", "${XONLY}"]\n`);
    expect(folder.load().admission.allowlist).toEqual([XONLY, XONLY]);
  });

  test('reads secrets from files of their own', () => {
    const toml = `network = "regtest"\n[chain]\nbackend = "bitcoind"\nurl = "http://127.0.0.1:1"\nuser = "u"\npassword_file = "pass"\n`;
    folder = makeFolder(`${toml}[admission]\ninvites_file = "invites"\ninvites = ["one"]\n`);
    folder.write('pass', 'hunter2\n');
    folder.write('invites', 'two\nthree\n\n');
    const config = folder.load();
    expect(config.chain).toEqual({
      backend: 'bitcoind',
      url: 'http://127.0.0.1:1',
      auth: { user: 'u', password: 'hunter2' },
      wallet: 'btcr2-aggregator',
      poll_ms: 1000,
    });
    expect(config.admission.invites).toEqual(['one', 'two', 'three']);
  });

  test('is shown without its secrets', () => {
    const toml = `network = "regtest"\n[chain]\nbackend = "bitcoind"\nurl = "http://127.0.0.1:1/?token=hunter2"\nuser = "u"\npassword = "hunter2"\n`;
    folder = makeFolder(`${toml}[admission]\ninvites = ["hunter2"]\n`);
    const shown = JSON.stringify(withoutSecrets(folder.load()));
    expect(shown).toContain('"user":"u"');
    expect(shown).not.toContain('hunter2');
    expect(shown).not.toContain(SECRET_KEY);
  });
});

describe('flags go over environment over file', () => {
  const fee = (value: number): string => `${BASE}[advert]\nfee_cap = ${value}\n`;

  test('one key, three sources', () => {
    folder = makeFolder(fee(1000));
    const env = { BTCR2_ADVERT_FEE_CAP: '2000' };
    expect(folder.load().advert.fee_cap).toBe(1000);
    expect(folder.load({ env }).advert.fee_cap).toBe(2000);
    expect(folder.load({ env, flags: { settings: { 'advert.fee_cap': '3000' } } }).advert.fee_cap).toBe(3000);
  });

  test('nested keys, numbers, booleans and lists in variables', () => {
    folder = makeFolder();
    const env = {
      BTCR2_ADVERT_FREQUENCY_MIN_INTERVAL: '7',
      BTCR2_ADVERT_UNPROVEN_DIDS: 'true',
      BTCR2_RELAYS: 'ws://127.0.0.1:1, wss://relay.example',
      BTCR2_STATE_DIR: 'elsewhere',
      BTCR2_LOG_LEVEL: '',
    };
    const config = folder.load({ env });
    expect(config.advert.frequency.min_interval).toBe(7);
    expect(config.advert.frequency.interval).toBe(300);
    expect(config.advert.unproven_dids).toBe(true);
    expect(config.relays).toEqual(['ws://127.0.0.1:1', 'wss://relay.example']);
    expect(config.relays_file).toBe('');
    expect(config.state_dir).toBe(folder.path('elsewhere'));
  });

  test('a value in a variable that is of no use is told by its key', () => {
    folder = makeFolder();
    const env = { BTCR2_ADVERT_FEE_CAP: '0x10', BTCR2_MAINNET: 'yes', BTCR2_ADVERT_FEECAP: '1' };
    expect(folder.problems({ env })).toEqual([
      expect.stringMatching(/^BTCR2_ADVERT_FEECAP: unknown variable; did you mean BTCR2_ADVERT_FEE_CAP\?$/),
      expect.stringMatching(/^mainnet: has to be true or false/),
      expect.stringMatching(/^advert\.fee_cap: has to be a whole number/),
    ]);
  });

  test('variables of the tests, the wallet and other programs are left alone', () => {
    folder = makeFolder();
    const env = { BTCR2_CACHE: '/x', BTCR2_BITCOIND: '/y', BTCR2_WALLET_HOME: '/z', PATH: '/bin' };
    expect(folder.problems({ env })).toEqual([]);
  });

  test('another backend replaces the section of the one below', () => {
    folder = makeFolder(
      'network = "regtest"\n[chain]\nbackend = "bitcoind"\nurl = "http://127.0.0.1:1"\ncookie_file = "c"\n',
    );
    const env = { BTCR2_CHAIN_BACKEND: 'esplora', BTCR2_CHAIN_URL: 'http://127.0.0.1:2' };
    expect(folder.load({ env }).chain).toEqual({ backend: 'esplora', url: 'http://127.0.0.1:2', poll_ms: 1000 });
  });

  test('a password in a variable replaces the cookie of the file', () => {
    folder = makeFolder(
      'network = "regtest"\n[chain]\nbackend = "bitcoind"\nurl = "http://127.0.0.1:1"\ncookie_file = "c"\n',
    );
    folder.write('pass', 'hunter2');
    const env = { BTCR2_CHAIN_USER: 'u', BTCR2_CHAIN_PASSWORD_FILE: 'pass' };
    expect(folder.load({ env }).chain).toMatchObject({ auth: { user: 'u', password: 'hunter2' } });
    expect(folder.load().chain).toMatchObject({ auth: { cookieFile: folder.path('c') } });
  });

  test('unknown keys in flags are told', () => {
    folder = makeFolder();
    expect(folder.problems({ flags: { settings: { 'advert.fee_capp': '1' } } })).toEqual([
      'advert.fee_capp: unknown key; did you mean advert.fee_cap?',
    ]);
  });
});

describe('which file is read', () => {
  test('the flag, then the variable, then this folder, then home', () => {
    folder = makeFolder(BASE.replace('regtest', 'signet'));
    const beside = folder.path('home');
    mkdirSync(join(beside, '.config', 'btcr2-aggregator'), { recursive: true });
    const rest = `identity.key_file = "${folder.path('identity.key')}"\nrelays_file = "${folder.path('relays.json')}"\n`;
    folder.write('home/.config/btcr2-aggregator/config.toml', rest + BASE.replace('regtest', 'testnet4'));
    folder.write('named.toml', BASE.replace('regtest', 'testnet3'));
    folder.write('variable.toml', BASE.replace('regtest', 'mutinynet'));
    const env = { BTCR2_CONFIG: 'variable.toml' };
    expect(folder.load({ env, flags: { config: 'named.toml' } }).network).toBe('testnet3');
    expect(folder.load({ env }).network).toBe('mutinynet');
    expect(folder.load().network).toBe('signet');
    const away = folder.load({ cwd: beside });
    expect(away.network).toBe('testnet4');
    expect(away.state_dir).toBe(join(beside, '.config', 'btcr2-aggregator', 'state'));
  });

  test('the state folder is found although the rest is wrong', () => {
    folder = makeFolder(`state_dir = "there"\nnonsense = 1\n${BASE}`);
    const input = { env: {}, cwd: folder.dir, home: folder.path('home') };
    expect(locateState(input)).toBe(folder.path('there'));
    expect(locateState({ ...input, env: { BTCR2_STATE_DIR: '~/s' } })).toBe(folder.path('home/s'));
  });
});

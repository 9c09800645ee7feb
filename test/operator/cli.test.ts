import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { curve } from '#curve';
import { fromHex } from '../../src/crypto/index.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import { run, start } from './built.ts';
import { startFakeEsplora } from './fake-esplora.ts';
import { runHere } from './here.ts';

let dir: string;
let undo: (() => unknown)[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'btcr2-cli-'));
  undo = [];
});
afterEach(async () => {
  for (const one of undo) await one();
  rmSync(dir, { recursive: true, force: true });
});

/** The built program, as a person runs it. */
const cli = (...argv: string[]) => run(argv, { cwd: dir });
/** The same in this process, for tables of cases. */
const cliHere = (...argv: string[]) => runHere(argv, dir);
const mode = (name: string): number => statSync(join(dir, name)).mode & 0o777;
const read = (name: string): string => readFileSync(join(dir, name), 'utf8');

describe('a person who types it for the first time', () => {
  test('gets help, versions and usage errors, with their exit codes', async () => {
    const help = await cli('help');
    expect(help.code).toBe(0);
    expect(help.stdout).toMatch(/advert create[\s\S]*Exit codes:\n {2}0 /);
    expect(help.stdout).not.toContain(String.fromCharCode(27));
    expect((await cli('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    const nothing = await cli();
    expect(nothing).toMatchObject({ code: 2, stdout: '' });
    expect(nothing.stderr).toMatch(/^error: a command is missing/);
    const typo = await cli('satus');
    expect(typo.code).toBe(2);
    expect(typo.stderr).toContain('Did you mean `btcr2-aggregator status`?');
    const json = await cli('run', '--nonsense', '--json');
    expect(json.code).toBe(2);
    expect(JSON.parse(json.stdout)).toMatchObject({ error: { code: 'usage' } });
  });

  test('is told how to begin when there is no configuration', async () => {
    const ran = await cli('run');
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('btcr2-aggregator init');
    const asked = await cli('status');
    expect(asked.code).toBe(3);
    expect(asked.stderr).toMatch(/not running.*no configuration file was found/);
  });
});

describe('init', () => {
  test('writes a configuration that loads, private files, and shows no secret', async () => {
    const { code, stdout, stderr } = await cli('init');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(readdirSync(dir).sort()).toEqual(['btcr2-aggregator.toml', 'identity.key', 'relays.json']);
    for (const name of readdirSync(dir)) expect(mode(name)).toBe(0o600);
    const secret = read('identity.key').trim();
    expect(secret).toMatch(/^[0-9a-f]{64}$/);
    expect(stdout).not.toContain(secret);
    expect(stdout).toMatch(/npub1[\s\S]*did:btcr2:k1/);
    expect(curve.publicKey(fromHex(secret))[0]).toBe(2);
    const config = await cli('config', '--json');
    expect(config.code).toBe(0);
    expect(JSON.parse(config.stdout)).toMatchObject({ network: 'regtest', chain: { backend: 'bitcoind' } });
    expect(config.stdout).not.toContain(secret);
  });

  test.each([['signet'], ['testnet3'], ['testnet4'], ['mutinynet'], ['bitcoin', '--mainnet']])(
    'makes a configuration for %s',
    async (network, ...more) => {
      const made = await cliHere(
        'init',
        '--network',
        network,
        '--relay',
        'wss://relay.example',
        '--esplora',
        'http://127.0.0.1:1',
        '--dir',
        'deep/down',
        '--json',
        ...more,
      );
      expect(made.stderr).toBe('');
      const { config } = JSON.parse(made.stdout);
      expect(statSync(join(dir, 'deep/down')).mode & 0o777).toBe(0o700);
      const loaded = await cliHere('config', '--json', '--config', config);
      expect(JSON.parse(loaded.stdout)).toMatchObject({
        network,
        mainnet: network === 'bitcoin',
        relays: ['wss://relay.example'],
        chain: { backend: 'esplora', url: 'http://127.0.0.1:1' },
      });
    },
  );

  test('writes whatever stands in a path as it is', async () => {
    const odd = 'a "quoted" \\ folder # é';
    mkdirSync(join(dir, odd));
    await cliHere('init', '--cookie', `${odd}/.cookie`);
    const { stdout } = await cliHere('config', '--json');
    expect(JSON.parse(stdout).chain.auth).toEqual({ cookieFile: join(dir, odd, '.cookie') });
  });

  test('overwrites nothing, and never an identity', async () => {
    await cliHere('init');
    const secret = read('identity.key');
    const again = await cliHere('init');
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/exist; --force/);
    chmodSync(join(dir, 'relays.json'), 0o644);
    const forced = await cliHere('init', '--force', '--relay', 'ws://127.0.0.1:9');
    expect(forced.code).toBe(0);
    expect(read('identity.key')).toBe(secret);
    expect(JSON.parse(read('relays.json'))).toEqual({ relays: ['ws://127.0.0.1:9'] });
    expect(mode('relays.json')).toBe(0o600);
    writeFileSync(join(dir, 'identity.key'), 'spoilt');
    const spoilt = await cliHere('init', '--force');
    expect(spoilt.code).toBe(1);
    expect(read('identity.key')).toBe('spoilt');
  });

  test.each([
    ['an unknown network', ['--network', 'nonet'], /--network has to be one of bitcoin, signet/],
    ['mainnet by accident', ['--network', 'bitcoin', '--relay', 'wss://relay.example'], /add --mainnet/],
    ['no relay off regtest', ['--network', 'signet'], /--relay URL is needed/],
    ['a relay that is none', ['--relay', 'https://relay.example'], /has to be a ws:\/\/ or wss:\/\/ address/],
    ['two chains', ['--bitcoind', 'http://127.0.0.1:1', '--esplora', 'http://127.0.0.1:2'], /--esplora stands alone/],
    ['a login in an address', ['--bitcoind', 'http://me:hunter2@127.0.0.1:1'], /without user and password/],
  ])('refuses %s before it writes anything', async (_, argv, expected) => {
    const { code, stderr } = await cliHere('init', ...argv);
    expect(code).toBe(2);
    expect(stderr).toMatch(expected);
    expect(stderr).not.toContain('hunter2');
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe('a configuration that cannot be used', () => {
  // fault 52
  test('is refused with all its problems before anything starts', async () => {
    await cli('init');
    chmodSync(join(dir, 'identity.key'), 0o644);
    const { code, stderr, stdout } = await cli(
      'run',
      '--set',
      'advert.fee_cap=10',
      '--set',
      'advert.typo=1',
      '--relay',
      'http://a',
    );
    expect(code).toBe(2);
    expect(stdout).toBe('');
    for (const key of ['advert.fee_cap', 'advert.typo', 'relays[0]', 'identity.key_file'])
      expect(stderr).toContain(`  ${key}: `);
    expect(stderr).toContain('chmod 600');
    expect(existsSync(join(dir, 'state'))).toBe(false);
  });

  test('is told in JSON too', async () => {
    const { code, stdout } = await cli('run', '--json');
    expect(code).toBe(2);
    const { error } = JSON.parse(stdout);
    expect(error.code).toBe('configuration');
    expect(error.problems.map((problem: { key: string }) => problem.key)).toContain('network');
  });
});

describe('doctor', () => {
  let relay: TestRelay;
  async function healthy(options: Parameters<typeof startFakeEsplora>[0] = {}): Promise<void> {
    relay = await startTestRelay();
    const esplora = await startFakeEsplora(options);
    undo.push(() => relay.stop(), esplora.stop);
    await cli('init', '--relay', relay.url, '--esplora', esplora.url);
  }

  test('finds all well, a line each', async () => {
    await healthy();
    const { code, stdout, stderr } = await cli('doctor');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const line of [
      /^ok +node +v\d/m,
      /^ok +configuration +\//m,
      /^ok +identity key/m,
      /^ok +state folder/m,
      /^ok +database +not made yet/m,
      /^ok +relay ws:\S+ +answered in \d+ ms, messages up to 131,072 bytes/m,
      /^ok +chain \(esplora\) +regtest, height 105/m,
      /^ok +clock/m,
    ])
      expect(stdout).toMatch(line);
  });

  test('fails on the wrong network and without any relay', async () => {
    await healthy({ genesis: '000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943' });
    await relay.stop();
    const { code, stdout } = await cli('doctor', '--json');
    expect(code).toBe(1);
    const { ok, findings } = JSON.parse(stdout);
    expect(ok).toBe(false);
    expect(findings).toContainEqual({
      check: 'chain (esplora)',
      level: 'fail',
      text: 'the chain backend follows testnet3, but regtest is configured',
    });
    expect(findings).toContainEqual(expect.objectContaining({ check: `relay ${relay.url}`, level: 'fail' }));
  });

  // fault 47
  test('notices a clock that is behind the chain', async () => {
    await healthy({ time: () => Math.floor(Date.now() / 1000) + 86_400 });
    const { code, stdout } = await cli('doctor');
    expect(code).toBe(1);
    expect(stdout).toMatch(/^FAIL +clock +behind the chain's median time by 23 h 5\d min/m);
  });

  test('tells every problem of the configuration as a finding', async () => {
    await cli('init');
    rmSync(join(dir, 'identity.key'));
    const { code, stdout } = await cli('doctor', '--set', 'log.level=loud');
    expect(code).toBe(1);
    expect(stdout).toMatch(/^FAIL +configuration +log\.level: has to be one of "debug"/m);
    expect(stdout).toMatch(/^FAIL +configuration +identity\.key_file: there is no .*openssl rand/m);
  });
});

describe('the running aggregator', () => {
  async function prepared(): Promise<string[]> {
    const relay = await startTestRelay();
    const esplora = await startFakeEsplora();
    undo.push(() => relay.stop(), esplora.stop);
    await cli('init', '--relay', relay.url, '--esplora', esplora.url);
    return [];
  }

  // fault 49
  test('serves its operator until SIGTERM', async () => {
    await prepared();
    const daemon = start(['run', '--json'], { cwd: dir });
    undo.push(() => daemon.kill('SIGKILL'));
    const ready = JSON.parse(await daemon.said(/\n/));
    expect(ready).toMatchObject({
      ready: true,
      pid: daemon.pid,
      network: 'regtest',
      socket: join(dir, 'state/control.sock'),
    });
    for (const name of readdirSync(join(dir, 'state'))) expect(mode(`state/${name}`), name).toBe(0o600);

    expect((await cli('status')).stdout).toMatch(/^aggregator +version .* process \d+[\s\S]*No cohorts yet/);
    const created = await cli(
      'advert',
      'create',
      '--id',
      'first',
      '--min',
      '2',
      '--max',
      '4',
      '--fee-cap',
      '5,000',
      '--frequency',
      '2h',
      '--json',
    );
    expect(JSON.parse(created.stdout)).toMatchObject({
      advert_id: 'first',
      status: 'open',
      seats: { taken: 0, min: 2, max: 4 },
    });
    const { cohort } = JSON.parse(created.stdout);
    const shown = JSON.parse((await cli('cohort', 'show', cohort.slice(0, 6), '--json')).stdout);
    expect(shown.terms).toMatchObject({
      fee_cap: 5_000,
      frequency: { interval: 7_200, min_interval: 0 },
      dids: { max: 1_000 },
    });
    expect((await cli('advert', 'list')).stdout).toMatch(
      /^ADVERT +COHORT[^\n]*\nfirst +\S{12} +SMTBeacon +open +0 of 2–4/,
    );

    const refused = await cli('advert', 'create', '--privacy', 'blinded', '--min', '9', '--max', '3');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      /cohort_size\.min: has to be at most.*privacy: has to be "none" for advert\.flow = "push"/,
    );
    expect((await cli('cohort', 'show', 'nobody')).code).toBe(1);
    expect((await cli('round', 'open', 'first')).code).toBe(1);
    expect((await cli('round', 'list', 'first')).stdout).toBe('No rounds yet.\n');
    expect((await cli('advert', 'create', '--min', 'two')).code).toBe(2);
    expect((await cli('doctor')).stdout).toMatch(/^ok +database +whole, in use by the aggregator \(process \d+\)/m);

    const second = await cli('run');
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/in use by another process/);
    expect((await cli('status')).code).toBe(0);

    expect((await cli('advert', 'close', 'first', '--cancel', '--json')).stdout).toContain('"cancelled"');
    daemon.kill('SIGTERM');
    const { code, stderr } = await daemon.ended;
    expect(code).toBe(0);
    expect(stderr).not.toContain(read('identity.key').trim());
    expect(existsSync(join(dir, 'state/control.sock'))).toBe(false);
    expect((await cli('status')).code).toBe(3);
  }, 60_000);

  test('comes back after kill -9, over the socket that was left behind', async () => {
    await prepared();
    const first = start(['run', '--json'], { cwd: dir });
    await first.said(/ready/);
    await cli('advert', 'create', '--id', 'kept');
    first.kill('SIGKILL');
    await first.ended;
    expect(existsSync(join(dir, 'state/control.sock'))).toBe(true);
    expect((await cli('advert', 'list')).code).toBe(3);
    const second = start(['run', '--json'], { cwd: dir });
    undo.push(() => second.kill('SIGKILL'));
    await second.said(/ready/);
    expect((await cli('advert', 'list')).stdout).toContain('kept');
    second.kill('SIGINT');
    expect((await second.ended).code).toBe(0);
  }, 60_000);

  // fault 33
  test('refuses to start on another network, or on keys that others can read', async () => {
    await prepared();
    const wrong = await cli('run', '--network', 'signet');
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toMatch(/follows regtest, but signet is configured/);
    writeFileSync(join(dir, 'state/keys.json'), `{"version":1,"keys":{}}`, { mode: 0o644 });
    chmodSync(join(dir, 'state/keys.json'), 0o644);
    const open = await cli('run');
    expect(open.code).toBe(2);
    expect(open.stderr).toMatch(/can be read by others.*chmod 600/);
  }, 60_000);
});

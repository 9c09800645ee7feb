import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { startEsplora } from '../../src/testing/esplora.ts';
import { BitcoindNotFound, findBitcoind, startRegtest } from '../../src/testing/regtest.ts';
import { mainArchive, parseDeb822Sources, parseOneLineSources } from '../../src/testing/regtest-debian.ts';
import { GUARD, startGuarded } from '../../src/testing/regtest-process.ts';
import { serveRegtest } from '../../src/testing/regtest-serve.ts';

const ADDRESS = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080';
const START_MS = 180_000;

afterEach(() => vi.unstubAllEnvs());

describe('finding a bitcoind', () => {
  // Where it has to be unpacked first, this takes a while.
  beforeAll(async () => void (await findBitcoind()), START_MS);

  test('takes the one that the environment names', async () => {
    const found = await findBitcoind();
    vi.stubEnv('BTCR2_BITCOIND', found);
    expect(await findBitcoind()).toBe(found);
  });

  test('refuses a named one that does not start, and tells what would help', async () => {
    vi.stubEnv('BTCR2_BITCOIND', '/nowhere/bitcoind');
    const fault = await findBitcoind().catch(value => value);
    expect(fault).toBeInstanceOf(BitcoindNotFound);
    expect(fault.message).toMatch(/\/nowhere\/bitcoind.*install.*BTCR2_BITCOIND/s);
  });
});

describe('the package sources of the machine', () => {
  test('one-line form, with options, comments and other archives', () => {
    const text = [
      '# deb http://commented.example/debian trixie main',
      'deb-src http://mirror.example/debian bookworm main',
      'deb [arch=amd64 signed-by=/keys/a.gpg] http://mirror.example/debian bookworm main contrib',
      'deb http://mirror.example/security bookworm-security main',
    ].join('\n');
    expect(parseOneLineSources(text)).toEqual([
      { uri: 'http://mirror.example/debian', suite: 'bookworm', signedBy: '/keys/a.gpg' },
      { uri: 'http://mirror.example/security', suite: 'bookworm-security', signedBy: null },
    ]);
  });

  test('deb822 form, with several suites, comments and disabled stanzas', () => {
    const text = [
      'Types: deb deb-src',
      '# a note',
      'URIs: http://mirror.example/debian',
      'Suites: bookworm bookworm-updates',
      'Components: main',
      'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg',
      '',
      'Types: deb',
      'Enabled: no',
      'URIs: http://off.example/debian',
      'Suites: trixie',
    ].join('\n');
    const signedBy = '/usr/share/keyrings/debian-archive-keyring.gpg';
    expect(parseDeb822Sources(text)).toEqual([
      { uri: 'http://mirror.example/debian', suite: 'bookworm', signedBy },
      { uri: 'http://mirror.example/debian', suite: 'bookworm-updates', signedBy },
    ]);
  });

  test('the main archive is one of a plain Debian suite', () => {
    const source = (suite: string) => ({ uri: `http://${suite}.example`, suite, signedBy: null });
    expect(mainArchive([source('bookworm-security'), source('nodistro'), source('noble')])).toBeNull();
    expect(mainArchive([source('bookworm-updates'), source('bookworm')])).toEqual(source('bookworm'));
  });
});

/** Whether a process runs no more; in some containers nobody collects the dead ones, so a zombie counts as gone. */
const gone = (pid: number): boolean =>
  /^Z|^$/.test(spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim());

describe('a guarded process', () => {
  test('tells its exit code and its last words', async () => {
    const guarded = startGuarded('/bin/sh', ['-c', 'echo why >&2; exit 7'], null);
    expect(await guarded.exited).toBe(7);
    expect(guarded.errors()).toBe('why');
  });

  test('an orderly stop keeps its folder', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'btcr2-guard-'));
    const guarded = startGuarded('/bin/sleep', ['600'], dir);
    await guarded.stop();
    expect(existsSync(dir)).toBe(true);
    await rm(dir, { recursive: true });
  });

  test('one that ignores SIGTERM is killed', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'btcr2-guard-'));
    const deaf = `trap '' TERM; echo $$ > ${dir}/pid; while :; do sleep 0.1; done`;
    const guarded = startGuarded('/bin/sh', ['-c', deaf], null);
    const pid = await vi.waitUntil(() => Number(readFileSync(join(dir, 'pid'), { flag: 'a+' })), { timeout: 10_000 });
    await guarded.stop(300);
    expect(await guarded.exited).toBeNull();
    await vi.waitUntil(() => gone(pid));
    await rm(dir, { recursive: true });
  });

  test('dies with a parent that is killed, and takes its folder along', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'btcr2-guard-'));
    await writeFile(join(dir, 'data'), 'x');
    const script = `
      const { spawn } = require('node:child_process');
      const guarded = ['-c', ${JSON.stringify(GUARD)}, 'sh', ${JSON.stringify(dir)}, '/bin/sh', '-c', 'echo $$; exec sleep 600'];
      const child = spawn('/bin/sh', guarded, { stdio: ['pipe', 'pipe', 'ignore'], detached: true });
      child.stdout.pipe(process.stdout);
    `;
    const parent = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await once(parent.stdout, 'data');
    const pid = Number(String(line));
    expect(gone(pid)).toBe(false);
    parent.kill('SIGKILL');
    await vi.waitUntil(() => gone(pid) && !existsSync(dir), { timeout: 10_000 });
  });
});

test(
  'a node obeys JSON lines, serves browsers, and leaves nothing behind',
  async () => {
    const node = await startRegtest();
    const facade = await startEsplora(node);
    const [input, output] = [new PassThrough(), new PassThrough()];
    let written = '';
    output.on('data', chunk => {
      written += String(chunk);
    });
    const serving = serveRegtest(node, input, output);
    const lines = [
      { cmd: 'fund', address: ADDRESS, sats: 12_345 },
      { cmd: 'mine', n: 2 },
      { cmd: 'tip' },
      { cmd: 'explode' },
      { cmd: 'mine', n: 'many' },
      { cmd: 'fund', address: 'nonsense', sats: 1_000 },
    ];
    input.end(`${lines.map(line => JSON.stringify(line)).join('\n')}\nno JSON\n`);
    await serving;
    const [funded, mined, tip, ...refused] = written
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    expect(mined.blocks).toHaveLength(2);
    expect(tip).toEqual({ height: mined.height, hash: mined.blocks[1] });
    expect(refused).toHaveLength(4);
    for (const answer of refused) expect(Object.keys(answer)).toEqual(['error']);

    const utxos = await fetch(`${facade.url}/address/${ADDRESS}/utxo`);
    expect(utxos.headers.get('access-control-allow-origin')).toBe('*');
    expect(await utxos.json()).toMatchObject([{ ...funded, value: 12_345, status: { confirmed: true } }]);
    const asked = await fetch(`${facade.url}/tx`, { method: 'OPTIONS' });
    expect(asked.headers.get('access-control-allow-methods')).toContain('POST');
    expect((await fetch(`${facade.url}/nothing/here`)).status).toBe(404);

    await node.halt();
    expect((await fetch(`${facade.url}/blocks/tip/hash`)).status).toBe(503);
    await facade.stop();
    await node.stop();
    expect(existsSync(node.dir)).toBe(false);
  },
  START_MS,
);

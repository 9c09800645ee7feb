import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { curve } from '#curve';
import { encodeDid, initialDocument } from '../../../src/did/index.ts';
import { type EsploraFacade, startEsplora } from '../../../src/testing/esplora.ts';
import { type Regtest, startRegtest } from '../../../src/testing/regtest.ts';
import { startTestRelay } from '../../../src/testing/relay.ts';
import { openWallet } from '../../../src/wallet/client.ts';
import { compile } from '../../compile.ts';
import { advertEvent, cli, tempFolder } from './harness.ts';

const START_MS = 180_000;

let program: ReturnType<typeof compile>;
let node: Regtest;
let esplora: EsploraFacade;
beforeAll(async () => {
  program = compile('src/wallet/main.ts');
  node = await startRegtest();
  esplora = await startEsplora(node);
}, START_MS);
afterAll(async () => {
  program?.remove();
  await esplora?.stop();
  await node?.stop();
});

const env = { PATH: process.env.PATH, HOME: '/nonexistent' };

function start(argv: readonly string[]): ChildProcess & { lines: string[]; errors: () => string } {
  const child = spawn(process.execPath, [program.script, ...argv], { stdio: ['ignore', 'pipe', 'pipe'], env });
  const lines: string[] = [];
  let errors = '';
  createInterface({ input: child.stdout }).on('line', line => void lines.push(line));
  child.stderr.on('data', chunk => {
    errors += String(chunk);
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return Object.assign(child, { lines, errors: () => errors });
}

/** A command in a process of its own. */
async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = start(argv);
  const [code] = (await once(child, 'close')) as [number];
  return { code, out: child.lines.join('\n'), err: child.errors() };
}

/** The same in this process, which is quicker: with the real wallet, not a fake one. */
async function here(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const { code, out, err } = await cli(argv, { wallet: openWallet });
  return { code, out: out.trimEnd(), err };
}

/** A `k` identifier on a network, made of one fixed key. */
const kDid = (network: 'regtest' | 'signet'): string =>
  encodeDid({ version: 1, network, kind: 'key', genesisBytes: curve.publicKey(new Uint8Array(32).fill(3)) });

function emptySidecar(): string {
  const file = join(tempFolder(), 'sidecar.json');
  writeFileSync(file, '{}');
  return file;
}

const bitcoind = (): string[] => ['--bitcoind', node.rpcUrl, '--cookie', node.cookieFile];

describe('without a wallet', () => {
  test.each([
    ['bitcoind', bitcoind],
    ['Esplora', () => ['--esplora', esplora.url]],
  ])('resolves a k identifier by %s', async (_, chain) => {
    const said = await run('resolve', kDid('regtest'), '--sidecar', emptySidecar(), ...chain());
    expect(said).toMatchObject({ code: 0, err: 'version 1; 0 beacon signals read\n' });
    expect(JSON.parse(said.out)).toEqual(initialDocument(kDid('regtest')));
  });

  test('a k identifier needs no sidecar at all', async () => {
    const said = await here('resolve', kDid('regtest'), '--esplora', esplora.url, '--json');
    expect(JSON.parse(said.out)).toMatchObject({
      document: initialDocument(kDid('regtest')),
      versionId: '1',
      confirmations: 0,
      neededSignals: [],
    });
  });

  test.each([
    [['--version-id', '2'], 'NOT_FOUND'],
    [['--version-id', '0'], 'INVALID_OPTIONS'],
    [['--version-id', '1', '--version-time', '2026-01-01T00:00:00Z'], 'INVALID_OPTIONS'],
    [['--version-time', 'yesterday'], 'INVALID_OPTIONS'],
    [['--min-conf', '0'], 'INVALID_OPTIONS'],
  ])('%j fails with %s', async (flags, code) => {
    const said = await here('resolve', kDid('regtest'), ...flags, '--esplora', esplora.url, '--json');
    expect(said.code).toBe(1);
    expect(JSON.parse(said.out)).toMatchObject({
      error: { code, message: expect.any(String), detail: expect.any(Object) },
    });
  });

  test.each(['did:btcr2:k1nonsense', 'did:example:abc', 'hello'])('%s is INVALID_DID', async did => {
    const said = await here('resolve', did, '--esplora', esplora.url, '--json');
    expect(said.code).toBe(1);
    expect(JSON.parse(said.out)).toMatchObject({ error: { code: 'INVALID_DID' } });
  });

  test('a chain of another network is refused, since it would show no signals', async () => {
    const said = await here('resolve', kDid('signet'), '--esplora', esplora.url, '--json');
    expect(said.code).toBe(2);
    expect(JSON.parse(said.out)).toMatchObject({ error: { code: 'wrong_network' } });
  });

  test('a chain that does not answer is a failure', async () => {
    const said = await here('resolve', kDid('regtest'), '--esplora', 'http://127.0.0.1:9', '--json');
    expect(said.code).toBe(1);
    expect(JSON.parse(said.out)).toMatchObject({ error: { code: 'chain_unreachable' } });
  });

  test('no command is wrong usage', async () => {
    expect(await run()).toMatchObject({ code: 2, out: '', err: expect.stringContaining('btcr2-wallet help') });
  });
});

describe('a wallet of its own', () => {
  async function made() {
    const relay = await startTestRelay();
    onTestFinished(() => relay.stop());
    const home = join(tempFolder(), 'w');
    const said = await run('init', '--network', 'regtest', '--home', home, '--relay', relay.url, ...bitcoind());
    expect(said).toMatchObject({ code: 0, err: expect.stringContaining('next: btcr2-wallet discover\n') });
    return { home, relay };
  }

  test('makes DIDs and resolves them, and shows no secret', async () => {
    const { home } = await made();
    const x = await run('did', 'create', '--name', 'x-one', '--home', home);
    const k = await here('did', 'create', '--kind', 'k', '--name', 'k-one', '--home', home);
    expect([x.code, k.code]).toEqual([0, 0]);
    const listed = await here('did', 'list', '--home', home, '--json');
    expect(JSON.parse(listed.out)).toMatchObject([
      { did: x.out, name: 'x-one' },
      { did: k.out, name: 'k-one' },
    ]);
    const resolved = await here('resolve', 'x-one', '--home', home, '--json');
    expect(JSON.parse(resolved.out)).toMatchObject({ document: { id: x.out }, versionId: '1' });
    const sidecar = join(home, 'sidecar.json');
    await here('sidecar', 'x-one', '--out', sidecar, '--home', home);
    const elsewhere = await here('resolve', x.out, '--sidecar', sidecar, '--esplora', esplora.url);
    expect(JSON.parse(elsewhere.out)).toEqual(JSON.parse(resolved.out).document);
    const { keys } = JSON.parse(readFileSync(join(home, 'keys.json'), 'utf8')) as {
      keys: Record<string, { secret: string }>;
    };
    const said = [x, k, listed, resolved, elsewhere].map(({ out, err }) => out + err).join('');
    for (const { secret } of Object.values(keys)) expect(said).not.toContain(secret);
    expect(Object.keys(keys)).toHaveLength(2);
  });

  test('discovers what a relay has', async () => {
    const { home, relay } = await made();
    const file = join(home, 'advert.json');
    writeFileSync(file, JSON.stringify(advertEvent('demo')));
    const fromFile = await here('discover', '--file', file, '--all', '--home', home, '--json');
    expect(JSON.parse(fromFile.out)).toMatchObject([{ advert_id: 'demo', verified: true }]);
    const fromRelay = await here('discover', '--all', '--home', home, '--json', '--seconds', '1');
    expect(JSON.parse(fromRelay.out)).toEqual([]);
    await relay.stop();
    const fromNobody = await here('discover', '--home', home, '--json', '--seconds', '1');
    expect(fromNobody.code).toBe(1);
    expect(JSON.parse(fromNobody.out)).toMatchObject({ error: { code: 'no_relay' } });
  });

  // fault 49
  test.each(['SIGTERM', 'SIGINT'] as const)('runs, serves, and ends cleanly on %s', async signal => {
    const { home } = await made();
    const running = start(['run', '--home', home, '--json']);
    await expect.poll(() => running.lines.length, { timeout: 15_000 }).toBe(1);
    expect(JSON.parse(running.lines[0]!)).toMatchObject({ type: 'running', pid: running.pid, home });
    expect(JSON.parse((await here('status', '--home', home, '--json')).out)).toMatchObject({ running: true });
    const created = await here('did', 'create', '--home', home);
    await expect.poll(() => running.lines.length, { timeout: 5_000 }).toBe(2);
    expect(JSON.parse(running.lines[1]!)).toMatchObject({ type: 'did_created', text: `made ${created.out}` });
    const second = await run('run', '--home', home);
    expect(second).toMatchObject({ code: 1, err: expect.stringContaining('has this wallet open') });
    const closed = once(running, 'close');
    running.kill(signal);
    expect(await closed).toEqual([0, null]);
    expect(running.errors()).toBe('');
    expect(JSON.parse((await here('status', '--home', home, '--json')).out)).toMatchObject({ running: false });
  });

  // fault 54
  test('keys that others can read are refused with the command that helps', async () => {
    const { home } = await made();
    const { chmodSync } = await import('node:fs');
    chmodSync(join(home, 'keys.json'), 0o644);
    const said = await here('status', '--home', home);
    expect(said).toMatchObject({ code: 2, err: expect.stringContaining('chmod 600') });
  });
});

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { builtScript } from '../operator/built.ts';
import { removeDir, tempDir, until } from './harness.ts';

let node: Regtest;
const dirs: string[] = [];
const running = new Set<ChildProcess>();
beforeAll(async () => {
  node = await startRegtest();
}, 180_000);
afterAll(async () => {
  for (const child of running) child.kill('SIGKILL');
  await node?.stop();
  for (const dir of dirs) removeDir(dir);
});

interface Ended {
  code: number;
  out: string;
  err: string;
}

/** A place with an aggregator, two wallets and a stick that is carried between them. No relay is anywhere. */
function place() {
  const dir = tempDir();
  dirs.push(dir);
  const stick = join(dir, 'stick');
  mkdirSync(stick);
  const spawned = (script: string, argv: readonly string[]): ChildProcess => {
    const child = spawn(process.execPath, [builtScript(script), ...argv], {
      cwd: dir,
      env: { PATH: process.env.PATH, HOME: dir },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    running.add(child);
    child.once('close', () => running.delete(child));
    return child;
  };
  async function run(script: string, argv: readonly string[], input = ''): Promise<Ended> {
    const child = spawned(script, argv);
    let out = '';
    let err = '';
    child.stdout!.on('data', chunk => {
      out += String(chunk);
    });
    child.stderr!.on('data', chunk => {
      err += String(chunk);
    });
    child.stdin!.on('error', () => {});
    child.stdin!.end(input);
    const [code] = (await once(child, 'close')) as [number];
    return { code, out, err };
  }
  const config = ['--config', join(dir, 'agg', 'btcr2-aggregator.toml')];
  const done = async (ended: Promise<Ended>): Promise<Ended> => {
    const result = await ended;
    if (result.code !== 0) throw new Error(`exit ${result.code}: ${result.out} ${result.err}`);
    return result;
  };
  const aggregator = (...argv: string[]) => run('main.js', [...argv, ...config]);
  const wallet = (name: string, ...argv: string[]) => run('wallet/main.js', [...argv, '--home', join(dir, name)]);
  return {
    dir,
    stick,
    files: () => readdirSync(stick).filter(name => !name.startsWith('.')),
    run,
    done,
    aggregator,
    wallet,
    ask: async (...argv: string[]) => JSON.parse((await done(aggregator(...argv, '--json'))).out),
    tell: async (name: string, ...argv: string[]) => JSON.parse((await done(wallet(name, ...argv, '--json'))).out),
    stay(script: string, argv: readonly string[]): Promise<void> {
      const child = spawned(script, argv);
      child.stderr!.resume();
      return new Promise((resolve, reject) => {
        child.stdout!.once('data', () => resolve());
        child.once('close', code => reject(new Error(`ended with ${code}`)));
      });
    },
    config,
  };
}

const CHAIN = () => ['--bitcoind', node.rpcUrl, '--cookie', node.cookieFile];
const LATENCIES = ['cohort-set', 'presence', 'nonce', 'signature'].flatMap(name => [`--${name}-latency`, '2h']);
const PATCH = '[{"op":"add","path":"/alsoKnownAs","value":["https://example.com"]}]';
const WALLETS = ['alex', 'hal'];

test.each(['encrypted', 'plain'])(
  'by files alone, %s: from an advert to a confirmed signal, and both DIDs resolve',
  { timeout: 900_000 },
  async form => {
    const at = place();
    const { done, aggregator, wallet, stick } = at;
    const plain = form === 'plain' ? ['--plain'] : [];

    await done(
      at.run('main.js', ['init', '--network', 'regtest', '--dir', join(at.dir, 'agg'), '--by-hand', ...CHAIN()]),
    );
    await at.stay('main.js', ['run', ...at.config]);
    const status = await at.ask('status');
    expect(status).toMatchObject({ relays: [], hearing: true });
    await at.ask('advert', 'create', '--id', 'weekly', '--min', '2', '--max', '2', ...LATENCIES);
    const advert = join(at.dir, 'advert.json');
    writeFileSync(advert, (await done(aggregator('advert', 'export', 'weekly', '--event'))).out);
    const link = (await done(aggregator('advert', 'export', 'weekly', '--link'))).out.trim();

    for (const name of WALLETS) await done(wallet(name, 'init', '--network', 'regtest', '--by-hand', ...CHAIN()));
    await at.tell('alex', 'join', advert, '--yes');
    await at.tell('hal', 'join', link, '--yes');

    const isRunning = new Set<string>();
    /** To the aggregator, everything on the stick, in a wrong order, and what it has to say back. */
    async function carryOver(): Promise<void> {
      await Promise.all(WALLETS.map(name => at.tell(name, 'compose', '--to', stick, ...plain)));
      const inWrongOrder = at
        .files()
        .reverse()
        .map(name => join(stick, name));
      await aggregator('deliver', ...inWrongOrder);
      await at.ask('compose', '--cohort', 'weekly', '--to', stick, ...plain);
    }
    /** To the wallets: a request to sign waits until one stays that can keep its nonces. */
    async function carryBack(): Promise<void> {
      for (const name of WALLETS) {
        const first = await wallet(name, 'deliver', stick, '--json');
        const said = JSON.parse(first.out) as { files: { results: { outcome: string }[] }[] };
        const isHeld = said.files.some(({ results }) => results.some(({ outcome }) => outcome === 'held'));
        expect(first.code).toBe(isHeld ? 1 : 0);
        if (!isHeld) continue;
        expect(isRunning.has(name)).toBe(false);
        isRunning.add(name);
        await at.stay('wallet/main.js', ['run', '--home', join(at.dir, name)]);
        await at.tell(name, 'deliver', stick);
      }
    }
    const carryUntil = <T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> =>
      until(
        what,
        async () => {
          const found = await look();
          if (found) return found;
          await carryOver();
          await carryBack();
          return undefined;
        },
        300_000,
      );
    const cohort = () => at.ask('cohort', 'show', 'weekly');
    const phaseOf = async (name: string) => (await at.tell(name, 'status')).cohorts[0]?.phase;

    await carryUntil(
      'the cohort',
      async () => (await phaseOf('alex')) === 'ready' && (await phaseOf('hal')) === 'ready',
    );
    const { beacon_address } = await cohort();
    await node.fund(beacon_address, 100_000);
    await node.mine(6);

    const dids = new Map<string, string>();
    for (const name of WALLETS) {
      dids.set(name, (await at.tell(name, 'did', 'create', '--cohort', 'weekly', '--name', name)).did);
      expect(await at.tell(name, 'register', name)).toMatchObject({ asked: true });
    }
    const beaconOf = async (name: string) => (await at.tell(name, 'status')).dids[0]?.beacons[0]?.state;
    await carryUntil('the registrations', async () => {
      const states = await Promise.all(WALLETS.map(beaconOf));
      return states.every(state => state === 'listed' || state === 'registered');
    });

    expect(await at.tell('alex', 'update', 'alex', '--patch', PATCH)).toMatchObject({ version: 2, state: 'signed' });

    // Whatever else lies on the stick is told by its name and its field, and stops nothing.
    await at.tell('alex', 'compose', '--to', join(at.dir, 'update'), ...plain);
    const [update] = readdirSync(join(at.dir, 'update'));
    const good = join(at.dir, 'update', update!);
    const text = readFileSync(good, 'utf8');
    const bad = (name: string, content: string): string => {
      const path = join(at.dir, name);
      writeFileSync(path, content);
      return path;
    };
    const huge = bad('huge.json', '');
    truncateSync(huge, 17_000_000);
    const junk = [
      bad('junk.json', 'this is no message\n'),
      bad('cut.json', text.slice(0, text.length / 2)),
      bad(
        'altered.json',
        text.replace(/"created_at":(\d+)/, (_, time) => `"created_at":${Number(time) - 1}`),
      ),
      huge,
      advert,
      join(at.dir, 'missing.json'),
    ];
    const delivered = await aggregator('deliver', ...junk, good, good);
    expect(delivered.code).toBe(1);
    const lines = delivered.out.trimEnd().split('\n');
    expect(lines).toHaveLength(8);
    for (const [i, field] of ['file', 'file', form === 'plain' ? 'sig' : 'id', 'size', 'kind', 'file'].entries())
      expect(lines[i]).toMatch(new RegExp(`^${junk[i]}: refused: ${field}: `));
    expect(lines[6]).toContain('taken: did_update');
    expect(lines[7]).toContain('known: did_update');
    // A wallet refuses what is for the other one.
    await at.ask('compose', '--cohort', 'weekly', '--to', join(at.dir, 'answers'), ...plain);
    const answer = readdirSync(join(at.dir, 'answers')).map(name => join(at.dir, 'answers', name));
    const others = await wallet('hal', 'deliver', ...answer.filter(path => path.includes('-ack-')));
    expect(others).toMatchObject({ code: 1 });
    expect(others.out).toContain('passed over: to: for another wallet');
    // What was written once is on its way: it goes to the stick, for whom it is for.
    for (const path of answer) copyFileSync(path, join(stick, basename(path)));
    // What is piped is the same as what is carried.
    const piped = await done(aggregator('compose', '--cohort', 'weekly', '--all', '--to', '-', ...plain));
    expect((await at.run('wallet/main.js', ['deliver', '-', '--home', join(at.dir, 'alex')], piped.out)).out).toContain(
      'taken: ack',
    );

    const round = await carryUntil('the signal', async () =>
      (await cohort()).rounds.find((one: { stage: string }) => one.stage === 'announced'),
    );
    await until('the broadcast', async () => ((await node.rpc('getrawmempool')) as string[]).includes(round.txid));
    expect([...isRunning].sort()).toEqual(WALLETS);
    await node.mine(6);
    await until('final', async () => (await cohort()).rounds[0]?.status?.startsWith('final'), 120_000);
    await carryOver();
    await carryBack();

    for (const [name, version] of [
      ['alex', '2'],
      ['hal', '1'],
    ] as const) {
      const { versionId, document } = await until('resolved', async () => {
        const { code, out } = await wallet(name, 'resolve', name, '--json');
        return code === 0 && JSON.parse(out);
      });
      expect(versionId).toBe(version);
      expect(document.alsoKnownAs).toEqual(version === '2' ? ['https://example.com'] : undefined);
    }
    // Nothing was done twice, however often it was delivered.
    expect((await cohort()).rounds).toHaveLength(1);
  },
);

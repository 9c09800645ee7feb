import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { builtScript } from '../operator/built.ts';

const DEMO = builtScript('demo/main.js');
const SMALL = ['--members', '2', '--dids', '1', '--rounds', '1'];
const TIMEOUT = 60_000;
const mark = (folder: string): string => `BTCR2_DEMO_TEST=${folder}`;

/** Processes that were started with a mark in their environment, however deep: what a demo leaves behind. */
function marked(folder: string): string[] {
  if (!existsSync('/proc/self/environ'))
    return execFileSync('ps', ['axEww', '-o', 'pid,command'], { encoding: 'utf8' })
      .split('\n')
      .filter(line => line.includes(mark(folder)));
  return readdirSync('/proc').filter(pid => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, 'latin1').includes(mark(folder));
    } catch {
      return false;
    }
  });
}

function startDemo(args: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'btcr2-demo-test-'));
  const out = join(folder, 'out');
  const child = spawn(process.execPath, [DEMO, ...SMALL, '--out', out, ...args], {
    // What the demo makes for itself goes there too, so that the test sees what is left of it.
    env: { ...process.env, TMPDIR: folder, BTCR2_DEMO_TEST: folder, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  let wake: () => void = () => {};
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', chunk => {
      said += String(chunk);
      wake();
    });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  });
  return {
    out,
    folder,
    ended,
    said: () => said,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    async until(pattern: RegExp): Promise<void> {
      const gone = ended.then(() => true);
      while (!pattern.test(said)) {
        const isGone = await Promise.race([gone, new Promise<false>(resolve => (wake = () => resolve(false)))]);
        if (isGone && !pattern.test(said)) throw new Error(`the demo ended without ${pattern}:\n${said}`);
      }
    },
  };
}

const json = (...path: string[]): Record<string, unknown> => JSON.parse(readFileSync(join(...path), 'utf8'));

describe('the demo', () => {
  test.each([
    { args: [], type: 'SMTBeacon', first: 'smtProofs' },
    { args: ['--beacon', 'cas'], type: 'CASBeacon', first: 'casUpdates' },
    { args: ['--privacy', 'blinded', '--flow', 'pull'], type: 'SMTBeacon', first: 'smtProofs' },
  ])(
    '$args: every signal is confirmed, every DID resolves, nothing stays behind',
    async ({ args, type, first }) => {
      const demo = startDemo(args);
      expect({ code: await demo.ended, said: demo.said() }).toMatchObject({
        code: 0,
        said: expect.stringContaining('2 of 2 DIDs resolve at 6 confirmations, the newest at version 2'),
      });
      expect(readdirSync(demo.out).sort()).toEqual(['advert.json', 'chain.json', 'cohort.json', 'rounds', 'wallets']);
      expect(json(demo.out, 'cohort.json').beacon_type).toBe(type);
      expect(json(demo.out, 'rounds', '1.json').confirmations).toBe(6);
      for (const wallet of ['alexis', 'satoshi']) {
        const files = readdirSync(join(demo.out, 'wallets', wallet));
        expect(files).toHaveLength(1);
        const { sidecar, version_id } = json(demo.out, 'wallets', wallet, files[0]!);
        expect(sidecar).toMatchObject({ [first]: [expect.anything()] });
        expect(version_id).toBe(wallet === 'alexis' ? '2' : '1');
      }
      expect(readdirSync(demo.folder)).toEqual(['out']);
      expect(marked(demo.folder)).toEqual([]);
    },
    TIMEOUT,
  );

  test.each([
    ['while it starts', /relay: our own/],
    ['in the middle', /members signed the set/],
  ])(
    'that is interrupted %s leaves no process',
    async (_, moment) => {
      const demo = startDemo([]);
      await demo.until(moment);
      expect(marked(demo.folder)).not.toEqual([]);
      demo.kill('SIGINT');
      expect({ code: await demo.ended, said: demo.said() }).toMatchObject({
        code: 1,
        said: expect.stringContaining('demo: interrupted'),
      });
      await expect.poll(() => marked(demo.folder), { timeout: 15_000, interval: 100 }).toEqual([]);
    },
    TIMEOUT,
  );

  test('that is asked for what cannot be says why, and starts nothing', async () => {
    const demo = startDemo(['--privacy', 'blinded']);
    expect(await demo.ended).toBe(2);
    expect(demo.said()).toContain('--privacy blinded does not go with --flow push');
    expect(readdirSync(demo.folder)).toEqual([]);
  });
});

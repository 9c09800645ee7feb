import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Restored } from '../../../src/wallet/api.ts';
import { cli, DID_ONE, didView, fakeWallet, NOW, statusOf, tempFolder, tempHome } from './harness.ts';

let home: string;
beforeEach(async () => {
  home = await tempHome();
});
const at = (...argv: string[]): string[] => [...argv, '--home', home, '--log-level', 'error'];
const jsonOf = (text: string): unknown => JSON.parse(text);

const file = { v: 1 as const, network: 'regtest' as const, made_at: NOW, cohorts: [], dids: [] };
const done: Restored = {
  dids: [{ did: DID_ONE, version: '2', deactivated: false, missing_proofs: 0, text: null }],
  cohorts: [],
  can: ['resolve'],
  cannot: ['sign a round'],
};
const status = (seeded: boolean) => () => statusOf({ seeded, dids: [didView(DID_ONE, 'one')] });

describe('recovery', () => {
  test('writes a file that only its owner reads, over an older one', async () => {
    const path = join(tempFolder(), 'recovery.json');
    writeFileSync(path, 'old');
    const wallet = fakeWallet({ recovery: () => file, status: status(true) });
    const { code, out, err } = await cli(at('recovery', '--out', path), { wallet });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('0 DIDs, 0 cohorts');
    expect(jsonOf(readFileSync(path, 'utf8'))).toEqual(file);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(jsonOf((await cli(at('recovery', '--json'), { wallet })).out)).toEqual(file);
  });

  test('says that without a seed it restores nothing', async () => {
    const wallet = fakeWallet({ recovery: () => file, status: status(false) });
    expect((await cli(at('recovery'), { wallet })).err).toContain('no seed');
  });
});

describe('restore', () => {
  const wallet = (over: Partial<Restored> = {}) => fakeWallet({ restore: async () => ({ ...done, ...over }) });

  test('passes on a file, and prints what the wallet can and cannot do', async () => {
    const path = join(tempFolder(), 'recovery.json');
    writeFileSync(path, JSON.stringify(file));
    const restoring = wallet();
    const { code, out } = await cli(at('restore', '--recovery', path), { wallet: restoring });
    expect(code).toBe(0);
    expect(restoring.calls).toContainEqual(['restore', { recovery: file }]);
    for (const part of [`${DID_ONE}: version 2`, 'This wallet can\n  resolve', 'It cannot\n  sign a round'])
      expect(out).toContain(part);
  });

  test('takes what an archive has of a DID, by beacon address, as its updates', async () => {
    const path = join(tempFolder(), 'sidecar.json');
    const context = 'https://btcr2.dev/context/v1';
    const part = (...updates: object[]) => ({ '@context': context, updates, casUpdates: [], smtProofs: [{ id: 'x' }] });
    writeFileSync(path, JSON.stringify({ bcrt1pone0000000000: part({ a: 1 }), bcrt1ptwo0000000000: part({ b: 2 }) }));
    const restoring = wallet();
    await cli(at('restore', '--sidecar', path, '--did', DID_ONE), { wallet: restoring });
    const updates = [{ a: 1 }, { b: 2 }];
    expect(restoring.calls).toContainEqual(['restore', { sidecar: { '@context': context, updates }, did: DID_ONE }]);
    // A sidecar is passed on as it is, and so is what is none.
    for (const whole of [part({ a: 1 }), {}]) {
      writeFileSync(path, JSON.stringify(whole));
      await cli(at('restore', '--sidecar', path, '--did', DID_ONE), { wallet: restoring });
      expect(restoring.calls).toContainEqual(['restore', { sidecar: whole, did: DID_ONE }]);
    }
  });

  test('says whether the companion has answered, and that nothing is signed before', async () => {
    const path = join(tempFolder(), 'recovery.json');
    writeFileSync(path, JSON.stringify(file));
    const cohorts = [
      { cohort: 'ab'.repeat(32), advert_id: 'weekly', beacon_address: 'bcrt1p', by_companion: true },
      { cohort: 'cd'.repeat(32), advert_id: 'alone', beacon_address: 'bcrt1q', by_companion: false },
    ];
    const companion = 'ef'.repeat(32);
    const say = async (answered: boolean) =>
      (
        await cli(at('restore', '--recovery', path), {
          wallet: wallet({ cohorts, companion: { companion, answered } }),
        })
      ).out;
    expect(await say(true)).toMatch(new RegExp(`the companion ${companion} has answered: .* goes on signing`));
    const silent = await say(false);
    expect(silent).toMatch(/has not answered: start it[\s\S]*nothing is\nsigned for these DIDs/);
    expect(silent).toContain('cohort weekly, bcrt1p: its companion is the member\n');
    expect(silent).toContain('cohort alone, bcrt1q: for its proofs\n');
  });

  test.each([
    [['--index', '7', '--name', 'old'], { index: 7, name: 'old' }],
    [['--did', DID_ONE], { did: DID_ONE }],
    [['--scan'], { scan: true }],
  ])('%j', async (argv, request) => {
    const restoring = wallet();
    expect((await cli(at('restore', ...argv), { wallet: restoring })).code).toBe(0);
    expect(restoring.calls).toContainEqual(['restore', request]);
  });

  test('of a DID that does not resolve says why, and fails', async () => {
    const text = 'MISSING_UPDATE_DATA: a proof';
    const dids = [{ did: DID_ONE, version: null, deactivated: false, missing_proofs: 1, text }];
    const { code, out } = await cli(at('restore', '--scan'), { wallet: wallet({ dids }) });
    expect({ code, out }).toEqual({ code: 1, out: expect.stringContaining(`${text}, 1 proof missing`) });
  });

  test.each([
    [[], 'restore needs one of'],
    [['--scan', '--index', '1'], 'restore needs one of'],
    [['--scan', '--name', 'x'], '--name is for one DID'],
    [['--index', 'x'], '--index takes a whole number'],
  ])('%j is refused: %s', async (argv, text) => {
    expect(await cli(at('restore', ...argv), { wallet: wallet() })).toMatchObject({
      code: 2,
      err: expect.stringContaining(text),
    });
  });
});

describe('what did create says to keep', () => {
  const createDid = async () => ({
    did: DID_ONE,
    document: { '@context': ['https://www.w3.org/ns/did/v1.1'], id: DID_ONE },
  });

  test.each([
    [false, 'x', 'back up keys.json: the key of this DID is nowhere else'],
    [true, 'x', 'the words of the seed make its key again, but not its document'],
    [true, 'k', 'the words of the seed make this DID again'],
  ])('with a seed: %s, kind %s', async (seeded, kind, text) => {
    const wallet = fakeWallet({ createDid, status: () => statusOf({ seeded }) });
    const { err } = await cli(at('did', 'create', '--kind', kind), { wallet });
    expect(err).toContain(text);
    if (seeded) expect(err).not.toContain('nowhere else');
  });
});

describe('publish', () => {
  test('passes on the DID, version and word, and shows addresses', async () => {
    const publish = async (request: { did: string }) => [
      { did: request.did, version: 2, announcement: 'aa', cid: 'bafk' },
    ];
    const wallet = fakeWallet({ publish, status: status(true) });
    const { code, out } = await cli(at('publish', 'one', '--version', '2', '--reveal'), { wallet });
    expect({ code, out }).toEqual({ code: 0, out: 'version 2: bafk\n' });
    expect(wallet.calls).toContainEqual(['publish', { did: DID_ONE, version: 2, reveal: true }]);
    expect((await cli(at('publish', 'one', '--version', '1'), { wallet })).code).toBe(2);
  });
});

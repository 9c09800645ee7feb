import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { DidError } from '../../../src/did/index.ts';
import { callControl } from '../../../src/operator/control.ts';
import { StoreLocked } from '../../../src/store/index.ts';
import { WalletError } from '../../../src/wallet/api.ts';
import type { Wallet } from '../../../src/wallet/client.ts';
import {
  type Answered,
  advertEvent,
  advertOf,
  cli,
  cohortView,
  DID_ONE,
  DID_TWO,
  didView,
  type FakeWallet,
  fakeWallet,
  NOW,
  statusOf,
  tempHome,
} from './harness.ts';

const demo = advertOf(advertEvent('demo'));
const status = () => statusOf({ cohorts: [cohortView(demo)], dids: [didView(DID_ONE, 'one')] });
const participant_pk = `02${'1'.repeat(64)}`;

let home: string;
beforeEach(async () => {
  home = await tempHome();
});
const at = (...argv: string[]): string[] => [...argv, '--home', home];
const socket = (): string => join(home, 'wallet.sock');

interface Run {
  wallet: FakeWallet;
  lines: () => string[];
  stop: () => Promise<Answered>;
}

/** `run` in this process, with a wallet that is told what to answer; resolves once it says that it runs. */
async function running(answers: Partial<Wallet> = {}, ...flags: string[]): Promise<Run> {
  const wallet = fakeWallet({ status, ...answers });
  const leaving = new AbortController();
  let text = '';
  let isUp: () => void = () => {};
  const up = new Promise<void>(resolve => {
    isUp = resolve;
  });
  const ended = cli(at('run', '--log-level', 'error', ...flags), {
    wallet,
    signal: leaving.signal,
    onOut(more) {
      text += more;
      isUp();
    },
  });
  await Promise.race([up, ended]);
  const stop = (): Promise<Answered> => {
    leaving.abort();
    return ended;
  };
  onTestFinished(() => void stop());
  return { wallet, lines: () => text.trimEnd().split('\n'), stop };
}

test('says that it runs, and ends on a signal with everything closed', async () => {
  const { wallet, lines, stop } = await running();
  expect(lines()).toEqual([`wallet ${home} is running on regtest: ws://127.0.0.1:9; chain by esplora`]);
  expect(statSync(socket()).mode & 0o777).toBe(0o600);
  expect(await stop()).toMatchObject({ code: 0, err: '' });
  expect(wallet.calls).toEqual([['start'], ['stop']]);
  expect(existsSync(socket())).toBe(false);
});

test('prints one line for each event that concerns a person', async () => {
  const { wallet, lines } = await running();
  wallet.tell({ type: 'set_signed', cohort: demo.cohort, sig: '00' });
  wallet.tell({ type: 'answered', envelope_id: 'e' });
  wallet.tell({
    type: 'session_vetoed',
    cohort: demo.cohort,
    session_id: 'ab'.repeat(32),
    code: 'fee_too_high',
    text: 'no',
  });
  wallet.tell({ type: 'did_registered', cohort: demo.cohort, did: DID_ONE, proven: true });
  const time = new Date(NOW * 1_000).toISOString().replace('.000Z', 'Z');
  expect(lines().slice(1)).toEqual([
    `${time} demo: cohort set checked and signed`,
    `${time} demo: vetoed session abababababab: no (fee_too_high)`,
    `${time} demo: registered one`,
  ]);
});

test('--json prints one object a line', async () => {
  const { wallet, lines } = await running({}, '--json');
  wallet.tell({ type: 'membership_ended', cohort: demo.cohort, reason: 'cancelled' });
  expect(lines().map(line => JSON.parse(line))).toEqual([
    {
      type: 'running',
      pid: process.pid,
      home,
      socket: socket(),
      network: 'regtest',
      relays: ['ws://127.0.0.1:9'],
      chain: 'esplora',
    },
    {
      at: NOW,
      type: 'membership_ended',
      cohort: demo.cohort,
      advert_id: 'demo',
      text: 'membership ended: cancelled',
      event: { type: 'membership_ended', cohort: demo.cohort, reason: 'cancelled' },
    },
  ]);
});

test('fails when the wallet cannot go on', async () => {
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  const { wallet, stop } = await running({ failed });
  fail(new Error('the disk is full'));
  await expect.poll(() => wallet.calls.at(-1)).toEqual(['stop']);
  expect(await stop()).toMatchObject({ code: 1, err: 'btcr2-wallet: the disk is full\n' });
});

test('waits for a short command that has the wallet open, and gives way to another run', async () => {
  let tries = 0;
  const wallet = fakeWallet({ status });
  const leaving = new AbortController();
  const open = () => (++tries < 3 ? Promise.reject(new StoreLocked('wallet.db')) : Promise.resolve(wallet));
  const flags = at('run', '--log-level', 'error');
  const first = cli(flags, { wallet: open, signal: leaving.signal });
  await expect.poll(() => wallet.calls, { timeout: 5_000 }).toEqual([['start']]);
  const second = await cli(flags);
  expect(second).toMatchObject({ code: 1, err: expect.stringContaining('has this wallet open') });
  leaving.abort();
  expect((await first).code).toBe(0);
});

describe('other commands work through it', () => {
  test('all of them', async () => {
    const { wallet } = await running({
      discover: async () => [{ advert: demo, open: true }],
      join: async () => ({ cohort: demo.cohort, participant_pk }),
      ready: async () => ({ beacon_address: 'bcrt1pb', participant_pubkeys: [participant_pk] }),
      leave: async () => {},
      rebind: async cohort => ({ cohort, transport_key: 'ab'.repeat(32) }),
      createDid: async () => ({ did: DID_TWO, document: { id: DID_TWO } as never }),
      register: async request => ({ ...request, proven: true, signals: 0 }),
      update: async ({ did }) => ({ did, version: 2, announcement: 'aa', cohorts: [], state: 'acked' }),
      announce: async ({ did }) => ({ did, version: 2, announcement: 'aa', cohorts: [], state: 'broadcast' }),
      fundingAddress: async did => ({
        did,
        address: 'bcrt1pown',
        kind: 'p2tr',
        balance_sats: 0,
        waiting_sats: 0,
        needed_sats: 1,
      }),
      sidecar: () => ({ '@context': 'https://btcr2.dev/context/v1', updates: [], casUpdates: [], smtProofs: [] }),
      resolve: async () => ({
        document: { id: DID_ONE } as never,
        versionId: '1',
        deactivated: false,
        confirmations: 0,
        updates: [],
        neededSignals: [],
      }),
    });
    const patch = [{ op: 'remove', path: '/alsoKnownAs' }];
    const commands = [
      ['status'],
      ['discover', '--all'],
      ['join', 'demo', '--yes', '--wait', '--invite', 'abc', '--scheme', 'nip44_v2'],
      ['did', 'create', '--name', 'two'],
      ['did', 'list'],
      ['register', 'one'],
      ['update', 'one', '--patch', JSON.stringify(patch), '--cohort', 'demo'],
      ['update', 'one', '--patch', JSON.stringify(patch), '--bare'],
      ['update', 'one', '--patch', JSON.stringify(patch), '--via', 'singleton', '--fee-cap', '900'],
      ['announce', 'one', '--via', 'singleton', '--cohort', 'demo'],
      ['funding', 'one'],
      ['sidecar', 'one'],
      ['resolve', 'one', '--version-time', '2026-01-31T12:00:00Z', '--legacy', '--bit-order', 'lsb'],
      ['rebind', 'demo'],
      ['leave', 'demo'],
    ];
    for (const command of commands) {
      const said = await cli(at(...command, '--json'));
      expect({ command, code: said.code }).toEqual({ command, code: 0 });
      expect(JSON.parse(said.out)).not.toHaveProperty('error');
    }
    expect(wallet.calls).toEqual([
      ['start'],
      ['discover', { all: true, seconds: 3 }],
      ['discover', { all: true, seconds: 3 }],
      ['join', { advert: demo, invite: 'abc', scheme: 'nip44_v2' }],
      ['ready', demo.cohort],
      ['createDid', { kind: 'x', name: 'two', singleton: true }],
      ['register', { did: DID_ONE, cohort: demo.cohort }],
      ['update', { did: DID_ONE, patch, cohorts: [demo.cohort] }],
      ['update', { did: DID_ONE, patch, bare: true }],
      ['update', { did: DID_ONE, patch, via: 'singleton', feeCapSats: 900 }],
      ['announce', { did: DID_ONE, cohorts: [demo.cohort], via: 'singleton' }],
      ['fundingAddress', DID_ONE],
      ['sidecar', DID_ONE],
      ['resolve', { did: DID_ONE, versionTime: '2026-01-31T12:00:00Z', bitOrder: 'lsb', legacy: true }],
      ['rebind', demo.cohort],
      ['leave', demo.cohort],
    ]);
  });

  test('and status says so', async () => {
    await running();
    expect(JSON.parse((await cli(at('status', '--json'))).out)).toEqual({ running: true, home, ...status() });
    expect((await cli(at('status'))).out).toMatch(/process +running\n/);
  });

  test('refusals keep their codes', async () => {
    await running({ leave: () => Promise.reject(new WalletError('unknown_cohort', 'no such cohort')) });
    expect(JSON.parse((await cli(at('leave', 'demo', '--json'))).out)).toEqual({
      error: { code: 'unknown_cohort', message: 'no such cohort' },
    });
  });

  test('errors of the specification keep code and detail', async () => {
    const detail = {
      did: DID_ONE,
      missing: [{ part: 'update' as const, hash: 'h', txid: 't', address: 'a', height: 1 }],
    };
    await running({
      resolve: () => Promise.reject(new DidError('MISSING_UPDATE_DATA', 'it lacks', detail)),
      register: () => Promise.reject(new DidError('LATE_PUBLISHING', 'too late')),
    });
    expect(JSON.parse((await cli(at('resolve', 'one', '--json'))).out)).toEqual({
      error: { code: 'MISSING_UPDATE_DATA', message: 'it lacks', detail },
    });
    expect(JSON.parse((await cli(at('register', 'one', '--json'))).out)).toMatchObject({
      error: { code: 'LATE_PUBLISHING', message: 'too late' },
    });
  });

  test('a fault of the program is told without its words, which may hold anything', async () => {
    await running({ leave: () => Promise.reject(new Error('secret 1234')) });
    const said = await cli(at('leave', 'demo'));
    expect(said.code).toBe(1);
    expect(said.err).not.toContain('1234');
  });

  test('flags for relays and chain are not for a wallet that runs already', async () => {
    await running();
    expect((await cli(at('status', '--esplora', 'http://127.0.0.1:8'))).err).toContain('its own relays and chain');
  });
});

describe('the socket', () => {
  test('takes arguments alone, in an array, or by name', async () => {
    const { wallet } = await running({ leave: async () => {} });
    for (const params of ['c', ['c'], { cohort: 'c' }, [{ cohort: 'c' }]]) await callControl(socket(), 'leave', params);
    expect(wallet.calls.slice(1)).toEqual(Array.from({ length: 4 }, () => ['leave', 'c']));
  });

  test.each([
    ['leave', {}],
    ['leave', [7]],
    ['join', {}],
    ['join', { advert: { event: {} } }],
    ['join', { advert: { event: { ...demo.event, content: demo.event.content.replace('12345', '1') } } }],
    ['createDid', { kind: 'z' }],
    ['createDid', { kind: 'x', secret: 'mine' }],
    ['update', { did: DID_ONE, patch: {} }],
    ['update', { did: DID_ONE, patch: [{ op: 'add', path: '/__proto__/x', value: 1 }] }],
    ['discover', { seconds: 'many' }],
    ['resolve', { did: 7 }],
  ])('refuses %s with %j before the wallet hears of it', async (method, params) => {
    const { wallet } = await running();
    await expect(callControl(socket(), method, params)).rejects.toMatchObject({ code: 'bad_params' });
    expect(wallet.calls).toEqual([['start']]);
  });

  test('joins by the advert that the event proves, whatever else was said of it', async () => {
    const { wallet } = await running({ join: async () => ({ cohort: demo.cohort, participant_pk }) });
    const lie = { ...demo, terms_hash: '00'.repeat(32), identity: '11'.repeat(32) };
    await callControl(socket(), 'join', { advert: lie });
    expect(wallet.calls.at(-1)).toEqual(['join', { advert: demo }]);
  });

  test('of a dead process is in nobody’s way', async () => {
    const { createServer } = await import('node:net');
    const server = createServer();
    await new Promise<void>(resolve => server.listen(`${socket()}.made`, resolve));
    const { renameSync } = await import('node:fs');
    renameSync(`${socket()}.made`, socket());
    await new Promise(resolve => server.close(resolve));
    expect(existsSync(socket())).toBe(true);
    expect((await cli(at('status', '--log-level', 'error'), { wallet: fakeWallet() })).code).toBe(0);
    const { stop } = await running();
    expect((await stop()).code).toBe(0);
  });

  test('is not made over a file of another kind', async () => {
    writeFileSync(socket(), 'mine');
    const wallet = fakeWallet();
    const said = await cli(at('run', '--log-level', 'error'), { wallet });
    expect(said).toMatchObject({ code: 2, err: expect.stringContaining('is no socket') });
    expect(wallet.calls).toEqual([['stop']]);
  });
});

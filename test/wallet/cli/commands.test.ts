import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { DidError, type Sidecar } from '../../../src/did/index.ts';
import { StoreLocked } from '../../../src/store/index.ts';
import { WalletError } from '../../../src/wallet/api.ts';
import {
  advertEvent,
  advertOf,
  cli,
  cohortView,
  DID_ONE,
  DID_TWO,
  didView,
  fakeWallet,
  NOW,
  statusOf,
  tempFolder,
  tempHome,
} from './harness.ts';

const demo = advertOf(advertEvent('demo'));
const other = advertOf(advertEvent('other', { cohort_size: { min: 7, max: 7 } }));
const both = [demo, other].map(advert => ({ advert, open: true }));
const participant_pk = `02${'1'.repeat(64)}`;
const seat = { cohort: demo.cohort, participant_pk };

let home: string;
beforeEach(async () => {
  home = await tempHome();
});
const at = (...argv: string[]): string[] => [...argv, '--home', home, '--log-level', 'error'];
const jsonOf = (text: string): unknown => JSON.parse(text);

describe('discover', () => {
  test('lists adverts with seats, fee cap, frequency, expiry and aggregator', async () => {
    const wallet = fakeWallet({ discover: async () => both });
    const { code, out } = await cli(at('discover'), { wallet });
    expect(code).toBe(0);
    const [head, first, second] = out.split('\n');
    expect(head).toMatch(
      /^ADVERT +COHORT +TYPE +NETWORK +SEATS +FEE CAP +EVERY +OFFER ENDS +STATUS +VERIFIED +AGGREGATOR$/,
    );
    expect(first).toMatch(
      new RegExp(
        `^demo +${demo.cohort.slice(0, 12)} +SMTBeacon +regtest +2–5 +12,345 sat +1 d +in 1 h +open +yes +did:btcr2:k1`,
      ),
    );
    expect(second).toContain(' 7 ');
    expect(wallet.calls).toEqual([['start'], ['discover', { all: false, seconds: 3 }], ['stop']]);
  });

  test('passes on what was asked for', async () => {
    const wallet = fakeWallet({ discover: async () => [] });
    await cli(at('discover', '--all', '--network', 'signet', '--seconds', '9'), { wallet });
    expect(wallet.calls[1]).toEqual(['discover', { all: true, network: 'signet', seconds: 9 }]);
  });

  test('--json has the terms and the event, verified', async () => {
    const { out } = await cli(at('discover', '--json'), { wallet: fakeWallet({ discover: async () => both }) });
    expect(jsonOf(out)).toMatchObject([
      { advert_id: 'demo', cohort: demo.cohort, verified: true, terms: demo.terms, event: demo.event },
      { advert_id: 'other' },
    ]);
  });

  test('nothing heard is not an error; nobody to hear is one', async () => {
    const quiet = await cli(at('discover'), { wallet: fakeWallet({ discover: async () => [] }) });
    expect(quiet).toMatchObject({ code: 0, out: '', err: 'no open adverts; see --all\n' });
    const status = () => statusOf({ relays: [{ url: 'ws://127.0.0.1:9', connected: false }] });
    const deaf = await cli(at('discover'), { wallet: fakeWallet({ discover: async () => [], status }) });
    expect(deaf).toMatchObject({ code: 1, err: 'btcr2-wallet: no relay can be reached: ws://127.0.0.1:9\n' });
  });

  describe('--file', () => {
    const forged = { ...demo.event, content: demo.event.content.replace('12345', '1') };
    const shapes: [string, string][] = [
      ['one event', JSON.stringify(demo.event)],
      ['an array', JSON.stringify([demo.event])],
      ['lines', `${JSON.stringify(demo.event)}\n\n${JSON.stringify(demo.event)}\n`],
    ];
    test.each(shapes)('%s is verified without any relay', async (_, text) => {
      const file = join(tempFolder(), 'adverts');
      writeFileSync(file, text);
      const wallet = fakeWallet({ discover: async () => [both[0]!] });
      const { code, out } = await cli(at('discover', '--file', file), { wallet });
      expect({ code, lines: out.split('\n').length }).toEqual({ code: 0, lines: 3 });
      expect(wallet.calls[0]).toMatchObject(['discover', { events: expect.arrayContaining([demo.event]) }]);
    });
    test('says which event does not verify, and why', async () => {
      const file = join(tempFolder(), 'adverts');
      writeFileSync(file, JSON.stringify([demo.event, forged, { kind: 1 }]));
      const { err } = await cli(at('discover', '--file', file), {
        wallet: fakeWallet({ discover: async () => [both[0]!] }),
      });
      expect(err).toContain('entry 2 of the file is no advert that verifies: not a signed Nostr event');
      expect(err).toContain('entry 3 of the file');
      expect(err).not.toContain('entry 1 of');
    });
    test('what is no JSON, or not there, is refused before the wallet is opened', async () => {
      const file = join(tempFolder(), 'adverts');
      writeFileSync(file, '{}\nhello');
      expect(await cli(at('discover', '--file', file))).toMatchObject({
        code: 1,
        err: expect.stringContaining('neither is its line 2'),
      });
      expect(await cli(at('discover', '--file', `${file}.no`))).toMatchObject({
        code: 1,
        err: expect.stringContaining('ENOENT'),
      });
    });
  });
});

describe('join', () => {
  const joinable = (over = {}) =>
    fakeWallet({
      discover: async () => both,
      join: async () => seat,
      ready: async () => ({ beacon_address: 'bcrt1pb', participant_pubkeys: [participant_pk, participant_pk] }),
      ...over,
    });

  test('shows the terms and the warning, asks, and joins after a yes', async () => {
    const wallet = joinable();
    const { code, out, err } = await cli(at('join', 'demo'), { wallet, answers: ['y'] });
    expect(code).toBe(0);
    for (const text of ['1,500 sat to join', 'at most 12,345 sat a signal', 'the members pay', '256 kB of proofs'])
      expect(out).toContain(text);
    expect(out).toMatch(/one member that is offline blocks all/);
    expect(out).toMatch(/lost cohort key freezes the beacon for good/);
    expect(out).toContain(`joined demo as ${participant_pk}`);
    expect(err).toContain('Join under these terms? [y/N]');
    expect(err).toContain('keep `btcr2-wallet run` going');
    expect(wallet.calls).toContainEqual(['join', { advert: demo }]);
    expect(wallet.calls.at(-1)).toEqual(['stop']);
  });

  test.each(['', 'n', 'yes please', 'yep'])('takes %j for a no', async answer => {
    const wallet = joinable();
    expect(await cli(at('join', 'demo'), { wallet, answers: [answer] })).toMatchObject({
      code: 1,
      err: expect.stringContaining('not joined'),
    });
    expect(wallet.calls.map(([method]) => method)).toEqual(['start', 'discover', 'stop']);
  });

  test('--yes needs nobody to ask; the invitation goes along', async () => {
    const wallet = joinable();
    expect((await cli(at('join', demo.cohort.slice(0, 8), '-y', '--invite', 'abc'), { wallet })).code).toBe(0);
    expect(wallet.calls).toContainEqual(['join', { advert: demo, invite: 'abc' }]);
  });

  test('a fallback policy takes more than a yes: without --allow-fallback nothing is joined', async () => {
    const policy = {
      type: 'fallback',
      threshold: 'n-1',
      recovery_key: '11'.repeat(32),
      recovery_delay_blocks: 1_008,
    } as const;
    const offered = advertOf(advertEvent('demo', { policy, cohort_size: { min: 3, max: 5 } }));
    const offering = () => joinable({ discover: async () => [{ advert: offered, open: true }] });
    const refusing = offering();
    const refused = await cli(at('join', 'demo', '--yes'), { wallet: refusing });
    expect(refused.code).toBe(1);
    expect(refused.out).toMatch(/destroy every DID behind it, yours too/);
    expect(refused.err).toMatch(/destroy every DID behind it.*--allow-fallback/);
    expect(refusing.calls.map(([method]) => method)).not.toContain('join');
    const agreeing = offering();
    expect((await cli(at('join', 'demo', '--yes', '--allow-fallback'), { wallet: agreeing })).code).toBe(0);
    expect(agreeing.calls).toContainEqual(['join', { advert: offered, allowFallback: true }]);
  });

  test('--wait ends when the cohort stands', async () => {
    const { out } = await cli(at('join', 'demo', '--yes', '--wait', '--json'), { wallet: joinable() });
    expect(jsonOf(out)).toEqual({
      ...seat,
      advert_id: 'demo',
      a_year: { signals: 365, proof_bytes: 255_500, fees_sats: 4_505_925 },
      beacon_address: 'bcrt1pb',
      participant_pubkeys: [participant_pk, participant_pk],
    });
  });

  test.each([
    ['unknown', 'there is no advert "unknown"', { discover: async () => both }],
    ['de', 'there is no advert "de"', { discover: async () => both }],
    [
      'demo',
      'could be several',
      { discover: async () => [both[0]!, { advert: { ...other, terms: demo.terms }, open: true }] },
    ],
    ['demo', 'the advert is full', { discover: async () => [{ advert: { ...demo, status: 'full' }, open: false }] }],
    ['demo', 'the offer has ended', { discover: async () => [{ advert: { ...demo, expires_at: NOW }, open: false }] }],
    ['demo', 'no seat for you', { join: () => Promise.reject(new WalletError('refused', 'no seat for you')) }],
  ])('%s: %s', async (reference, text, over) => {
    const said = await cli(at('join', reference, '--yes'), { wallet: joinable(over) });
    expect(said).toMatchObject({ code: 1, err: expect.stringContaining(text) });
  });
});

describe('cohorts and DIDs by name', () => {
  const cohorts = [cohortView(demo), cohortView(other)];
  const dids = [didView(DID_ONE, 'one'), didView(DID_TWO, null)];
  const status = () => statusOf({ cohorts, dids });
  const register = async (request: { did: string; cohort: string }) => ({ ...request, proven: true, signals: 2 });

  test.each([
    ['one', 'demo', DID_ONE, demo.cohort],
    [DID_TWO, other.cohort, DID_TWO, other.cohort],
    [DID_TWO.slice(0, 20), 'othe', DID_TWO, other.cohort],
    [DID_TWO.slice('did:btcr2:'.length, 20), demo.cohort.slice(0, 10), DID_TWO, demo.cohort],
  ])('register %s --cohort %s', async (did, cohort, wholeDid, wholeCohort) => {
    const wallet = fakeWallet({ status, register });
    const { code, out } = await cli(at('register', did, '--cohort', cohort), { wallet });
    expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining('proofs of 2 earlier signals taken') });
    expect(wallet.calls).toContainEqual(['register', { did: wholeDid, cohort: wholeCohort }]);
  });

  test.each([
    [['register', 'two', '--cohort', 'demo'], 'there is no DID "two"'],
    [['register', 'did:btcr2:x1q', '--cohort', 'demo'], 'could be several'],
    [['register', 'one', '--cohort', 'nowhere'], 'there is no cohort "nowhere"'],
    [['register', 'one'], 'name one with --cohort: demo'],
    [['leave', 'nowhere'], 'there is no cohort'],
    [['sidecar', 'two'], 'there is no DID'],
    [['did', 'create', '--name', 'one'], 'has the name one already'],
  ])('%j: %s', async (argv, text) => {
    const wallet = fakeWallet({ status, register });
    expect(await cli(at(...argv), { wallet })).toMatchObject({ code: 1, err: expect.stringContaining(text) });
  });

  test('register --disclose proves control in a blinded cohort, and says first what that tells', async () => {
    const blinded = cohortView(demo, { terms: { ...demo.terms, privacy: 'blinded', flow: 'pull' } });
    const provisional = { cohort: demo.cohort, address: 'a', text: null, missing_proofs: 0, proven: false };
    const wallet = fakeWallet({
      register,
      status: () =>
        statusOf({
          cohorts: [blinded],
          dids: [didView(DID_ONE, 'one', { beacons: [{ ...provisional, state: 'registered' }] })],
        }),
    });
    expect((await cli(at('did', 'list'), { wallet })).out).toContain('registered, unproven');
    const plain = await cli(at('register', 'one'), { wallet });
    expect(plain.err).not.toContain('tells the aggregator');
    expect(wallet.calls).toContainEqual(['register', { did: DID_ONE, cohort: demo.cohort }]);
    const said = await cli(at('register', 'one', '--disclose'), { wallet });
    expect(said.err).toContain(`this tells the aggregator of demo that the DID is ${DID_ONE}`);
    expect(wallet.calls).toContainEqual(['register', { did: DID_ONE, cohort: demo.cohort, disclose: true }]);
  });

  test('register takes the cohort that the document names, or the only one that stands', async () => {
    const drafted = {
      cohort: other.cohort,
      address: 'a',
      state: 'drafted' as const,
      text: null,
      missing_proofs: 0,
      proven: false,
    };
    const one = fakeWallet({
      register,
      status: () => statusOf({ cohorts, dids: [didView(DID_ONE, 'one', { beacons: [drafted] })] }),
    });
    await cli(at('register', 'one'), { wallet: one });
    expect(one.calls).toContainEqual(['register', { did: DID_ONE, cohort: other.cohort }]);
    const standing = [cohortView(demo, { phase: 'ended: cancelled' }), cohortView(other)];
    const two = fakeWallet({ register, status: () => statusOf({ cohorts: standing, dids }) });
    await cli(at('register', 'one'), { wallet: two });
    expect(two.calls).toContainEqual(['register', { did: DID_ONE, cohort: other.cohort }]);
  });

  test('leave', async () => {
    const wallet = fakeWallet({ status, leave: async () => {} });
    expect(await cli(at('leave', 'demo', '--json'), { wallet })).toMatchObject({ code: 0 });
    expect(wallet.calls).toEqual([['start'], ['leave', demo.cohort], ['stop']]);
  });

  describe('update', () => {
    const patch = [{ op: 'add', path: '/alsoKnownAs', value: ['https://example.org'] }];
    const done = { did: DID_ONE, version: 2, announcement: 'aa', cohorts: [demo.cohort], state: 'acked' };
    const updater = () => fakeWallet({ status, update: async () => done });

    test('to all cohorts of the DID, or to some', async () => {
      const wallet = updater();
      const { out } = await cli(at('update', 'one', '--patch', JSON.stringify(patch), '--json'), { wallet });
      expect(jsonOf(out)).toEqual(done);
      const argv = ['update', 'one', '--patch', JSON.stringify(patch), '--cohort', 'demo', '--cohort', 'other'];
      await cli(at(...argv), { wallet });
      expect(wallet.calls.filter(([method]) => method === 'update')).toEqual([
        ['update', { did: DID_ONE, patch }],
        ['update', { did: DID_ONE, patch, cohorts: [demo.cohort, other.cohort] }],
      ]);
    });
    test('with a patch from a file', async () => {
      const folder = tempFolder();
      writeFileSync(join(folder, 'p.json'), JSON.stringify(patch));
      const wallet = updater();
      expect((await cli(at('update', 'one', '--patch', '@p.json'), { wallet, cwd: folder })).code).toBe(0);
      expect(wallet.calls).toContainEqual(['update', { did: DID_ONE, patch }]);
    });
    test('a file that is not there', async () => {
      expect(await cli(at('update', 'one', '--patch', '@none.json'))).toMatchObject({ code: 1 });
    });
    test('a refusal has its code', async () => {
      const update = () => Promise.reject(new WalletError('version_busy', 'version 2 comes first'));
      const argv = at('update', 'one', '--patch', JSON.stringify(patch), '--json');
      expect(jsonOf((await cli(argv, { wallet: fakeWallet({ status, update }) })).out)).toEqual({
        error: { code: 'version_busy', message: 'version 2 comes first' },
      });
    });
  });

  test('did create', async () => {
    const document = { id: DID_ONE } as never;
    const wallet = fakeWallet({ status, createDid: async () => ({ did: DID_ONE, document }) });
    const made = await cli(at('did', 'create', '--cohort', 'demo', '--name', 'three', '--no-singleton'), { wallet });
    expect(made).toMatchObject({ code: 0, out: `${DID_ONE}\n`, err: expect.stringContaining('back up keys.json') });
    await cli(at('did', 'create', '--kind', 'k'), { wallet });
    expect(wallet.calls.filter(([method]) => method === 'createDid')).toEqual([
      ['createDid', { kind: 'x', cohort: demo.cohort, name: 'three', singleton: false }],
      ['createDid', { kind: 'k' }],
    ]);
    expect(wallet.calls).not.toContainEqual(['start']);
  });

  describe('sidecar', () => {
    const data: Sidecar = { '@context': 'https://btcr2.dev/context/v1', updates: [{}], casUpdates: [], smtProofs: [] };
    const wallet = () => fakeWallet({ status, sidecar: () => data });
    test('on standard output is the sidecar and nothing else', async () => {
      expect(jsonOf((await cli(at('sidecar', 'one'), { wallet: wallet() })).out)).toEqual(data);
      expect(jsonOf((await cli(at('sidecar', 'one', '--json'), { wallet: wallet() })).out)).toEqual(data);
    });
    test('in a file is private, and replaces an older one', async () => {
      const folder = tempFolder();
      const file = join(folder, 's.json');
      writeFileSync(file, 'old', { mode: 0o644 });
      const said = await cli(at('sidecar', 'one', '--out', 's.json'), { wallet: wallet(), cwd: folder });
      expect(said.out).toBe(`wrote ${file}: 1 update, 0 proofs, 0 maps\n`);
      expect(jsonOf(readFileSync(file, 'utf8'))).toEqual(data);
      expect(statSync(file).mode & 0o777).toBe(0o600);
    });
    test('into a folder that is not there is refused', async () => {
      const file = join(tempFolder(), 'none', 's.json');
      expect(await cli(at('sidecar', 'one', '--out', file), { wallet: wallet() })).toMatchObject({ code: 1 });
    });
  });
});

describe('what is shown', () => {
  const signals = Array.from({ length: 7 }, (_, i) => ({
    signal_bytes: String(i).repeat(64),
    txid: `${i}f`.repeat(32),
    status: 'final',
    height: 1_000 + i,
    dids_proven: 1,
    map_cid: null,
  }));
  const hostile = 'x\u001b[2Jy';
  const status = () =>
    statusOf({
      cohorts: [
        cohortView(demo, {
          signals,
          open_sessions: [{ session_id: 'ab'.repeat(32), round: 8, attempt: 1, txid: 'cd'.repeat(32) }],
          last_abort: { round: 7, reason: 'vetoed', text: hostile, at: NOW - 60 },
        }),
        cohortView(other, { phase: 'asked', beacon_address: null, members: null }),
      ],
      dids: [
        didView(DID_ONE, 'one', {
          beacons: [
            { cohort: demo.cohort, address: 'a', state: 'listed', text: null, missing_proofs: 3, proven: true },
            { cohort: other.cohort, address: 'b', state: 'refused', text: hostile, missing_proofs: 0, proven: false },
          ],
          updates: [{ version: 2, announcement: 'aa', cid: 'bafkrei', state: 'locked', text: null }],
        }),
      ],
    });

  test('status tells a person where everything stands', async () => {
    const { out } = await cli(at('status'), { wallet: fakeWallet({ status }) });
    for (const text of [
      'not running: nobody answers rounds',
      'ready',
      'asked',
      'bcrt1pbeacon',
      'abababababab: round 8, attempt 1',
      'round 7: x?[2Jy (vetoed), 1 min ago',
      'listed, 3 proofs missing',
      'refused: x?[2Jy',
      'version 2 locked',
    ])
      expect(out).toContain(text);
    expect(out).toContain('666666666666');
    expect(out).not.toContain('111111111111  final');
    expect(out).not.toContain('\u001b');
  });
  test('--json has all of it', async () => {
    const { out } = await cli(at('status', '--json'), { wallet: fakeWallet({ status }) });
    expect(jsonOf(out)).toEqual({ running: false, home, ...status() });
    expect(jsonOf((await cli(at('did', 'list', '--json'), { wallet: fakeWallet({ status }) })).out)).toEqual(
      status().dids,
    );
  });
  test('a wallet without DIDs says what to do', async () => {
    expect(await cli(at('did', 'list'), { wallet: fakeWallet() })).toMatchObject({
      code: 0,
      out: '',
      err: expect.stringContaining('btcr2-wallet did create'),
    });
  });
});

describe('resolve', () => {
  const resolution = {
    document: { id: DID_ONE } as never,
    versionId: '2',
    deactivated: false,
    confirmations: 6,
    updates: [],
    neededSignals: [],
  };
  const status = () => statusOf({ dids: [didView(DID_ONE, 'one')] });

  test('prints the document, and what was read beside it', async () => {
    const wallet = fakeWallet({ status, resolve: async () => resolution });
    const { out, err } = await cli(at('resolve', 'one', '--version-id', '2', '--min-conf', '1'), { wallet });
    expect(jsonOf(out)).toEqual({ id: DID_ONE });
    expect(err).toBe('version 2, 6 confirmations; 0 beacon signals read\n');
    expect(wallet.calls).toContainEqual(['resolve', { did: DID_ONE, versionId: '2', minConf: 1 }]);
  });
  test('--json has the whole resolution', async () => {
    const wallet = fakeWallet({ status, resolve: async () => resolution });
    expect(jsonOf((await cli(at('resolve', DID_ONE, '--json'), { wallet })).out)).toEqual(resolution);
  });
  test('fails with the code of the specification', async () => {
    const missing = [{ part: 'smt-proof' as const, hash: 'h', txid: 't', address: 'a', height: 1 }];
    const resolve = () =>
      Promise.reject(new DidError('MISSING_UPDATE_DATA', 'the sidecar lacks it', { did: DID_ONE, missing }));
    const asJson = await cli(at('resolve', 'one', '--json'), { wallet: fakeWallet({ status, resolve }) });
    expect(asJson.code).toBe(1);
    expect(jsonOf(asJson.out)).toEqual({
      error: { code: 'MISSING_UPDATE_DATA', message: 'the sidecar lacks it', detail: { did: DID_ONE, missing } },
    });
    const text = await cli(at('resolve', 'one'), { wallet: fakeWallet({ status, resolve }) });
    expect(text).toMatchObject({ code: 1, out: '' });
    expect(text.err).toMatch(
      /^btcr2-wallet: MISSING_UPDATE_DATA: the sidecar lacks it\n {2}did: .*\n {2}missing:\n {4}\{"part"/,
    );
  });
  test('what begins like a DID and is none is left to the resolver; another name is unknown', async () => {
    const resolve = () => Promise.reject(new DidError('INVALID_DID', 'not Bech32m'));
    const wallet = fakeWallet({ status, resolve });
    expect((await cli(at('resolve', 'did:btcr2:nonsense'), { wallet })).err).toContain('INVALID_DID');
    expect((await cli(at('resolve', 'nobody'), { wallet })).err).toContain('there is no DID "nobody"');
  });
});

describe('the wallet itself', () => {
  test('is stopped when a command fails', async () => {
    const wallet = fakeWallet({ discover: () => Promise.reject(new Error('broken')) });
    expect(await cli(at('discover'), { wallet })).toMatchObject({ code: 1, err: 'btcr2-wallet: broken\n' });
    expect(wallet.calls.at(-1)).toEqual(['stop']);
  });
  test('ends the command when it cannot go on', async () => {
    const wallet = fakeWallet({
      discover: () => new Promise(() => {}),
      failed: Promise.reject(new Error('the disk is full')),
    });
    expect(await cli(at('discover'), { wallet })).toMatchObject({ code: 1, err: 'btcr2-wallet: the disk is full\n' });
  });
  test('is stopped on a signal, and the command says that it was cut short', async () => {
    const leaving = new AbortController();
    const wallet = fakeWallet({
      discover: () => {
        leaving.abort();
        return new Promise(() => {});
      },
    });
    const said = await cli(at('discover', '--json'), { wallet, signal: leaving.signal });
    expect(said.code).toBe(1);
    expect(jsonOf(said.out)).toMatchObject({ error: { code: 'interrupted' } });
    expect(wallet.calls.at(-1)).toEqual(['stop']);
  });
  test('that another process has open without serving it is waited for, and then refused', async () => {
    let tries = 0;
    const open = () => {
      tries++;
      return Promise.reject(new StoreLocked('wallet.db'));
    };
    expect(await cli(at('status'), { wallet: open })).toMatchObject({
      code: 1,
      err: 'btcr2-wallet: another btcr2-wallet process has this wallet open\n',
    });
    expect(tries).toBeGreaterThan(1);
  });
  test('that another command closes in the meantime is opened', async () => {
    let tries = 0;
    const open = () => (++tries < 3 ? Promise.reject(new StoreLocked('wallet.db')) : Promise.resolve(fakeWallet()));
    expect(await cli(at('status'), { wallet: open })).toMatchObject({ code: 0 });
  });
  test('is not looked for where there is none', async () => {
    const said = await cli(['status', '--home', join(home, 'none')]);
    expect(said).toMatchObject({ code: 2, err: expect.stringContaining('there is no wallet in') });
  });
});

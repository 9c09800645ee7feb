import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Config } from '../../src/config.ts';
import { serveControl } from '../../src/operator/control.ts';
import { controlMethods } from '../../src/operator/methods.ts';
import { controlPath } from '../../src/operator/run.ts';
import { painter } from '../../src/operator/terminal.ts';
import { advertTable, cohortTable, cohortView, roundTable, roundView, statusView } from '../../src/operator/views.ts';
import {
  advert,
  COHORT,
  cohort,
  configIn,
  detail,
  exported,
  fakeApi,
  kept,
  NOW,
  round,
  status,
  transcript,
} from './daemon.ts';
import { runHere } from './here.ts';
import { readQr } from './read-qr.ts';

const view = { paint: painter(false), now: NOW };
const ESCAPE = String.fromCharCode(27);

let dir: string;
let config: Config;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'btcr2-views-'));
  await runHere(['init'], dir);
  config = configIn(dir);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('answers for people', () => {
  test('status', () => {
    const text = statusView(status, view);
    expect(text).toMatch(/^aggregator +version 1\.2\.3, process 42, up 2 h 5 min$/m);
    expect(text).toMatch(/^ws:\/\/b +no +1,500 +blocked: you$/m);
    expect(text).toMatch(/^balance +1,234,567 sat$/m);
    expect(text).toMatch(/^pays for +123 rounds at the fee cap, 1,000 at the present estimate$/m);
    expect(text).toMatch(/^alarm +a stranger paid the beacon$/m);
    expect(statusView({ ...status, cohorts: [], hearing: false }, view)).toMatch(/^hearing +no:[\s\S]*No cohorts yet/m);
    const away = statusView({ ...status, chain: { kind: 'bitcoind', height: null, reachable: false } }, view);
    expect(away).toMatch(/^chain +bitcoind does not answer$/m);
  });

  test('tables, also empty ones', () => {
    expect(advertTable([advert], view)).toMatch(/^demo +abababababab +SMTBeacon +open +1 of 2–5 +in 2 h$/m);
    expect(cohortTable([cohort], view)).toMatch(/1,234 +3 +7 +1,234,567 sat +1 alarm; round 8/);
    expect(roundTable([round], view)).toMatch(/^ +7 +closed +1 +1 +100001 +efefefefefef +final/m);
    for (const text of [advertTable([], view), cohortTable([], view), roundTable([], view)])
      expect(text).toMatch(/^No .*yet/);
  });

  test('one cohort and one round, whole', () => {
    const text = cohortView(detail(config), view);
    for (const part of [
      'did:btcr2:k1example',
      `02${COHORT}`,
      'not yet',
      '1 min ago',
      'every 5 min or at 1 update',
      '2 members',
    ])
      expect(text).toContain(part);
    const shown = roundView(round, view);
    for (const part of [
      round.hex!,
      round.signal_bytes!,
      '462 sat',
      '2 of 3',
      '05'.repeat(32),
      'bafkreiexample',
      'bafkreimap, published',
    ])
      expect(shown).toContain(part);
  });

  test('no foreign text can redraw the terminal', () => {
    const hostile = `x${ESCAPE}[2J\r\n\u202e`;
    const detailed = detail(config);
    detailed.registered[0]!.did = hostile;
    detailed.terms.financials.text = hostile;
    const shown = [
      statusView({ ...status, relays: [{ url: hostile, connected: true, pending: 0, error: hostile }] }, view),
      cohortView({ ...detailed, alarms: [hostile], round: hostile }, view),
      roundView(
        {
          ...round,
          status: hostile,
          announcements: [{ did: hostile, version: 1, announcement: hostile, cid: hostile }],
        },
        view,
      ),
    ].join('');
    expect(shown).not.toMatch(/[\p{Cf}\r]/u);
    expect(shown).not.toContain(ESCAPE);
  });
});

describe('commands to a running daemon', () => {
  async function served(argv: string[]): Promise<{ code: number | null; stdout: string; asked: unknown[][] }> {
    const { api, asked } = fakeApi(config);
    const server = await serveControl(controlPath(config.state_dir), controlMethods(api, config));
    try {
      const { code, stdout } = await runHere(argv, dir, { now: () => NOW });
      return { code, stdout, asked };
    } finally {
      await server.close();
    }
  }

  test.each([
    [['status'], 'status', undefined],
    [['advert', 'list'], 'advertList', undefined],
    [['advert', 'close', 'demo'], 'advertClose', { advert: 'demo', status: 'closed' }],
    [['advert', 'close', 'demo', '--cancel'], 'advertClose', { advert: 'demo', status: 'cancelled' }],
    [['cohort', 'list'], 'cohortList', undefined],
    [['cohort', 'show', 'abab'], 'cohortShow', { cohort: 'abab' }],
    [['round', 'list', 'demo'], 'roundList', { cohort: 'demo' }],
    [['round', 'show', 'demo', '3'], 'roundShow', { cohort: 'demo', round: 3 }],
    [['round', 'show', 'demo'], 'roundShow', { cohort: 'demo', round: 7 }],
    [['evidence', 'list'], 'evidenceList', {}],
    [['evidence', 'list', 'demo'], 'evidenceList', { cohort: 'demo' }],
    [['evidence', 'export', '4'], 'evidenceExport', { id: 4 }],
  ])('%j', async (argv, method, request) => {
    const people = await served(argv);
    expect(people.code).toBe(0);
    expect(people.asked.at(-1)).toEqual([method, request]);
    expect(people.stdout).toContain('demo'.slice(0, /^(?:round|evidence)/.test(method) ? 0 : 4));
    const programs = await served([...argv, '--json']);
    expect(() => JSON.parse(programs.stdout)).not.toThrow();
  });

  test('every term can be chosen when an advert is created', async () => {
    const { code, asked } = await served(
      'advert create --id all --type SMTBeacon --min 3 --max 9 --fee-cap 9,999 --fee-steps 3 --fee-factor 5 --fee-blocks 7 --frequency 1h --min-interval 5m --pending-updates 4 --cohort-set-latency 1d --presence-latency 61 --nonce-latency 62s --signature-latency 1m --dids-min 1 --dids-max 50 --enrolment 100 --per-announcement 5 --price-text cash --funder members --flow push --privacy none --bit-order lsb --signal-output first --policy keypath --admission open --unproven-dids --communication nip44_v2 --expires-in 2d'.split(
        ' ',
      ),
    );
    expect(code).toBe(0);
    expect(asked).toEqual([
      [
        'advertCreate',
        {
          id: 'all',
          type: 'SMTBeacon',
          cohort_size: { min: 3, max: 9 },
          fee_cap: 9_999,
          fee_ladder: { steps: 3, factor: 5, blocks: 7 },
          frequency: { interval: 3_600, min_interval: 300, pending_updates: 4 },
          latency: { cohort_set: 86_400, presence: 61, nonce: 62, signature: 60 },
          dids: { min: 1, max: 50 },
          financials: { enrolment: 100, per_announcement: 5, text: 'cash' },
          funder: 'members',
          flow: 'push',
          privacy: 'none',
          bit_order: 'lsb',
          signal_output: 'first',
          policy: { type: 'keypath' },
          admission: 'open',
          unproven_dids: true,
          communication: ['nip44_v2'],
          expires_in: 172_800,
        },
      ],
    ]);
  });

  test('an advert is exported as links, or as one piece of JSON', async () => {
    const links = await served(['advert', 'export', 'demo']);
    expect(links.stdout).toBe('link        nostr+btcr2://long\nshort link  nostr+btcr2://short\n');
    expect(links.asked).toEqual([['advertExport', { advert: 'demo' }]]);
    expect(JSON.parse((await served(['advert', 'export', 'demo', '--event'])).stdout)).toEqual(exported.event);
    expect((await served(['advert', 'export', 'demo', '--document'])).code).toBe(1);
    expect((await served(['advert', 'export', 'demo', '--document', '--event'])).code).toBe(2);
    expect((await served(['advert', 'export', 'demo', '--link'])).stdout).toBe('nostr+btcr2://long\n');
    expect(readQr((await served(['advert', 'export', 'demo', '--qr'])).stdout)).toBe('nostr+btcr2://short');
    expect((await served(['advert', 'export', 'demo', '--qr', '--json'])).code).toBe(2);
  });

  test('evidence goes into a new file of its own, and only a number names it', async () => {
    const saved = await served(['evidence', 'export', '4', '--out', 'one.json']);
    expect([saved.code, saved.stdout]).toEqual([0, expect.stringContaining('evidence verify FILE')]);
    const file = join(dir, 'one.json');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(transcript);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await served(['evidence', 'export', '4', '--out', 'one.json', '--json'])).stdout).toContain('cannot_write');
    expect((await served(['evidence', 'export', 'four'])).code).toBe(2);
    const shown = (await served(['evidence', 'list'])).stdout;
    for (const part of ['invalid_signature', kept.participant_pk, '7']) expect(shown).toContain(part);
  });

  test('a refusal of the daemon is told with its reason, and ends with 1', async () => {
    const { code, stdout } = await served(['round', 'open', 'demo', '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({ error: { code: 'wrong_phase', message: 'no cohort is formed' } });
  });
});

import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { signalHistory } from '../../src/cohort/index.ts';
import { toHex } from '../../src/crypto/index.ts';
import type { Message, Terms } from '../../src/messages/index.ts';
import { exportArchive, sidecarFrom, verifyArchive } from '../../src/operator/archive.ts';
import { archiveView, exportView, isProven } from '../../src/operator/archive-view.ts';
import { leafIndex, leafValue, verifySmtProof } from '../../src/smt/index.ts';
import {
  type Cohort,
  deliver,
  formed,
  fund,
  register,
  sessionOpen,
  signalSent,
  silent,
  startCohort,
  update,
} from '../cohort/driver.ts';
import { addService, draw, type Member, newController, updateOf } from '../cohort/members.ts';
import { runHere } from './here.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'btcr2-archive-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const folder = (): string => join(dir, 'out');
const saved = (...cohorts: Cohort[]) =>
  exportArchive(
    folder(),
    cohorts.map(({ state }) => ({ state, advert_event: null })),
    1_900_000_000,
  );
const fileIn = (): string => join(folder(), readdirSync(folder()).find(name => name.endsWith('.jsonl'))!);
const problems = async () =>
  (await verifyArchive(folder())).flatMap(({ verdict, text }) => verdict?.problems ?? [text]);

type Line = Record<string, unknown>;
const linesOf = (): Line[] =>
  readFileSync(fileIn(), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Line);

/** Writes lines back with an end that fits them: a forger can make that too. */
function forge(change: (lines: Line[]) => Line[]): void {
  const lines = change(linesOf().slice(0, -1)).map(line => `${JSON.stringify(line)}\n`);
  const sha256 = createHash('sha256').update(lines.join('')).digest('hex');
  const end = { record: 'end', records: lines.length, sha256 };
  writeFileSync(fileIn(), `${lines.join('')}${JSON.stringify(end)}\n`);
}
const changed = (record: string, change: Line) =>
  forge(lines => lines.map(line => (line.record === record ? { ...line, ...change } : line)));

/** Two signals of a cohort with three DIDs, of which one came after the first. */
async function twoSignals(changes: Partial<Terms> = {}) {
  const { cohort, ada, controller } = await signalSent(changes);
  cohort.mine(6);
  const [, bob] = cohort.members as [Member, Member];
  const [two, three] = [register(cohort, ada, 'two'), register(cohort, bob, 'three')];
  for (const [member, owner] of [
    [ada, two],
    [bob, three],
  ] as const)
    cohort.tell(member, update(cohort, member, owner.did, await updateOf(owner, addService('later'))));
  deliver(cohort);
  cohort.mine(6);
  deliver(cohort);
  cohort.mine(6);
  expect(cohort.beacon.signals.length).toBeGreaterThanOrEqual(2);
  return { cohort, controller, two, three };
}

/** A blinded cohort with one signal. */
function blinded(): Cohort {
  const cohort = formed({
    flow: 'pull',
    privacy: 'blinded',
    frequency: { interval: 86_400, min_interval: 0, pending_updates: 1 },
  });
  const [ada, bob, eve] = cohort.members as [Member, Member, Member];
  fund(cohort);
  const index = toHex(leafIndex(newController('one').did));
  const { address: beacon_address } = cohort.beacon;
  cohort.tell(ada, { type: 'did_registration', body: { beacon_address, participant_pk: ada.pk, did: index } });
  cohort.wait(86_400);
  const stage = cohort.beacon.round!.stage;
  if (stage.name !== 'presence' || !stage.opportunity) throw new Error('nobody was asked');
  const opportunity_id = stage.opportunity.id;
  const leaf = toHex(leafValue({ nonce: draw('a nonce'), announcement: draw('an update') }));
  const answer = (entries: object[]) =>
    ({
      type: 'update_response',
      body: { beacon_address, opportunity_id, wants_signal: entries.length > 0, entries },
    }) as Message;
  cohort.tell(ada, answer([{ did: index, leaf }]));
  for (const member of [bob, eve]) cohort.tell(member, answer([]));
  deliver(cohort);
  cohort.mine(6);
  expect(cohort.beacon.signals).toHaveLength(1);
  return cohort;
}

describe('an archive', () => {
  test.each<[string, Partial<Terms>]>([
    ['trees', {}],
    ['trees of older software', { bit_order: 'lsb' }],
    ['maps', { type: 'CASBeacon' }],
    ['fee ladders', { fee_ladder: { steps: 3, factor: 2, blocks: 6 } }],
  ])('proves %s: every root is rebuilt from its leaves', async (_, changes) => {
    const { cohort } = await twoSignals(changes);
    const made = saved(cohort);
    expect(made.files).toMatchObject([{ advert_id: 'demo', records: linesOf().length - 1 }]);
    const judged = await verifyArchive(folder());
    expect(judged).toMatchObject([
      { verdict: { leaves: 3, signals: cohort.beacon.signals.length, unknown_updates: 0, problems: [] } },
    ]);
    expect(judged.every(isProven)).toBe(true);
    expect(archiveView(judged)).toMatch(/all of it proves: \d signals, 3 leaves, 3 updates of bcrt1p/);
    expect(exportView(made)).toContain('archive verify');
  });

  test('of a blinded cohort proves its leaves, and names no DID', async () => {
    saved(blinded());
    expect(await problems()).toEqual([]);
    expect(readFileSync(fileIn(), 'utf8')).not.toContain(newController('one').did);
    forge(lines => lines.map(line => (line.record === 'blinded_leaf' ? { ...line, leaf: 'ab'.repeat(32) } : line)));
    expect(await problems()).toMatchObject([expect.stringMatching(/its leaves make/)]);
  });

  test('holds what an open session may still announce', async () => {
    const { cohort } = await sessionOpen();
    deliver(cohort, silent(cohort.members[2]!, 'aggregated_nonce'));
    saved(cohort);
    expect(linesOf().filter(({ record }) => record === 'signal')).toMatchObject([{ status: 'open', txid: null }]);
    expect(await problems()).toEqual([]);
  });

  test('gives the same proofs as the aggregator did, of leaves and of empty indices', async () => {
    const { cohort, three } = await twoSignals();
    saved(cohort);
    const { terms } = cohort;
    for (const did of [three.did, newController('nobody').did]) {
      const { [cohort.beacon.address]: sidecar } = await sidecarFrom(folder(), did);
      const own = signalHistory(terms, cohort.beacon, did).map(({ evidence }) =>
        'proofs' in evidence ? evidence.proofs[did] : null,
      );
      expect(sidecar!.smtProofs).toEqual(own);
      for (const proof of sidecar!.smtProofs) expect(verifySmtProof(leafIndex(did), proof, 'spec')).toBe(true);
    }
    expect((await sidecarFrom(folder(), three.did))[cohort.beacon.address]!.updates).toHaveLength(1);
  });

  test('has no key and no transport in it, stands in files of mode 0600, and overwrites nothing', async () => {
    const { cohort } = await twoSignals();
    saved(cohort);
    const text = readFileSync(fileIn(), 'utf8');
    for (const { secret, transportSecret, transport } of cohort.members)
      for (const private_ of [toHex(secret), toHex(transportSecret), transport]) expect(text).not.toContain(private_);
    for (const name of readdirSync(folder())) expect(statSync(join(folder(), name)).mode & 0o777).toBe(0o600);
    expect(statSync(folder()).mode & 0o777).toBe(0o700);
    expect(existsSync(join(folder(), 'README.txt'))).toBe(true);
    expect(() => saved(cohort)).toThrow(/not empty/);
  });

  test('leaves out cohorts that were never formed', () => {
    expect(saved(startCohort()).files).toEqual([]);
  });
});

describe('a forged archive is found out: ', () => {
  const given = async () => saved((await twoSignals()).cohort);
  const other = 'ab'.repeat(32);

  test.each<[string, (lines: Line[]) => Line[], RegExp]>([
    [
      'a leaf is missing',
      lines => lines.filter((line, i) => line.record !== 'leaf' || i !== 2),
      /leaves|announced and no leaf/,
    ],
    [
      'leaves in another order',
      lines => [lines[0]!, lines[2]!, lines[1]!, ...lines.slice(3)],
      /its leaves make|no leaf/,
    ],
    ['a leaf twice', lines => [lines[0]!, lines[1]!, ...lines.slice(1)], /there twice/],
    ['another index', lines => lines.map((l, i) => (i === 1 ? { ...l, index: other } : l)), /its index is another/],
    [
      'another announcement',
      lines =>
        lines.map(l =>
          l.record === 'signal'
            ? { ...l, announcements: [{ ...(l.announcements as Line[])[0], announcement: other }] }
            : l,
        ),
      /its leaves make/,
    ],
    [
      'another nonce seed',
      lines => lines.map(l => (l.record === 'signal' ? { ...l, nonce_seed: other } : l)),
      /its leaves make/,
    ],
    [
      'other signal bytes',
      lines => lines.map(l => (l.record === 'signal' ? { ...l, signal_bytes: other } : l)),
      /not abab/,
    ],
    [
      'another outpoint',
      lines => lines.map(l => (l.record === 'signal' ? { ...l, outpoint: { ...(l.outpoint as Line), vout: 7 } } : l)),
      /spends another output/,
    ],
    [
      'another value',
      lines =>
        lines.map(l => (l.record === 'signal' ? { ...l, outpoint: { ...(l.outpoint as Line), value_sats: 7 } } : l)),
      /not signed by all/,
    ],
    [
      'transactions swapped',
      lines => {
        const all = lines.filter(l => l.record === 'signal').map(l => l.transactions);
        return lines.map(l => (l.record === 'signal' ? { ...l, transactions: all.pop() } : l));
      },
      /spends another output|carries other bytes/,
    ],
    [
      'no transaction',
      lines => lines.map(l => (l.record === 'signal' ? { ...l, transactions: [] } : l)),
      /its transaction is missing/,
    ],
    [
      'another update',
      lines =>
        lines.map(l =>
          l.record === 'update' ? { ...l, update: { ...(l.update as Line), sourceHash: 'A'.repeat(43) } } : l,
        ),
      /does not hash to its announcement/,
    ],
    [
      'members swapped',
      lines =>
        lines.map(l =>
          l.record === 'cohort'
            ? {
                ...l,
                participant_pubkeys: (l.participant_pubkeys as string[]).toReversed(),
                signatures: (l.signatures as string[]).toReversed(),
              }
            : l,
        ),
      /did not sign this set/,
    ],
    [
      'another address',
      lines => lines.map(l => (l.record === 'cohort' ? { ...l, script_pubkey: `5120${other}` } : l)),
      /not that of these keys/,
    ],
    [
      'a forged signature',
      lines =>
        lines.map(l =>
          l.record === 'cohort' ? { ...l, signatures: (l.signatures as string[]).map(() => other.repeat(2)) } : l,
        ),
      /did not sign this set/,
    ],
    [
      'an advert of somebody else',
      lines => lines.map(l => (l.record === 'cohort' ? { ...l, advert_event: { kind: 1 } } : l)),
      /advert is not the one/,
    ],
    ['an unknown record', lines => [...lines, { record: 'more' }], /record/],
    ['an unknown field', lines => lines.map(l => (l.record === 'leaf' ? { ...l, secret: 'x' } : l)), /secret/i],
    ['a second cohort', lines => [...lines, lines[0]!], /does not belong there/],
  ])('%s', async (_, change, expected) => {
    await given();
    forge(change);
    expect((await problems()).join('\n')).toMatch(expected);
  });

  test('a changed byte without a new end; a file that is cut off; one that goes on; a record too few', async () => {
    await given();
    const whole = readFileSync(fileIn(), 'utf8');
    const withText = async (text: string): Promise<string> => {
      writeFileSync(fileIn(), text);
      return (await problems()).join();
    };
    expect(await withText(whole.replace('"proven":true', '"proven":false'))).toMatch(/changed after it was made/);
    expect(await withText(whole.slice(0, -200))).toMatch(/cut off|the record/);
    expect(await withText(`${whole}${whole}`)).toMatch(/follows the end/);
    expect(await withText(whole.replace(/\n.*"leaf".*/, ''))).toMatch(/records are due/);
    expect(await withText('{')).toMatch(/line 1/);
  });
});

describe('the command line', () => {
  test('verifies and makes sidecars without a daemon or a configuration', async () => {
    const { cohort, three } = await twoSignals();
    saved(cohort);
    const good = await runHere(['archive', 'verify', 'out'], dir);
    expect(good).toMatchObject({ code: 0, stdout: expect.stringContaining('all of it proves') });
    const { code, stdout } = await runHere(['archive', 'sidecar', 'out', three.did], dir);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)[cohort.beacon.address].smtProofs).toHaveLength(cohort.beacon.signals.length);
    changed('signal', { nonce_seed: 'cd'.repeat(32) });
    const bad = await runHere(['archive', 'verify', 'out'], dir);
    expect(bad).toMatchObject({ code: 1, stdout: expect.stringMatching(/problems? in[\s\S]*its leaves make/) });
    expect(JSON.parse((await runHere(['archive', 'verify', 'out', '--json'], dir)).stdout)).toHaveLength(1);
    expect(await runHere(['archive', 'verify', 'nowhere'], dir)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is not there'),
    });
    expect((await runHere(['export', 'all'], dir)).code).toBe(2);
  });
});

import { expect } from 'vitest';
import { judgeTranscript } from '../../../src/blame/index.ts';
import type { Terms } from '../../../src/messages/index.ts';
import { seeded } from '../processes.ts';
import { KINDS, type Kind } from './kinds.ts';
import { blamed, expectSound, newStage, type Order, playSession, type Stage } from './scene.ts';
import { playSpend } from './spend-scene.ts';

/** What came of all sessions of one kind. */
export interface Row {
  kind: string;
  trials: number;
  /** By what became of the spoilt attempt. */
  ended: Map<string, number>;
  convicted: number;
  kept: number;
  retries: number;
}

export interface Report {
  seed: number;
  sessions: number;
  rows: Row[];
}

/** Sessions that one cohort lives through: it gets slower with every one. */
const PER_STAGE = 8;

/**
 * Plays so many sessions of three members, each spoilt in one way by one of them, by the aggregator, or by what a
 * member sees of the chain; every kind comes up equally often. Fails with the seed, the number and the kind.
 */
export async function playSessions(
  sessions: number,
  seed: number,
  { kinds = KINDS, terms = {} }: { kinds?: readonly Kind[]; terms?: Partial<Terms> } = {},
): Promise<Report> {
  const rows = new Map<string, Row>(
    kinds.map(({ name }) => [name, { kind: name, trials: 0, ended: new Map(), convicted: 0, kept: 0, retries: 0 }]),
  );
  let stage: Stage | null = null;
  let deck: Kind[] = [];
  for (let session = 0; session < sessions; session++) {
    const chance = seeded(seed * 7_919 + session * 104_729 + 1);
    for (let i = 0; i < 8; i++) chance();
    const upTo = (limit: number): number => Math.floor(chance() * limit);
    if (deck.length === 0) deck = [...kinds];
    const kind = deck.splice(upTo(deck.length), 1)[0]!;
    if (stage === null || session % PER_STAGE === 0) stage = newStage(terms);
    try {
      await playOne(stage, kind, rows.get(kind.name)!, upTo, `${seed} ${session}`);
    } catch (error) {
      throw new Error(
        `seed ${seed}, session ${session}, ${kind.name}: ${error instanceof Error ? error.message : ''}`,
        {
          cause: error,
        },
      );
    }
  }
  return { seed, sessions, rows: [...rows.values()] };
}

async function playOne(
  stage: Stage,
  { by, expected, make, purpose }: Kind,
  row: Row,
  upTo: (limit: number) => number,
  label: string,
): Promise<void> {
  const { wallets, cohort, aggregator } = stage;
  const culprit = wallets[upTo(wallets.length)]!;
  const others = wallets.filter(wallet => wallet !== culprit);
  const pk = culprit.membership(cohort).participant_pk;
  const logged = new Map(wallets.map(wallet => [wallet, wallet.log.length]));
  const tamper = make({ stage, culprit, others, upTo, label });
  const last: Order = all => [...all.filter(wallet => wallet !== culprit), culprit];
  const owner = upTo(wallets.length);
  const { spoilt, whole, retries } = purpose
    ? await playSpend(stage, { owner, purpose }, tamper, last)
    : await playSession(stage, owner, tamper, last);

  const [first] = spoilt.aborts.filter(({ reason }) => reason !== 'cancelled');
  if (expected.ends !== 'any') expect(first?.reason ?? null).toBe(expected.ends);
  // Exactly the culprit, or nobody; an aggregator that lies makes no member guilty.
  expect(blamed(whole)).toEqual(expected.blamed ? [pk] : []);
  for (const { blame, evidence } of whole.aborts) if (blame.length > 0) expect(evidence.length).toBeGreaterThan(0);
  if (expected.ends !== 'any') expect(first?.not_heard ?? []).toEqual(expected.notHeard ? [pk] : []);
  // Members judge for themselves: they believe what is proven, of whoever did it, and no lie of the aggregator.
  for (const wallet of wallets) {
    const told = wallet.log
      .slice(logged.get(wallet)!)
      .flatMap(each => (each.type === 'abort_told' ? (each.blame ?? []) : []));
    const proven = new Set(told.flatMap(({ participant_pk, shown }) => (shown ? [participant_pk] : [])));
    expect([...proven]).toEqual(expected.blamed ? [pk] : []);
    if (by === 'member') expect(told.every(({ shown }) => shown)).toBe(true);
  }
  const codes = culprit.log
    .slice(logged.get(culprit)!)
    .flatMap(each => (each.type === 'session_vetoed' ? [each.code] : []));
  if (expected.vetoes) expect([...new Set(codes)]).toEqual(expected.vetoes);
  const verdicts = whole.kept.map(judgeTranscript);
  expect(verdicts.map(verdict => (verdict.shown ? verdict.fault : verdict.why))).toEqual(expected.kept);
  for (const verdict of verdicts) expect(verdict).toMatchObject({ participant_pk: pk });
  if (by !== 'member') expect(whole.kept).toEqual([]);

  // Everybody else went on, and the chain has what was asked for.
  expect(aggregator.beacon.round).toBeNull();
  for (const wallet of wallets) expect(wallet.membership(cohort).phase.name).toBe('ready');
  expectSound(stage);

  const end = first?.reason ?? 'completed';
  row.trials += 1;
  row.ended.set(end, (row.ended.get(end) ?? 0) + 1);
  row.convicted += blamed(whole).length;
  row.kept += whole.kept.length;
  row.retries += retries;
}

/** One line a kind, the seed, and the sums. */
export function tableOf({ seed, sessions, rows }: Report): string {
  const cells = rows.map(({ kind, trials, ended, convicted, kept, retries }) => [
    kind,
    `${trials}`,
    [...ended].map(([end, times]) => `${end} ${times}`).join(', '),
    `${convicted}`,
    `${kept}`,
    `${retries}`,
  ]);
  const sum = (of: (row: Row) => number): string => `${rows.reduce((total, row) => total + of(row), 0)}`;
  const all = [
    ['KIND', 'TRIALS', 'OUTCOME', 'BLAMED', 'EVIDENCE', 'RETRIES'],
    ...cells,
    [
      `${rows.length} kinds, seed ${seed}`,
      `${sessions}`,
      '0 violations',
      sum(row => row.convicted),
      sum(row => row.kept),
      sum(row => row.retries),
    ],
  ];
  const widths = all[0]!.map((_, column) => Math.max(...all.map(line => line[column]!.length)));
  return all
    .map(line =>
      line
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

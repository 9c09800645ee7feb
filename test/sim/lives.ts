import type { AdvertTerms } from '../../src/operator/api.ts';
import { judge } from './judge.ts';
import { type Coverage, PHASES, type Phase, POINTS, type Point, SIDES, type Side } from './points.ts';
import { luckOf } from './random.ts';
import { createStriker, liveThrough, type StrikeOptions } from './strikes.ts';
import { createWorld } from './world.ts';

export interface LifeReport {
  seed: string;
  violations: string[];
  trace: string[];
  strikes: number;
  recovering: number;
  signals: number;
  reorgs: number;
  /** Simulated seconds. */
  seconds: number;
  steps: number;
  figures: { messages: number; partial_signatures: number; nonces: number; reopened: number; resent: number };
}

const MEMBERS = 3;
const ROUNDS = 2;

const FORMS: readonly Partial<AdvertTerms>[] = [
  {},
  {},
  { type: 'CASBeacon' },
  { fee_ladder: { steps: 3, factor: 2, blocks: 2 } },
  { flow: 'pull', frequency: { interval: 15, min_interval: 0, pending_updates: 1 } },
];

/**
 * One cohort from its advert to its last signal, in which programs end and start again wherever the plan says; then, in
 * peace, another round; then the judgement.
 */
export async function live(options: StrikeOptions): Promise<LifeReport> {
  const { seed } = options;
  const luck = luckOf(`${seed} strikes`);
  const striker = createStriker(options, luck);
  const world = createWorld({
    seed,
    cohorts: 1,
    members: MEMBERS,
    relays: 2,
    weather: { latency: [5, 60], loss: luck.chance(0.3) ? 0.02 : 0, duplicates: luck.chance(0.3) ? 0.1 : 0 },
    terms: () => FORMS[luckOf(`${seed} form`).below(FORMS.length)]!,
    pollMs: 1_000,
    downtime: [0.1, 6],
    deposit: 1_000_000,
    blocks: 4,
    reorgs: { chance: 0.05, depth: luck.chance(0.2) ? 8 : 5 },
    slowMiners: luck.chance(0.3) ? 0.4 : 0,
    strikes: striker.strikes,
  });
  const { clock, oracle, wallets } = world;
  try {
    const want = (updates: number): void => {
      for (const member of wallets) member.wanted = updates;
    };
    await liveThrough(world, striker, want, ROUNDS);
    if (oracle.violations.length === 0) await judge(world);
    const state = oracle.cohort(world.cohortId(0) ?? '');
    return {
      seed,
      violations: oracle.violations,
      trace: world.trace,
      strikes: striker.count(),
      recovering: world.kills().recovering,
      signals: state?.phase.name === 'formed' ? state.phase.beacon.signals.length : 0,
      reorgs: world.reorgs(),
      seconds: clock.ms() / 1_000 - world.startedAt,
      steps: clock.steps(),
      figures: oracle.figures,
    };
  } finally {
    world.close();
  }
}

/** Cells of the matrix that were struck at least so often. */
export function cellsOf(coverage: Coverage, least = 1): { side: Side; point: Point; phase: Phase }[] {
  return SIDES.flatMap(side =>
    POINTS.flatMap(point =>
      PHASES.flatMap(phase => (coverage.count(side, point, phase) >= least ? [{ side, point, phase }] : [])),
    ),
  );
}

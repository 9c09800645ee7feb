import type { AdvertTerms } from '../../src/operator/api.ts';
import { isAtRest, judge } from './judge.ts';
import { type Coverage, PHASES, type Phase, POINTS, type Point, SIDES, type Side } from './points.ts';
import { luckOf } from './random.ts';
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
/** Simulated milliseconds after which a life that has not come to rest has failed. */
const LIMIT_MS = 3_600_000;
/** Milliseconds between two ends: else nothing would ever come to a later phase. */
const SPACING = 1_500;

const FORMS: readonly Partial<AdvertTerms>[] = [
  {},
  {},
  { type: 'CASBeacon' },
  { fee_ladder: { steps: 3, factor: 2, blocks: 2 } },
  { flow: 'pull', frequency: { interval: 15, min_interval: 0, pending_updates: 1 } },
];

/** Where a program is still to end, by what was struck before. */
export type Plan = (side: Side, point: Point, phase: Phase) => boolean;

/**
 * One cohort from its advert to its last signal, in which programs end and start again wherever the plan says; then, in
 * peace, another round; then the judgement.
 */
export async function live(options: {
  seed: string;
  wants: Plan;
  onStrike: (side: Side, point: Point, phase: Phase) => void;
  /** Ends at most. */
  most: number;
  /** How likely a wanted end is, each time that its point is passed: 0.3 if left out. */
  chance?: number;
}): Promise<LifeReport> {
  const { seed, wants } = options;
  const luck = luckOf(`${seed} strikes`);
  let inPeace = false;
  let last = Number.NEGATIVE_INFINITY;
  let strikes = 0;
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
    strikes({ side }, point, now, recovering) {
      if (inPeace || strikes >= options.most) return false;
      const phase = recovering ? 'recovery' : now;
      if (!wants(side, point, phase)) return false;
      if (!recovering && Date.now() < last + SPACING) return false;
      if (!luck.chance(options.chance ?? 0.3)) return false;
      last = Date.now();
      strikes++;
      options.onStrike(side, point, phase);
      return true;
    },
  });
  const { clock, oracle, wallets } = world;
  try {
    for (const member of wallets) member.wanted = ROUNDS;
    const came = await clock.run(() => isAtRest(world) || oracle.violations.length > 0, LIMIT_MS);
    if (!came) oracle.violate(`the cohort does not come to rest: ${world.phase(0)}`);
    inPeace = true;
    world.setReorgs(0);
    for (const member of wallets) member.wanted = ROUNDS + 1;
    if (oracle.violations.length === 0 && !(await clock.run(() => isAtRest(world), LIMIT_MS)))
      oracle.violate(`no other round succeeds: ${world.phase(0)}`);
    if (oracle.violations.length === 0) await judge(world);
    const state = oracle.cohort(world.cohortId(0) ?? '');
    return {
      seed,
      violations: oracle.violations,
      trace: world.trace,
      strikes,
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

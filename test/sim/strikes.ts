import { isAtRest } from './judge.ts';
import type { Phase, Point, Side } from './points.ts';
import type { Luck } from './random.ts';
import type { World, WorldOptions } from './world.ts';

/** Where a program is still to end, by what was struck before. */
export type Plan = (side: Side, point: Point, phase: Phase) => boolean;

export interface StrikeOptions {
  seed: string;
  wants: Plan;
  onStrike: (side: Side, point: Point, phase: Phase) => void;
  /** Ends at most. */
  most: number;
  /** How likely a wanted end is, each time that its point is passed: 0.3 if left out. */
  chance?: number;
}

/** Milliseconds between two ends: else nothing would ever come to a later phase. */
const SPACING = 1_500;

export interface Striker {
  strikes: NonNullable<WorldOptions['strikes']>;
  count(): number;
  isResting(): boolean;
  /** From now on no program ends. */
  rest(): void;
}

/** Ends programs where the plan says, now and then, and not all at once. `onProgram` hears the name of each. */
export function createStriker(
  { wants, onStrike, most, chance = 0.3 }: StrikeOptions,
  luck: Luck,
  onProgram: (name: string) => void = () => {},
): Striker {
  let isResting = false;
  let last = Number.NEGATIVE_INFINITY;
  let count = 0;
  return {
    strikes({ side, name }, point, now, recovering) {
      if (isResting || count >= most) return false;
      const phase = recovering ? 'recovery' : now;
      if (!wants(side, point, phase)) return false;
      if (!recovering && Date.now() < last + SPACING) return false;
      if (!luck.chance(chance)) return false;
      last = Date.now();
      count++;
      onProgram(name);
      onStrike(side, point, phase);
      return true;
    },
    count: () => count,
    isResting: () => isResting,
    rest() {
      isResting = true;
    },
  };
}

/** Simulated milliseconds after which a life that has not come to rest has failed. */
const LIMIT_MS = 3_600_000;

/** Lets users have so many updates announced while programs end, then one more in peace; violations where they are not. */
export async function liveThrough(world: World, striker: Striker, want: (updates: number) => void, updates: number) {
  const { clock, oracle } = world;
  want(updates);
  const came = await clock.run(() => isAtRest(world) || oracle.violations.length > 0, LIMIT_MS);
  if (!came) oracle.violate(`the cohort does not come to rest: ${world.phase(0)}`);
  striker.rest();
  world.setReorgs(0);
  want(updates + 1);
  if (oracle.violations.length === 0 && !(await clock.run(() => isAtRest(world), LIMIT_MS)))
    oracle.violate(`no other round succeeds: ${world.phase(0)}`);
}

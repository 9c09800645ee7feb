export interface Backoff {
  /** First delay, in the unit of the caller. */
  readonly base: number;
  readonly max: number;
}

/**
 * The delay before try `attempt` (from 0): doubling from `base` up to `max`, times a random factor from one half to
 * one, so that clients which lost the same relay do not come back in step. `random` gives 0 to below 1.
 */
export const backoffDelay = ({ base, max }: Backoff, attempt: number, random: () => number): number =>
  Math.min(max, base * 2 ** Math.min(attempt, 30)) * (0.5 + random() / 2);

import { expect, test } from 'vitest';
import { fallBack } from '../sim/fallback.ts';
import { playLives } from './lives.ts';

const SEED = Number(process.env.TORTURE_SEED ?? 20261122);
const LIVES = Number(process.env.TORTURE_FALLBACKS ?? 20);

// faults 22, 44, 55
test(`programs end in ${LIVES} cohorts in which members fall silent after their nonces, and the others go on`, async () => {
  const figures = await playLives(
    { name: 'fallback', seed: SEED, lives: LIVES, path: 'fallback/' },
    fallBack,
    (_, sum) => ({
      silent: sum(({ silent }) => silent),
      amid: sum(({ amid }) => amid),
      signals: sum(({ signals }) => signals),
      fallbacks: sum(({ fallbacks }) => fallbacks),
      recoveries: sum(({ recoveries }) => recoveries),
      leaf_signatures: sum(({ leaf_signatures }) => leaf_signatures),
      partial_signatures: sum(({ partial_signatures }) => partial_signatures),
    }),
  );
  expect(figures.crashes).toBeGreaterThan(LIVES);
  expect(figures.amid).toBeGreaterThan(0);
  expect(figures.fallbacks).toBeGreaterThan(LIVES / 2);
  expect(figures.recoveries).toBeGreaterThan(0);
});

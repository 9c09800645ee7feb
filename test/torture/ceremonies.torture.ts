import { expect, test } from 'vitest';
import { CEREMONIES, perform } from '../sim/ceremonies.ts';
import { playLives } from './lives.ts';

const SEED = Number(process.env.TORTURE_SEED ?? 20261122);
const LIVES = Number(process.env.TORTURE_CEREMONIES ?? 20);

// faults 22, 30, 44
test.each(CEREMONIES)(`programs end in ${LIVES} cohorts with a %s`, async ceremony => {
  const figures = await playLives(
    { name: ceremony, seed: SEED, lives: LIVES, path: `${ceremony}/` },
    options => perform(ceremony, options),
    (_, sum) => ({
      signals: sum(({ signals }) => signals),
      climbed: sum(({ climbed }) => climbed),
      spends: sum(({ spends }) => spends),
      refunds: sum(({ refunds }) => refunds),
      partial_signatures: sum(({ partial_signatures }) => partial_signatures),
    }),
  );
  expect(figures.crashes).toBeGreaterThan(LIVES);
  if (ceremony !== 'cancel') expect(figures.climbed).toBeGreaterThan(0);
  if (ceremony === 'cancel') expect(figures.spends).toBeGreaterThan(0);
  if (ceremony !== 'ladder') expect(figures.refunds).toBeGreaterThanOrEqual(figures.signals);
});

import { expect, test } from 'vitest';
import { succeed } from '../sim/succession.ts';
import { playLives } from './lives.ts';

const SEED = Number(process.env.TORTURE_SEED ?? 20261122);
const LIVES = Number(process.env.TORTURE_SUCCESSIONS ?? 30);

// fault 44
test(`${LIVES} cohorts end while programs do: DIDs resolve, money arrives, keys are gone`, async () => {
  const figures = await playLives({ name: 'succession', seed: SEED, lives: LIVES }, succeed, reports => ({
    steps: [...new Set(reports.flatMap(({ stages }) => [...stages]))].sort(),
    longest_s: Math.round(Math.max(...reports.map(({ seconds }) => seconds))),
  }));
  expect(figures.crashes).toBeGreaterThan(LIVES);
});

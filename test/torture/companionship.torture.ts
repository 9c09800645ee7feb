import { expect, test } from 'vitest';
import { keepCompany } from '../sim/companionship.ts';
import { playLives } from './lives.ts';

const SEED = Number(process.env.TORTURE_SEED ?? 20261122);
const LIVES = Number(process.env.TORTURE_COMPANIONS ?? 16);

// faults 22, 44
test(`${LIVES} owners announce through their companions while programs end: one signature a version, every DID resolves`, async () => {
  const figures = await playLives({ name: 'companion', seed: SEED, lives: LIVES, batch: 8 }, keepCompany, (_, sum) => ({
    of_owners: sum(({ struck }) => struck.owner),
    of_companions: sum(({ struck }) => struck.companion),
    signals: sum(({ signals }) => signals),
  }));
  expect(figures.of_owners).toBeGreaterThan(0);
  expect(figures.of_companions).toBeGreaterThan(0);
});

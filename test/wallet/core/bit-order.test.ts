import { expect, test } from 'vitest';
import { newController } from '../../cohort/members.ts';
import { newAggregator } from './aggregator.ts';
import { deliver, ready, register, registerListed, type Scene } from './driver.ts';

/** The wallets of a scene in one more cohort. */
function another(scene: Scene, name: string, bit_order: 'spec' | 'lsb'): Scene {
  const { world, wallets } = scene;
  const aggregator = newAggregator(world, name, { cohort_size: { min: 2, max: 2 }, bit_order });
  const next = { world, wallets, aggregator, cohort: aggregator.advert.cohort };
  for (const wallet of wallets) wallet.join(aggregator.advert);
  deliver(next);
  return next;
}

test('a DID is in cohorts of one bit order only: nobody could resolve it by the proofs of both', () => {
  const spec = ready();
  const lsb = another(spec, 'lsb', 'lsb');
  const same = another(spec, 'same', 'spec');
  const [ada] = spec.wallets as [Scene['wallets'][0]];
  const registered = register(spec, ada, 'registered');
  const listed = registerListed(lsb, ada, 'listed');
  for (const [controller, cohort] of [
    [registered, lsb.cohort],
    [listed, spec.cohort],
  ] as const) {
    const outcome = ada.register(cohort, controller);
    expect(outcome.refused).toMatch(/the other bit order: no resolver reads both/);
    expect(outcome.sent).toEqual([]);
  }
  expect(ada.register(same.cohort, registered).refused).toBeNull();
  const fresh = newController('fresh');
  ada.addDid(fresh);
  expect(ada.register(lsb.cohort, fresh).refused).toBeNull();
});

import { describe, expect, test } from 'vitest';
import type { Terms } from '../../../src/messages/index.ts';
import { deliver, drafted, mine, ready, register, type Scene } from './driver.ts';
import { threeDids } from './given.ts';
import { resealed } from './liar.ts';
import { sentOf, updateState } from './wallet.ts';

const LADDER: Partial<Terms> = { fee_ladder: { steps: 4, factor: 2, blocks: 3 }, fee_cap: 2_000 };
const FEES = [308, 616, 1_232, 2_000];

const without = ({ aggregator, ...scene }: Scene) => ({ ...scene, aggregator: { ...aggregator, advance: () => {} } });

/** Signed by all; the mempool forgot what was sent. */
async function forgotten() {
  const scene = ready(LADDER);
  const [ada, bob] = scene.wallets;
  const one = register(scene, ada!, 'one');
  const { update, document } = await drafted(one, 'first');
  ada!.submit(one, update, document, [scene.cohort]);
  deliver(scene);
  const { steps, frozen, txid } = scene.aggregator.beacon.signals[0]!;
  const held = () => bob!.beacon(scene.cohort).signals.get(frozen.signal_bytes)!;
  return { scene, ada: ada!, bob: bob!, one, steps, txid, held };
}

// fault 30
describe('a ladder that all have signed', () => {
  test('is kept whole, and only the step that is out is published at first', async () => {
    const { scene, steps, txid, held } = await forgotten();
    expect(held().transactions).toEqual(steps.map(step => step.hex));
    expect(scene.world.chain.has(txid)).toBe(true);
    expect(steps.slice(1).filter(step => scene.world.chain.has(step.txid))).toEqual([]);
    mine(scene, 6);
    expect(held().seen).toMatchObject({ status: 'final', txid });
  });

  test('is climbed by any member, should the aggregator be gone, and each step has its time', async () => {
    const { scene, steps, txid, held, ada, one } = await forgotten();
    const { chain } = scene.world;
    const alone = without(scene);
    const seen: number[] = [];
    chain.evict(txid);
    for (let block = 1; block <= 18; block++) {
      mine(alone);
      const out = steps.findIndex(step => chain.has(step.txid));
      if (out >= 0) chain.evict(steps[out]!.txid);
      seen.push(out);
    }
    expect(seen.flatMap((step, block) => (step >= 0 ? [[block + 1, step]] : []))).toEqual([
      [6, 1],
      [11, 2],
      [16, 3],
    ]);
    expect(held().lingers?.step).toBe(3);
    chain.submit(steps[3]!.hex!);
    mine(alone, 6);
    expect(held().seen).toMatchObject({ status: 'final', txid: steps[3]!.txid });
    expect(updateState(ada, one.did)).toEqual(['final']);
  });

  test('rests once it is in a block, and begins anew after a reorganization', async () => {
    const { scene, txid, held } = await forgotten();
    const { chain } = scene.world;
    const alone = without(scene);
    mine(alone, 3);
    expect(held()).toMatchObject({ lingers: null, seen: { status: 'confirmed' } });
    chain.undo(3, 'gone');
    mine(alone, 2);
    expect(held().lingers).toMatchObject({ step: 0 });
    expect(chain.has(txid)).toBe(false);
  });
});

describe('given a request with fee steps', () => {
  async function asked(fees: readonly number[], terms: Partial<Terms> = LADDER) {
    const given = await threeDids(terms);
    const psbts = fees.map(fee => given.liar.request({ ...given.parts, fee }).pending_beacon_signal[0]!);
    const body = resealed(given.liar, { ...given.good, pending_beacon_signal: psbts });
    return { ...given, body, outcome: given.liar.ask(body) };
  }

  test('as the terms have them, the wallet sends a pair of nonces for each', async () => {
    for (const fees of [FEES, [154, 308, 616, 1_232], [1_900], [2_000], [1_000, 2_000], [160, 320, 640, 1_280]]) {
      const { outcome, body } = await asked(fees);
      const [nonce] = sentOf(outcome, 'nonce');
      expect([fees, nonce?.nonce_points.length]).toEqual([fees, fees.length]);
      expect(new Set(nonce!.nonce_points.flat()).size).toBe(2 * fees.length);
      expect(nonce!.session_id).toBe(body.session_id);
    }
  });

  test('in any other number, order or height it vetoes, and sends no nonce', async () => {
    const wrong: [number[], string][] = [
      [[308], 'wrong_steps'],
      [[308, 616, 1_232], 'wrong_steps'],
      [[...FEES, 2_000], 'wrong_steps'],
      [[616, 308, 1_232, 2_000], 'wrong_steps'],
      [[2_000, 1_232, 616, 308], 'wrong_steps'],
      [[308, 617, 1_232, 2_000], 'wrong_steps'],
      [[308, 462, 616, 770], 'wrong_steps'],
      [[308, 308, 308, 308], 'wrong_steps'],
      [[308, 616, 1_232, 2_464], 'fee_over_cap'],
      [[0, 154, 308, 616], 'wrong_steps'],
    ];
    for (const [fees, code] of wrong) {
      const { outcome } = await asked(fees);
      expect([fees, sentOf(outcome, 'veto').map(veto => veto.code)]).toEqual([fees, [code]]);
      expect(sentOf(outcome, 'nonce')).toEqual([]);
    }
  });

  test('a ladder where none was agreed is refused', async () => {
    const { outcome } = await asked(FEES, { fee_cap: 2_000 });
    expect(sentOf(outcome, 'veto')).toMatchObject([{ code: 'wrong_steps' }]);
  });

  test('a step that spends another output is refused: both could confirm, one after the other', async () => {
    const given = await threeDids(LADDER);
    const other = given.liar.deposit(90_000);
    const psbts = FEES.map(
      (fee, i) =>
        given.liar.request({ ...given.parts, fee, ...(i === 3 ? { outpoint: other } : {}) }).pending_beacon_signal[0]!,
    );
    const outcome = given.liar.ask(resealed(given.liar, { ...given.good, pending_beacon_signal: psbts }));
    expect(sentOf(outcome, 'veto')).toMatchObject([{ code: 'wrong_steps' }]);
  });

  test('a step that says other bytes is refused', async () => {
    const given = await threeDids(LADDER);
    const psbts = FEES.map(
      (fee, i) =>
        given.liar.request({ ...given.parts, fee, ...(i === 2 ? { seed: 'ab'.repeat(32) } : {}) })
          .pending_beacon_signal[0]!,
    );
    const outcome = given.liar.ask(resealed(given.liar, { ...given.good, pending_beacon_signal: psbts }));
    expect(sentOf(outcome, 'veto')).toMatchObject([{ code: 'transaction_not_ours' }]);
  });
});

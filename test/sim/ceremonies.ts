import { parseTx } from '../../src/bitcoin/index.ts';
import type { CohortState } from '../../src/cohort/index.ts';
import type { AdvertTerms } from '../../src/operator/api.ts';
import { judge } from './judge.ts';
import { luckOf } from './random.ts';
import { createStriker, liveThrough, type StrikeOptions } from './strikes.ts';
import { createWorld, type World } from './world.ts';

/** Ceremonies beside a plain round. */
export const CEREMONIES = ['ladder', 'cancel', 'refund'] as const;
export type CeremonyName = (typeof CEREMONIES)[number];

export interface CeremonyReport {
  ceremony: CeremonyName;
  seed: string;
  violations: string[];
  trace: string[];
  strikes: number;
  recovering: number;
  signals: number;
  /** Signals of which another step than the cheapest is on the chain. */
  climbed: number;
  /** Spends without a signal that every member signed. */
  spends: number;
  /** Complete refunds. */
  refunds: number;
  partial_signatures: number;
}

const MEMBERS = 3;
const ROUNDS = 3;
/** Nobody's. */
const HOME = 'bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202';
const LADDER = { fee_ladder: { steps: 3, factor: 2, blocks: 1 } };
const REFUND = { refund: { address: HOME, delay_blocks: 144 } };

const TERMS: Readonly<Record<CeremonyName, Partial<AdvertTerms>>> = {
  ladder: LADDER,
  cancel: { ...REFUND },
  refund: { ...LADDER, ...REFUND },
};

/**
 * A cohort announces updates while programs end wherever the plan says, and blocks leave its signals for later; with
 * `cancel` the operator cancels what stays open, with `refund` all sign the refund of a deposit that is not there yet.
 */
export async function perform(ceremony: CeremonyName, options: StrikeOptions): Promise<CeremonyReport> {
  const { seed } = options;
  const luck = luckOf(`${seed} strikes`);
  const striker = createStriker(options, luck);
  let deposits = 0;
  const world = createWorld({
    seed,
    cohorts: 1,
    members: MEMBERS,
    relays: 2,
    weather: { latency: [5, 60], loss: luck.chance(0.3) ? 0.02 : 0, duplicates: luck.chance(0.3) ? 0.1 : 0 },
    terms: () => TERMS[ceremony],
    pollMs: 1_000,
    downtime: [0.1, 6],
    deposit: 1_000_000,
    blocks: 4,
    reorgs: { chance: 0.08, depth: 5 },
    slowMiners: 0.4,
    strikes: striker.strikes,
    async chores(api, { cohortId, oracle }) {
      const cohort = cohortId(0);
      const state = oracle.cohort(cohort ?? '');
      if (cohort === null || striker.isResting() || state?.phase.name !== 'formed' || state.phase.beacon.spend) return;
      const { round } = state.phase.beacon;
      const isOpen = round !== null && round.open.length > 0 && round.stage.name !== 'announced';
      if (ceremony === 'cancel' && isOpen && luck.chance(0.8)) await api.spendStart({ cohort, purpose: 'cancel' });
      if (ceremony === 'refund' && round === null && deposits < 2) {
        deposits++;
        const txid = `${deposits}`.padStart(64, '0');
        await api.spendStart({ cohort, purpose: 'refund', outpoint: { txid, vout: 0, value_sats: 50_000 } });
      }
    },
  });
  const { oracle, wallets } = world;
  try {
    const want = (updates: number): void => {
      for (const member of wallets) member.wanted = updates;
    };
    await liveThrough(world, striker, want, ROUNDS);
    if (oracle.violations.length === 0) await judge(world);
    const state = oracle.cohort(world.cohortId(0) ?? '');
    if (state?.phase.name !== 'formed') throw new Error('the cohort was never formed');
    const { signals, spends } = state.phase.beacon;
    await saysNothing(world, state);
    const given = [...signals.flatMap(({ refunds }) => refunds), ...spends.flatMap(({ refunds }) => refunds)];
    const signed = spends.filter(({ transaction }) => transaction !== null);
    return {
      ceremony,
      seed,
      violations: oracle.violations,
      trace: world.trace,
      strikes: striker.count(),
      recovering: world.kills().recovering,
      signals: signals.length,
      climbed: signals.filter(({ txid, steps, attempt }) => txid !== steps.find(step => step.attempt === attempt)!.txid)
        .length,
      spends: signed.length,
      refunds: given.length + signed.filter(({ purpose }) => purpose === 'refund').length,
      partial_signatures: oracle.figures.partial_signatures,
    };
  } finally {
    world.close();
  }
}

/** No spend and no refund that anybody can publish carries an OP_RETURN; a refund pays the address in the terms, late. */
async function saysNothing({ oracle }: World, state: CohortState): Promise<void> {
  if (state.phase.name !== 'formed') return;
  const { signals, spends } = state.phase.beacon;
  const refunds = [...signals.flatMap(signal => signal.refunds), ...spends.flatMap(spend => spend.refunds)];
  const plain = spends.flatMap(({ transaction }) => (transaction ? [transaction.hex] : []));
  for (const hex of [...refunds, ...plain]) {
    const { txid, outputs } = parseTx(hex);
    if (outputs.length !== 1 || outputs.some(({ script_hex }) => script_hex.startsWith('6a')))
      oracle.violate(`${txid} is no signal and says something`);
  }
  for (const hex of refunds) {
    const { txid, inputs, version } = parseTx(hex);
    if (version !== 2 || inputs[0]?.sequence !== REFUND.refund.delay_blocks)
      oracle.violate(`the refund ${txid} can be spent before its delay`);
  }
}

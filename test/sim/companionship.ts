import { judge } from './judge.ts';
import { luckOf } from './random.ts';
import { createStriker, liveThrough, type StrikeOptions } from './strikes.ts';
import { createWorld } from './world.ts';

export interface CompanionshipReport {
  seed: string;
  violations: string[];
  trace: string[];
  strikes: number;
  recovering: number;
  signals: number;
  /** Ends of the owner, of the companion, and of everybody else. */
  struck: { owner: number; companion: number; others: number };
}

const [OWNER, , COMPANION] = ['w0-0', 'w0-1', 'w0-2'];
const ROUNDS = 2;
const FEE_CAP = 2_000;

/**
 * A member in two halves beside a whole one: they pair, join, register and announce, while owner, companion and all the
 * others end and start again wherever the plan says; then, in peace, another round; then the judgement.
 */
export async function keepCompany(options: StrikeOptions): Promise<CompanionshipReport> {
  const { seed } = options;
  const luck = luckOf(`${seed} strikes`);
  const struck = { owner: 0, companion: 0, others: 0 };
  /** The pairing string, as it was shown last. */
  let link: string | null = null;
  const striker = createStriker(options, luck, name => {
    struck[name === OWNER ? 'owner' : name === COMPANION ? 'companion' : 'others']++;
  });
  const world = createWorld({
    seed,
    cohorts: 1,
    members: 3,
    seats: 2,
    relays: 2,
    weather: { latency: [5, 60], loss: luck.chance(0.3) ? 0.02 : 0, duplicates: luck.chance(0.3) ? 0.1 : 0 },
    terms: () => ({
      cohort_size: { min: 2, max: 2 },
      fee_cap: FEE_CAP,
      ...(luckOf(`${seed} form`).chance(0.3) ? { type: 'CASBeacon' as const } : {}),
      ...(luckOf(`${seed} ladder`).chance(0.3) ? { fee_ladder: { steps: 3, factor: 2, blocks: 2 } } : {}),
    }),
    pollMs: 1_000,
    downtime: [0.1, 8],
    deposit: 1_000_000,
    blocks: 4,
    reorgs: { chance: 0.05, depth: 4 },
    strikes: striker.strikes,
    async errands(wallet, { role }, { cohortId }) {
      const { companion, cohorts } = wallet.status();
      if (role.name === COMPANION) {
        if (companion === null || (companion.role === 'companion' && companion.owner === null && link === null))
          ({ link } = await wallet.companionOpen());
        return true;
      }
      if (role.name !== OWNER) return false;
      if (companion === null) {
        if (link !== null) await wallet.companionPair({ link });
        return true;
      }
      if (companion.role !== 'owner' || companion.phase !== 'paired') return true;
      const cohort = cohortId(0)!;
      if (companion.policy === null) {
        await wallet.companionPolicy({ feeCapSats: FEE_CAP });
        return true;
      }
      if (cohorts.some(each => each.cohort === cohort)) return false;
      const found = (await wallet.discover({ all: true })).find(({ advert }) => advert.cohort === cohort);
      if (found) await wallet.companionJoin({ advert: found.advert });
      return true;
    },
  });
  const { oracle, wallets } = world;
  const want = (rounds: number): void => {
    for (const member of wallets) member.wanted = member.role.name === COMPANION ? 0 : rounds;
  };
  try {
    await liveThrough(world, striker, want, ROUNDS);
    const state = oracle.cohort(world.cohortId(0) ?? '');
    const beacon = state?.phase.name === 'formed' ? state.phase.beacon : null;
    const holds = (name: string | undefined): number =>
      beacon?.participant_pubkeys.filter(key =>
        wallets
          .find(({ role }) => role.name === name)
          ?.role.keys()
          ?.has(key),
      ).length ?? 0;
    if (holds(OWNER) !== 0 || holds(COMPANION) !== 1)
      oracle.violate('the cohort key is not where it belongs: with the companion alone');
    if (oracle.violations.length === 0) await judge(world);
    return {
      seed,
      violations: oracle.violations,
      trace: world.trace,
      strikes: striker.count(),
      recovering: world.kills().recovering,
      signals: beacon?.signals.length ?? 0,
      struck,
    };
  } finally {
    world.close();
  }
}

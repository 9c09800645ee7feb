import type { SuccessionStep } from '../../src/wallet/succession-api.ts';
import { isAtRest, judge } from './judge.ts';
import { luckOf } from './random.ts';
import { createStriker, type StrikeOptions } from './strikes.ts';
import { createWorld } from './world.ts';

export interface SuccessionReport {
  seed: string;
  violations: string[];
  trace: string[];
  strikes: number;
  recovering: number;
  /** Seconds that the cohort took to end. */
  seconds: number;
  /** Where members were when their programs ended. */
  stages: Set<SuccessionStep>;
}

const MEMBERS = 3;
const LIMIT_MS = 7_200_000;
const NEXT = 'next';

/**
 * A cohort that has announced something ends: two members move to a successor with DIDs and money, one goes its own way,
 * and all delete their cohort keys; while programs end and start again wherever the plan says. Then the judgement.
 */
export async function succeed(options: StrikeOptions): Promise<SuccessionReport> {
  const { seed } = options;
  const luck = luckOf(`${seed} strikes`);
  const steps = new Map<string, SuccessionStep>();
  const stages = new Set<SuccessionStep>();
  /** The address that the one who goes alone was told of by the others, as people do. */
  let target: string | null = null;
  let isEnding = false;
  const striker = createStriker(options, luck, name => {
    const step = steps.get(name);
    if (step) stages.add(step);
  });
  const world = createWorld({
    seed,
    cohorts: 1,
    members: MEMBERS,
    relays: 2,
    weather: { latency: [5, 60], loss: luck.chance(0.3) ? 0.02 : 0, duplicates: luck.chance(0.3) ? 0.1 : 0 },
    pollMs: 1_000,
    downtime: [0.1, 6],
    deposit: 1_000_000,
    blocks: 4,
    reorgs: { chance: 0.03, depth: 4 },
    strikes: (...end) => isEnding && striker.strikes(...end),
    async chores(api, { cohortId }) {
      const cohort = cohortId(0);
      if (!isEnding || cohort === null) return;
      const known = (await api.advertList()).find(({ advert_id }) => advert_id === NEXT);
      if (!known) {
        await api.advertCreate({ id: NEXT, cohort_size: { min: 2, max: 2 } });
        return;
      }
      const { stage, successor, money } = await api.cohortSuccession({ cohort });
      if (stage === null) await api.cohortEnd({ cohort, advert: NEXT, deadline_in: 3_600 });
      target = successor?.beacon_address ?? target;
      const isMoving = (await api.spendList({ cohort })).some(
        ({ status }) => status === 'nonces' || status === 'signatures',
      );
      if (stage === 'moving' && !isMoving && money && money.length > 0)
        await api.spendStart({ cohort, purpose: 'move' });
    },
    async errands(wallet, { index, role }, { cohortId }) {
      const cohort = cohortId(0);
      if (!isEnding || cohort === null) return false;
      const deleteKey = steps.get(role.name) === 'delete_key';
      const { step, advert } = await wallet.succession({ cohort, alone: index === 2, deleteKey });
      steps.set(role.name, step);
      if (step === 'join') await wallet.join({ advert: advert! });
      if (step === 'release' && target !== null) await wallet.release({ cohort, to: target });
      return true;
    },
  });
  const { clock, oracle, wallets, chain } = world;
  try {
    for (const member of wallets) member.wanted = 1;
    if (!(await clock.run(() => isAtRest(world) || oracle.violations.length > 0, LIMIT_MS)))
      oracle.violate('no first signal');
    const old = oracle.cohort(world.cohortId(0)!);
    const began = clock.ms();
    isEnding = true;
    const isOver = (): boolean => wallets.every(({ role }) => steps.get(role.name) === 'done');
    const came = await clock.run(() => isOver() || oracle.violations.length > 0, LIMIT_MS);
    if (!came) oracle.violate(`the cohort does not end: ${[...steps].join(' ')}`);
    striker.rest();
    world.setReorgs(0);
    const seconds = (clock.ms() - began) / 1_000;
    // Whoever is down comes back, and the rest of the blocks comes.
    await clock.run(() => false, 60_000);
    if (old?.phase.name !== 'formed') oracle.violate('the cohort was never formed');
    else {
      for (const { role, index } of wallets)
        if (old.phase.beacon.participant_pubkeys.some(key => role.keys()?.has(key)))
          oracle.violate(`w${index} still holds its cohort key`);
      const { address } = old.phase.beacon;
      const left = await chain.truth.utxos(address);
      if (left.length > 0) oracle.violate(`${left.length} outputs are left at the old beacon`);
      const money = target === null ? [] : await chain.truth.utxos(target);
      if (money.length === 0) oracle.violate('no money came to the successor');
    }
    for (const { wallet, index } of wallets) {
      const states = wallet
        ?.status()
        .dids[0]?.beacons.map(({ state }) => state)
        .join();
      if (states !== (index < 2 ? 'removed,listed' : 'removed')) oracle.violate(`w${index} is ${states}`);
    }
    if (oracle.violations.length === 0) await judge(world);
    return {
      seed,
      violations: oracle.violations,
      trace: world.trace,
      strikes: striker.count(),
      recovering: world.kills().recovering,
      seconds,
      stages,
    };
  } finally {
    world.close();
  }
}

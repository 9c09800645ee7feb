import { join } from 'node:path';
import { openStore } from '../src/store/index.ts';
import { newDid } from './many-cohorts.ts';
import { report } from './report.ts';
import { form, takeRound } from './round.ts';
import { startWorld } from './world.ts';

const MEMBERS = 2;

/** A round of two members, the first of whom has `n` DIDs in the tree: the real daemon, its tree from a worker thread. */
export async function manyDids(n: number): Promise<void> {
  const counts = [1, MEMBERS - 1];
  const world = await startWorld(counts);
  try {
    const cohort = await form(world, counts, MEMBERS);
    await world.restart(stateDir => {
      const store = openStore(join(stateDir, 'aggregator.db'), { application: 'aggregator' });
      let member = '';
      for (const { type, body } of store.read(cohort))
        if (type === 'did_registered') member = (body as { member: string }).member;
      store.commit({
        events: Array.from({ length: n }, (_, i) => ({
          stream: cohort,
          type: 'did_registered',
          at: Math.floor(Date.now() / 1_000),
          body: { type: 'did_registered', request_id: i.toString(16).padStart(64, '0'), member, ...newDid() },
        })),
      });
      store.close();
    });
    const taken = await takeRound(world, cohort, 1);
    report({
      bench: 'many',
      what: `a round of ${MEMBERS} with so many DIDs in the tree`,
      side: 'ours',
      n,
      figures: {
        s: taken.ms / 1_000,
        aggregator_cpu_s: taken.aggregatorCpuMs / 1_000,
        stall_ms: taken.stallMs,
        peak_mib: taken.peakMib,
        kib: taken.bytes / 1_024,
      },
    });
  } finally {
    await world.stop();
  }
}

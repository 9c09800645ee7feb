import { fileURLToPath } from 'node:url';
import { inProcess } from './measure.ts';
import { report } from './report.ts';
import { sizes } from './sizes.ts';
import type { Taken, TreeJob, TreeTaken } from './tree-job.ts';

const JOB = fileURLToPath(new URL('./tree-job.js', import.meta.url));
/** The portable hasher takes minutes beyond, and says nothing new there. */
const PORTABLE_MOST = 10_000;

/** The sparse Merkle tree: root and branch nodes, proofs, and what the bare hashing of it costs. */
export async function run(args: readonly string[]): Promise<void> {
  for (const n of sizes(args, [1_000, 10_000, 100_000, 1_000_000])) {
    await one(n, 'native');
    if (n <= PORTABLE_MOST) await one(n, 'portable');
  }
}

const clocks = ({ ms, cpuMs }: Taken) => ({ ms, cpu_ms: cpuMs });

async function one(n: number, hasher: TreeJob['hasher']): Promise<void> {
  const taken = await inProcess<TreeTaken>(JOB, { n, hasher } satisfies TreeJob);
  const side = hasher === 'native' ? 'ours' : 'rival';
  const with_ = hasher === 'native' ? '' : ', hashed by noble';
  report({
    bench: 'tree',
    what: `hashing alone${with_}`,
    side: 'floor',
    n,
    figures: { ...clocks(taken.floor), hashes_per_leaf: taken.hashes / n },
  });
  report({
    bench: 'tree',
    what: `root and branch nodes, in a worker${with_}`,
    side,
    n,
    figures: {
      ...clocks(taken.build),
      cpu_us_per_leaf: (taken.build.cpuMs * 1_000) / n,
      cpu_of_floor: taken.build.cpuMs / taken.floor.cpuMs,
      stall_ms: taken.stallMs,
      peak_mib: taken.peakMib,
    },
  });
  report({
    bench: 'tree',
    what: `all proofs${with_}`,
    side,
    n,
    figures: {
      ...clocks(taken.all),
      cpu_us_per_proof: (taken.all.cpuMs * 1_000) / n,
      cpu_of_floor: taken.all.cpuMs / taken.floor.cpuMs,
    },
  });
  report({
    bench: 'tree',
    what: `one proof; of an empty index; verified${with_}`,
    side,
    n,
    figures: { us: taken.proofUs, empty_us: taken.emptyUs, verify_us: taken.verifyUs },
  });
}

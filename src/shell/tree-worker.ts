import { parentPort } from 'node:worker_threads';
import { hashJob, type TreeJob } from '../cohort/index.ts';
import type { TreeOrder } from './trees.ts';

/** The other end of `createTreeBuilder`: hashes one tree, and hands over its memory. */
let job: TreeJob | null = null;
const leaves: string[] = [];
const updates: TreeJob['drawn']['updates'] = [];
const blinded: NonNullable<TreeJob['drawn']['blinded']>['leaves'] = [];
const lists: Record<'leaves' | 'updates' | 'blinded', unknown[]> = { leaves, updates, blinded };

function hash({ drawn, ...rest }: TreeJob): void {
  const whole = {
    ...rest,
    leaves,
    drawn: { ...drawn, updates, ...(drawn.blinded ? { blinded: { ...drawn.blinded, leaves: blinded } } : {}) },
  };
  const tree = hashJob(whole);
  const { data, crown } = tree;
  const parts = [data.leaves.keys, data.leaves.values, data.tops, crown, ...Object.values(data.shape)];
  const memory = parts.flatMap(part => (ArrayBuffer.isView(part) ? [part.buffer as ArrayBuffer] : []));
  parentPort?.postMessage(tree, [...new Set(memory)]);
}

parentPort?.on('message', (order: TreeOrder) => {
  if (order.type === 'job') job = order.job;
  else if (order.type === 'more') for (const item of order.items) lists[order.list].push(item);
  else if (job) hash(job);
});

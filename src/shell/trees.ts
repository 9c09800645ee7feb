import { setImmediate as breath } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type HashedTree, hashJob, type PreparedTree, type TreeJob } from '../cohort/index.ts';
import { type Log, messageOf } from '../nostr/index.ts';

/** Hashes trees while everything else goes on. */
export interface TreeBuilder {
  /** Trees of more leaves are worth a job. */
  readonly above: number;
  /** Rejects only where it was closed. */
  build(job: TreeJob): Promise<HashedTree>;
  close(): Promise<void>;
}

/** What goes to the worker: a job, its long lists in slices behind it. */
export type TreeOrder =
  | { type: 'job'; job: TreeJob }
  | { type: 'more'; list: 'leaves' | 'updates' | 'blinded'; items: readonly unknown[] }
  | { type: 'end' };

/** Up to here a tree takes about as long as the messages of its round. */
const ABOVE = 1_000;
/** List items that are copied for the worker in one go: a few milliseconds. */
const SLICE = 4_000;

/** The job without its lists, and what has to follow. */
function sliced(job: TreeJob): TreeOrder[] {
  const { leaves, drawn } = job;
  const { updates, blinded, leaf_count } = drawn;
  const bare = { ...drawn, updates: [], ...(blinded ? { blinded: { ...blinded, leaves: [] } } : {}) };
  const orders: TreeOrder[] = [{ type: 'job', job: { ...job, leaves: [], drawn: bare } }];
  const add = (list: Extract<TreeOrder, { type: 'more' }>['list'], items: readonly unknown[], count: number): void => {
    for (let at = 0; at < count; at += SLICE)
      orders.push({ type: 'more', list, items: items.slice(at, Math.min(at + SLICE, count)) });
  };
  add('leaves', leaves, leaf_count);
  add('updates', updates, updates.length);
  add('blinded', blinded?.leaves ?? [], blinded?.leaves.length ?? 0);
  return [...orders, { type: 'end' }];
}

/**
 * Hashes trees in a worker thread, one after the other: two would take twice the memory. A worker that cannot be had, or
 * dies, is no reason to announce nothing: then the tree is hashed here, everybody waits, and the log has it.
 */
export function createTreeBuilder(
  log: Log,
  { module = new URL('./tree-worker.js', import.meta.url), above = ABOVE } = {},
): TreeBuilder {
  let last: Promise<unknown> = Promise.resolve();
  let running: Worker | null = null;
  let isClosed = false;

  async function inWorker(job: TreeJob): Promise<HashedTree> {
    const worker = new Worker(module);
    running = worker;
    try {
      const answer = new Promise<HashedTree>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
        worker.once('exit', code => reject(new Error(`the worker ended with ${code}`)));
      });
      answer.catch(() => {});
      for (const order of sliced(job)) {
        worker.postMessage(order);
        await breath();
      }
      return await answer;
    } finally {
      running = null;
      await worker.terminate();
    }
  }

  async function build(job: TreeJob): Promise<HashedTree> {
    if (isClosed) throw new Error('no trees are built any more');
    try {
      return await inWorker(job);
    } catch (error) {
      if (isClosed) throw error;
      log('warn', 'a tree is hashed in the main thread', { error: messageOf(error) });
      return hashJob(job);
    }
  }

  return {
    above,
    build(job) {
      const next = last.then(() => build(job));
      last = next.catch(() => {});
      return next;
    },
    async close() {
      isClosed = true;
      await running?.terminate();
      await last;
    },
  };
}

/** The trees that cohorts wait for, and those that are ready: one of each for a cohort. */
export interface KeptTrees {
  readonly above: number;
  prepared(cohort: string): PreparedTree | null;
  build(cohort: string, job: TreeJob): void;
  forget(cohort: string): void;
}

export function keepTrees(
  builder: TreeBuilder,
  { log, onReady }: { log: Log; onReady: (cohort: string) => void },
): KeptTrees {
  const building = new Set<string>();
  const ready = new Map<string, PreparedTree>();
  return {
    above: builder.above,
    prepared: cohort => ready.get(cohort) ?? null,
    forget: cohort => void ready.delete(cohort),
    build(cohort, job) {
      // What it waits for now may be another one already: then the next advance says so.
      if (building.has(cohort)) return;
      building.add(cohort);
      ready.delete(cohort);
      builder
        .build(job)
        .then(tree => ready.set(cohort, { job, tree }))
        .finally(() => building.delete(cohort))
        .then(() => onReady(cohort))
        .catch(error => log('debug', 'nothing followed from a tree', { cohort, error: messageOf(error) }));
    },
  };
}

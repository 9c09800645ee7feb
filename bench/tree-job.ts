import { randomBytes } from 'node:crypto';
import { type MessagePort, parentPort, Worker, workerData } from 'node:worker_threads';
import { pairHasher } from '#hasher';
import {
  hashTree,
  openTree,
  type PackedLeaves,
  type PairHasher,
  portableHasher,
  type TreeData,
  verifyBranch,
} from '../src/smt/index.ts';
import { onJob, peakMib, perCall, timed, watchStalls } from './measure.ts';

export interface TreeJob {
  n: number;
  hasher: 'native' | 'portable';
}

export interface Taken {
  ms: number;
  cpuMs: number;
}

export interface TreeTaken {
  hashes: number;
  floor: Taken;
  build: Taken;
  /** The longest that the main thread stood still meanwhile. */
  stallMs: number;
  all: Taken;
  proofUs: number;
  emptyUs: number;
  verifyUs: number;
  peakMib: number;
}

const hasherOf = (name: TreeJob['hasher']): PairHasher => (name === 'native' ? pairHasher : portableHasher);
const FLOOR_BATCH = 256;

function randomLeaves(n: number): PackedLeaves {
  // Shared memory: the worker reads it where it is.
  const fresh = (): Uint8Array => {
    const bytes = new Uint8Array(new SharedArrayBuffer(n * 32));
    for (let at = 0; at < bytes.length; at += 1 << 20) bytes.set(randomBytes(Math.min(1 << 20, bytes.length - at)), at);
    return bytes;
  };
  return { indices: fresh(), values: fresh() };
}

/** The bare cost of so many hashes, in the batches that suit the hasher best. */
function floorOf(hashes: number, hasher: PairHasher): Taken {
  const pairs = new Uint8Array(FLOOR_BATCH * 64);
  const out = new Uint8Array(FLOOR_BATCH * 32);
  const run = (count: number): void => {
    for (let done = 0; done < count; done += FLOOR_BATCH) hasher(pairs, out);
  };
  run(hashes / 50);
  const { ms, cpuMs } = timed(() => run(hashes));
  return { ms, cpuMs };
}

interface Built {
  data: TreeData;
  hashes: number;
  build: Taken;
}

function inWorker(leaves: PackedLeaves, hasher: TreeJob['hasher']): Promise<Built> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { leaves, hasher } });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

async function take({ n, hasher: name }: TreeJob): Promise<TreeTaken> {
  const hasher = hasherOf(name);
  const leaves = randomLeaves(n);
  const index = (i: number): Uint8Array => leaves.indices.slice(i * 32, i * 32 + 32);

  const stalls = watchStalls();
  const { data, hashes, build } = await inWorker(leaves, name);
  const stallMs = stalls();

  const tree = openTree(data, hasher);
  const all = timed(() => {
    for (let i = 0; i < n; i++) tree.prove(leaves.indices.subarray(i * 32, i * 32 + 32));
  });
  const root = tree.root;
  const some = Array.from({ length: 200 }, (_, i) => (i * 7_919) % n);
  const proofUs = perCall(1_000, i => tree.prove(index(some[i % 200]!))) * 1_000;
  const emptyUs = perCall(200, () => tree.prove(Uint8Array.from(randomBytes(32)))) * 1_000;
  const branches = some.map(i => ({
    index: index(i),
    leaf: leaves.values.slice(i * 32, i * 32 + 32),
    branch: tree.prove(index(i)),
    root,
    order: 'spec' as const,
  }));
  if (!branches.every(verifyBranch)) throw new Error('a proof of the tree does not verify');
  const verifyUs = perCall(200, i => verifyBranch(branches[i % 200]!)) * 1_000;
  const peak = peakMib();
  const floor = floorOf(hashes, hasher);
  const { ms, cpuMs } = all;
  return { hashes, floor, build, stallMs, all: { ms, cpuMs }, proofUs, emptyUs, verifyUs, peakMib: peak };
}

function buildFor(
  port: MessagePort,
  { leaves, hasher: name }: { leaves: PackedLeaves; hasher: TreeJob['hasher'] },
): void {
  let hashes = 0;
  const hasher = hasherOf(name);
  const counting: PairHasher = (pairs, out) => {
    hashes += out.length / 32;
    hasher(pairs, out);
  };
  const { ms, cpuMs, result: data } = timed(() => hashTree(leaves, { hasher: counting }));
  const parts = [data.leaves.keys, data.leaves.values, data.tops, ...Object.values(data.shape)];
  const memory = parts.flatMap(part => (ArrayBuffer.isView(part) ? [part.buffer as ArrayBuffer] : []));
  port.postMessage({ data, hashes, build: { ms, cpuMs } } satisfies Built, memory);
}

if (parentPort) buildFor(parentPort, workerData);
else onJob(take);

import { afterEach, describe, expect, test } from 'vitest';
import { pairHasher } from '#hasher';
import { aggregate } from '../../src/beacon/index.ts';
import { hashJob, type TreeJob } from '../../src/cohort/index.ts';
import { signalEntries } from '../../src/cohort/leaves.ts';
import { aggregateOfTree } from '../../src/cohort/trees.ts';
import { sha256, toHex, utf8 } from '../../src/crypto/index.ts';
import { createTreeBuilder, keepTrees, type TreeBuilder } from '../../src/shell/trees.ts';
import { leafIndex, portableHasher } from '../../src/smt/index.ts';

const draw = (label: string): string => toHex(sha256(utf8(label)));
const COUNT = 1_300;
const leaves = Array.from({ length: COUNT + 50 }, (_, i) => `did:btc1:leaf${i}`);
const outpoint = { txid: draw('tx'), vout: 0, value_sats: 10_000 };

const plain = (order: 'spec' | 'lsb'): TreeJob => ({
  round: 1,
  attempt: 1,
  order,
  // The last fifty came later, and are leaves of the next signal.
  leaves,
  drawn: {
    outpoint,
    leaf_count: COUNT,
    nonce_seed: draw('seed'),
    updates: leaves.slice(3, 90).map((did, i) => ({ did, announcement: draw(`update ${i}`), version: 2 })),
  },
});
const blinded = (): TreeJob => ({
  round: 1,
  attempt: 1,
  order: 'spec',
  leaves: [],
  drawn: {
    outpoint,
    leaf_count: 0,
    nonce_seed: '',
    updates: [],
    blinded: {
      opportunity_id: draw('opportunity'),
      leaves: leaves.map(did => ({ index: toHex(leafIndex(did)), leaf: draw(did) })),
    },
  },
});
const jobs: [string, TreeJob][] = [
  ['plain', plain('spec')],
  ['numbered from the other end', plain('lsb')],
  ['blinded', blinded()],
];

const open: TreeBuilder[] = [];
afterEach(async () => {
  for (const builder of open.splice(0)) await builder.close();
});
const told: string[] = [];
function builderOf(module: URL): TreeBuilder {
  const builder = createTreeBuilder((_level, message) => void told.push(message), { module });
  open.push(builder);
  return builder;
}
const WORKER = new URL('../../dist/shell/tree-worker.js', import.meta.url);

describe.each(jobs)('a %s tree', (_name, job) => {
  const subjects = [
    leaves[0]!,
    leaves[3]!,
    leaves[40]!,
    leaves.at(-1)!,
    'did:btc1:nobody',
    toHex(leafIndex(leaves[5]!)),
  ];

  test('is byte for byte the same in line and in a worker, by the native hasher and the portable one', async () => {
    const before = told.length;
    const inWorker = await builderOf(WORKER).build(job);
    expect(told.length).toBe(before);
    expect(inWorker).toEqual(hashJob(job, pairHasher));
    expect(inWorker).toEqual(hashJob(job, portableHasher));
    expect(inWorker.crown).not.toBeNull();
  }, 60_000);

  test('says what the whole list of its entries says: signal bytes, crown, and every proof', () => {
    const made = aggregateOfTree(job.drawn, hashJob(job));
    const whole = aggregate('SMTBeacon', signalEntries(job.leaves, job.drawn), {
      bitOrder: job.order,
      hasher: pairHasher,
    });
    expect(made.signalBytes).toEqual(whole.signalBytes);
    expect(made.crown).toEqual(whole.crown);
    expect(made.evidenceFor(subjects)).toEqual(whole.evidenceFor(subjects));
  });
});

test('a worker that cannot be had is no reason to announce nothing: the tree is hashed here, and the log has it', async () => {
  const job = plain('spec');
  const tree = await builderOf(new URL('./nowhere.js', import.meta.url)).build(job);
  expect(tree).toEqual(hashJob(job));
  expect(told).toContain('a tree is hashed in the main thread');
});

test('trees are hashed one after the other, and none after the end', async () => {
  const builder = builderOf(WORKER);
  const [first, second] = await Promise.all([builder.build(plain('spec')), builder.build(plain('lsb'))]);
  expect(first.data.order).toBe('spec');
  expect(second.data.order).toBe('lsb');
  const late = builder.build(plain('spec'));
  late.catch(() => {});
  await builder.close();
  await expect(late).rejects.toThrow();
  await expect(builder.build(plain('spec'))).rejects.toThrow('no trees');
}, 60_000);

test('a cohort has one tree on the way and one ready, and is told of it', async () => {
  const asked: TreeJob[] = [];
  const ready: string[] = [];
  const builder = {
    above: 5,
    build: async (job: TreeJob) => hashJob(asked[asked.push(job) - 1]!),
    close: async () => {},
  };
  const trees = keepTrees(builder, { log: () => {}, onReady: cohort => void ready.push(cohort) });
  trees.build('a', plain('spec'));
  trees.build('a', plain('lsb'));
  trees.build('b', blinded());
  expect([trees.prepared('a'), trees.above]).toEqual([null, 5]);
  await expect.poll(() => ready).toEqual(['a', 'b']);
  expect(asked.map(({ order }) => order)).toEqual(['spec', 'spec']);
  expect(trees.prepared('a')?.job).toBe(asked[0]);
  trees.forget('a');
  expect(trees.prepared('a')).toBeNull();
  expect(trees.prepared('b')).not.toBeNull();
});

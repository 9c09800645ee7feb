import { report } from './report.ts';
import { sizes } from './sizes.ts';
import { startWorld, until, type World } from './world.ts';

/** Worker processes that the wallets are spread over. */
const WORKERS = 2;
const PATIENCE = 1_800;
/** Hundreds who join in one minute are strangers still: an operator who expects them widens their lane. */
export const OPEN_DOOR = { strangers_per_minute: '10000', strangers_per_relay: '10000' };

/** A whole round over a relay on this machine, from its trigger to the accepted broadcast. */
export async function run(args: readonly string[]): Promise<void> {
  for (const n of sizes(args, [2, 10, 20, 100, 500, 1_000])) await one(n, n > 100 ? 1 : n > 20 ? 3 : 7);
}

export const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[list.length >> 1]!;

async function one(n: number, rounds: number): Promise<void> {
  const counts = Array.from({ length: Math.min(WORKERS, n) }, (_, i) => Math.floor((n + i) / Math.min(WORKERS, n)));
  const world = await startWorld(counts, n > 100 ? OPEN_DOOR : {});
  try {
    const started = performance.now();
    const cohort = await form(world, counts, n);
    const formed = { ms: performance.now() - started, ...(await world.vitals()), ...(await world.traffic()) };
    report({
      bench: 'round',
      what: 'forming the cohort, one DID each',
      side: 'ours',
      n,
      figures: {
        s: formed.ms / 1_000,
        aggregator_cpu_s: formed.cpuMs / 1_000,
        peak_mib: formed.peakMib,
        stall_ms: formed.stallMs,
        relay_mib: formed.bytes / 2 ** 20,
      },
    });
    const taken: Taken[] = [];
    for (let round = 1; round <= rounds; round++) taken.push(await takeRound(world, cohort, round));
    const figure = (pick: (one: Taken) => number): number => median(taken.map(pick));
    report({
      bench: 'round',
      what: `trigger to accepted broadcast, median of ${rounds}`,
      side: 'ours',
      n,
      figures: {
        s: figure(one => one.ms) / 1_000,
        s_min: Math.min(...taken.map(one => one.ms)) / 1_000,
        aggregator_cpu_s: figure(one => one.aggregatorCpuMs) / 1_000,
        wallets_cpu_s: figure(one => one.walletsCpuMs) / 1_000,
        rss_mib: figure(one => one.rssMib),
        peak_mib: figure(one => one.peakMib),
        stall_ms: figure(one => one.stallMs),
        messages: figure(one => one.messages),
        kib: figure(one => one.bytes) / 1_024,
        most_kib_to_a_member: figure(one => one.mostToMember) / 1_024,
      },
    });
  } finally {
    await world.stop();
  }
}

/** Forms a cohort of all wallets, with a DID each, and pays its beacon. */
export async function form(world: World, counts: readonly number[], n: number): Promise<string> {
  const { cohort } = await world.aggregator('advertCreate', {
    id: 'bench',
    cohort_size: { min: n, max: n },
    // Rounds open when they are told to.
    frequency: { interval: 31_536_000, min_interval: 0, pending_updates: 100_000 },
    latency: { cohort_set: PATIENCE, presence: PATIENCE, nonce: PATIENCE, signature: PATIENCE },
  });
  const all = <T>(cmd: string, params: object = {}): Promise<T[]> =>
    Promise.all(world.wallets.map((wallet, i) => wallet.ask<T>(cmd, { cohort, from: 0, to: counts[i]!, ...params })));
  await all('join');
  const [address] = await all<string>('ready');
  await world.node.fund(address!, 1_000_000);
  await world.node.mine(6);
  await all('register', { count: 1 });
  return cohort;
}

export interface Taken {
  ms: number;
  aggregatorCpuMs: number;
  walletsCpuMs: number;
  rssMib: number;
  peakMib: number;
  stallMs: number;
  messages: number;
  bytes: number;
  mostToMember: number;
}

const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);

/** One round, from the trigger until nobody has anything more to say. `isBusy`: something else is going on that never rests. */
export async function takeRound(world: World, cohort: string, number: number, isBusy = false): Promise<Taken> {
  await world.wallets[0]!.ask('update', { wallet: 0, tag: `round-${number}` });
  await until('the last signal is final', async () => {
    const { rounds } = await world.aggregator('cohortShow', { cohort });
    return rounds.every(({ stage }) => stage === 'closed');
  });
  const walletsCpu = async (): Promise<number> =>
    sum(await Promise.all(world.wallets.map(each => each.ask<number>('cpu'))));
  if (!isBusy) await quiet(world);
  const before = await world.vitals();
  const walletsBefore = await walletsCpu();

  const start = performance.now();
  const { opened, waiting_for } = await world.aggregator('roundOpen', { cohort });
  if (!opened) throw new Error(`no round opened: ${waiting_for}`);
  await until('the signal', async () => ((await world.node.rpc('getrawmempool')) as string[]).length > 0, PATIENCE, 5);
  const ms = performance.now() - start;

  const traffic = isBusy ? { messages: 0, bytes: 0, mostToMember: 0 } : await quiet(world);
  const after = await world.vitals();
  const walletsAfter = await walletsCpu();
  await world.node.mine(6);
  return {
    ms,
    aggregatorCpuMs: after.cpuMs - before.cpuMs,
    walletsCpuMs: walletsAfter - walletsBefore,
    rssMib: after.rssMib,
    peakMib: after.peakMib,
    stallMs: after.stallMs,
    messages: traffic.messages,
    bytes: traffic.bytes,
    mostToMember: traffic.mostToMember,
  };
}

/** Waits until nobody has anything more to say; returns what was said since it was last asked. */
async function quiet(world: World): Promise<{ messages: number; bytes: number; mostToMember: number }> {
  const said = { messages: 0, bytes: 0, mostToMember: 0 };
  for (let silentFor = 0; silentFor < 3; ) {
    await new Promise(resolve => setTimeout(resolve, 300));
    const { bytes, perRecipient } = await world.traffic();
    silentFor = bytes === 0 ? silentFor + 1 : 0;
    said.bytes += bytes;
    said.messages += sum(perRecipient.map(({ events }) => events));
    // The aggregator is who gets most; members come after it.
    said.mostToMember += [...perRecipient].sort((a, b) => b.bytes - a.bytes)[1]?.bytes ?? 0;
  }
  return said;
}

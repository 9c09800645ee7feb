import { fileURLToPath } from 'node:url';
import { startHelper } from './answering.ts';
import { report } from './report.ts';
import { form, median, type Taken, takeRound } from './round.ts';
import { sizes } from './sizes.ts';
import { pause, startWorld, until } from './world.ts';

const FLOOD = fileURLToPath(new URL('./flood-process.js', import.meta.url));
const RATE = 1_000;
const ROUNDS = 3;
const MEASURED_S = 5;
/** Refusals that tell that what strangers may send at first is used up. */
const FULL = 500;
const FLOOD_S = 75;

/** Hostile events refused a second while an honest round runs, and what the round loses by them. */
export async function run(args: readonly string[]): Promise<void> {
  for (const n of sizes(args, [20])) await one(n);
}

async function one(n: number): Promise<void> {
  const counts = [Math.ceil(n / 2), Math.floor(n / 2)];
  const world = await startWorld(counts);
  const flood = startHelper(FLOOD);
  try {
    const cohort = await form(world, counts, n);
    const { transport_key } = (await world.aggregator('advertExport', { advert: 'bench' })).document!;
    let round = 0;
    const rounds = async (isBusy: boolean): Promise<Taken[]> => {
      const taken: Taken[] = [];
      for (let i = 0; i < ROUNDS; i++) taken.push(await takeRound(world, cohort, ++round, isBusy));
      return taken;
    };
    const quiet = await rounds(false);
    const about = { relay: world.relayUrl, to: transport_key, perSecond: RATE, keys: 100, seconds: FLOOD_S };
    await flood.ask('ready', about);
    await flood.ask('start', about);
    const refused = async (): Promise<number> => (await world.aggregator('status')).dropped.strangers_limited ?? 0;
    await until('the lane of strangers is full', async () => (await refused()) > FULL, FLOOD_S);
    const [before, refusedBefore] = [await world.vitals(), await refused()];
    await pause(MEASURED_S * 1_000);
    const [after, refusedAfter] = [await world.vitals(), await refused()];
    const busy = await rounds(true);
    const rate = await flood.ask<number>('stop');
    const [calm, stormy] = [median(quiet.map(one => one.ms)), median(busy.map(one => one.ms))];
    report({
      bench: 'inbox',
      what: `a round of ${n} in a flood of strangers' events`,
      side: 'ours',
      n: Math.round(rate),
      figures: {
        quiet_s: calm / 1_000,
        flooded_s: stormy / 1_000,
        times: stormy / calm,
        refused_a_second: (refusedAfter - refusedBefore) / MEASURED_S,
        cpu_us_an_event: ((after.cpuMs - before.cpuMs) * 1_000) / (refusedAfter - refusedBefore),
        rss_mib: after.rssMib,
        stall_ms: after.stallMs,
      },
    });
  } finally {
    await flood.stop();
    await world.stop();
  }
}

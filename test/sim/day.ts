import type { AdvertTerms } from '../../src/operator/api.ts';
import type { OutboxItem } from '../../src/store/index.ts';
import { corrupt, VICES, type Vice } from './byzantine.ts';
import type { Owner } from './clock.ts';
import { isAtRest, judge } from './judge.ts';
import { luckOf } from './random.ts';
import { createWorld, type WalletRole, type World } from './world.ts';

export interface DayOptions {
  seed: string;
  cohorts: number;
  members: number;
  hours: number;
  /** Updates that every member wants to have announced in that time. */
  updates: number;
}

export interface DayReport {
  violations: string[];
  trace: string[];
  figures: Record<string, number>;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** Members that fail their cohort stop it at this part of the day: with n of n they could hold it up for ever. */
const REFORM = 0.6;
/** Seconds by which a phase may outlast its deadline: ticks and heartbeats are that coarse. */
const SLACK = 60;
/** Hours that the world is given to come to rest after the day. */
const REST = 24;

const FORMS: readonly Partial<AdvertTerms>[] = [
  {},
  { type: 'CASBeacon' },
  { flow: 'pull' },
  { fee_ladder: { steps: 3, factor: 2, blocks: 3 } },
];

/** So many hours of many cohorts, with everything that relays, chain, machines and some members do to them. */
export async function liveADay(options: DayOptions): Promise<DayReport> {
  const { seed, cohorts, members, hours } = options;
  const luck = luckOf(`${seed} weather`);
  const vices = new Map<string, Vice>();
  for (let i = 0; i < cohorts; i++)
    if (i % 4 === 1) vices.set(`w${i}-${luck.below(members)}`, VICES[(i >> 2) % VICES.length]!);
  let isReformed = false;
  const end = hours * HOUR;

  const world = createWorld({
    seed,
    cohorts,
    members,
    relays: 2,
    weather: { latency: [20, 400], loss: 0.005, duplicates: 0.02 },
    terms: cohort => ({
      frequency: { interval: 2 * 3_600, min_interval: 1_200, pending_updates: members },
      latency: { cohort_set: 1_800, presence: 600, nonce: 900, signature: 900 },
      ...FORMS[cohort % FORMS.length],
    }),
    pollMs: 60_000,
    daemonTiming: { tickMs: 10_000, lookMs: 60_000, resyncMs: 4 * HOUR },
    walletTiming: { resendMs: 30_000, lookMs: 600_000, resyncMs: 4 * HOUR },
    pace: [60, 600],
    downtime: [60, 1_800],
    deposit: 1_000_000,
    blocks: 600,
    reorgs: { chance: 0.04, depth: 4 },
    slowMiners: 0.1,
    isHonest: name => !vices.has(name),
    tamper(member) {
      const vice = vices.get(member.role.name);
      if (!vice) return undefined;
      const change = corrupt(
        vice,
        luckOf(`${seed} ${member.role.name}`),
        () => world.clock.now(),
        (item, seconds) => storeLater(world, member, item, seconds),
      );
      return (batch, keys) => (isReformed ? batch : change(batch, keys));
    },
  });
  const { clock, oracle, relays, chain } = world;
  const nature: Owner = { name: 'nature', alive: true };
  const counts = { outages: 0, deadlines: 0, downtimes: 0 };
  try {
    const at = (ms: number, run: () => void): void => void clock.later(nature, ms, run);
    const during = (from: number, ms: number, begin: () => void, over: () => void): void => {
      counts.outages++;
      at(from, begin);
      at(from + ms, over);
    };
    for (const relay of relays.relays) {
      for (let t = luck.next() * 3 * HOUR; t < end; t += (1 + luck.next() * 5) * HOUR)
        during(
          t,
          (5 + luck.next() * 55) * MINUTE,
          () => relay.setUp(false),
          () => relay.setUp(true),
        );
      for (let t = luck.next() * 2 * HOUR; t < end; t += (1 + luck.next() * 3) * HOUR) {
        const fault = luck.pick(['drop', 'reorder', 'duplicate', 'okButNotStored', 'rateLimited'] as const);
        during(
          t,
          (5 + luck.next() * 25) * MINUTE,
          () => {
            if (fault === 'duplicate') relay.faults.duplicate = 2;
            else relay.faults[fault] = true;
          },
          () => {
            if (fault === 'duplicate') relay.faults.duplicate = 0;
            else relay.faults[fault] = false;
          },
        );
      }
    }
    // All relays at once, and the node, for an hour each.
    during(
      end * 0.4,
      HOUR,
      () => relays.relays.map(relay => relay.setUp(false)),
      () => relays.relays.map(relay => relay.setUp(true)),
    );
    const node = (isDown: boolean) => () => {
      chain.isDown = isDown;
    };
    during(end * 0.7, HOUR, node(true), node(false));
    for (let t = 2 * HOUR; t < end; t += (2 + luck.next() * 6) * HOUR)
      at(t, () => {
        counts.downtimes++;
        world.aggregator.kill();
      });
    for (const member of world.wallets)
      for (let t = luck.next() * end; t < end; t += (0.3 + luck.next()) * end)
        at(t, () => {
          counts.downtimes++;
          member.role.kill();
        });
    at(end * REFORM, () => {
      isReformed = true;
    });
    watchDeadlines(world, at, end, counts);
    for (let i = 0; i < options.updates; i++)
      for (const member of world.wallets)
        at(((i + 0.1 + 0.5 * luck.next()) / options.updates) * end, () => {
          member.wanted++;
        });

    await clock.run(() => false, end);
    world.setReorgs(0);
    // Once a second, since looking into two hundred wallets after each step would take longer than the day itself.
    let looked = 0;
    const isOver = (): boolean => {
      if (clock.now() === looked) return false;
      looked = clock.now();
      return isAtRest(world);
    };
    if (!(await clock.run(isOver, REST * HOUR)) && !isAtRest(world))
      for (let i = 0; i < cohorts; i++)
        if (world.phase(i) !== 'final') oracle.violate(`cohort ${i} ends as ${world.phase(i)}`);
    await judge(world);
    const states = Array.from({ length: cohorts }, (_, i) => oracle.cohort(world.cohortId(i) ?? ''));
    const beacons = states.flatMap(state => (state?.phase.name === 'formed' ? [state.phase.beacon] : []));
    return {
      violations: oracle.violations,
      trace: world.trace,
      figures: {
        cohorts,
        members,
        hours: Math.round((clock.ms() / 1_000 - world.startedAt) / 3_600),
        byzantine: vices.size,
        ...counts,
        reorgs: world.reorgs(),
        rounds: beacons.reduce((sum, beacon) => sum + beacon.rounds_opened, 0),
        signals: beacons.reduce((sum, beacon) => sum + beacon.signals.length, 0),
        updates: world.wallets.reduce((sum, member) => sum + member.wanted, 0),
        ...oracle.figures,
        steps: clock.steps(),
      },
    };
  } finally {
    world.close();
  }
}

/** A message that is late: stored, and so sent, by the same wallet if it is up by then. */
function storeLater(world: World, { role }: WalletRole, item: OutboxItem, seconds: number): void {
  const program = role.program();
  if (program)
    world.clock.later(program, seconds * 1_000, () => {
      role.peek()?.commit({ outbox: [item] });
      world.oracle.onCommit(role.name, { outbox: [item] }, true);
    });
}

/** Looks every minute whether a phase outlasts its deadline while the daemon is up and hears. */
function watchDeadlines(
  world: World,
  at: (ms: number, run: () => void) => void,
  end: number,
  counts: { deadlines: number },
): void {
  const heardSince = new Map<string, number>();
  const look = async (): Promise<void> => {
    const daemon = world.daemon();
    const isHearing = daemon !== null && (await daemon.api.status().catch(() => null))?.hearing === true;
    const now = world.clock.now();
    if (!isHearing) heardSince.clear();
    for (let i = 0; isHearing; i++) {
      const id = world.cohortId(i);
      const state = id === null ? undefined : world.oracle.cohort(id);
      if (!id || !state) return;
      const { phase } = state;
      const timed = phase.name === 'confirming' ? phase : phase.name === 'formed' ? phase.beacon.round?.stage : null;
      const deadline = timed && 'deadline' in timed ? timed.deadline : null;
      if (deadline === null || now < deadline + SLACK) {
        heardSince.set(id, now);
        continue;
      }
      counts.deadlines++;
      if (now > (heardSince.get(id) ?? now) + 2 * SLACK)
        world.oracle.violate(
          `cohort ${i} is in ${world.phase(i)} although its deadline has passed by ${now - deadline} s`,
        );
      heardSince.set(id, heardSince.get(id) ?? now);
    }
  };
  for (let t = MINUTE; t < end; t += MINUTE) at(t, () => void look());
}

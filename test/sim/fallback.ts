import type { CohortState } from '../../src/cohort/index.ts';
import type { AdvertTerms } from '../../src/operator/api.ts';
import { judge } from './judge.ts';
import type { Phase, Point } from './points.ts';
import type { Program } from './programs.ts';
import { type Luck, luckOf } from './random.ts';
import { createRecoverer, DELAY, type Recoverer } from './recovering.ts';
import { createStriker, liveThrough, type StrikeOptions } from './strikes.ts';
import { delayedLeaf, multisigLeaf, signalOf } from './tapscript.ts';
import { createWorld, type World } from './world.ts';

export interface FallbackReport {
  seed: string;
  violations: string[];
  trace: string[];
  strikes: number;
  recovering: number;
  signals: number;
  /** Signals on the chain that all members but one signed, by the leaf. */
  fallbacks: number;
  /** Members that fell silent after their nonce. */
  silent: number;
  /** Ends of programs between the first question for a fallback and its transaction. */
  amid: number;
  /** Spends by the recovery key on the chain. */
  recoveries: number;
  leaf_signatures: number;
  partial_signatures: number;
}

const ROUNDS = 2;
/** Sessions in which members fall silent, at most: else nothing else would ever happen. */
const SESSIONS = 5;
/** Where a member falls silent: before it signs, with its signature stored, or as it is about to leave. */
const SILENCES: readonly Point[] = ['receive before', 'commit before', 'commit after', 'send before'];
/** Seconds that a silent member stays away. */
const AWAY: [number, number] = [12, 45];

/** Phases that every life has, and other scenarios end programs in. */
const BEFORE: ReadonlySet<Phase> = new Set(['recruiting', 'confirming', 'ready', 'registration', 'update']);

const FORMS: readonly Partial<AdvertTerms>[] = [
  {},
  {},
  { type: 'CASBeacon' },
  { fee_ladder: { steps: 3, factor: 2, blocks: 2 } },
  { flow: 'pull', frequency: { interval: 15, min_interval: 0, pending_updates: 1 } },
];

/** Members that hear no more once they have sent their nonces: in most sessions one, now and then two. */
function createSilence(luck: Luck, names: readonly string[]) {
  const drawn = new Map<string, Map<string, Point>>();
  const away = new Set<string>();
  let count = 0;

  function draw(): Map<string, Point> {
    if (drawn.size >= SESSIONS || luck.chance(0.25)) return new Map();
    const first = luck.below(names.length);
    const silent = luck.chance(0.8) ? [first] : [first, (first + 1) % names.length];
    return new Map(silent.map(index => [names[index]!, luck.pick(SILENCES)]));
  }

  return {
    count: () => count,
    /** Whether a member falls silent here. */
    begins({ side, name }: Program, point: Point, state: CohortState | undefined): boolean {
      const stage = state?.phase.name === 'formed' ? state.phase.beacon.round?.stage : undefined;
      if (side !== 'wallet' || stage?.name !== 'signatures') return false;
      const { id } = stage.session;
      const silent = drawn.get(id) ?? draw();
      drawn.set(id, silent);
      if (silent.get(name) !== point) return false;
      silent.delete(name);
      away.add(name);
      count++;
      return true;
    },
    downtime: (name: string): [number, number] => (away.delete(name) ? AWAY : [0.1, 6]),
  };
}

/**
 * A cohort with a fallback policy announces updates while members fall silent after their nonces, so that the others go on
 * without them, and while all programs end wherever the plan says; in some lives the recovery key takes the money. Then, in
 * peace, another round; then the judgement.
 */
export async function fallBack(options: StrikeOptions): Promise<FallbackReport> {
  const { seed } = options;
  const luck = luckOf(`${seed} strikes`);
  const striker = createStriker(options, luck);
  const members = luck.chance(0.25) ? 4 : 3;
  const when = luck.pick(['open', 'between', 'never'] as const);
  const recoverer = createRecoverer(luckOf(`${seed} recovery`), when);
  const silence = createSilence(
    luckOf(`${seed} silence`),
    Array.from({ length: members }, (_, i) => `w0-${i}`),
  );
  let amid = 0;
  const isStruck = (program: Program, point: Point, phase: Phase, isRecovering: boolean): boolean => {
    const cohort = world.cohortId(0);
    if (BEFORE.has(phase)) return false;
    if (!striker.isResting() && silence.begins(program, point, world.oracle.cohort(cohort ?? ''))) return true;
    if (!striker.strikes(program, point, phase, isRecovering)) return false;
    if (phase === 'fallback') amid++;
    return true;
  };
  const world: World = createWorld({
    seed,
    cohorts: 1,
    members,
    relays: 2,
    weather: { latency: [5, 60], loss: luck.chance(0.3) ? 0.02 : 0, duplicates: luck.chance(0.3) ? 0.1 : 0 },
    terms: () => ({
      ...FORMS[luckOf(`${seed} form`).below(FORMS.length)],
      policy: { type: 'fallback', threshold: 'n-1', recovery_key: recoverer.key, recovery_delay_blocks: DELAY },
    }),
    pollMs: 1_000,
    downtime: silence.downtime,
    deposit: 1_000_000,
    blocks: 4,
    reorgs: { chance: 0.06, depth: 5 },
    slowMiners: luck.chance(0.4) ? 0.4 : 0,
    strikes: isStruck,
    chores: recoverer.chore,
  });
  const { oracle, wallets } = world;
  try {
    const want = (updates: number): void => {
      for (const member of wallets) member.wanted = updates;
    };
    await liveThrough(world, striker, want, ROUNDS);
    if (oracle.violations.length === 0) await judge(world);
    const state = oracle.cohort(world.cohortId(0) ?? '');
    const spent = judgeLeaves(world, state, recoverer);
    return {
      seed,
      violations: oracle.violations,
      trace: world.trace,
      strikes: striker.count(),
      recovering: world.kills().recovering,
      signals: state?.phase.name === 'formed' ? state.phase.beacon.signals.length : 0,
      ...spent,
      silent: silence.count(),
      amid,
      leaf_signatures: oracle.leafSignatures(),
      partial_signatures: oracle.figures.partial_signatures,
    };
  } finally {
    world.close();
    recoverer.close();
  }
}

/** What came of the leaves: each spent for what it is for only, and by those only who may. */
function judgeLeaves(
  { oracle, chain }: World,
  state: CohortState | undefined,
  { key, wanted }: Recoverer,
): { fallbacks: number; recoveries: number } {
  if (state?.phase.name !== 'formed') return { fallbacks: 0, recoveries: 0 };
  const { participant_pubkeys: members } = state.phase.beacon;
  const ofAll = Buffer.from(multisigLeaf(members, members.length - 1)).toString('hex');
  const ofOne = Buffer.from(delayedLeaf(key, DELAY)).toString('hex');
  const sessions = [...oracle.sessions.values()];
  const mined = { fallbacks: 0, recoveries: 0 };
  for (const { txid, hex } of chain.everValid()) {
    const { outpoint, bytes, leaf } = signalOf(hex);
    const isMined = chain.isMined(txid) ? 1 : 0;
    if (leaf === ofAll) {
      mined.fallbacks += isMined;
      if (!sessions.some(session => session.outpoint === outpoint && session.signal_bytes === bytes))
        oracle.violate(`the fallback ${txid} is of no session`);
    } else if (leaf === ofOne) {
      mined.recoveries += isMined;
      if (bytes !== null || !wanted.has(txid)) oracle.violate(`the recovery key signed ${txid}, which nobody wanted`);
    } else if (leaf !== null) oracle.violate(`${txid} is by a leaf that no beacon has`);
  }
  for (const txid of chain.premature()) oracle.violate(`${txid} was sent before its delay`);
  return mined;
}

import type { SignalEntry } from '../beacon/index.ts';
import { buildAggregate, isKept, keepTree, withAggregate } from './evidence.ts';
import type { Effect, Env } from './inputs.ts';
import { type Drawn, signalEntries } from './leaves.ts';
import type { Beacon, CohortState, Frozen, Outpoint, Round } from './state.ts';
import { aggregateOfTree, isLarge, type PreparedTree } from './trees.ts';
import { announceable } from './updates.ts';

/** What a round would freeze now: a set, none, or a large one whose tree the shell hashes first. */
export type ToFreeze = { frozen: Frozen } | { effect: Effect } | null;

/** Fixes the leaves and updates of a round. The seed of their nonces is drawn with them, so a set serves one attempt only. */
export function drawFrozen(state: CohortState, beacon: Beacon, round: Round, outpoint: Outpoint, env: Env): ToFreeze {
  const { terms } = state.advert;
  const ready = preparedFor(round, env);
  if (ready && !round.frozen && isStill(beacon, round, ready.job.drawn, outpoint))
    return { frozen: withAggregate(ready.job.drawn, aggregateOfTree(ready.job.drawn, ready.tree)) };
  const drawn = draw(state, beacon, round, outpoint, env);
  if (!drawn) return null;
  if (isLarge(terms, drawn, env.trees)) return { effect: buildTree(state, beacon, round, drawn) };
  const entries: SignalEntry[] = signalEntries(beacon.leaves, drawn);
  return { frozen: withAggregate(drawn, buildAggregate(terms, entries)) };
}

/** The tree of a set that is frozen already is not in memory, as after a restart, and too large to wait for; null if it is not so. */
export function missingTree(state: CohortState, beacon: Beacon, round: Round, env: Env): Effect | null {
  const { frozen } = round;
  if (!frozen || isKept(frozen) || !isLarge(state.advert.terms, frozen, env.trees)) return null;
  const ready = preparedFor(round, env);
  if (ready?.job.drawn !== frozen) return buildTree(state, beacon, round, frozen);
  keepTree(frozen, aggregateOfTree(frozen, ready.tree));
  return null;
}

const buildTree = (state: CohortState, beacon: Beacon, { number, attempt }: Round, drawn: Drawn): Effect => ({
  type: 'build_tree',
  job: { round: number, attempt, order: state.advert.terms.bit_order, drawn, leaves: beacon.leaves },
});

function preparedFor({ number, attempt }: Round, { trees }: Env): PreparedTree | null {
  const ready = trees?.prepared ?? null;
  return ready?.job.round === number && ready.job.attempt === attempt ? ready : null;
}

/** Whether a set that was drawn a while ago can be frozen now: what came since waits for the next round, what is gone spoils it. */
function isStill(beacon: Beacon, { stage }: Round, drawn: Drawn, outpoint: Outpoint): boolean {
  if (drawn.outpoint.txid !== outpoint.txid || drawn.outpoint.vout !== outpoint.vout) return false;
  if (drawn.blinded) {
    const opportunity = stage.name === 'presence' ? stage.opportunity : null;
    const { opportunity_id, leaves } = drawn.blinded;
    return (
      opportunity?.id === opportunity_id &&
      opportunity.leaves.size === leaves.length &&
      leaves.every(({ index, leaf }) => opportunity.leaves.get(index) === leaf)
    );
  }
  const waiting = new Map(announceable(beacon).map(update => [update.did, update]));
  return drawn.updates.every(({ did, announcement, version }) => {
    const now = waiting.get(did);
    return now?.announcement === announcement && now.version === version;
  });
}

function draw(
  state: CohortState,
  beacon: Beacon,
  { stage }: Round,
  outpoint: Outpoint,
  { entropy }: Env,
): Drawn | null {
  if (state.advert.terms.privacy !== 'blinded') {
    const updates = announceable(beacon).map(({ did, announcement, version }) => ({ did, announcement, version }));
    return updates.length === 0 ? null : { outpoint, leaf_count: beacon.leaves.length, nonce_seed: entropy, updates };
  }
  // The leaves came finished: what they hold is the members' own affair.
  if (stage.name !== 'presence' || !stage.opportunity?.wanted) return null;
  const { id, leaves } = stage.opportunity;
  return {
    outpoint,
    leaf_count: 0,
    nonce_seed: '',
    updates: [],
    blinded: { opportunity_id: id, leaves: [...leaves].map(([index, leaf]) => ({ index, leaf })) },
  };
}

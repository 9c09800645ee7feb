import type { CohortState } from '../../src/cohort/index.ts';
import { TEARS, type Tear } from './wal.ts';

export const SIDES = ['aggregator', 'wallet'] as const;
export type Side = (typeof SIDES)[number];

/** What a program does that the world, or its own disk, can tell. */
export const ACTS = [
  'commit',
  'send',
  'ok',
  'settle',
  'receive',
  'submit',
  'cursor',
  'requeue',
  'look',
  'key',
] as const;
export type Act = (typeof ACTS)[number];

/** Where a program may end: before or after each act, with a torn log, on a full disk, or between two of them. */
export type Point = `${Act} ${'before' | 'after'}` | `torn ${Tear}` | 'full' | 'idle';

export const POINTS: readonly Point[] = [
  ...ACTS.flatMap((act): Point[] => [`${act} before`, `${act} after`]),
  ...TEARS.map((tear): Point => `torn ${tear}`),
  'full',
  'idle',
];

export const PHASES = [
  'recruiting',
  'confirming',
  'ready',
  'registration',
  'update',
  'presence',
  'opportunity',
  'authorization',
  'nonce',
  'aggregated nonce',
  'signature',
  'waiting',
  'broadcast',
  'confirmed',
  'reorg',
  'final',
  'recovery',
] as const;
/** Of those a plain life passes all; a fallback comes only where its policy is. */
export type Phase = (typeof PHASES)[number] | 'fallback';

/** Where a cohort stands, as its aggregator's log says. */
export function phaseOf(state: CohortState | undefined, members: number): Phase {
  if (!state || state.phase.name === 'recruiting' || state.phase.name === 'ended') return 'recruiting';
  if (state.phase.name === 'confirming') return 'confirming';
  const { beacon } = state.phase;
  const { round } = beacon;
  const last = beacon.signals.at(-1)?.seen.status;
  if (last === 'reorged') return 'reorg';
  if (round === null) {
    if (beacon.registry.size === 0 && beacon.checks.size === 0) return 'ready';
    if (beacon.registry.size < members || beacon.checks.size > 0) return 'registration';
    return beacon.ready.size > 0 || last === undefined ? 'update' : 'final';
  }
  const { stage } = round;
  switch (stage.name) {
    case 'presence':
      return stage.opportunity === null ? 'presence' : 'opportunity';
    case 'nonces':
      return stage.session.nonces.size === 0 ? 'authorization' : 'nonce';
    case 'signatures':
      return stage.session.sigs.size === 0 ? 'aggregated nonce' : 'signature';
    case 'waiting':
    case 'fallback':
      return stage.name;
    case 'announced':
      return last === 'confirmed' ? 'confirmed' : 'broadcast';
  }
}

/** How often each point was struck: by side, point and phase. */
export interface Coverage {
  count(side: Side, point: Point, phase: Phase): number;
  strike(side: Side, point: Point, phase: Phase): void;
  total(): number;
}

export function createCoverage(): Coverage {
  const counts = new Map<string, number>();
  const key = (side: Side, point: Point, phase: Phase): string => `${side}/${point}/${phase}`;
  return {
    count: (side, point, phase) => counts.get(key(side, point, phase)) ?? 0,
    strike(side, point, phase) {
      counts.set(key(side, point, phase), (counts.get(key(side, point, phase)) ?? 0) + 1);
    },
    total: () => [...counts.values()].reduce((sum, count) => sum + count, 0),
  };
}

/** A table for people: a line a side and point, a column a phase. */
export function coverageTable(coverage: Coverage): string {
  const width = 6;
  const cell = (text: string | number): string =>
    String(text)
      .slice(0, width - 1)
      .padStart(width);
  const head = `${'point'.padEnd(26)}${PHASES.map(phase => cell(phase.replace(' ', ''))).join('')}${cell('all')}`;
  const lines = SIDES.flatMap(side =>
    POINTS.map(point => {
      const row = PHASES.map(phase => coverage.count(side, point, phase));
      const sum = row.reduce((a, b) => a + b, 0);
      return `${`${side} ${point}`.padEnd(26)}${row.map(n => cell(n === 0 ? '.' : n)).join('')}${cell(sum)}`;
    }),
  );
  const sums = PHASES.map(phase =>
    SIDES.reduce((all, side) => all + POINTS.reduce((sum, point) => sum + coverage.count(side, point, phase), 0), 0),
  );
  return [head, ...lines, `${'all'.padEnd(26)}${sums.map(cell).join('')}${cell(coverage.total())}`].join('\n');
}

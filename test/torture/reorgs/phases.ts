/** Where a cohort stands when the blocks are taken back. The first four are about a signal, the others about the next round. */
export const PHASES = [
  'mempool',
  '1 conf',
  '3 conf',
  'final',
  'next: presence',
  'next: nonces',
  'next: open',
  'next: sent',
] as const;
export type Phase = (typeof PHASES)[number];

/** What becomes of the transactions that were taken out of their blocks. */
export const FATES = ['mined again', 'left', 'other step'] as const;
export type Fate = (typeof FATES)[number];

/** Every phase meets every fate, in turn, as the depths go by. */
export const fateOf = (phase: Phase, depth: number): Fate => FATES[(PHASES.indexOf(phase) + depth) % FATES.length]!;

export interface Cell {
  depth: number;
  phase: Phase;
  fate: Fate;
  /** Transactions of signals that lost their block, of how many that waited. */
  orphaned: number;
  /** Whether the next round's outpoint went with its transaction, and another took its place. */
  moved: boolean;
}

/** One line a phase, one column a depth. A letter tells the fate, a number what lost its block, `*` a moved outpoint. */
export function tableOf(cells: readonly Cell[]): string {
  const depths = [...new Set(cells.map(({ depth }) => depth))];
  const show = ({ fate, orphaned, moved }: Cell): string => `${fate[0]}${orphaned}${moved ? '*' : ''}`;
  const line = (head: string, columns: readonly string[]): string =>
    [head.padEnd(15), ...columns.map(column => column.padEnd(4))].join(' ').trimEnd();
  return [
    line(
      'reorg depth',
      depths.map(depth => String(depth)),
    ),
    ...PHASES.map(phase =>
      line(
        phase,
        depths.map(depth => cells.filter(cell => cell.depth === depth && cell.phase === phase).map(show)[0] ?? '-'),
      ),
    ),
    'm mined again, l left in the mempool, o other fee step; signals that lost their block; * outpoint of the next round moved',
    `${cells.length} cells, 0 violations`,
  ].join('\n');
}

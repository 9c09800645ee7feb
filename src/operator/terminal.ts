import { styleText } from 'node:util';

export type Style = Parameters<typeof styleText>[0];
/** Puts a style around a text, or leaves it alone where colours are not wanted. */
export type Paint = (style: Style, text: string) => string;

/** Something that text goes to: process.stdout and process.stderr fit. */
export interface Out {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
}

/** Colours on a terminal, never where NO_COLOR is set to anything (no-color.org) or the terminal is dumb. */
export const wantsColour = (out: Out, env: Readonly<Record<string, string | undefined>>): boolean =>
  out.isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';

/** The painter for a stream. */
export const painter = (isColoured: boolean): Paint =>
  isColoured ? (style, text) => styleText(style, text, { validateStream: false }) : (_, text) => text;

/** Foreign text made safe to print: whatever could move the cursor, recolour, or reorder letters becomes `?`. */
export const safeText = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, '?');

/** 1234567 → `1,234,567 sat`. */
export const sats = (amount: number): string => `${thousands(amount)} sat`;

/** A fee ladder in words, for people who agree to it. */
export const ladderText = ({ steps, factor, blocks }: { steps: number; factor: number; blocks: number }): string =>
  steps === 1
    ? 'none: one transaction is signed'
    : `${steps} transactions are signed at once, each with ${factor} times the fee of the one before up to the cap; ` +
      `the next is sent after ${blocks} ${blocks === 1 ? 'block' : 'blocks'} without a confirmation`;

export const thousands = (amount: number): string => Math.trunc(amount).toLocaleString('en-US');

const UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
];

/** Seconds in the two largest units that they fill: 7500 → `2 h 5 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const first = UNITS.findIndex(([, size]) => whole >= size);
  if (first === -1) return '0 s';
  const [name, size] = UNITS[first]!;
  const next = UNITS[first + 1];
  const rest = next === undefined ? 0 : Math.floor((whole % size) / next[1]);
  return `${Math.floor(whole / size)} ${name}${rest > 0 ? ` ${rest} ${next![0]}` : ''}`;
}

/** A Unix time as people say it: `in 2 h`, `5 min ago`, `now`. */
export function relativeTime(at: number, now: number): string {
  const away = at - now;
  if (away === 0) return 'now';
  return away > 0 ? `in ${duration(away)}` : `${duration(-away)} ago`;
}

/** The first digits of an id: enough to name it again, since ids are taken by unique prefixes. */
export const shortId = (id: string): string => id.slice(0, 12);

/** `1 member`, `3 members`. */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${thousands(count)} ${count === 1 ? one : many}`;

export type Cell = string | { readonly text: string; readonly style: Style };

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

const textOf = (cell: Cell): string => safeText(typeof cell === 'string' ? cell : cell.text);
const widthOf = (text: string): number => [...text].length;

/** Pads first and paints afterwards: colour codes have no width. */
function draw(cell: Cell, width: number, align: Column['align'], isLast: boolean, paint: Paint): string {
  const text = textOf(cell);
  const gap = ' '.repeat(Math.max(0, width - widthOf(text)));
  const painted = typeof cell === 'string' ? text : paint(cell.style, text);
  if (align === 'right') return gap + painted;
  return isLast ? painted : painted + gap;
}

/** Aligned columns under their titles, each line with its break; foreign control characters never get through. */
export function table(columns: readonly Column[], rows: readonly (readonly Cell[])[], paint: Paint): string {
  const widths = columns.map(({ title }, i) =>
    Math.max(widthOf(title), ...rows.map(row => widthOf(textOf(row[i] ?? '')))),
  );
  const line = (cells: readonly Cell[]): string =>
    columns
      .map(({ align }, i) => draw(cells[i] ?? '', widths[i]!, align, i === columns.length - 1, paint))
      .join('  ')
      .trimEnd();
  const head = line(columns.map(({ title }) => ({ text: title, style: 'bold' as const })));
  return [head, ...rows.map(line)].map(text => `${text}\n`).join('');
}

/** Labels and values, one pair a line, the values aligned; a value of null is left out. */
export function fields(pairs: readonly (readonly [string, Cell | null])[], paint: Paint): string {
  const shown = pairs.filter((pair): pair is readonly [string, Cell] => pair[1] !== null);
  const width = Math.max(0, ...shown.map(([label]) => widthOf(label)));
  return shown
    .map(([label, value]) => `${paint('dim', label.padEnd(width))}  ${draw(value, 0, 'left', true, paint)}\n`)
    .join('');
}

/**
 * Shows what is being waited for, with the seconds, while a promise is open: on a terminal only, and only if it takes
 * longer than a blink. Resolves or rejects as the promise does.
 */
export async function withProgress<T>(out: Out, text: string, waiting: Promise<T>): Promise<T> {
  if (out.isTTY !== true) return waiting;
  const since = Date.now();
  let isShown = false;
  const timer = setInterval(() => {
    isShown = true;
    out.write(`\r\u001b[K${safeText(text)} … ${duration((Date.now() - since) / 1000)}`);
  }, 300);
  try {
    return await waiting;
  } finally {
    clearInterval(timer);
    if (isShown) out.write('\r\u001b[K');
  }
}

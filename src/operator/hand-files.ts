import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { MAX_CARRIED, splitCarried } from '../nostr/carried.ts';
import type { Composed, HandIn } from '../shell/by-hand.ts';
import { plural, safeText } from './terminal.ts';
import { writeWholeFile } from './whole-file.ts';

/** A folder or file of carried messages that cannot be read or written at all. */
export class HandFileError extends Error {
  override readonly name = 'HandFileError';
  readonly code = 'bad_file';
}

/** A file that was named, or found in a folder that was, and the JSON texts in it. */
export interface Source {
  name: string;
  /** In a folder may be what others are meant to take: that is no fault. */
  isFound: boolean;
  content: ReturnType<typeof splitCarried>;
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown fault';

const refused = (field: string, text: string): Source['content'] => ({ ok: false, field, text });

function readOne(path: string): Source['content'] {
  try {
    const stats = statSync(path);
    if (!stats.isFile()) return refused('file', 'is no regular file');
    if (stats.size > MAX_CARRIED) return refused('size', `is larger than ${MAX_CARRIED} bytes`);
    return splitCarried(readFileSync(path, 'utf8').replace(/^\uFEFF/, ''));
  } catch (error) {
    return refused('file', `cannot be read (${codeOf(error)})`);
  }
}

const byName = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

function readFolder(path: string): Source[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter(entry => entry.isFile() && !entry.name.startsWith('.'))
      .map(({ name }) => name)
      .sort(byName)
      .map(name => ({ name: join(path, name), isFound: true, content: readOne(join(path, name)) }));
  } catch (error) {
    throw new HandFileError(`${path} cannot be read (${codeOf(error)})`);
  }
}

/**
 * Reads what was named: files, folders (their files in the order of their names, hidden ones left out), and `-` for the
 * standard input. A file that cannot be used is a source with its reason. Throws HandFileError for a folder that cannot
 * be read.
 */
export async function readSources(
  words: readonly string[],
  { cwd, stdin }: { cwd: string; stdin: (() => Promise<string>) | undefined },
): Promise<Source[]> {
  const sources: Source[] = [];
  for (const word of words) {
    if (word === '-') {
      if (!stdin) throw new HandFileError('there is no standard input to read from');
      sources.push({ name: '-', isFound: false, content: splitCarried(await stdin()) });
      continue;
    }
    const path = resolve(cwd, word);
    const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
    if (isFolder)
      sources.push(...readFolder(path).map(source => ({ ...source, name: join(word, basename(source.name)) })));
    else sources.push({ name: word, isFound: false, content: readOne(path) });
  }
  return sources;
}

/** What became of one file; of a set of parts only what became of the whole. */
export interface Delivered<Told> {
  file: string;
  isFound: boolean;
  results: HandIn<Told>[];
}

/**
 * Delivers everything in order, and once more what nothing followed from, if something else was taken after it: files
 * may come in any order. One that is refused stops no other.
 */
export async function deliverAll<Told>(
  sources: readonly Source[],
  deliver: (text: string) => Promise<HandIn<Told>>,
): Promise<Delivered<Told>[]> {
  const work = sources.map(source => ({ ...source, results: [] as HandIn<Told>[] }));
  let taken = 0;
  /** How much had been taken when a file was last delivered. */
  const seen = new Map<object, number>();
  const give = async (one: (typeof work)[number]): Promise<void> => {
    one.results = [];
    if (!one.content.ok) {
      one.results = [{ outcome: 'refused', field: one.content.field, text: one.content.text }];
      return;
    }
    for (const text of one.content.values) one.results.push(await deliver(text));
    if (one.results.some(({ outcome }) => outcome === 'taken')) taken++;
    seen.set(one, taken);
  };
  for (const one of work) await give(one);
  for (let again = work.filter(isIdle); again.length > 0; ) {
    const late = again.filter(one => (seen.get(one) ?? 0) < taken);
    if (late.length === 0) break;
    for (const one of late) await give(one);
    again = late.filter(isIdle);
  }
  return work.map(({ name, isFound, results }) => ({ file: name, isFound, results: wholes(results) }));
}

const isIdle = ({ results }: { results: readonly HandIn<unknown>[] }): boolean =>
  results.length > 0 && results.every(({ outcome }) => outcome === 'idle');

/** Parts whose whole came in the same file need no word of their own. */
function wholes<Told>(results: readonly HandIn<Told>[]): HandIn<Told>[] {
  const told: HandIn<Told>[] = [];
  let open: Extract<HandIn<Told>, { outcome: 'partial' }> | null = null;
  for (const result of results) {
    if (result.outcome === 'partial') {
      open = result;
      continue;
    }
    // The part that completes a set is told as the message; another message leaves the set as it is.
    if (open && open.have < open.of - 1) told.push(open);
    open = null;
    told.push(result);
  }
  return open ? [...told, open] : told;
}

/** Whether a person has to look at it: what was refused, is not whole, or has to be delivered elsewhere. */
export const hasFailed = ({ isFound, results }: Delivered<unknown>): boolean =>
  results.some(
    ({ outcome }) =>
      outcome === 'refused' || outcome === 'partial' || outcome === 'held' || (outcome === 'not_ours' && !isFound),
  );

/** The lines of a delivery for a person: a line a file, and in one line each what of a folder was known or is for others. */
export function reportOf<Told>(delivered: readonly Delivered<Told>[], tell: (told: Told) => string | null): string[] {
  const isQuiet = (one: Delivered<Told>, outcome: 'again' | 'not_ours'): boolean =>
    one.isFound && one.results.length > 0 && one.results.every(result => result.outcome === outcome);
  const known = delivered.filter(one => isQuiet(one, 'again')).length;
  const others = delivered.filter(one => isQuiet(one, 'not_ours')).length;
  return [
    ...delivered
      .filter(one => !isQuiet(one, 'again') && !isQuiet(one, 'not_ours'))
      .flatMap(({ file, results }) => results.map(result => safeText(`${file}: ${wordsOf(result, tell)}`))),
    ...(known === 0 ? [] : [`${plural(known, 'file')} known already; --tidy deletes what was taken`]),
    ...(others === 0 ? [] : [`${plural(others, 'file')} passed over: for others, or written here`]),
  ];
}

/** Deletes the files that were taken, or were before; what others are to take, and what was refused, stays. */
export function tidy(delivered: readonly Delivered<unknown>[], cwd: string): void {
  for (const { file, results } of delivered) {
    const isOver = results.every(({ outcome }) => outcome === 'taken' || outcome === 'again');
    if (file !== '-' && results.length > 0 && isOver) rmSync(resolve(cwd, file), { force: true });
  }
}

/** One result in words, to stand behind the name of its file. */
function wordsOf<Told>(result: HandIn<Told>, tell: (told: Told) => string | null): string {
  switch (result.outcome) {
    case 'taken': {
      const told = result.told.map(tell).filter(text => text !== null);
      return `taken: ${nameOf(result.message)}${told.length === 0 ? '' : `: ${told.join('; ')}`}`;
    }
    case 'idle':
      return `nothing to do: ${nameOf(result.message)}: ${result.text}`;
    case 'again':
      return `known: ${nameOf(result.message)} ${result.text}`;
    case 'held':
      return `not taken: ${nameOf(result.message)}: ${result.text}`;
    case 'partial':
      return `not whole: ${result.have} of ${result.of} parts are here; deliver the others, or the whole file`;
    case 'not_ours':
      return `passed over: ${result.field}: ${result.text}`;
    case 'refused':
      return `refused: ${result.field}: ${result.text}`;
  }
}

const nameOf = ({ type, seq }: { type: string; seq: number }): string => `${type} (message ${seq})`;

export const textOf = ({ lines }: Composed): string => lines.map(line => `${line}\n`).join('');

/**
 * Writes a message to a file of its own (mode 0600) in a folder, which is made if it is not there: as a whole, on the
 * disk when this returns. The same message is written over itself. Returns the path, beginning as the folder was named.
 * Throws HandFileError.
 */
export function writeComposed(named: string, cwd: string, composed: Composed): string {
  const folder = resolve(cwd, named);
  const path = join(folder, composed.name);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeWholeFile(path, textOf(composed));
    return join(named, composed.name);
  } catch (error) {
    throw new HandFileError(`${path} cannot be written (${codeOf(error)})`);
  }
}

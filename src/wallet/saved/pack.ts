import { concatBytes, fromBase64url, sha256, toBase64url, toHex, utf8 } from '../../crypto/index.ts';
import { isRecord, parseJson } from '../../nostr/json.ts';
import { idOf, lineOf, readItem, type SavedItem } from './record.ts';

/**
 * One piece of a saved state, and what is in it. Full ones have a slot of their own from 0 on and never change. What does
 * not fill one yet is rewritten with every save, in one of two slots in turn: the other still holds what the last list of
 * pieces names, until that list has been replaced.
 */
export interface Chunk {
  slot: number;
  /** Of its text, lowercase hex. */
  sha256: string;
  /** Ids of its items, in their order; of a part of a large one `id/i/n`. */
  items: string[];
  /** Of its text, in bytes. */
  bytes: number;
}

/** What was packed, and the first slot that was never used: none is used twice, since what is given up is deleted later. */
export interface Pieces {
  chunks: Chunk[];
  next: number;
}

export interface Packed extends Pieces {
  /** Whether this differs from what was packed before. */
  changed: boolean;
  /** The text of a chunk, made again from the items. */
  textOf(chunk: Chunk): string;
  /** Slots that hold nothing any more. */
  freed: number[];
}

const OPEN_SLOTS = [-1, -2] as const;
/** Room for the JSON around the data of a part, in bytes. */
const PART_FRAME = 200;

const isOpen = ({ slot }: Chunk): boolean => slot < 0;
const itemOf = (entry: string): string => entry.split('/')[0]!;

/**
 * Packs items into chunks of at most `limit` bytes of text (400 or more), on top of what was packed before: full chunks
 * stay, and only what is new is written. A full chunk with an item that is no more (an update that gave way, a transport
 * key that was replaced) is given up, and what else was in it goes into a new one: every chunk can be made again.
 */
export function pack(items: readonly SavedItem[], { chunks: before, next: first }: Pieces, limit: number): Packed {
  const wanted = new Map(items.map(item => [idOf(item), item]));
  const lineOfEntry = (entry: string): string => {
    const [id, i, n] = entry.split('/');
    const line = lineOf(wanted.get(id!)!);
    return i === undefined ? line : partLine(id!, line, Number(i), Number(n));
  };
  const textOf = ({ items: entries }: Pick<Chunk, 'items'>): string => entries.map(lineOfEntry).join('\n');
  const sealed = before.filter(chunk => !isOpen(chunk));
  const given = sealed.filter(chunk => chunk.items.some(entry => !wanted.has(itemOf(entry))));
  // Parts of a large item are worth nothing without the others.
  const spoilt = new Set(given.flatMap(chunk => chunk.items.filter(entry => entry.includes('/')).map(itemOf)));
  const freed = new Set([...given, ...sealed.filter(chunk => chunk.items.some(entry => spoilt.has(itemOf(entry))))]);
  const kept = sealed.filter(chunk => !freed.has(chunk));
  const packed = new Set(kept.flatMap(chunk => chunk.items.map(itemOf)));
  const rest = [...wanted].filter(([id]) => !packed.has(id));
  const open = before.find(isOpen);
  if (
    freed.size === 0 &&
    sameItems(
      open?.items ?? [],
      rest.map(([id]) => id),
    )
  )
    return { chunks: [...before], next: first, changed: false, textOf, freed: [] };

  let next = first;
  const chunks = [...kept];
  const add = (slot: number, entries: string[]): void => {
    const text = utf8(textOf({ items: entries }));
    chunks.push({ slot, items: entries, sha256: toHex(sha256(text)), bytes: text.length });
  };
  let tail: string[] = [];
  let bytes = 0;
  for (const [id, item] of rest) {
    const line = lineOf(item);
    const size = utf8(line).length;
    if (size > limit) {
      const n = Math.ceil(size / partSize(limit));
      for (let i = 0; i < n; i++) add(next++, [`${id}/${i}/${n}`]);
      continue;
    }
    if (bytes + size + 1 > limit && tail.length > 0) {
      add(next++, tail);
      tail = [];
      bytes = 0;
    }
    tail.push(id);
    bytes += size + 1;
  }
  if (tail.length > 0) add(open?.slot === OPEN_SLOTS[0] ? OPEN_SLOTS[1] : OPEN_SLOTS[0], tail);
  return { chunks, next, changed: true, textOf, freed: [...freed].map(({ slot }) => slot) };
}

const sameItems = (a: readonly string[], b: readonly string[]): boolean => {
  const known = new Set(a);
  return a.length === b.length && b.every(id => known.has(id));
};

const partSize = (limit: number): number => Math.floor(((limit - PART_FRAME) * 3) / 4);

function partLine(of: string, line: string, i: number, n: number): string {
  const bytes = utf8(line);
  const size = Math.ceil(bytes.length / n);
  return JSON.stringify({ t: 'part', of, i, n, data: toBase64url(bytes.subarray(i * size, (i + 1) * size)) });
}

/** The items that the texts of chunks hold. The text says what is wrong: half a state is told, not taken for a whole one. */
export function unpack(texts: readonly string[]): { ok: true; items: SavedItem[] } | { ok: false; text: string } {
  const lines: string[] = [];
  const parts = new Map<string, { n: number; data: Map<number, string> }>();
  for (const line of texts.flatMap(text => text.split('\n'))) {
    const value = line.startsWith('{"t":"part"') ? parseJson(line, { chars: 131_072, depth: 2 }) : undefined;
    if (value === undefined) {
      lines.push(line);
      continue;
    }
    if (!isRecord(value)) return { ok: false, text: 'a part of an item is malformed' };
    const { of, i, n, data } = value;
    if (typeof of !== 'string' || typeof i !== 'number' || typeof n !== 'number' || typeof data !== 'string')
      return { ok: false, text: 'a part of an item is malformed' };
    const known = parts.get(of) ?? { n, data: new Map() };
    known.data.set(i, data);
    parts.set(of, known);
  }
  for (const [of, { n, data }] of parts) {
    if (data.size !== n) return { ok: false, text: `item ${of} has ${data.size} of ${n} parts` };
    const bytes = concatBytes(...Array.from({ length: n }, (_, i) => fromBase64url(data.get(i) ?? '')));
    lines.push(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  }
  const items: SavedItem[] = [];
  for (const line of lines) {
    const item = readItem(parseJson(line, { chars: MAX_ITEM, depth: 64 }));
    if (!item) return { ok: false, text: 'a saved item is malformed, or of a newer version' };
    items.push(item);
  }
  return { ok: true, items };
}

/** The map of 100,000 DIDs is smaller. */
const MAX_ITEM = 16_777_216;

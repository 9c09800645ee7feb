import { type Bytes, concatBytes, fromBase64url, isHex, sha256, toBase64url, toHex, utf8 } from '../crypto/index.ts';
import { isRecord, parseJson } from './json.ts';

/**
 * One part of a long text. As JSON it has exactly the members `chunk` and `data`; an envelope has neither, so no text
 * can be taken for both.
 */
interface Chunk {
  /** 16 random bytes, hex: the same in all parts of one text. */
  readonly set: string;
  readonly i: number;
  readonly n: number;
  /** sha256 of the whole text in UTF-8, hex. */
  readonly sha256: string;
  readonly data: Bytes;
}

/** Room for the JSON around the data, in bytes. */
const FRAME_BYTES = 200;
const MAX_PARTS = 1_024;

/** A text that does not fit into the allowed number of parts. */
export class ChunkError extends Error {
  override readonly name = 'ChunkError';
}

/**
 * Cuts a text into plaintexts of at most `limit` bytes: itself if it fits, else chunks `{chunk: {set, i, n, sha256},
 * data}` with base64url data, so that their size does not depend on what they hold. `set` is 16 random bytes.
 * Throws ChunkError above 1,024 parts or below 400 bytes a part.
 */
export function splitText(text: string, limit: number, set: Bytes): string[] {
  const bytes = utf8(text);
  if (bytes.length <= limit) return [text];
  if (limit < 400) throw new ChunkError(`parts of ${limit} bytes`);
  const size = Math.floor(((limit - FRAME_BYTES) * 3) / 4);
  const n = Math.ceil(bytes.length / size);
  if (n > MAX_PARTS) throw new ChunkError(`${bytes.length} bytes would need ${n} parts`);
  const head = { set: toHex(set), n, sha256: toHex(sha256(bytes)) };
  return Array.from({ length: n }, (_, i) =>
    JSON.stringify({ chunk: { ...head, i }, data: toBase64url(bytes.subarray(i * size, (i + 1) * size)) }),
  );
}

const isIndex = (value: unknown, below: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < below;

/** `undefined`: no chunk at all. `null`: meant as one, and malformed. */
function readChunk(text: string): Chunk | null | undefined {
  if (!text.includes('"chunk"')) return undefined;
  const value = parseJson(text, { chars: 65_535, depth: 3 });
  if (!isRecord(value) || !Object.hasOwn(value, 'chunk')) return undefined;
  const { chunk, data, ...others } = value;
  if (!isRecord(chunk) || typeof data !== 'string' || Object.keys(others).length > 0) return null;
  const { set, i, n, sha256: hash, ...more } = chunk;
  if (!isHex(set, 16) || !isHex(hash, 32) || Object.keys(more).length > 0) return null;
  if (!isIndex(n, MAX_PARTS + 1) || !isIndex(i, n) || n < 2) return null;
  try {
    const bytes = fromBase64url(data);
    return bytes.length === 0 ? null : { set, i, n, sha256: hash, data: bytes };
  } catch {
    return null;
  }
}

/** Whether a text is meant as a part of a longer one. */
export const isChunk = (text: string): boolean => readChunk(text) !== undefined;

export interface ChunkLimits {
  /** Open sets of one sender; its oldest makes room for a new one. */
  readonly setsPerSender: number;
  /** Bytes that one sender's open sets may hold. */
  readonly bytesPerSender: number;
  /** Bytes that all open sets may hold. */
  readonly bytes: number;
  /** Seconds after its last new part at which a set is given up. */
  readonly maxAge: number;
}

export const CHUNK_LIMITS: ChunkLimits = {
  setsPerSender: 8,
  bytesPerSender: 16 * 1_048_576,
  bytes: 128 * 1_048_576,
  maxAge: 3_600,
};

/** One decrypted text, as it came in. `sender` is whom memory is charged to; `now` is in seconds. */
export interface Part {
  readonly sender: string;
  readonly text: string;
  readonly eventId: string;
  readonly now: number;
}

/**
 * `eventIds` are the events that the text came in: they should be recorded as seen together with what the text did,
 * and not before. A restart forgets open sets, and would miss parts that are already marked.
 */
export type Assembled =
  | { readonly status: 'whole'; readonly text: string; readonly eventIds: string[] }
  | { readonly status: 'partial'; readonly have: number; readonly of: number }
  | { readonly status: 'refused'; readonly reason: 'malformed' | 'conflict' | 'hash' | 'too_big' | 'full' };

export interface ChunkAssembler {
  /** Takes a decrypted text; hands it back if it is no chunk, or the whole text when the last part arrives. */
  accept(part: Part): Assembled;
  /** Gives up sets that are older than `maxAge`; returns how many. */
  expire(now: number): number;
  /** Bytes held at present. */
  held(): number;
}

interface OpenSet {
  readonly sender: string;
  readonly n: number;
  readonly sha256: string;
  readonly parts: Map<number, Bytes>;
  readonly eventIds: Set<string>;
  bytes: number;
  touched: number;
}

/** What an open set costs beside its data. */
const SET_BYTES = 256;
const PART_BYTES = 128;

function joined(set: OpenSet): string | null {
  const bytes = concatBytes(...Array.from({ length: set.n }, (_, i) => set.parts.get(i) ?? new Uint8Array()));
  if (toHex(sha256(bytes)) !== set.sha256) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/**
 * Puts chunked texts together again, in any order and with repeats, within fixed memory. Sets are kept per sender, so
 * nobody can add to, or spoil, another's; when all memory is used, the sender that holds most loses its oldest set.
 */
export function createChunkAssembler(limits: ChunkLimits = CHUNK_LIMITS): ChunkAssembler {
  /** In the order in which they were opened. */
  const sets = new Map<string, OpenSet>();
  const perSender = new Map<string, number>();
  let total = 0;

  function charge(set: OpenSet, bytes: number): void {
    set.bytes += bytes;
    total += bytes;
    const held = (perSender.get(set.sender) ?? 0) + bytes;
    if (held > 0) perSender.set(set.sender, held);
    else perSender.delete(set.sender);
  }
  function close(key: string): void {
    const set = sets.get(key);
    if (set === undefined) return;
    sets.delete(key);
    charge(set, -set.bytes);
  }
  function closeOldestOf(sender: string, except: string): boolean {
    const oldest = [...sets].find(([key, set]) => set.sender === sender && key !== except);
    if (oldest !== undefined) close(oldest[0]);
    return oldest !== undefined;
  }
  const heaviest = (): string | undefined => [...perSender].sort((a, b) => b[1] - a[1])[0]?.[0];

  function expire(now: number): number {
    const stale = [...sets].filter(([, set]) => now - set.touched > limits.maxAge);
    for (const [key] of stale) close(key);
    return stale.length;
  }

  function makeRoom(sender: string, key: string, bytes: number): boolean {
    while ((perSender.get(sender) ?? 0) + bytes > limits.bytesPerSender) if (!closeOldestOf(sender, key)) return false;
    while (total + bytes > limits.bytes) {
      const victim = heaviest();
      if (victim === undefined || !closeOldestOf(victim, key)) return false;
    }
    return true;
  }

  function open(key: string, sender: string, chunk: Chunk, now: number): OpenSet | null {
    const own = [...sets.values()].filter(set => set.sender === sender).length;
    if (own >= limits.setsPerSender) closeOldestOf(sender, key);
    if (!makeRoom(sender, key, SET_BYTES)) return null;
    const { n, sha256: hash } = chunk;
    const set = { sender, n, sha256: hash, parts: new Map(), eventIds: new Set<string>(), bytes: 0, touched: now };
    sets.set(key, set);
    charge(set, SET_BYTES);
    return set;
  }

  return {
    expire,
    held: () => total,
    accept({ sender, text, eventId, now }) {
      const chunk = readChunk(text);
      if (chunk === undefined) return { status: 'whole', text, eventIds: [eventId] };
      if (chunk === null) return { status: 'refused', reason: 'malformed' };
      expire(now);
      const key = `${sender} ${chunk.set}`;
      const set = sets.get(key) ?? open(key, sender, chunk, now);
      if (set === null) return { status: 'refused', reason: 'full' };
      if (set.n !== chunk.n || set.sha256 !== chunk.sha256) return { status: 'refused', reason: 'conflict' };
      const before = set.parts.get(chunk.i);
      if (before === undefined) {
        const cost = chunk.data.length + PART_BYTES;
        if (!makeRoom(sender, key, cost)) {
          close(key);
          return { status: 'refused', reason: 'too_big' };
        }
        set.parts.set(chunk.i, chunk.data);
        set.eventIds.add(eventId);
        set.touched = now;
        charge(set, cost);
      } else if (toHex(before) !== toHex(chunk.data)) return { status: 'refused', reason: 'conflict' };
      if (set.parts.size < set.n) return { status: 'partial', have: set.parts.size, of: set.n };
      close(key);
      const whole = joined(set);
      if (whole === null) return { status: 'refused', reason: 'hash' };
      return { status: 'whole', text: whole, eventIds: [...set.eventIds] };
    },
  };
}

import { z } from 'zod';
import { NETWORKS, type Network } from '../../bitcoin/network.ts';
import { fromBase64url, fromHex, isHex, toBase64url, toHex } from '../../crypto/index.ts';
import { parseJson } from '../../nostr/json.ts';

/** Who wrote a state, and its how many-eth: counters only grow, over all writers of one seed. */
export interface Writing {
  /** 16 random bytes in hex: another one for each wallet folder. */
  writer: string;
  counter: number;
}

/** The head of a saved state: all that it consists of, by hash. */
export interface Manifest extends Writing {
  network: Network;
  /** Unix seconds. */
  made_at: number;
  /** The state of another writer that this one went on from. */
  follows: Writing | null;
  chunks: { slot: number; sha256: string }[];
}

const writing = { writer: z.string().regex(/^[0-9a-f]{32}$/), counter: z.int().min(1) };
const schema = z.strictObject({
  v: z.literal(1),
  ...writing,
  network: z.enum(NETWORKS),
  made_at: z.int().min(0),
  follows: z.strictObject(writing).nullable(),
  chunks: z.array(z.tuple([z.int().min(-2), z.string().regex(/^[A-Za-z0-9_-]{43}$/)])).max(10_000),
});

/** The text of a manifest: about 50 bytes a chunk. */
export const manifestText = ({ chunks, ...head }: Manifest): string =>
  JSON.stringify({ v: 1, ...head, chunks: chunks.map(({ slot, sha256 }) => [slot, toBase64url(fromHex(sha256, 32))]) });

/** Reads the text of a manifest; null for what is none of this version. */
export function readManifest(text: string): Manifest | null {
  const parsed = schema.safeParse(parseJson(text, { chars: 65_536, depth: 4 }));
  if (!parsed.success) return null;
  const { v: _, chunks, ...head } = parsed.data;
  return { ...head, chunks: chunks.map(([slot, hash]) => ({ slot, sha256: toHex(fromBase64url(hash, 32)) })) };
}

/** What this wallet wrote last, and from whose state it went on; `counter` 0 before its first. */
export interface Own extends Writing {
  follows: Writing | null;
}

/** Why a wallet stops writing: going on would overwrite what another one saved. */
export type Stop = Writing & { why: 'old_copy' | 'foreign' };

/**
 * Whether what relays show lets this wallet write on. A higher counter under its own name says that its database is an old
 * copy, or one of two; a state by another writer, other than the one that it went on from, says that another wallet of
 * these words writes. Null: nothing stands against it.
 */
export function stopOf(own: Own, shown: readonly Writing[]): Stop | null {
  for (const { writer, counter } of shown) {
    if (writer === own.writer && counter > own.counter) return { why: 'old_copy', writer, counter };
    if (writer !== own.writer && counter > (own.follows?.counter ?? 0)) return { why: 'foreign', writer, counter };
  }
  return null;
}

/** Whether this is how a writer is named. */
export const isWriter = (text: unknown): text is string => isHex(text, 16);

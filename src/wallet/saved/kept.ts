import { z } from 'zod';
import type { WalletStore } from '../../store/wallet-store.ts';
import type { Own, Stop } from './manifest.ts';
import type { Pieces } from './pack.ts';

/** What a wallet remembers of its state on relays; stored before anything of it is sent. */
export interface Kept extends Own, Pieces {
  /** `created_at` of the last events: a later one has to be larger, or relays keep the older. */
  stamp: number;
  /** Bytes of a chunk at most, as it was packed last. */
  limit: number;
  /** By relay: the counter of the state that it showed again. */
  acks: Record<string, number>;
  stop: Stop | null;
  /** `d` tags of what was given up, to be deleted once all relays have the state without it. */
  old: string[];
  forgotten: boolean;
  /** When relays were last asked for every piece, Unix seconds. */
  audited_at: number;
}

const KEY = 'saved_state';
const count = z.int().min(0);
const schema: z.ZodType<Kept> = z.strictObject({
  writer: z.string(),
  counter: count,
  follows: z.strictObject({ writer: z.string(), counter: count }).nullable(),
  stamp: count,
  chunks: z.array(z.strictObject({ slot: z.int(), sha256: z.string(), items: z.array(z.string()), bytes: count })),
  next: count,
  limit: count,
  acks: z.record(z.string(), count),
  stop: z.strictObject({ why: z.enum(['old_copy', 'foreign']), writer: z.string(), counter: count }).nullable(),
  old: z.array(z.string()),
  forgotten: z.boolean(),
  audited_at: count,
});

/** A wallet folder that has saved nothing yet. */
export const nothingKept = (writer: string): Kept => ({
  writer,
  counter: 0,
  follows: null,
  stamp: 0,
  chunks: [],
  next: 0,
  limit: 0,
  acks: {},
  stop: null,
  old: [],
  forgotten: false,
  audited_at: 0,
});

/** Reads it from the wallet's store; null before the first save. */
export function readKept(store: Pick<WalletStore, 'meta'>): Kept | null {
  const text = store.meta(KEY);
  return text === null ? null : schema.parse(JSON.parse(text));
}

/** Stores it; resolves when the disk has it. */
export async function keep(store: Pick<WalletStore, 'commit' | 'whenStored'>, kept: Kept): Promise<void> {
  store.commit({ meta: [{ key: KEY, value: JSON.stringify(kept) }] });
  await store.whenStored?.();
}

import type { NostrEvent } from './types.ts';

const isReplaceable = (kind: number) => kind === 0 || kind === 3 || (kind >= 10_000 && kind < 20_000);
const isAddressable = (kind: number) => kind >= 30_000 && kind < 40_000;

/** What a relay keeps only the newest event of (NIP-01): kind, author and d tag; null for all other kinds. */
export function slotOf(event: NostrEvent): string | null {
  const { kind, pubkey, tags } = event;
  if (isReplaceable(kind)) return `${kind}:${pubkey}`;
  if (isAddressable(kind)) return `${kind}:${pubkey}:${tags.find(([name]) => name === 'd')?.[1] ?? ''}`;
  return null;
}

/** Whether `a` replaces `b` on a relay (NIP-01): the later one does, and in one second the lower id. */
export const replaces = (a: NostrEvent, b: NostrEvent): boolean =>
  a.created_at === b.created_at ? a.id < b.id : a.created_at > b.created_at;

import type { Bytes } from '../../crypto/index.ts';
import { type NostrEvent, type PublishResult, printable } from '../../nostr/index.ts';
import type { Kept } from './kept.ts';
import { type Manifest, manifestText, type Own } from './manifest.ts';
import type { Packed } from './pack.ts';
import { askChunks, askManifests, type LendState, labelsOf, type Reach, shownAgain } from './reach.ts';
import { chunkLabel, deletion, emptyPiece, MANIFEST, sealPiece } from './seal.ts';

/** Whether a state is this one. */
export const isBy = (manifest: Manifest | null, { writer, counter }: Own): boolean =>
  manifest?.writer === writer && manifest.counter === counter;

/** The signed event of a piece, by its label. */
export type Seal = (label: string) => NostrEvent;

/** Seals each piece once: all relays get the same bytes. */
export function sealer(state: {
  packed: Packed;
  own: Kept;
  manifest: Manifest;
  lend: LendState;
  random: (length: number) => Bytes;
}): Seal {
  const { packed, own, manifest, lend, random } = state;
  const chunks = new Map(packed.chunks.map(chunk => [chunkLabel(own.writer, chunk.slot), chunk]));
  const sealed = new Map<string, NostrEvent>();
  return label => {
    const known = sealed.get(label);
    if (known) return known;
    const text = label === MANIFEST ? manifestText(manifest) : packed.textOf(chunks.get(label)!);
    const event = lend(secret => sealPiece({ label, text, createdAt: own.stamp, random }, secret));
    sealed.set(label, event);
    return event;
  };
}

export interface Delivery {
  reach: Reach;
  relay: string;
  own: Kept;
  /** The state that this relay is known to hold as a whole; null where it has to be asked. */
  before: Kept | null;
  /** It shows the list of pieces already. */
  isThere: boolean;
  seal: Seal;
}

/**
 * Brings one relay up to date: pieces first, then the list that names them, each shown again by the relay. So a relay that
 * is cut off in between still holds a whole older state. Null, or why it does not hold it.
 */
export async function deliver(delivery: Delivery): Promise<string | null> {
  const { reach, relay, own, before, isThere, seal } = delivery;
  const { relays } = reach;
  if (before && own.counter === before.counter) return null;
  const labels = labelsOf(own);
  const there = before
    ? new Set(before.chunks.map(({ sha256 }) => sha256))
    : new Set((await askChunks(reach, labels, relay)).get(relay)?.keys());
  const missing = labels.filter((_, i) => !there.has(own.chunks[i]!.sha256)).map(seal);
  for (const event of missing) {
    const result = await relays.publishTo(relay, event);
    if (result.verdict !== 'done') return reasonOf(result);
  }
  if (missing.length > 0) {
    const shown = await shownAgain(reach, relay, missing);
    if (shown < missing.length)
      return `it took ${missing.length} pieces and shows ${shown} of them: it says that it stores what it does not`;
  }
  if (isThere) return null;
  const result = await relays.publishTo(relay, seal(MANIFEST));
  if (result.verdict !== 'done') return reasonOf(result);
  const [shown] = await askManifests(reach, relay);
  return isBy(shown?.manifest ?? null, own) ? null : 'it took the list of pieces and does not show it';
}

const reasonOf = ({ prefix, message }: PublishResult): string => printable(message) || prefix || 'it refused';

/** Empties pieces by their `d` tags, for relays that only replace, and asks all relays to delete them. */
export async function discard(
  { relays, lend }: Pick<Reach, 'relays' | 'lend'>,
  ds: readonly string[],
  { stamp, random }: { stamp: number; random: (length: number) => Bytes },
): Promise<void> {
  const events = lend(secret => [
    ...ds.map(d => emptyPiece(d, stamp, secret, random(32))),
    deletion(ds, stamp, secret, random(32)),
  ]);
  await Promise.all(
    relays.urls.map(async url => {
      for (const event of events) await relays.publishTo(url, event);
    }),
  );
}

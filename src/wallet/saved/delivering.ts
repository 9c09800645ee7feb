import type { Bytes } from '../../crypto/index.ts';
import { signEvent } from '../../nostr/event.ts';
import { type NostrEvent, type PublishResult, printable } from '../../nostr/index.ts';
import { minePowInSlices } from '../../nostr/pow.ts';
import type { Kept } from './kept.ts';
import { type Manifest, manifestText, type Own } from './manifest.ts';
import type { Packed } from './pack.ts';
import { askChunks, askManifests, labelsOf, type Reach, shownAgain } from './reach.ts';
import { chunkLabel, type Draft, deletion, emptyPiece, MANIFEST, sealPiece } from './seal.ts';

/** Whether a state is this one. */
export const isBy = (manifest: Manifest | null, { writer, counter }: Own): boolean =>
  manifest?.writer === writer && manifest.counter === counter;

/** The signed event of a piece, by its label: with as much work as the relays in use are known to want by now. */
export type Seal = (label: string) => Promise<NostrEvent>;

const pause = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 0));

/** Signs an event as the state key, with the work that relays want of every event (NIP-13). */
async function signed({ relays, lend, author }: Reach, draft: Draft, aux: Bytes): Promise<NostrEvent> {
  const bits = relays.workBits();
  const worked = bits === 0 ? draft : await minePowInSlices({ ...draft, pubkey: author }, bits, pause);
  const { kind, created_at, tags, content } = worked;
  return lend(secret => signEvent({ kind, created_at, tags, content }, secret, aux));
}

/** An event that is signed once, and again only if a relay said meanwhile that it wants more work. */
function signedOnce(reach: Reach, draft: Draft, random: (length: number) => Bytes): () => Promise<NostrEvent> {
  let known: { bits: number; event: Promise<NostrEvent> } | null = null;
  return () => {
    const bits = reach.relays.workBits();
    if (!known || known.bits < bits) known = { bits, event: signed(reach, draft, random(32)) };
    return known.event;
  };
}

/** Seals each piece once: all relays get the same bytes. */
export function sealer(state: {
  packed: Packed;
  own: Kept;
  manifest: Manifest;
  reach: Reach;
  random: (length: number) => Bytes;
}): Seal {
  const { packed, own, manifest, reach, random } = state;
  const chunks = new Map(packed.chunks.map(chunk => [chunkLabel(own.writer, chunk.slot), chunk]));
  const sealed = new Map<string, () => Promise<NostrEvent>>();
  return label => {
    const known = sealed.get(label);
    if (known) return known();
    const text = label === MANIFEST ? manifestText(manifest) : packed.textOf(chunks.get(label)!);
    const draft = reach.lend(secret => sealPiece({ label, text, createdAt: own.stamp, random }, secret));
    const made = signedOnce(reach, draft, random);
    sealed.set(label, made);
    return made();
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
  if (before && own.counter === before.counter) return null;
  const labels = labelsOf(own);
  const there = before
    ? new Set(before.chunks.map(({ sha256 }) => sha256))
    : new Set((await askChunks(reach, labels, relay)).get(relay)?.keys());
  const missing: NostrEvent[] = [];
  for (const label of labels.filter((_, i) => !there.has(own.chunks[i]!.sha256))) {
    const { event, result } = await publish(reach, relay, () => seal(label));
    if (result.verdict !== 'done') return reasonOf(result);
    missing.push(event);
  }
  if (missing.length > 0) {
    const shown = await shownAgain(reach, relay, missing);
    if (shown < missing.length)
      return `it took ${missing.length} pieces and shows ${shown} of them: it says that it stores what it does not`;
  }
  if (isThere) return null;
  const { result } = await publish(reach, relay, () => seal(MANIFEST));
  if (result.verdict !== 'done') return reasonOf(result);
  const [shown] = await askManifests(reach, relay);
  return isBy(shown?.manifest ?? null, own) ? null : 'it took the list of pieces and does not show it';
}

/** A relay may say only by refusing that it wants work, and how much: then the event is made anew, once. */
async function publish(
  { relays }: Reach,
  relay: string,
  make: () => Promise<NostrEvent>,
): Promise<{ event: NostrEvent; result: PublishResult }> {
  const event = await make();
  const result = await relays.publishTo(relay, event);
  const again = result.powBits === undefined ? event : await make();
  return again.id === event.id ? { event, result } : { event: again, result: await relays.publishTo(relay, again) };
}

const reasonOf = ({ prefix, message }: PublishResult): string => printable(message) || prefix || 'it refused';

/** Empties pieces by their `d` tags, for relays that only replace, and asks all relays to delete them. */
export async function discard(
  reach: Reach,
  ds: readonly string[],
  { stamp, random }: { stamp: number; random: (length: number) => Bytes },
): Promise<void> {
  const { relays, author } = reach;
  for (const draft of [...ds.map(d => emptyPiece(d, stamp)), deletion(ds, stamp, author)]) {
    const make = signedOnce(reach, draft, random);
    await Promise.all(relays.urls.map(url => publish(reach, url, make)));
  }
}

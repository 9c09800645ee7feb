import { type Bytes, sha256, toHex, utf8 } from '../../crypto/index.ts';
import type { Filter, NostrEvent, Relays } from '../../nostr/index.ts';
import type { Shown } from './choose.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { chunkLabel, dOf, MANIFEST, openPiece, STATE_KIND, tagOf } from './seal.ts';

/** Lends the secret of the state key, and wipes the copy afterwards. */
export type LendState = <T>(use: (secret: Bytes) => T) => T;

/** What it takes to read a state. */
export interface Reach {
  relays: Relays;
  lend: LendState;
  /** x-only state key. */
  author: string;
  /** Milliseconds without anything new after which relays that said nothing count as silent. */
  idleMs: number;
}

export const IDLE_MS = 6_000;
/** How long all answers to one question may take, however much comes. */
const TOTAL_MS = 120_000;
/** `d` tags in one filter: of the largest events a few megabytes. */
const BATCH = 40;

interface Answers {
  /** Relays that said that this is all they have. */
  answered: Set<string>;
  found: { relay: string; event: NostrEvent }[];
}

/** Asks one relay, or all, each for itself, for stored events; the copies of every one. Ends when all have said that this is all. */
function ask({ relays, idleMs }: Reach, filters: Filter[], relay: string | undefined): Promise<Answers> {
  return new Promise(resolve => {
    const waiting = new Set(relay === undefined ? relays.urls : [relay]);
    const answered = new Set<string>();
    const found: Answers['found'] = [];
    let idle: ReturnType<typeof setTimeout> | undefined;
    const finish = (): void => {
      clearTimeout(idle);
      clearTimeout(total);
      subscription.close();
      resolve({ answered, found });
    };
    const waitAnew = (): void => {
      clearTimeout(idle);
      idle = setTimeout(finish, idleMs);
    };
    const total = setTimeout(finish, TOTAL_MS);
    waitAnew();
    const subscription = relays.subscribe({
      key: 's',
      filters: () => filters,
      everyCopy: true,
      ...(relay === undefined ? {} : { relay }),
      onEvent(event, url) {
        found.push({ relay: url, event });
        waitAnew();
      },
      onEose(url) {
        answered.add(url);
        waiting.delete(url);
        if (waiting.size === 0) queueMicrotask(finish);
      },
    });
  });
}

const filterOf = (author: string, ds: readonly string[]): Filter[] => [
  { kinds: [STATE_KIND], authors: [author], '#d': [...ds] },
];

/** The manifest that each relay shows. */
export async function askManifests(reach: Reach, relay?: string): Promise<Omit<Shown, 'texts'>[]> {
  const { relays, lend, author } = reach;
  const d = lend(secret => tagOf(MANIFEST, secret));
  const { answered, found } = await ask(reach, filterOf(author, [d]), relay);
  return (relay === undefined ? relays.urls : [relay]).map(url => {
    let manifest: Manifest | null = null;
    let unreadable = 0;
    for (const { event } of found.filter(copy => copy.relay === url)) {
      // Given up by its owner.
      if (event.content === '') continue;
      const text = lend(secret => openPiece(event, secret));
      const read = text === null ? null : readManifest(text);
      if (!read) unreadable++;
      else if (!manifest || read.counter > manifest.counter) manifest = read;
    }
    return { relay: url, answered: answered.has(url), manifest, unreadable };
  });
}

/** The texts of these chunks that relays, or one of them, hold: by relay, each by the sha256 of what it really says. */
export async function askChunks(
  reach: Reach,
  labels: readonly string[],
  relay?: string,
): Promise<Map<string, Map<string, string>>> {
  const { relays, lend, author } = reach;
  const texts = new Map<string, Map<string, string>>(relays.urls.map(url => [url, new Map()]));
  const ds = lend(secret => labels.map(label => tagOf(label, secret)));
  for (let i = 0; i < ds.length; i += BATCH) {
    const { found } = await ask(reach, filterOf(author, ds.slice(i, i + BATCH)), relay);
    for (const { relay: url, event } of found) {
      const text = lend(secret => openPiece(event, secret));
      if (text !== null) texts.get(url)?.set(toHex(sha256(utf8(text))), text);
    }
  }
  return texts;
}

/** All that relays show of a saved state. */
export async function askState(reach: Reach): Promise<Shown[]> {
  const heads = await askManifests(reach);
  const labels = heads.flatMap(({ manifest }) => (manifest ? labelsOf(manifest) : []));
  const texts = await askChunks(reach, [...new Set(labels)]);
  return heads.map(head => ({ ...head, texts: texts.get(head.relay) ?? new Map() }));
}

/** What the pieces of a state are called inside. */
export const labelsOf = ({ writer, chunks }: Pick<Manifest, 'writer' | 'chunks'>): string[] =>
  chunks.map(({ slot }) => chunkLabel(writer, slot));

/** How many of these events a relay shows when it is asked for them by id: an OK alone is no proof of storage. */
export async function shownAgain(reach: Reach, relay: string, events: readonly NostrEvent[]): Promise<number> {
  const { found } = await ask(reach, [{ ids: events.map(({ id }) => id) }], relay);
  return new Set(found.map(({ event }) => dOf(event))).size;
}

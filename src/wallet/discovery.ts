import type { Network } from '../bitcoin/network.ts';
import { ADVERT_KIND, ADVERT_TOPIC, type Advert, readAdvert } from '../nostr/advert.ts';
import {
  type AdvertPointer,
  type AdvertSource,
  decodeAdvertLink,
  isMeant,
  readAdvertSource,
} from '../nostr/advert-link.ts';
import { createRelays, type Filter, type Log, type NostrEvent, type OpenSocket, type Relays } from '../nostr/index.ts';
import { type AdvertView, type WalletApi, WalletError } from './api.ts';

type DiscoverQuery = NonNullable<Parameters<WalletApi['discover']>[0]>;

export interface Discovery {
  network: Network;
  /** Relays that are asked for what a link points at, beside those that it names. */
  relays: readonly string[];
  openSocket: OpenSocket;
  now: () => number;
  log: Log;
  /** The wallet's own connections, opened when they are needed. */
  ownRelays: () => Relays;
}

/** Reads adverts from relays, or from what a person was handed, and verifies each; newest first. */
export async function discoverAdverts(
  { network, relays, openSocket, now, log, ownRelays }: Discovery,
  query: DiscoverQuery = {},
): Promise<AdvertView[]> {
  const newest = new Map<string, Advert>();
  const pointers: AdvertPointer[] = [];
  const add = (advert: Advert): void => {
    const key = `${advert.identity} ${advert.terms.id}`;
    const known = newest.get(key);
    if (!known || isNewer(advert, known)) newest.set(key, advert);
  };
  const dismiss = (reason: string): void => log('info', 'an advert does not verify', { reason });
  const take = (read: AdvertSource): void => {
    if (!read.ok) dismiss(read.reason);
    else if ('advert' in read) add(read.advert);
    else pointers.push(read.pointer);
  };
  const seconds = query.seconds ?? 3;
  if (relays.length === 0 && query.link === undefined && query.events === undefined)
    throw new WalletError(
      'refused',
      'this wallet uses no relays: give the file or the string that `btcr2-aggregator advert export` made',
    );
  if (query.link !== undefined) {
    const read = decodeAdvertLink(query.link);
    if (!read.ok) throw new WalletError('refused', read.reason);
    take(read);
  }
  for (const value of query.events ?? []) take(readAdvertSource(value));
  if (query.link === undefined && query.events === undefined) {
    const filter = { kinds: [ADVERT_KIND], '#t': [ADVERT_TOPIC] };
    await readAdverts(ownRelays(), filter, seconds, event => take(readAdvert(event)));
  }
  if (relays.length === 0 && pointers.length > 0)
    throw new WalletError(
      'refused',
      'this only says on which relays the advert is, and this wallet uses none: its signed event is needed (advert export --event)',
    );
  await Promise.all(
    pointers.map(pointer =>
      fetchAdverts({ relays, openSocket, log }, pointer, seconds, event => {
        const read = readAdvert(event);
        if (!read.ok) dismiss(read.reason);
        else if (isMeant(pointer, read.advert)) add(read.advert);
      }),
    ),
  );
  return [...newest.values()]
    .map(advert => ({ advert, open: advert.status === 'open' && advert.expires_at > now() }))
    .filter(({ advert, open }) => (query.all || open) && advert.terms.btc_network === (query.network ?? network))
    .sort((a, b) => b.advert.event.created_at - a.advert.event.created_at);
}

/** Fetches what a link or a document points at, from the relays that it names and from our own. */
async function fetchAdverts(
  from: Pick<Discovery, 'relays' | 'openSocket' | 'log'>,
  pointer: AdvertPointer,
  seconds: number,
  take: (event: NostrEvent) => void,
): Promise<void> {
  const { openSocket, log } = from;
  const relays = createRelays([...pointer.relays, ...from.relays], { openSocket, log });
  const filter = { kinds: [ADVERT_KIND], authors: [pointer.identity], '#d': [pointer.advert_id] };
  try {
    await readAdverts(relays, filter, seconds, take);
  } finally {
    await relays.close();
  }
}

async function readAdverts(
  relays: Relays,
  filter: Filter,
  seconds: number,
  take: (event: NostrEvent) => void,
): Promise<void> {
  const waiting = new Set(relays.urls);
  await new Promise<void>(resolve => {
    const done = (): void => {
      clearTimeout(timer);
      subscription.close();
      resolve();
    };
    const timer = setTimeout(done, seconds * 1_000);
    const subscription = relays.subscribe({
      key: 'adverts',
      filters: () => [filter],
      onEvent: take,
      onEose: url => {
        waiting.delete(url);
        // Relays that are down are waited for, but not for long once another one has told all it has.
        if (waiting.size === 0) queueMicrotask(done);
      },
    });
  });
}

/** Of two events of one advert the later counts; in one second the lower id (NIP-01). */
const isNewer = (a: Advert, b: Advert): boolean =>
  a.event.created_at > b.event.created_at || (a.event.created_at === b.event.created_at && a.event.id < b.event.id);

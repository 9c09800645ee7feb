import { expirationOf, type NostrEvent } from './event.ts';
import { NIP04_KIND } from './nip04.ts';
import type { Relays } from './relays.ts';
import { DIRECTED_KIND } from './wrap.ts';

export interface OwnMailOptions {
  relays: Relays;
  /** Transport keys that are ours, x-only hex, asked for when a request goes out. */
  authors: () => readonly string[];
  /** Whether an event is one that we know to have sent. */
  isKnown: (event: NostrEvent) => boolean;
  /** Told of every other one; what it returns is waited for before the reading counts as done. */
  onUnknown: (event: NostrEvent) => Promise<unknown> | unknown;
  /** Unix seconds. */
  now: () => number;
  /** How long relays may take to show what they have. */
  patienceMs: number;
}

/**
 * Looks for messages of our own that we know nothing of: the database is an old copy, whoever copied it, or a second one is
 * at work. Relays keep such messages for weeks, and are asked once and then listened to. `read` resolves when every relay has
 * shown what it has, or its time is up: a relay that hides them, or is down, cannot be made to tell. Gift wraps hide their
 * author from this look too.
 */
export function watchOwnMail(options: OwnMailOptions): { read: Promise<void>; stop(): void } {
  const { relays, now } = options;
  const waiting = new Set(relays.urls);
  const found: Promise<unknown>[] = [];
  let finish: () => void = () => {};
  const ended = new Promise<void>(resolve => {
    finish = resolve;
  });
  const patience = setTimeout(finish, options.patienceMs);
  if (waiting.size === 0 || options.authors().length === 0) finish();
  const subscription = relays.subscribe({
    key: 'own',
    filters: () => {
      const authors = [...options.authors()];
      return authors.length === 0 ? [] : [{ kinds: [DIRECTED_KIND, NIP04_KIND], authors }];
    },
    onEvent(event) {
      const isStale = (expirationOf(event) ?? Number.POSITIVE_INFINITY) <= now();
      if (!isStale && !options.isKnown(event)) found.push(Promise.resolve(options.onUnknown(event)));
    },
    onEose(url) {
      waiting.delete(url);
      if (waiting.size === 0) finish();
    },
  });
  return {
    read: ended.then(async () => {
      clearTimeout(patience);
      await Promise.all(found);
    }),
    stop() {
      clearTimeout(patience);
      finish();
      subscription.close();
    },
  };
}

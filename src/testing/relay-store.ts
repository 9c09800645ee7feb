import { isHex } from '../crypto/index.ts';
import { byTimeThenId, expirationOf, type NostrEvent, tagValue, tagValues } from '../nostr/event.ts';
import { type Filter, matchesAny } from '../nostr/filter.ts';
import { isRecord } from '../nostr/json.ts';

const isTextList = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every(item => typeof item === 'string');
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;

function isRightMember([name, value]: [string, unknown]): boolean {
  if (name === 'ids' || name === 'authors') return isTextList(value) && value.every(item => isHex(item, 32));
  if (name === 'kinds') return Array.isArray(value) && value.every(isCount);
  if (name === 'since' || name === 'until' || name === 'limit') return isCount(value);
  return /^#[a-zA-Z]$/.test(name) && isTextList(value);
}

const isFilter = (value: unknown): value is Filter => isRecord(value) && Object.entries(value).every(isRightMember);

/** Reads a filter of NIP-01; null for unknown members and wrong types. */
export const readFilter = (value: unknown): Filter | null => (isFilter(value) ? value : null);

const isReplaceable = (kind: number): boolean => kind === 0 || kind === 3 || (kind >= 10_000 && kind < 20_000);
const isAddressable = (kind: number): boolean => kind >= 30_000 && kind < 40_000;
/** Sent to whoever listens, kept for nobody. */
export const isEphemeral = (kind: number): boolean => kind >= 20_000 && kind < 30_000;

/** What a newer event replaces (NIP-01): kind and author, and `d` where the kind is addressable. */
function addressOf(event: NostrEvent): string | null {
  if (isReplaceable(event.kind)) return `${event.kind}:${event.pubkey}`;
  return isAddressable(event.kind) ? `${event.kind}:${event.pubkey}:${tagValue(event, 'd') ?? ''}` : null;
}

export const isExpired = (event: NostrEvent, now: number): boolean => (expirationOf(event) ?? now + 1) <= now;

/** NIP-01: newest first; of the same second, the lowest id first. */
const newestFirst = (a: NostrEvent, b: NostrEvent): number => b.created_at - a.created_at || byTimeThenId(a, b);

export interface RelayStore {
  /** `replaced`: it has a newer one at that address. */
  add(event: NostrEvent): 'stored' | 'duplicate' | 'replaced';
  /** Newest first, at most `maxLimit` for each filter. */
  query(filters: readonly Filter[], maxLimit: number, now: number): NostrEvent[];
  /** In the order in which they were stored. */
  all(): NostrEvent[];
  clear(): void;
}

/** The events of a relay, in memory, with an index by id and by `p`. */
export function createRelayStore(): RelayStore {
  const events = new Map<string, NostrEvent>();
  const byAddress = new Map<string, NostrEvent>();
  const byRecipient = new Map<string, Set<NostrEvent>>();

  function remove(event: NostrEvent): void {
    events.delete(event.id);
    for (const recipient of tagValues(event, 'p')) byRecipient.get(recipient)?.delete(event);
  }
  function insert(event: NostrEvent): void {
    events.set(event.id, event);
    for (const recipient of tagValues(event, 'p')) {
      const known = byRecipient.get(recipient) ?? new Set();
      byRecipient.set(recipient, known.add(event));
    }
  }
  function candidates(filter: Filter): Iterable<NostrEvent> {
    if (filter.ids) return filter.ids.flatMap(id => events.get(id) ?? []);
    const recipients = filter['#p'];
    if (recipients) return new Set(recipients.flatMap(recipient => [...(byRecipient.get(recipient) ?? [])]));
    return events.values();
  }

  return {
    add(event) {
      if (events.has(event.id)) return 'duplicate';
      const address = addressOf(event);
      if (address !== null) {
        const current = byAddress.get(address);
        if (current !== undefined && newestFirst(current, event) < 0) return 'replaced';
        if (current !== undefined) remove(current);
        byAddress.set(address, event);
      }
      insert(event);
      return 'stored';
    },
    query(filters, maxLimit, now) {
      const found = new Set<NostrEvent>();
      for (const filter of filters) {
        const matching = [...candidates(filter)].filter(event => matchesAny([filter], event) && !isExpired(event, now));
        const limit = Math.min(filter.limit ?? maxLimit, maxLimit);
        for (const event of matching.sort(newestFirst).slice(0, limit)) found.add(event);
      }
      return [...found].sort(newestFirst);
    },
    all: () => [...events.values()],
    clear() {
      events.clear();
      byAddress.clear();
      byRecipient.clear();
    },
  };
}

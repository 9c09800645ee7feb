/** A signed Nostr event (NIP-01): hex ids and keys, `created_at` in Unix seconds. */
export interface NostrEvent {
  id: string;
  pubkey: string;
  created_at: number;
  kind: number;
  tags: string[][];
  content: string;
  sig: string;
}

/** One event of a stream's log; `seq` grows over all streams, `at` is in Unix seconds, `body` is plain JSON. */
export interface LogRow {
  seq: number;
  stream: string;
  type: string;
  at: number;
  body: unknown;
}

/** A signed event that waits to be published; times in Unix seconds, `answers` is the id of the message it answers. */
export interface OutboxItem {
  id: string;
  to: string;
  event: NostrEvent;
  createdAt: number;
  expiresAt: number;
  answers?: string;
  kind: number;
  /** Id of the envelope that the event carries, whole or in part; left out for what is for everybody. */
  message?: string;
  /** The envelope as text, where its sender cannot read it back from the event; with one event of a message is enough. */
  letter?: string;
}

/** A stored event that carries a directed message, whole or in part. */
export interface StoredLetter {
  id: string;
  event: NostrEvent;
  message: string;
  letter: string | null;
  /** Relays, and `BY_HAND`, that it still has to reach. */
  pending: string[];
}

/** A raw transaction that is stored before it is first sent; `txid` and `hex` are lowercase hex, `at` Unix seconds. */
export interface Broadcast {
  txid: string;
  hex: string;
  stream: string;
  at: number;
}

/** Proof of misbehaviour, kept for ever: the signed envelopes are in `body`, plain JSON; `at` is in Unix seconds. */
export interface Evidence {
  stream: string;
  at: number;
  reason: string;
  body: unknown;
}

export interface EvidenceRow extends Evidence {
  seq: number;
}

/** What one step of the program writes down before it acts. All of it is stored, or none. */
export interface Batch {
  /** Ids of the Nostr events that this step consumed. */
  seen?: { id: string; at: number }[];
  events?: { stream: string; type: string; at: number; body: unknown }[];
  outbox?: OutboxItem[];
  /** The stored answers to a message; `key` is its sender and message id, `eventIds` are ids in the outbox. */
  answers?: { key: string; eventIds: string[] }[];
  broadcasts?: Broadcast[];
  /** Txids that need no more sending. */
  settleBroadcasts?: string[];
  /** Leaves of signals and the like: written once, kept for ever. */
  artifacts?: { stream: string; key: string; bytes: Uint8Array }[];
  meta?: { key: string; value: string }[];
  evidence?: Evidence[];
}

/** How a relay took an event; `retryAt` is in the unit of `now`, Unix seconds. */
export type Outcome = 'done' | 'refused' | { retryAt: number; error: string };

export interface OutboxStore {
  /**
   * Events to publish on this relay at `now` (Unix seconds), in the order they were committed, at most `limit`.
   * A relay that is named for the first time gets every row that is neither expired nor superseded.
   */
  due(relay: string, now: number, limit: number): { id: string; event: NostrEvent }[];
  /** Records the outcome on one relay; a row that is not pending there is left alone. */
  settle(id: string, relay: string, outcome: Outcome): void;
  /** When the next row of this relay is due (Unix seconds; 0 for a row that was never tried), or null if none is pending. */
  nextDue(relay: string): number | null;
  /** Directed messages that are not expired at `now` (Unix seconds), in the order they were committed. Names `BY_HAND`. */
  letters(now: number): StoredLetter[];
}

export interface CursorStore {
  /** Unix seconds up to which this relay was read for this recipient, or null. */
  get(relay: string, recipient: string): number | null;
  /** Sets the cursor, backwards too: a caller clamps a cursor that a lying relay pushed into the future. */
  set(relay: string, recipient: string, createdAt: number): void;
}

/** What waits for one relay: rows, `created_at` of the oldest (Unix seconds), and the latest error it gave. */
export interface Backlog {
  relay: string;
  pending: number;
  oldest: number;
  error: string | null;
}

export interface Store {
  /**
   * Stores a batch in one immediate transaction that has reached the disk when this returns.
   * Throws, and stores nothing: AlreadySeen, AlreadyAnswered, ArtifactConflict, NotStorable (not plain JSON, a lone
   * surrogate, a NUL, a boolean or a fraction where none belongs), StoreFull, StoreFailed. After a StoreFailed of an
   * I/O error only a new start tells whether the batch is there: in whole or not at all.
   */
  commit(batch: Batch): void;
  hasSeen(id: string): boolean;
  /** Whether an event, by id, is or was in the outbox: pruned ones are forgotten. */
  hasSent(id: string): boolean;
  /** Streams that have a log, oldest first. */
  streams(): string[];
  /** A stream's log in order, read in pages: rows committed while iterating are seen too. */
  read(stream: string): Iterable<LogRow>;
  /** The stored answers to a message, byte for byte as they were first sent, or null if it was never answered. */
  answersFor(key: string): NostrEvent[] | null;
  /** Makes outbox rows due again, at once and on every known relay, unless they are expired or superseded. */
  requeue(eventIds: string[]): void;
  readonly outbox: OutboxStore;
  readonly cursors: CursorStore;
  /** For operators: what waits for each relay. */
  backlog(): Backlog[];
  /** Transactions that are not settled, oldest first. */
  broadcasts(): Broadcast[];
  artifact(stream: string, key: string): Uint8Array | null;
  /** A stream's artifacts in the order they were stored. */
  artifacts(stream: string): Iterable<{ key: string; bytes: Uint8Array }>;
  meta(key: string): string | null;
  /** Evidence of one stream, or of all, oldest first. */
  evidence(stream?: string): Iterable<EvidenceRow>;
  /**
   * Writes a consistent copy to a new file (mode 0600) while the program goes on committing.
   * Throws StoreFailed if the file exists already; a copy that fails leaves nothing behind.
   */
  backup(path: string): Promise<void>;
  /**
   * Drops outbox rows that are expired or superseded. With `seenBefore` (Unix seconds) also drops seen ids recorded
   * earlier, and answers older than that whose events have all expired; without it those are kept, and so are the
   * rows that answers name. The horizon must lie further back than the inbox reads again (cursor overlap, and two
   * days for gift wraps): a seen id that is dropped too early lets a relay replay its event.
   */
  prune(now: number, seenBefore?: number): void;
  /** Writes the log back into the database file, closes it and frees the lock. A second call does nothing. */
  close(): void;
}

export type Application = 'aggregator' | 'wallet';

export interface StoreOptions {
  application: Application;
  /** Reads beside a running writer: takes no lock, migrates nothing, refuses to write (outbox, cursors and prune too). */
  readonly?: boolean;
  /** Runs SQLite's quick_check and a check of the foreign keys first; takes time on a large database. */
  check?: boolean;
  /** Upper bound of the database in pages of 4096 bytes; beyond it commits throw StoreFull. */
  maxPages?: number;
}

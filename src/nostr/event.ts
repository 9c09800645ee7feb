import { curve } from '#curve';
import { type Bytes, fromHex, isHex, sha256, toHex, utf8 } from '../crypto/index.ts';
import { boundedMap } from './bounded.ts';

/** What a template holds before it has an author: NIP-01. `created_at` is Unix seconds. */
export interface EventTemplate {
  readonly kind: number;
  readonly created_at: number;
  readonly tags: readonly (readonly string[])[];
  readonly content: string;
}

/** A template with its author, the x-only key in lowercase hex. */
export interface UnsignedEvent extends EventTemplate {
  readonly pubkey: string;
}

/** A Nostr event (NIP-01); `id`, `pubkey` and `sig` are lowercase hex of 32, 32 and 64 bytes. */
export interface NostrEvent {
  readonly id: string;
  readonly pubkey: string;
  readonly created_at: number;
  readonly kind: number;
  readonly tags: string[][];
  readonly content: string;
  readonly sig: string;
}

/** What is refused unread; sizes in bytes. */
export const LIMITS = {
  /** An event as JSON; what a strfry relay takes at most. */
  eventBytes: 65_536,
  tags: 2_000,
  /** A frame that is longer is dropped unparsed. */
  frameBytes: 131_072,
  /**
   * A frame that is longer ends the connection. Far above what relays store: were it near, a stranger could store one
   * big event addressed to us and so cut us off from that relay at every reconnect.
   */
  payloadBytes: 1_048_576,
  frameDepth: 8,
} as const;

/** A template that cannot become an event, or a key that cannot sign one. */
export class EventError extends Error {
  override readonly name = 'EventError';
}

const KEYS = ['content', 'created_at', 'id', 'kind', 'pubkey', 'sig', 'tags'];
/** Keys, punctuation, id and signature: what the JSON of an event has over its canonical form, in bytes. */
const JSON_OVERHEAD = 253;

const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether text survives UTF-8: a lone surrogate would come out as U+FFFD, and another id with it. */
export const isWellFormed = (text: string): boolean => !LONE_SURROGATE.test(text);

const isText = (value: unknown): value is string => typeof value === 'string' && isWellFormed(value);
const isCount = (value: unknown, max: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max;

function readTags(value: unknown): string[][] | null {
  if (!Array.isArray(value) || value.length > LIMITS.tags) return null;
  const tags: string[][] = [];
  for (const tag of value) {
    if (!Array.isArray(tag) || tag.length === 0) return null;
    const items: unknown[] = [...tag];
    if (!items.every(isText)) return null;
    tags.push(items);
  }
  return tags;
}

const canonical = (event: UnsignedEvent): Bytes =>
  utf8(JSON.stringify([0, event.pubkey, event.created_at, event.kind, event.tags, event.content]));

/** The id of an event: lowercase hex of sha256 over its canonical serialisation (NIP-01). */
export const eventId = (event: UnsignedEvent): string => toHex(sha256(canonical(event)));

/** Size of an event as JSON, in bytes. */
export const eventBytes = (event: NostrEvent): number => utf8(JSON.stringify(event)).length;

/**
 * Reads foreign data as the shape of an event, and nothing more: the signature is not looked at.
 * Null unless it is a plain object with exactly the seven own keys of NIP-01, hex in lower case, well-formed text,
 * integers in range. The result is a deep copy, so nothing can change it, or hide in it, afterwards.
 */
export function readEvent(value: unknown): NostrEvent | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const keys = Reflect.ownKeys(value);
  if (keys.length !== KEYS.length || !KEYS.every(key => keys.includes(key))) return null;
  const { id, pubkey, created_at, kind, tags, content, sig } = value as Record<string, unknown>;
  if (!isHex(id, 32) || !isHex(pubkey, 32) || !isHex(sig, 64)) return null;
  if (!isCount(created_at, Number.MAX_SAFE_INTEGER) || !isCount(kind, 65_535) || !isText(content)) return null;
  const copy = readTags(tags);
  return copy && { id, pubkey, created_at, kind, tags: copy, content, sig };
}

/** Whether an event's id is right (NIP-01), and it is no larger than `LIMITS.eventBytes`; of its author it says nothing. */
export function hasValidId(event: NostrEvent): boolean {
  const bytes = canonical(event);
  return bytes.length + JSON_OVERHEAD <= LIMITS.eventBytes && toHex(sha256(bytes)) === event.id;
}

/** Whether id and signature of an event are right (NIP-01, BIP-340), and it is no larger than `LIMITS.eventBytes`. */
export const hasValidSignature = (event: NostrEvent): boolean =>
  hasValidId(event) && curve.verifySchnorr(fromHex(event.id), fromHex(event.pubkey), fromHex(event.sig));

/**
 * Verifies foreign data as a signed event (NIP-01): strict shape, id, BIP-340 signature, size.
 * Returns a deep copy, or null; never throws. Every call does the whole work: a mark "verified" on an object would be
 * copied along by a spread, onto an event with another signature.
 */
export function verifyEvent(value: unknown): NostrEvent | null {
  const event = readEvent(value);
  return event !== null && hasValidSignature(event) ? event : null;
}

const KNOWN_KEYS = 256;
const knownKeys = boundedMap<string>(KNOWN_KEYS);

/**
 * The x-only public key, lowercase hex, of a 32-byte secret key; remembered, by a hash of the secret's bytes, for the last
 * 256 keys, since every message asks for it. Throws EventError on bytes that are no secret key.
 */
export function xOnlyOf(secretKey: Bytes): string {
  if (secretKey.length !== 32 || !curve.isSecretKey(secretKey)) throw new EventError('not a secret key');
  const name = toHex(sha256(secretKey));
  const key = knownKeys.get(name) ?? toHex(curve.publicKey(secretKey).subarray(1));
  knownKeys.set(name, key);
  return key;
}

/**
 * Signs a template (NIP-01) with a 32-byte secret key; `auxRand` is 32 random bytes (BIP-340).
 * Throws EventError on a bad key, on lone surrogates, numbers out of range, or an event over `LIMITS.eventBytes`.
 */
export function signEvent(template: EventTemplate, secretKey: Bytes, auxRand: Bytes): NostrEvent {
  const { kind, created_at, content } = template;
  const unsigned = { pubkey: xOnlyOf(secretKey), created_at, kind, tags: template.tags, content };
  const hash = sha256(canonical(unsigned));
  const sig = toHex(curve.signSchnorr(hash, secretKey, auxRand));
  const event = readEvent({ ...unsigned, id: toHex(hash), sig });
  if (event === null) throw new EventError('not an event: tags, text, kind or time are malformed');
  if (eventBytes(event) > LIMITS.eventBytes) throw new EventError(`an event over ${LIMITS.eventBytes} bytes`);
  return event;
}

/** The value of the first tag of that name, or null. */
export const tagValue = (event: { readonly tags: readonly (readonly string[])[] }, name: string): string | null =>
  event.tags.find(tag => tag[0] === name)?.[1] ?? null;

/** The values of all tags of that name, in order. */
export const tagValues = (event: { readonly tags: readonly (readonly string[])[] }, name: string): string[] =>
  event.tags.flatMap(tag => (tag[0] === name && tag[1] !== undefined ? [tag[1]] : []));

/**
 * When an event ends (NIP-40), in Unix seconds: null without the tag, 0 (long ago) if the tag is no plain number.
 */
export function expirationOf(event: NostrEvent): number | null {
  const tag = event.tags.find(tag => tag[0] === 'expiration');
  if (tag === undefined) return null;
  return tag[1] !== undefined && /^\d{1,15}$/.test(tag[1]) ? Number(tag[1]) : 0;
}

/** NIP-01 order of stored events, oldest first: by time, then by id. */
export const byTimeThenId = (a: NostrEvent, b: NostrEvent): number =>
  a.created_at - b.created_at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

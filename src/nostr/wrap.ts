import { type Bytes, hmacSha256, isHex, toHex, utf8 } from '../crypto/index.ts';
import { splitText } from './chunk.ts';
import { EventError, LIMITS, type NostrEvent, signEvent, tagValues, xOnlyOf } from './event.ts';
import { conversationKey, decrypt, encrypt, MAX_PLAINTEXT_BYTES, paddedLength } from './nip44.ts';
import { withWork } from './pow.ts';

/** The kind of a directed message. */
export const DIRECTED_KIND = 8252;

/** Plaintext bytes in one event: padded and in base64 they stay under the 65,536 bytes that relays take. */
export const PLAINTEXT_LIMIT = 40_000;

/** JSON of the event and of its frame around the content, generously, in bytes. */
export const EVENT_OVERHEAD = 800;

export interface Outgoing {
  /** The envelope as text. */
  readonly plaintext: string;
  /** Transport secret key of the sender, 32 bytes. */
  readonly from: Bytes;
  /** Transport key of the recipient, x-only hex. */
  readonly to: string;
  /** What the conversation is about: the id of the advert event, or of a session. */
  readonly contextId: string;
  /** Unix seconds. */
  readonly createdAt: number;
  /** Unix seconds after which relays may drop it (NIP-40). */
  readonly expiration: number;
  /** A source of that many random bytes. */
  readonly random: (length: number) => Bytes;
  /** Plaintext bytes in one event; `PLAINTEXT_LIMIT` if left out. See `plaintextLimit`. */
  readonly limit?: number;
  /** Leading zero bits of each event's id (NIP-13); 0 if left out. Each bit doubles the time, in which nothing else runs. */
  readonly work?: number;
}

export type Unwrapped =
  | { readonly ok: true; readonly text: string }
  | {
      readonly ok: false;
      readonly reason: 'kind' | 'recipient' | 'sender' | 'version' | 'malformed' | 'mac' | 'padding';
    };

/**
 * The session tag: hex of HMAC-SHA256(conversation key, context id). Both sides can compute it, nobody else can link
 * it to an advert or to another session. Throws Nip44Error on keys off the curve.
 */
export const sessionTag = (secretKey: Bytes, peer: string, contextId: string): string =>
  toHex(hmacSha256(conversationKey(secretKey, peer), utf8(contextId)));

/**
 * Wraps a message into signed kind 8252 events with NIP-44 content: one, or as many chunks as it takes.
 * `p` comes first and alone, since some relays look at the first only. The message type stays inside.
 * Throws Nip44Error or EventError on bad keys, ChunkError on a text beyond 1,024 parts.
 */
export function wrapMessage(message: Outgoing): NostrEvent[] {
  const { from, to, contextId, createdAt, expiration, random } = message;
  if (!isHex(to, 32)) throw new EventError('recipient is no x-only key in lowercase hex');
  const key = conversationKey(from, to);
  const tags = [
    ['p', to],
    ['s', toHex(hmacSha256(key, utf8(contextId)))],
    ['expiration', String(expiration)],
  ];
  const limit = Math.min(message.limit ?? PLAINTEXT_LIMIT, PLAINTEXT_LIMIT);
  return splitText(message.plaintext, limit, random(16)).map(part => {
    const content = encrypt(part, key, random(32));
    const event = { kind: DIRECTED_KIND, created_at: createdAt, tags, content };
    return signEvent(withWork(event, from, message.work), from, random(32));
  });
}

/**
 * Decrypts a directed message with the recipient's 32-byte transport key. The event must have been verified: it is its
 * signature that says who sent it. Refuses, as a value, another kind, an event whose only `p` is not this key, and
 * whatever does not decrypt. The text may be a chunk: see `createChunkAssembler`.
 */
export function unwrapMessage(event: NostrEvent, secretKey: Bytes): Unwrapped {
  if (event.kind !== DIRECTED_KIND) return { ok: false, reason: 'kind' };
  const recipients = tagValues(event, 'p');
  if (recipients.length !== 1 || recipients[0] !== xOnlyOf(secretKey)) return { ok: false, reason: 'recipient' };
  let key: Bytes;
  try {
    key = conversationKey(secretKey, event.pubkey);
  } catch {
    return { ok: false, reason: 'sender' };
  }
  return decrypt(event.content, key);
}

const frameBytes = (plaintext: number): number => 4 * Math.ceil((67 + paddedLength(plaintext)) / 3) + EVENT_OVERHEAD;

/**
 * The plaintext limit for a relay's `max_message_length` (NIP-11, bytes of the whole frame): between 1,024 and
 * `PLAINTEXT_LIMIT`. Padding comes in steps, so a little less room can mean a much smaller limit.
 */
export function plaintextLimit(maxMessageBytes: number): number {
  const room = Math.min(maxMessageBytes, LIMITS.eventBytes);
  let limit = Math.min(PLAINTEXT_LIMIT, MAX_PLAINTEXT_BYTES);
  while (limit > 1_024 && frameBytes(limit) > room) limit -= 256;
  return Math.max(limit, 1_024);
}

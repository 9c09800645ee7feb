import { curve } from '#curve';
import { type Bytes, isHex, utf8 } from '../crypto/index.ts';
import { splitText } from './chunk.ts';
import {
  EventError,
  eventId,
  hasValidSignature,
  LIMITS,
  type NostrEvent,
  readEvent,
  signEvent,
  tagValues,
  type UnsignedEvent,
  verifyEvent,
  xOnlyOf,
} from './event.ts';
import { isRecord, parseJson } from './json.ts';
import { conversationKey, decrypt, encrypt, MAX_PLAINTEXT_BYTES, paddedLength } from './nip44.ts';
import { withWork } from './pow.ts';
import { DIRECTED_KIND, EVENT_OVERHEAD, type Outgoing } from './wrap.ts';

/** The kind of a gift wrap, and of the seal in it (NIP-59). */
export const GIFT_WRAP_KIND = 1059;
const SEAL_KIND = 13;

/**
 * Bytes of a text as it stands in the rumor's JSON, quotes and backslashes escaped: padded and in base64 twice over, it
 * stays under the 65,536 bytes that relays take.
 */
export const GIFT_LIMIT = 28_380;

/** JSON of a rumor, and of a seal, around its content, in bytes. */
const RUMOR_OVERHEAD = 290;
const SEAL_OVERHEAD = 360;
/** Seal and wrap are dated up to two days back, so that their times say nothing (NIP-59). */
const BACKDATED = 2 * 86_400;

export type GiftUnwrapped =
  /** `sender` is the x-only key that signed the seal: the only thing in a gift wrap that proves who wrote it. */
  | { readonly ok: true; readonly text: string; readonly sender: string }
  | {
      readonly ok: false;
      readonly reason:
        | 'kind'
        | 'recipient'
        | 'signature'
        | 'sender'
        | 'version'
        | 'malformed'
        | 'mac'
        | 'padding'
        | 'seal'
        | 'seal_signature'
        | 'rumor'
        | 'rumor_author'
        | 'rumor_id'
        | 'rumor_kind'
        | 'rumor_recipient';
    };

/** Length of a text inside JSON, in bytes, without its quotes. */
const escapedBytes = (text: string): number => utf8(JSON.stringify(text)).length - 2;

function backdate(createdAt: number, random: Outgoing['random']): number {
  const [a, b, c, d] = random(4);
  return Math.max(0, createdAt - ((a! * 0x1000000 + b! * 0x10000 + c! * 0x100 + d!) % BACKDATED));
}

function partsOf(text: string, limit: number, set: Bytes): string[] {
  if (escapedBytes(text) <= limit) return [text];
  // Quotes double in the rumor's JSON, chunks are base64url: a text that fits only unescaped has to be cut too.
  return splitText(text, Math.max(400, Math.min(limit, utf8(text).length - 1)), set);
}

/**
 * Wraps a message into signed gift wraps (NIP-59), one for each chunk: a rumor of kind 8252, in a seal (kind 13) signed
 * by the transport key, in an event (kind 1059) of a key that is drawn for it and forgotten. Relays learn the recipient
 * and nothing else. Throws Nip44Error or EventError on bad keys, ChunkError on a text beyond 1,024 parts.
 */
export function wrapGift(message: Outgoing): NostrEvent[] {
  const { from, to, createdAt, random } = message;
  if (!isHex(to, 32)) throw new EventError('recipient is no x-only key in lowercase hex');
  const pubkey = xOnlyOf(from);
  const limit = Math.min(message.limit ?? GIFT_LIMIT, GIFT_LIMIT);
  return partsOf(message.plaintext, limit, random(16)).map(content => {
    const rumor = { pubkey, created_at: createdAt, kind: DIRECTED_KIND, tags: [['p', to]], content };
    const text = JSON.stringify({ ...rumor, id: eventId(rumor) });
    const sealed = encrypt(text, conversationKey(from, to), random(32));
    const seal = signEvent(
      { kind: SEAL_KIND, created_at: backdate(createdAt, random), tags: [], content: sealed },
      from,
      random(32),
    );
    return wrapSeal(seal, message);
  });
}

function wrapSeal(seal: NostrEvent, { to, createdAt, expiration, random, work }: Outgoing): NostrEvent {
  let key = random(32);
  while (!curve.isSecretKey(key)) key = random(32);
  try {
    const content = encrypt(JSON.stringify(seal), conversationKey(key, to), random(32));
    const created_at = backdate(createdAt, random);
    // Counted from the false date: from the true one it would give the true one away.
    const tags = [
      ['p', to],
      ['expiration', String(created_at + (expiration - createdAt) + BACKDATED)],
    ];
    return signEvent(withWork({ kind: GIFT_WRAP_KIND, created_at, tags, content }, key, work), key, random(32));
  } finally {
    key.fill(0);
  }
}

/** Reads a rumor: an event without a signature. One that carries any is refused: leaked, it would prove its author. */
function readRumor(text: string): (UnsignedEvent & { id: string }) | null {
  const value = parseJson(text, { chars: MAX_PLAINTEXT_BYTES, depth: 4 });
  if (!isRecord(value) || Object.hasOwn(value, 'sig')) return null;
  const event = readEvent({ ...value, sig: '0'.repeat(128) });
  if (event === null) return null;
  const { sig: _, ...rumor } = event;
  return rumor;
}

/** Whether an event is for this key and for nobody else. */
const isOnlyFor = (event: { readonly tags: readonly (readonly string[])[] }, key: string): boolean => {
  const recipients = tagValues(event, 'p');
  return recipients.length === 1 && recipients[0] === key;
};

/**
 * Opens a gift wrap with the recipient's 32-byte transport key, believing nothing: wrap, seal and rumor must each be for
 * this key, the wrap's and the seal's ids and signatures right, the seal without tags, the rumor of kind 8252, written
 * by who signed the seal, its id its own hash. `value` may come from anybody; whatever is wrong is a value.
 * The text may be a chunk, and the envelope in it still has to name `sender` as its own.
 */
export function unwrapGift(value: unknown, secretKey: Bytes): GiftUnwrapped {
  const recipient = xOnlyOf(secretKey);
  const shape = readEvent(value);
  if (shape?.kind !== GIFT_WRAP_KIND) return { ok: false, reason: 'kind' };
  if (!isOnlyFor(shape, recipient)) return { ok: false, reason: 'recipient' };
  if (!hasValidSignature(shape)) return { ok: false, reason: 'signature' };
  const outer = decrypt(shape.content, conversationKey(secretKey, shape.pubkey));
  if (!outer.ok) return outer;
  const seal = readEvent(parseJson(outer.text, { chars: MAX_PLAINTEXT_BYTES, depth: 4 }));
  if (seal?.kind !== SEAL_KIND || seal.tags.length > 0) return { ok: false, reason: 'seal' };
  // The seal is the only thing that proves authorship.
  if (verifyEvent(seal) === null) return { ok: false, reason: 'seal_signature' };
  const inner = decrypt(seal.content, conversationKey(secretKey, seal.pubkey));
  if (!inner.ok) return inner;
  const rumor = readRumor(inner.text);
  if (rumor === null) return { ok: false, reason: 'rumor' };
  if (rumor.pubkey !== seal.pubkey) return { ok: false, reason: 'rumor_author' };
  if (eventId(rumor) !== rumor.id) return { ok: false, reason: 'rumor_id' };
  if (rumor.kind !== DIRECTED_KIND) return { ok: false, reason: 'rumor_kind' };
  if (!isOnlyFor(rumor, recipient)) return { ok: false, reason: 'rumor_recipient' };
  return { ok: true, text: rumor.content, sender: seal.pubkey };
}

const inBase64 = (plaintext: number): number => 4 * Math.ceil((67 + paddedLength(plaintext)) / 3);

/** Bytes of the frame of a gift wrap whose rumor holds so many escaped bytes. */
const frameBytes = (escaped: number): number =>
  inBase64(inBase64(escaped + RUMOR_OVERHEAD) + SEAL_OVERHEAD) + EVENT_OVERHEAD;

/** The limit of a gift wrap's text for a relay's `max_message_length` (NIP-11, bytes): 512 to `GIFT_LIMIT`. */
export function giftLimit(maxMessageBytes: number): number {
  const room = Math.min(maxMessageBytes, LIMITS.eventBytes);
  let limit = GIFT_LIMIT;
  while (limit > 512 && frameBytes(limit) > room) limit -= 128;
  return Math.max(limit, 512);
}

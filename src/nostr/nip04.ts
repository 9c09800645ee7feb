import { cbc } from '@noble/ciphers/aes.js';
import { curve } from '#curve';
import { type Bytes, base64, fromHex, isHex, utf8 } from '../crypto/index.ts';
import { splitText } from './chunk.ts';
import { EventError, isWellFormed, LIMITS, type NostrEvent, signEvent, tagValues, xOnlyOf } from './event.ts';
import { withWork } from './pow.ts';
import { EVENT_OVERHEAD, type Outgoing, type Unwrapped } from './wrap.ts';

/** The kind of a NIP-04 message. */
export const NIP04_KIND = 4;

/** Plaintext bytes in one event: grown by a third in base64 they stay under the 65,536 bytes that relays take. */
export const NIP04_LIMIT = 48_000;

const IV_MARK = '?iv=';
/** Exactly one iv, 16 bytes in canonical base64: a missing one was read as zeros by careless software. */
const PAYLOAD = /^([A-Za-z0-9+/]+={0,2})\?iv=([A-Za-z0-9+/]{22}==)$/;

/** Input that NIP-04 cannot take; says what, never the text or the key. */
export class Nip04Error extends Error {
  override readonly name = 'Nip04Error';
}

export type Nip04Decrypted =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly reason: 'malformed' | 'padding' };

/** The AES key that NIP-04 shares between a secret key and a peer's x-only key: the bare x coordinate, unhashed. */
function sharedKey(secretKey: Bytes, peer: string): Bytes {
  if (secretKey.length !== 32 || !curve.isSecretKey(secretKey)) throw new Nip04Error('not a secret key');
  if (!isHex(peer, 32) || !curve.isXOnly(fromHex(peer))) throw new Nip04Error('not an x-only public key');
  return curve.sharedX(secretKey, fromHex(peer));
}

/**
 * Encrypts text by NIP-04 (AES-256-CBC) from a 32-byte secret key to an x-only key in hex; `iv` is 16 random bytes.
 * Returns `<base64>?iv=<base64>`. Throws Nip04Error on keys off the curve, a wrong iv, and lone surrogates.
 */
export function encryptNip04(text: string, secretKey: Bytes, peer: string, iv: Bytes): string {
  if (!isWellFormed(text)) throw new Nip04Error('plaintext is not well-formed Unicode');
  if (iv.length !== 16) throw new Nip04Error('an iv is 16 bytes');
  const content = cbc(sharedKey(secretKey, peer), iv).encrypt(utf8(text));
  return `${base64.encode(content)}${IV_MARK}${base64.encode(iv)}`;
}

/**
 * Decrypts a NIP-04 payload with a 32-byte secret key and the sender's x-only key in hex. Never throws: anybody can
 * send one. NIP-04 has no MAC, so a text that comes out proves nothing: whoever carries it must be signed.
 */
export function decryptNip04(payload: string, secretKey: Bytes, peer: string): Nip04Decrypted {
  const parts = payload.length > LIMITS.eventBytes ? null : PAYLOAD.exec(payload);
  if (parts === null) return { ok: false, reason: 'malformed' };
  try {
    const content = base64.decode(parts[1]!);
    const iv = base64.decode(parts[2]!);
    if (content.length === 0 || content.length % 16 !== 0) return { ok: false, reason: 'malformed' };
    const bytes = cbc(sharedKey(secretKey, peer), iv).decrypt(content);
    return { ok: true, text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { ok: false, reason: 'padding' };
  }
}

/**
 * Wraps a message into signed kind 4 events (NIP-04): one, or as many chunks as it takes. For wallets that can do no
 * better: it has no MAC, its padding tells the size to 16 bytes, and it carries no session tag, which kind 4 never has.
 * Throws Nip04Error or EventError on bad keys, ChunkError on a text beyond 1,024 parts.
 */
export function wrapNip04(message: Outgoing): NostrEvent[] {
  const { from, to, createdAt, expiration, random } = message;
  if (!isHex(to, 32)) throw new EventError('recipient is no x-only key in lowercase hex');
  const tags = [
    ['p', to],
    ['expiration', String(expiration)],
  ];
  const limit = Math.min(message.limit ?? NIP04_LIMIT, NIP04_LIMIT);
  return splitText(message.plaintext, limit, random(16)).map(part => {
    const content = encryptNip04(part, from, to, random(16));
    const event = { kind: NIP04_KIND, created_at: createdAt, tags, content };
    return signEvent(withWork(event, from, message.work), from, random(32));
  });
}

/**
 * Decrypts a kind 4 event with the recipient's 32-byte transport key, by the same rules as `unwrapMessage`: the event
 * must have been verified, and its only `p` is this key. The text may be a chunk.
 */
export function unwrapNip04(event: NostrEvent, secretKey: Bytes): Unwrapped {
  if (event.kind !== NIP04_KIND) return { ok: false, reason: 'kind' };
  const recipients = tagValues(event, 'p');
  if (recipients.length !== 1 || recipients[0] !== xOnlyOf(secretKey)) return { ok: false, reason: 'recipient' };
  return decryptNip04(event.content, secretKey, event.pubkey);
}

/** The plaintext limit of kind 4 for a relay's `max_message_length` (NIP-11, bytes): 512 to `NIP04_LIMIT`. */
export function nip04Limit(maxMessageBytes: number): number {
  const room = Math.min(maxMessageBytes, LIMITS.eventBytes) - EVENT_OVERHEAD - IV_MARK.length - 24;
  return Math.min(NIP04_LIMIT, Math.max(512, Math.floor(room / 4) * 3 - 16));
}

import { type Bytes, isHex } from '../crypto/index.ts';
import type { Scheme } from '../messages/index.ts';
import { type NostrEvent, tagValue, xOnlyOf } from './event.ts';
import { GIFT_WRAP_KIND, giftLimit, unwrapGift, wrapGift } from './gift-wrap.ts';
import { decryptNip04, NIP04_KIND, nip04Limit, unwrapNip04, wrapNip04 } from './nip04.ts';
import { conversationKey, decrypt } from './nip44.ts';
import { DIRECTED_KIND, type Outgoing, plaintextLimit, type Unwrapped, unwrapMessage, wrapMessage } from './wrap.ts';

interface Codec {
  readonly kind: number;
  wrap(message: Outgoing): NostrEvent[];
  /** Plaintext bytes in one event, for a relay that takes messages of so many bytes. */
  limit(maxMessageBytes: number): number;
}

/** The ways in which envelopes travel, as an advert's `communication` names them. */
const CODECS: Readonly<Record<Scheme, Codec>> = {
  nip44_v2: { kind: DIRECTED_KIND, wrap: wrapMessage, limit: plaintextLimit },
  nip04: { kind: NIP04_KIND, wrap: wrapNip04, limit: nip04Limit },
  nip59: { kind: GIFT_WRAP_KIND, wrap: wrapGift, limit: giftLimit },
};

/** The kinds that carry directed messages, our own first: each is asked for in filters of its own. */
export const MAIL_KINDS: readonly number[] = [DIRECTED_KIND, NIP04_KIND, GIFT_WRAP_KIND];

/** The scheme whose events are of this kind; null for any other kind. */
export function schemeOfKind(kind: number): Scheme | null {
  if (kind === DIRECTED_KIND) return 'nip44_v2';
  if (kind === NIP04_KIND) return 'nip04';
  return kind === GIFT_WRAP_KIND ? 'nip59' : null;
}

/**
 * Wraps a message in this scheme, in parts that fit a relay which takes messages of `maxMessageBytes`; null where none
 * says. Throws as the scheme's own function does.
 */
export function wrapBy(scheme: Scheme, message: Outgoing, maxMessageBytes: number | null): NostrEvent[] {
  const { wrap, limit } = CODECS[scheme];
  return wrap(maxMessageBytes === null ? message : { ...message, limit: limit(maxMessageBytes) });
}

export type Unsealed =
  /** `sender` is the x-only key that proved itself: the event's, or the one that sealed a gift. */
  | { readonly ok: true; readonly text: string; readonly sender: string; readonly scheme: Scheme }
  | { readonly ok: false; readonly reason: string };

/** Whether the sender of an event can still read it: of a gift wrap it forgot the key. */
export const canReadBack = ({ kind }: NostrEvent): boolean => kind === DIRECTED_KIND || kind === NIP04_KIND;

/**
 * Decrypts an event that this 32-byte transport key itself sent: both sides of a conversation share one key. Refuses, as
 * a value, an event of another author and a gift wrap.
 */
export function unwrapOwn(event: NostrEvent, secretKey: Bytes): Unwrapped {
  if (event.pubkey !== xOnlyOf(secretKey)) return { ok: false, reason: 'sender' };
  const to = tagValue(event, 'p') ?? '';
  if (event.kind === NIP04_KIND) return decryptNip04(event.content, secretKey, to);
  if (event.kind !== DIRECTED_KIND) return { ok: false, reason: 'kind' };
  return isHex(to, 32) ? decrypt(event.content, conversationKey(secretKey, to)) : { ok: false, reason: 'recipient' };
}

/** Decrypts a verified event of any scheme with the recipient's 32-byte transport key. */
export function unwrapBy(event: NostrEvent, secretKey: Bytes): Unsealed {
  const scheme = schemeOfKind(event.kind);
  if (scheme === null) return { ok: false, reason: 'kind' };
  if (scheme === 'nip59') {
    const gift = unwrapGift(event, secretKey);
    return gift.ok ? { ...gift, scheme } : gift;
  }
  const opened = scheme === 'nip04' ? unwrapNip04(event, secretKey) : unwrapMessage(event, secretKey);
  return opened.ok ? { ...opened, sender: event.pubkey, scheme } : opened;
}

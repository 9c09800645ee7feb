import * as nip19 from 'nostr-tools/nip19';
import { fromBase64url, isHex, sha256, toBase64url, toHex, utf8 } from '../crypto/index.ts';
import { ADVERT_KIND, type Advert, readAdvert } from './advert.ts';
import { verifyAdvertDocument } from './advert-document.ts';
import { EventError, type NostrEvent, tagValue } from './event.ts';
import { isRecord, parseJson } from './json.ts';
import { normalizeRelayUrl } from './url.ts';

export const ADVERT_LINK_SCHEME = 'nostr+btcr2://';

/** Where the events of an advert are found. */
export interface AdvertPointer {
  /** x-only key of the aggregator, hex. */
  readonly identity: string;
  readonly advert_id: string;
  /** Normalised URLs. */
  readonly relays: readonly string[];
  /** Hash of the terms that were pointed at, hex: an event with others is not the advert that was meant. */
  readonly terms_hash: string;
}

/** A link is read up to so many characters: an advert's event at its largest, in base64url. */
const MAX_LINK = 131_072;
/** A link up to this length carries the event itself; a longer one would be cut by what it is pasted into. */
const WHOLE_LINK = 8_000;
const MAX_RELAYS = 10;

/**
 * The `nostr+btcr2://` string of an advert's event: base64url of `{"v":1,"naddr","terms"}` (NIP-19 coordinates with the
 * relays; sha256 of the content as base64url), and of `event` itself as long as the link stays within `maxChars`
 * (8,000 characters; 0 leaves the event out, for a QR code). Throws EventError for an event that is no advert.
 */
export function encodeAdvertLink(
  event: NostrEvent,
  relays: readonly string[],
  options?: { maxChars?: number },
): string {
  const id = tagValue(event, 'd');
  if (event.kind !== ADVERT_KIND || id === null) throw new EventError('not an advert');
  const known = usableRelays(relays);
  const naddr = nip19.naddrEncode({ kind: ADVERT_KIND, pubkey: event.pubkey, identifier: id, relays: known });
  const terms = toBase64url(sha256(utf8(event.content)));
  const link = (payload: object): string => ADVERT_LINK_SCHEME + toBase64url(utf8(JSON.stringify(payload)));
  const whole = link({ v: 1, naddr, terms, event });
  return whole.length <= (options?.maxChars ?? WHOLE_LINK) ? whole : link({ v: 1, naddr, terms });
}

function usableRelays(relays: readonly unknown[]): string[] {
  const urls = relays.flatMap(relay => {
    try {
      return typeof relay === 'string' ? [normalizeRelayUrl(relay)] : [];
    } catch {
      return [];
    }
  });
  return [...new Set(urls)].slice(0, MAX_RELAYS);
}

export type AdvertSource =
  /** The advert itself, verified. */
  | { readonly ok: true; readonly advert: Advert }
  /** Nothing but where it is: to be fetched, and verified then. */
  | { readonly ok: true; readonly pointer: AdvertPointer }
  | { readonly ok: false; readonly reason: string };

/** Reads a `nostr+btcr2://` string from anybody: the event in it, verified, or where to fetch it. Never throws. */
export function decodeAdvertLink(text: string): AdvertSource {
  const no = (reason: string): AdvertSource => ({ ok: false, reason });
  const link = text.trim();
  if (!link.startsWith(ADVERT_LINK_SCHEME)) return no(`an advert's link begins with ${ADVERT_LINK_SCHEME}`);
  const payload = readPayload(link.slice(ADVERT_LINK_SCHEME.length));
  if (!isRecord(payload)) return no('the link is damaged: not base64url of JSON');
  const { v, naddr, terms, event, ...others } = payload;
  if (v !== 1 || Object.keys(others).length > 0) return no('the link is of another version');
  const pointer = readPointer(naddr, terms);
  if (pointer === null) return no('the link does not name an advert');
  if (event === undefined) return { ok: true, pointer };
  const read = readAdvert(event);
  if (!read.ok) return no(`the event in the link: ${read.reason}`);
  return isMeant(pointer, read.advert) ? read : no('the link names another advert than it carries');
}

/** Whether an advert is the one that a pointer means: aggregator, id and terms. */
export const isMeant = (pointer: AdvertPointer, { identity, terms, terms_hash }: Advert): boolean =>
  identity === pointer.identity && terms.id === pointer.advert_id && terms_hash === pointer.terms_hash;

function readPayload(encoded: string): unknown {
  if (encoded.length > MAX_LINK) return undefined;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(fromBase64url(encoded));
    return parseJson(text, { chars: MAX_LINK, depth: 5 });
  } catch {
    return undefined;
  }
}

function readPointer(naddr: unknown, terms: unknown): AdvertPointer | null {
  if (typeof naddr !== 'string' || typeof terms !== 'string') return null;
  try {
    const terms_hash = toHex(fromBase64url(terms, 32));
    const decoded = nip19.decode(naddr);
    if (decoded.type !== 'naddr' || decoded.data.kind !== ADVERT_KIND) return null;
    const { pubkey: identity, identifier: advert_id, relays } = decoded.data;
    return isHex(identity, 32) ? { identity, advert_id, relays: usableRelays(relays ?? []), terms_hash } : null;
  } catch {
    return null;
  }
}

/**
 * Reads whatever an advert may come as: its event, its document, or a `nostr+btcr2://` string. Of an event and a whole
 * link comes the advert, verified; of a document and a short link where to fetch it. Never throws.
 */
export function readAdvertSource(value: unknown): AdvertSource {
  if (typeof value === 'string') return decodeAdvertLink(value);
  if (!isRecord(value) || Object.hasOwn(value, 'sig')) return readAdvert(value);
  const document = verifyAdvertDocument(value);
  if (!document.ok) return document;
  const { terms, terms_hash, identity } = document;
  const relays = relaysOf(terms.return_address);
  return { ok: true, pointer: { identity, advert_id: terms.id, relays, terms_hash } };
}

/** The relays in a `nostr:nprofile1…`; none if it cannot be read: the reader's own relays may have the advert too. */
function relaysOf(address: string): string[] {
  try {
    const decoded = nip19.decode(address.replace(/^nostr:/, ''));
    return decoded.type === 'nprofile' ? usableRelays(decoded.data.relays ?? []) : [];
  } catch {
    return [];
  }
}

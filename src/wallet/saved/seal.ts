import { type Bytes, hmacSha256, toHex, utf8 } from '../../crypto/index.ts';
import { type NostrEvent, tagValues, type UnsignedEvent, xOnlyOf } from '../../nostr/event.ts';
import { conversationKey, decrypt, encrypt } from '../../nostr/nip44.ts';

/** Application data (NIP-78): addressable, so a newer event of one `d` replaces the older one. */
export const STATE_KIND = 30_078;
/** Deletion request (NIP-09). */
const DELETION_KIND = 5;

/** What a piece is called inside: the manifest, or the chunk in a slot of a writer. */
export const MANIFEST = 'manifest';
export const chunkLabel = (writer: string, slot: number): string => `chunk/${writer}/${slot}`;

/** The state key to itself (NIP-44): nobody else has this conversation. */
const selfKey = (secret: Bytes): Bytes => conversationKey(secret, xOnlyOf(secret));

/**
 * The `d` tag of a piece: hex of 16 bytes of HMAC-SHA256 under the key that encrypts it. Whoever has not the seed learns
 * neither what it is nor that this program wrote it.
 */
export const tagOf = (label: string, secret: Bytes): string =>
  toHex(hmacSha256(selfKey(secret), utf8(`btcr2-wallet/state/${label}`)).subarray(0, 16));

export interface Piece {
  label: string;
  text: string;
  /** Unix seconds. */
  createdAt: number;
  random: (length: number) => Bytes;
}

/** An event before it has its author and is signed. */
export type Draft = Omit<UnsignedEvent, 'pubkey'>;

/** One piece of a wallet's state, encrypted to its own key by NIP-44, to be signed. Throws Nip44Error above 65,535 bytes. */
export function sealPiece({ label, text, createdAt, random }: Piece, secret: Bytes): Draft {
  const content = encrypt(text, selfKey(secret), random(32));
  return { kind: STATE_KIND, created_at: createdAt, tags: [['d', tagOf(label, secret)]], content };
}

/** The text of a piece; null unless it is an own one. The event must have been verified. */
export function openPiece(event: NostrEvent, secret: Bytes): string | null {
  if (event.kind !== STATE_KIND || event.pubkey !== xOnlyOf(secret)) return null;
  const opened = decrypt(event.content, selfKey(secret));
  return opened.ok ? opened.text : null;
}

/** What takes the place of a piece that is given up: nothing, for relays that do not delete. */
export const emptyPiece = (d: string, createdAt: number): Draft => ({
  kind: STATE_KIND,
  created_at: createdAt,
  tags: [['d', d]],
  content: '',
});

/** Asks relays to delete pieces of this author (x-only), by their `d` tags (NIP-09). It tells them no more than they had. */
export const deletion = (ds: readonly string[], createdAt: number, author: string): Draft => ({
  kind: DELETION_KIND,
  created_at: createdAt,
  tags: [...ds.map(d => ['a', `${STATE_KIND}:${author}:${d}`]), ['k', String(STATE_KIND)]],
  content: '',
});

/** The `d` tag of an event, or the empty string. */
export const dOf = (event: NostrEvent): string => tagValues(event, 'd')[0] ?? '';

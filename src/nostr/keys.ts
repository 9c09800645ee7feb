import * as nip19 from 'nostr-tools/nip19';
import * as nip49 from 'nostr-tools/nip49';
import { curve } from '#curve';
import { type Bytes, fromHex, isHex } from '../crypto/index.ts';

/** No NIP-19 text that names a key is longer, and a decoder should not be fed a file. */
const MAX_TEXT = 5_000;

/** What a person pasted: without spaces around it and without the scheme of NIP-21. */
const wordOf = (text: string): string => text.trim().replace(/^nostr:/i, '');

function decoded(word: string): nip19.DecodedResult | null {
  try {
    return word.length > MAX_TEXT ? null : nip19.decode(word);
  } catch {
    return null;
  }
}

/**
 * The x-only public key (64 lowercase hex digits) that a person typed as `npub`, `nprofile` (NIP-19, also behind
 * `nostr:`) or hex; null for anything else, such as a key off the curve. What was refused may be an `nsec` typed in the
 * wrong place: never repeat it in a message.
 */
export function parsePublicKey(text: string): string | null {
  const word = wordOf(text);
  const found = decoded(word);
  const key =
    found?.type === 'npub'
      ? found.data
      : found?.type === 'nprofile'
        ? found.data.pubkey
        : /^[0-9a-f]{64}$/i.test(word)
          ? word.toLowerCase()
          : null;
  return key !== null && curve.isXOnly(fromHex(key, 32)) ? key : null;
}

/** Whether a text looks like a secret key under a passphrase (NIP-49); nothing of it is checked. */
export const isNcryptsec = (text: string): boolean => wordOf(text).startsWith('ncryptsec1');

/**
 * The secret key (32 bytes) in an `ncryptsec` (NIP-49); null for a wrong passphrase, or a text that is none. Takes a third
 * of a second and 64 MiB, or what the text asks for. The caller wipes it.
 */
export function openNcryptsec(text: string, passphrase: string): Bytes | null {
  try {
    const secret = nip49.decrypt(wordOf(text), passphrase);
    return secret.length === 32 && curve.isSecretKey(secret) ? secret : null;
  } catch {
    return null;
  }
}

/**
 * The secret key (32 bytes) that a person typed, or a file holds, as `nsec` (NIP-19) or 64 lowercase hex digits; null for
 * anything else. The caller wipes it.
 */
export function parseSecretKey(text: string): Bytes | null {
  const word = wordOf(text);
  const found = word.startsWith('nsec1') ? decoded(word) : null;
  const secret = found?.type === 'nsec' ? found.data : isHex(word, 32) ? fromHex(word, 32) : null;
  return secret !== null && curve.isSecretKey(secret) ? secret : null;
}

import { z } from 'zod';
import { curve } from '#curve';
import type { Network } from '../../bitcoin/network.ts';
import { fromBase64url, fromHex, toBase64url, utf8 } from '../../crypto/index.ts';
import { network, xOnlyKey } from '../../messages/fields.ts';
import { parseJson } from '../../nostr/json.ts';
import { normalizeRelayUrl } from '../../nostr/url.ts';

export const COMPANION_LINK_SCHEME = 'nostr+btcr2-companion://';

/** What a companion shows its owner, once: whoever sees it first is the owner. */
export interface CompanionLink {
  /** x-only key of the companion's end of the channel. */
  companion: string;
  network: Network;
  /** Where both meet: normalised URLs. */
  relays: string[];
  /** 32-byte one-time secret key (hex), by which the owner signs that it is the owner. */
  secret: string;
}

/** A link is read up to so many characters. */
const MAX_LINK = 4_096;
const MAX_RELAYS = 10;

const payload = z.strictObject({
  v: z.literal(1),
  companion: xOnlyKey,
  network,
  relays: z.array(z.string()).min(1).max(MAX_RELAYS),
  secret: xOnlyKey,
});

/** The `nostr+btcr2-companion://` string of a companion: base64url of `{"v":1,"companion","network","relays","secret"}`. */
export const encodeCompanionLink = (link: CompanionLink): string =>
  COMPANION_LINK_SCHEME + toBase64url(utf8(JSON.stringify({ v: 1, ...link })));

/** Reads a pairing string from anybody. Never throws, and quotes nothing of it: it holds a secret. */
export function decodeCompanionLink(text: string): { ok: true; link: CompanionLink } | { ok: false; reason: string } {
  const no = (reason: string) => ({ ok: false as const, reason });
  const whole = text.trim();
  if (!whole.startsWith(COMPANION_LINK_SCHEME)) return no(`a pairing string begins with ${COMPANION_LINK_SCHEME}`);
  if (whole.length > MAX_LINK) return no('the pairing string is too long');
  try {
    const bytes = fromBase64url(whole.slice(COMPANION_LINK_SCHEME.length));
    const json = parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes), { chars: MAX_LINK, depth: 3 });
    const { v: _, relays, ...rest } = payload.parse(json);
    if (!curve.isSecretKey(fromHex(rest.secret, 32))) return no('the pairing string is damaged');
    return { ok: true, link: { ...rest, relays: [...new Set(relays.map(normalizeRelayUrl))] } };
  } catch {
    return no('the pairing string is damaged');
  }
}

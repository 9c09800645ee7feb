import { isRecord, parseJson } from './json.ts';

/** The limits that a relay states about itself (NIP-11); null where it states none. */
export interface RelayLimits {
  /** Bytes of one whole message to the relay. */
  readonly maxMessageBytes: number | null;
  readonly maxSubscriptions: number | null;
  /** Events that one filter returns. */
  readonly maxLimit: number | null;
  readonly maxSubIdChars: number | null;
  /** Bits of proof of work (NIP-13). */
  readonly minPow: number | null;
}

export const NO_LIMITS: RelayLimits = {
  maxMessageBytes: null,
  maxSubscriptions: null,
  maxLimit: null,
  maxSubIdChars: null,
  minPow: null,
};

const MAX_BYTES = 65_536;
const TIMEOUT_MS = 10_000;

const count = (value: unknown): number | null =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : null;

/** Reads the `limitation` of a NIP-11 document; whatever is missing or absurd is null. */
export function readRelayLimits(document: unknown): RelayLimits {
  const limitation = isRecord(document) ? document.limitation : undefined;
  if (!isRecord(limitation)) return NO_LIMITS;
  return {
    maxMessageBytes: count(limitation.max_message_length),
    maxSubscriptions: count(limitation.max_subscriptions),
    maxLimit: count(limitation.max_limit),
    maxSubIdChars: count(limitation.max_subid_length),
    minPow: count(limitation.min_pow_difficulty),
  };
}

async function readBounded(body: AsyncIterable<Uint8Array>): Promise<string | null> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const piece of body) {
    text += decoder.decode(piece, { stream: true });
    if (text.length > MAX_BYTES) return null;
  }
  return text;
}

/**
 * Asks a relay for its NIP-11 document over http(s) on the same address, and reads its limits. Null on any failure:
 * the document is optional. At most 64 KiB, 10 seconds, no redirects.
 */
export async function fetchRelayLimits(relayUrl: string, signal: AbortSignal): Promise<RelayLimits | null> {
  try {
    const response = await fetch(relayUrl.replace(/^ws/, 'http'), {
      headers: { accept: 'application/nostr+json' },
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      return null;
    }
    const text = await readBounded(response.body);
    const document = text === null ? undefined : parseJson(text, { chars: MAX_BYTES, depth: 16 });
    return document === undefined ? null : readRelayLimits(document);
  } catch {
    return null;
  }
}

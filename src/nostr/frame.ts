import { isHex } from '../crypto/index.ts';
import { LIMITS } from './event.ts';
import { isRecord, parseJson } from './json.ts';

/** A message from a relay (NIP-01, NIP-42). `event` is foreign data, still to be verified. */
export type RelayFrame =
  | { readonly type: 'EVENT'; readonly sub: string; readonly event: unknown }
  | { readonly type: 'EOSE'; readonly sub: string }
  | { readonly type: 'CLOSED'; readonly sub: string; readonly message: string }
  | { readonly type: 'OK'; readonly id: string; readonly ok: boolean; readonly message: string }
  | { readonly type: 'NOTICE'; readonly message: string }
  | { readonly type: 'AUTH'; readonly challenge: string };

const isText = (value: unknown): value is string => typeof value === 'string';

/** Reads a relay's frame: null if it is too long, nests too deep, is no JSON, or no message that is known. */
export function parseRelayFrame(text: string): RelayFrame | null {
  const value = parseJson(text, { chars: LIMITS.frameBytes, depth: LIMITS.frameDepth });
  if (!Array.isArray(value)) return null;
  const [type, a, b, c]: unknown[] = value;
  if (!isText(a)) return null;
  switch (type) {
    case 'EVENT':
      return isRecord(b) ? { type, sub: a, event: b } : null;
    case 'EOSE':
      return { type, sub: a };
    case 'CLOSED':
      return { type, sub: a, message: isText(b) ? b : '' };
    case 'OK':
      return isHex(a, 32) && typeof b === 'boolean' ? { type, id: a, ok: b, message: isText(c) ? c : '' } : null;
    case 'NOTICE':
      return { type, message: a };
    case 'AUTH':
      return a.length <= 1_024 ? { type, challenge: a } : null;
    default:
      return null;
  }
}

import { base64url } from './base64.ts';

export type Bytes = Uint8Array;

const LOWER_HEX = /^(?:[0-9a-f]{2})*$/;
const encoder = new TextEncoder();

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Lowercase hex. */
export function toHex(bytes: Bytes): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) text += HEX[bytes[i]!];
  return text;
}

/** The value of a lowercase hex digit, by its character code. */
const digit = (code: number): number => (code < 58 ? code - 48 : code - 87);

/** True for lowercase hex of exactly `length` bytes (any length if left out). */
export const isHex = (text: unknown, length?: number): text is string =>
  typeof text === 'string' && (length === undefined || text.length === length * 2) && LOWER_HEX.test(text);

/** Bytes of lowercase hex. Throws on upper case, odd length, or any other length than `length` bytes. */
export function fromHex(text: string, length?: number): Bytes {
  if (!isHex(text, length))
    throw new TypeError(`expected ${length === undefined ? '' : `${length} bytes of `}lowercase hex`);
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = (digit(text.charCodeAt(i * 2)) << 4) | digit(text.charCodeAt(i * 2 + 1));
  return bytes;
}

/** base64url without padding, as did:btcr2 writes hashes. */
export const toBase64url = (bytes: Bytes): string => base64url.encode(bytes);

/** Bytes of unpadded, canonical base64url. Throws on anything else, or on another length than `length` bytes. */
export function fromBase64url(text: string, length?: number): Bytes {
  const bytes = base64url.decode(text);
  if (length !== undefined && bytes.length !== length)
    throw new TypeError(`expected ${length === undefined ? '' : `${length} bytes of `}unpadded base64url`);
  return bytes;
}

export const utf8 = (text: string): Bytes => encoder.encode(text);

export function concatBytes(...parts: Bytes[]): Bytes {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** Equality of public bytes; not constant time. */
export const equalBytes = (a: Bytes, b: Bytes): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);

/** Lexicographic order, as BIP-327 KeySort has it. */
export function compareBytes(a: Bytes, b: Bytes): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

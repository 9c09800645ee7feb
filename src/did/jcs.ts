import { type Bytes, sha256, toBase64url, utf8 } from '../crypto/index.ts';

/** Deeper than any document, update or message; a bound keeps hostile nesting from exhausting the stack. */
export const MAX_JSON_DEPTH = 64;

const LONE_SURROGATE = /[\uD800-\uDFFF]/u;

/**
 * Canonical JSON text of a value (RFC 8785).
 * Throws a TypeError, naming the place, for whatever JSON cannot say without loss: undefined, functions, symbols,
 * bigints, NaN, infinities, objects with a prototype of their own (Date, Map, class instances), sparse arrays, lone
 * surrogates, and nesting deeper than {@link MAX_JSON_DEPTH} (so also cycles). A key `__proto__` is refused too: code
 * that copies objects drops it silently, and then what was hashed is not what is applied.
 */
export const jcs = (value: unknown): string => write(value, '$', 0);

/** JSON Document Hash of did:btcr2: sha256 over the UTF-8 of the canonical JSON, 32 bytes. Refuses what {@link jcs} refuses. */
export const jsonHash = (value: unknown): Bytes => sha256(utf8(jcs(value)));

/** The JSON Document Hash as did:btcr2 writes it in JSON: base64url without padding, 43 characters. */
export const jsonHash64 = (value: unknown): string => toBase64url(jsonHash(value));

/** A copy that shares nothing with the value, members in their order. Refuses what {@link jcs} refuses. */
export function copyJson(value: unknown): unknown {
  jcs(value);
  return JSON.parse(JSON.stringify(value));
}

function write(value: unknown, place: string, depth: number): string {
  if (depth > MAX_JSON_DEPTH) throw new TypeError(`no canonical JSON: nested deeper than ${MAX_JSON_DEPTH}`);
  if (value === null) return 'null';
  switch (typeof value) {
    case 'boolean':
      return value ? 'true' : 'false';
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`no canonical JSON: ${value} at ${place}`);
      return JSON.stringify(value);
    case 'string':
      return writeString(value, place);
    case 'object':
      return Array.isArray(value) ? writeArray(value, place, depth) : writeObject(value, place, depth);
    default:
      throw new TypeError(`no canonical JSON: ${typeof value} at ${place}`);
  }
}

function writeString(text: string, place: string): string {
  if (LONE_SURROGATE.test(text)) throw new TypeError(`no canonical JSON: lone surrogate at ${place}`);
  return JSON.stringify(text);
}

function writeArray(items: readonly unknown[], place: string, depth: number): string {
  // By index, not by map: map would skip the holes of a sparse array.
  const parts: string[] = [];
  for (let i = 0; i < items.length; i++) parts.push(write(items[i], `${place}[${i}]`, depth + 1));
  return `[${parts.join(',')}]`;
}

function writeObject(object: object, place: string, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype !== Object.prototype && prototype !== null)
    throw new TypeError(`no canonical JSON: not a plain object at ${place}`);
  // The default sort compares UTF-16 code units, which is the order that RFC 8785 asks for.
  const parts = Object.entries(object)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([key, item]) => {
      if (key === '__proto__') throw new TypeError(`no canonical JSON: key __proto__ at ${place}`);
      return `${writeString(key, place)}:${write(item, `${place}.${key}`, depth + 1)}`;
    });
  return `{${parts.join(',')}}`;
}

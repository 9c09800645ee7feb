import type { Bytes } from './bytes.ts';

const STANDARD = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const URL_SAFE = `${STANDARD.slice(0, 62)}-_`;
const PAD = 61;
const BAD = 255;

const ascii = new TextDecoder();

interface Codec {
  encode(bytes: Bytes): string;
  /** Throws a TypeError on anything that `encode` does not write: other letters, lengths, padding, stray low bits. */
  decode(text: string): Bytes;
}

/** Written out, since every message passes here several times and a general codec takes fifty times as long. */
function codec(letters: string, isPadded: boolean): Codec {
  const codes = Uint8Array.from(letters, letter => letter.charCodeAt(0));
  const values = new Uint8Array(256).fill(BAD);
  codes.forEach((code, value) => {
    values[code] = value;
  });

  function encode(bytes: Bytes): string {
    const { length } = bytes;
    const rest = length % 3;
    const plain = Math.floor(length / 3) * 4 + (rest === 0 ? 0 : rest + 1);
    const out = new Uint8Array(isPadded ? Math.ceil(length / 3) * 4 : plain).fill(PAD);
    let o = 0;
    let i = 0;
    for (; i + 2 < length; i += 3) {
      const word = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!;
      out[o++] = codes[word >>> 18]!;
      out[o++] = codes[(word >>> 12) & 63]!;
      out[o++] = codes[(word >>> 6) & 63]!;
      out[o++] = codes[word & 63]!;
    }
    if (rest > 0) {
      const word = (bytes[i]! << 16) | (rest === 2 ? bytes[i + 1]! << 8 : 0);
      out[o++] = codes[word >>> 18]!;
      out[o++] = codes[(word >>> 12) & 63]!;
      if (rest === 2) out[o++] = codes[(word >>> 6) & 63]!;
    }
    return ascii.decode(out);
  }

  function decode(text: string): Bytes {
    const refuse = (): never => {
      throw new TypeError(`not ${isPadded ? 'padded base64' : 'unpadded base64url'}`);
    };
    let length = text.length;
    if (isPadded) {
      if (length % 4 !== 0) refuse();
      for (let pads = 0; pads < 2 && length > 0 && text.charCodeAt(length - 1) === PAD; pads++) length--;
    }
    const rest = length % 4;
    if (rest === 1) refuse();
    const out = new Uint8Array(Math.floor((length * 3) / 4));
    const value = (at: number): number => {
      const code = text.charCodeAt(at);
      return code < 256 ? values[code]! : BAD;
    };
    let bad = 0;
    let o = 0;
    let i = 0;
    for (; i + 3 < length; i += 4) {
      const [a, b, c, d] = [value(i), value(i + 1), value(i + 2), value(i + 3)];
      bad |= a | b | c | d;
      out[o++] = (a << 2) | (b >>> 4);
      out[o++] = (b << 4) | (c >>> 2);
      out[o++] = (c << 6) | d;
    }
    if (rest > 0) {
      const [a, b, c] = [value(i), value(i + 1), rest === 3 ? value(i + 2) : 0];
      bad |= a | b | c | ((rest === 3 ? c & 3 : b & 15) === 0 ? 0 : BAD);
      out[o++] = (a << 2) | (b >>> 4);
      if (rest === 3) out[o++] = (b << 4) | (c >>> 2);
    }
    return bad > 63 ? refuse() : out;
  }
  return { encode, decode };
}

/** base64 with padding (RFC 4648, section 4), in its one canonical form. */
export const base64: Codec = codec(STANDARD, true);
/** base64url without padding (RFC 4648, section 5), in its one canonical form. */
export const base64url: Codec = codec(URL_SAFE, false);

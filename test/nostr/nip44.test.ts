import { readFileSync } from 'node:fs';
import * as library from 'nostr-tools/nip44';
import { describe, expect, test } from 'vitest';
import { fromHex, sha256, toHex, utf8 } from '../../src/crypto/index.ts';
import {
  conversationKey,
  decrypt,
  deriveConversationKey,
  encrypt,
  Nip44Error,
  paddedLength,
} from '../../src/nostr/nip44.ts';

interface Vectors {
  conversation_keys: { sec1: string; pub2: string; conversation_key: string }[];
  bad_conversation_keys: { sec1: string; pub2: string; note: string }[];
  padding: [number, number][];
  messages: {
    sec1: string;
    sec2: string;
    conversation_key: string;
    nonce: string;
    plaintext: string;
    payload: string;
  }[];
  long_messages: {
    conversation_key: string;
    nonce: string;
    pattern: string;
    repeat: number;
    plaintext_sha256: string;
    payload_sha256: string;
  }[];
  bad_lengths: number[];
  bad_payloads: { conversation_key: string; payload: string; note: string }[];
}
const vectors: Vectors = JSON.parse(readFileSync(new URL('../vectors/nip44/nip44.json', import.meta.url), 'utf8'));
const hashOf = (text: string): string => toHex(sha256(utf8(text)));
const key = new Uint8Array(32).fill(7);
const nonce = new Uint8Array(32).fill(9);

describe('NIP-44 vectors', () => {
  test.each(vectors.conversation_keys)('conversation key of $sec1', ({ sec1, pub2, conversation_key }) => {
    expect(toHex(conversationKey(fromHex(sec1), pub2))).toBe(conversation_key);
    expect(toHex(conversationKey(fromHex(sec1), pub2))).toBe(conversation_key);
  });
  test.each(vectors.bad_conversation_keys)('no conversation key: $note', ({ sec1, pub2 }) => {
    expect(() => deriveConversationKey(fromHex(sec1), pub2)).toThrow(Nip44Error);
  });
  test('padding', () => {
    for (const [length, padded] of vectors.padding) expect(paddedLength(length)).toBe(padded);
  });
  test.each(vectors.messages)('message $payload', vector => {
    const shared = fromHex(vector.conversation_key);
    expect(encrypt(vector.plaintext, shared, fromHex(vector.nonce))).toBe(vector.payload);
    expect(decrypt(vector.payload, shared)).toEqual({ ok: true, text: vector.plaintext });
  });
  test.each(vectors.long_messages)('$repeat times $pattern', vector => {
    const text = vector.pattern.repeat(vector.repeat);
    const shared = fromHex(vector.conversation_key);
    const payload = encrypt(text, shared, fromHex(vector.nonce));
    expect(hashOf(text)).toBe(vector.plaintext_sha256);
    expect(hashOf(payload)).toBe(vector.payload_sha256);
    expect(decrypt(payload, shared)).toEqual({ ok: true, text });
  });
  test.each(vectors.bad_lengths)('refuses a plaintext of %i bytes', length => {
    expect(() => encrypt('a'.repeat(length), key, nonce)).toThrow(Nip44Error);
  });
  // fault 11
  test.each(vectors.bad_payloads)('does not decrypt: $note', ({ conversation_key, payload, note }) => {
    const result = decrypt(payload, fromHex(conversation_key));
    const reason = ['version', 'MAC', 'padding'].find(word => note.includes(word))?.toLowerCase() ?? 'malformed';
    expect(result).toEqual({ ok: false, reason });
  });
});

describe('beside the library that others use', () => {
  test.each([1, 31, 32, 33, 255, 256, 257, 1_000, 40_000, 65_535])('a text of %i bytes is written alike', length => {
    const text = 'a'.repeat(length);
    expect(encrypt(text, key, nonce)).toBe(library.encrypt(text, key, nonce));
    expect(decrypt(library.encrypt(text, key, nonce), key)).toEqual({ ok: true, text });
    expect(paddedLength(length)).toBe(library.v2.utils.calcPaddedLen(length));
  });
  test('whatever is changed in a payload is found', () => {
    const payload = encrypt('text', key, nonce);
    for (let i = 0; i < payload.length; i += 7) {
      const other = payload[i] === 'A' ? 'B' : 'A';
      expect(decrypt(payload.slice(0, i) + other + payload.slice(i + 1), key).ok).toBe(false);
    }
    for (const length of [0, 1, 4, 128, 131]) expect(decrypt(payload.slice(0, length), key).ok).toBe(false);
  });
});

describe('what the library lets through', () => {
  test('counts bytes, not characters', () => {
    expect(() => encrypt('🦄'.repeat(16_384), key, nonce)).toThrow(Nip44Error);
  });
  test('refuses the newer form for long texts, which the library reads and writes', () => {
    const long = library.encrypt('a'.repeat(65_536), key, nonce);
    expect(library.decrypt(long, key)).toHaveLength(65_536);
    expect(decrypt(long, key)).toEqual({ ok: false, reason: 'malformed' });
  });
  test('refuses a lone surrogate, which would come out as another text', () => {
    expect(() => encrypt('a\ud800', key, nonce)).toThrow(Nip44Error);
  });
  test('a secret key array that is used again for another key gives the other key', () => {
    const [a, b] = vectors.conversation_keys;
    const secret = fromHex(a!.sec1);
    const before = toHex(conversationKey(secret, b!.pub2));
    secret.set(fromHex(b!.sec1));
    expect(toHex(conversationKey(secret, b!.pub2))).toBe(b!.conversation_key);
    expect(before).not.toBe(b!.conversation_key);
  });
  test('whoever spoils the key that was handed out does not spoil the next one', () => {
    const { sec1, pub2, conversation_key } = vectors.conversation_keys[0]!;
    conversationKey(fromHex(sec1), pub2).fill(0);
    expect(toHex(conversationKey(fromHex(sec1), pub2))).toBe(conversation_key);
  });
});

import { describe, expect, test } from 'vitest';
import { toHex } from '../../../src/crypto/index.ts';
import { signEvent, verifyEvent, xOnlyOf } from '../../../src/nostr/event.ts';
import {
  chunkLabel,
  type Draft,
  deletion,
  MANIFEST,
  openPiece,
  sealPiece,
  tagOf,
} from '../../../src/wallet/saved/seal.ts';
import { deriveSecret, rootOfMnemonic } from '../../../src/wallet/seed.ts';
import { draw } from '../../cohort/members.ts';

const words = 'legal winner thank year wave sausage worth useful legal winner thank yellow';
const secret = deriveSecret(rootOfMnemonic(words, 'regtest'), 'state', 0);
const other = draw('another key');
const random = (length: number): Uint8Array => draw('random').subarray(0, length);
const signed = (draft: Draft, key = secret) => signEvent(draft, key, random(32));
const piece = (label: string, text = 'text') => ({ label, text, createdAt: 1_900_000_000, random });

describe('a piece of a state', () => {
  test('is application data of a key of the seed that serves for nothing else, and says nothing but its size', () => {
    expect(xOnlyOf(secret)).toMatchInlineSnapshot(`"55f8cbff94d3ed431129b5807d49fa96932f972082b3e26609a3fdaf0d18eeba"`);
    const kinds = (['did', 'transport', 'nonces'] as const).map(kind =>
      toHex(deriveSecret(rootOfMnemonic(words, 'regtest'), kind, 0)),
    );
    expect(kinds).not.toContain(toHex(secret));
    const event = signed(sealPiece(piece(MANIFEST), secret));
    expect(verifyEvent(event)).toEqual(event);
    expect([event.kind, event.pubkey]).toEqual([30_078, xOnlyOf(secret)]);
    expect(event.tags).toEqual([['d', expect.stringMatching(/^[0-9a-f]{32}$/)]]);
    expect(tagOf(MANIFEST, secret)).toMatchInlineSnapshot(`"b105eeb53b2ab6591d0d8ef814de9b65"`);
  });

  test('opens for its own key and for no other; nothing on it can be exchanged', () => {
    const event = signed(sealPiece(piece(MANIFEST), secret));
    expect(openPiece(event, secret)).toBe('text');
    expect(openPiece(event, other)).toBeNull();
    expect(openPiece({ ...event, kind: 1 }, secret)).toBeNull();
    expect(openPiece(signed(sealPiece(piece(MANIFEST), other), other), secret)).toBeNull();
    const moved = { ...event, tags: [['d', tagOf(chunkLabel('aa', 0), secret)]] };
    expect(verifyEvent(moved)).toBeNull();
    expect(verifyEvent({ ...event, created_at: event.created_at + 1 })).toBeNull();
  });

  test('has a name that differs by slot, writer and seed', () => {
    const labels = [MANIFEST, ...['aa', 'bb'].flatMap(writer => [-2, -1, 0, 1].map(slot => chunkLabel(writer, slot)))];
    const names = [secret, other].flatMap(key => labels.map(label => tagOf(label, key)));
    expect(new Set(names).size).toBe(18);
  });
});

test('a deletion names the places alone', () => {
  const event = signed(deletion(['00'.repeat(16)], 1_900_000_000, xOnlyOf(secret)));
  expect(verifyEvent(event)).toEqual(event);
  expect(event).toMatchObject({ kind: 5, content: '' });
  expect(event.tags).toEqual([
    ['a', `30078:${xOnlyOf(secret)}:${'00'.repeat(16)}`],
    ['k', '30078'],
  ]);
});

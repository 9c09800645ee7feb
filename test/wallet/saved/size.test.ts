import { expect, test } from 'vitest';
import { toBase64url } from '../../../src/crypto/index.ts';
import { paddedLength } from '../../../src/nostr/nip44.ts';
import { PLAINTEXT_LIMIT } from '../../../src/nostr/wrap.ts';
import { manifestText } from '../../../src/wallet/saved/manifest.ts';
import { type Chunk, pack } from '../../../src/wallet/saved/pack.ts';
import type { SavedItem } from '../../../src/wallet/saved/record.ts';
import { draw, drawHex } from '../../cohort/members.ts';

const [SIGNALS, DIDS, UPDATED_EVERY] = [100, 10, 10];
/** Of a tree with a thousand leaves. */
const SIBLINGS = 10;

const hash = (label: string): string => toBase64url(draw(label));
const did = (i: number): string => `did:btcr2:x1q${drawHex(`did ${i}`).slice(0, 58)}`;

function proof(signal: number, i: number): SavedItem {
  const name = `${signal} ${i}`;
  const hashes = Array.from({ length: SIBLINGS }, (_, n) => hash(`${name} sibling ${n}`));
  const leaf = { nonce: hash(`${name} nonce`), updateId: hash(`${name} update`) };
  const smt = { id: hash(`signal ${signal}`), ...leaf, collapsed: hash(`${name} collapsed`), hashes };
  return {
    t: 'proof',
    at: 'bcrt1p'.padEnd(64, 'q'),
    signal_bytes: drawHex(`signal ${signal}`),
    did: did(i),
    proof: smt,
  };
}

/** Bytes of an event: NIP-44 pads, base64 takes four for three, and around it stand id, keys, signature and tag. */
const eventBytes = (text: number): number => 4 * Math.ceil((67 + paddedLength(text)) / 3) + 330;

// docs/WALLET.md says these figures.
test('a hundred signals of ten DIDs cost 1.4 MB on each relay, and 4.3 MB on the way', () => {
  const items: SavedItem[] = Array.from({ length: DIDS }, (_, i) => ({
    t: 'did',
    did: did(i),
    name: null,
    public_key: `02${drawHex(`key ${i}`)}`,
    genesis: { text: 'x'.repeat(1_000) },
  }));
  let pieces: { chunks: Chunk[]; next: number } = { chunks: [], next: 0 };
  let sent = 0;
  let list = 0;
  for (let signal = 0; signal < SIGNALS; signal++) {
    for (let i = 0; i < DIDS; i++) items.push(proof(signal, i));
    if (signal % UPDATED_EVERY === 0)
      items.push({ t: 'update', did: did(0), update: { id: signal, text: 'x'.repeat(1_500) } });
    const packed = pack(items, pieces, PLAINTEXT_LIMIT);
    const known = new Set(pieces.chunks.map(({ sha256 }) => sha256));
    for (const { sha256, bytes } of packed.chunks) if (!known.has(sha256)) sent += eventBytes(bytes);
    const head = {
      writer: drawHex('w').slice(32),
      counter: signal + 1,
      network: 'regtest' as const,
      made_at: 0,
      follows: null,
    };
    list = eventBytes(manifestText({ ...head, chunks: packed.chunks }).length);
    sent += list;
    pieces = packed;
  }
  const stored = pieces.chunks.reduce((sum, { bytes }) => sum + eventBytes(bytes), list);
  expect(pieces.chunks).toHaveLength(25);
  expect([stored, sent].map(bytes => Math.round(bytes / 100_000))).toEqual([14, 43]);
  // Written anew after each signal it would be the sum of all its lengths.
  expect(sent * 10).toBeLessThan((stored * SIGNALS) / 2);
  expect(list).toBeLessThan(3_000);
});

import * as nip19 from 'nostr-tools/nip19';
import { describe, expect, test } from 'vitest';
import { curve } from '#curve';
import { fromHex, toHex } from '../../src/crypto/index.ts';
import { isNcryptsec, openNcryptsec, parsePublicKey, parseSecretKey } from '../../src/nostr/keys.ts';
import nip49 from '../vectors/nip49/nip49.json' with { type: 'json' };

/** The examples of NIP-19. */
const NPUB = 'npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg';
const NPUB_HEX = '7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e';
const NSEC = 'nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5';
const NSEC_HEX = '67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa';
const NPROFILE =
  'nprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69uhhytnc9e3k7mgpz4mhxue69uhkg6nzv9ejuumpv34kytnrdaksjlyr9p';
const NPROFILE_HEX = '3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d';

describe('a public key that a person types', () => {
  test('is an npub, an nprofile or hex, with or without what pasting adds', () => {
    expect(parsePublicKey(NPUB)).toBe(NPUB_HEX);
    expect(parsePublicKey(` nostr:${NPUB}\n`)).toBe(NPUB_HEX);
    expect(parsePublicKey(NPROFILE)).toBe(NPROFILE_HEX);
    expect(parsePublicKey(NPUB_HEX.toUpperCase())).toBe(NPUB_HEX);
  });

  test('is no secret key, no event, no other length, no damaged text and no x off the curve', () => {
    const note = nip19.noteEncode(NPUB_HEX);
    const bad = [NSEC, note, `${NPUB_HEX}00`, `02${NPUB_HEX}`, `${NPUB.slice(0, -1)}q`, 'f'.repeat(64), '', 'npub1'];
    for (const text of [...bad, `npub1${'q'.repeat(100_000)}`])
      expect(parsePublicKey(text), text.slice(0, 80)).toBeNull();
  });
});

describe('a secret key that a person types', () => {
  test('is an nsec or hex', () => {
    for (const text of [NSEC, `${NSEC}\n`, NSEC_HEX]) expect(toHex(parseSecretKey(text)!)).toBe(NSEC_HEX);
    expect(toHex(curve.publicKey(fromHex(NSEC_HEX, 32)))).toBe(`02${NPUB_HEX}`);
  });

  test('is no public key, not zero and not at or above the order of the curve', () => {
    const zero = nip19.nsecEncode(new Uint8Array(32));
    for (const text of [NPUB, NPROFILE, '0'.repeat(64), 'f'.repeat(64), zero, NSEC_HEX.slice(2), ''])
      expect(parseSecretKey(text), text).toBeNull();
  });
});

test('a locked key opens with its passphrase alone, and is no plain one (NIP-49)', () => {
  const { ncryptsec, password, secret } = nip49;
  expect([isNcryptsec(ncryptsec), isNcryptsec(NSEC), parseSecretKey(ncryptsec)]).toEqual([true, false, null]);
  expect(toHex(openNcryptsec(` ${ncryptsec}\n`, password)!)).toBe(secret);
  expect(openNcryptsec(ncryptsec, 'Nostr')).toBeNull();
  expect(openNcryptsec(NSEC, password)).toBeNull();
});

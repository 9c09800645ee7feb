import { expect, test } from 'vitest';
import { toBase64url, toHex, utf8 } from '../../../src/crypto/index.ts';
import { COMPANION_LINK_SCHEME, decodeCompanionLink, encodeCompanionLink } from '../../../src/wallet/companion/link.ts';
import { draw, xOnly } from '../../cohort/members.ts';

const link = {
  companion: xOnly(draw('companion')),
  network: 'signet' as const,
  relays: ['wss://relay.example'],
  secret: toHex(draw('once')),
};
const made = (changes: object): string =>
  COMPANION_LINK_SCHEME + toBase64url(utf8(JSON.stringify({ v: 1, ...link, ...changes })));

test('a pairing string comes back as it was made, also out of a line of text', () => {
  expect(decodeCompanionLink(`  ${encodeCompanionLink(link)}\n`)).toEqual({ ok: true, link });
  expect(encodeCompanionLink(link).length).toBeLessThan(500);
});

test.each([
  ['another scheme', encodeCompanionLink(link).replace('-companion', '')],
  ['cut', encodeCompanionLink(link).slice(0, -4)],
  ['empty', COMPANION_LINK_SCHEME],
  ['another version', made({ v: 2 })],
  ['one field more', made({ more: 1 })],
  ['no relay', made({ relays: [] })],
  ['no relay at all', made({ relays: ['https://relay.example'] })],
  ['a secret that is none', made({ secret: '00'.repeat(32) })],
  ['too long', `${COMPANION_LINK_SCHEME}${'A'.repeat(5_000)}`],
])('%s is refused, and not quoted', (_, text) => {
  const read = decodeCompanionLink(text);
  expect(read.ok).toBe(false);
  if (!read.ok) expect(read.reason).not.toContain(link.secret);
});

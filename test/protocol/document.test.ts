import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ABORT_REASONS, BODIES, REJECTION_CODES } from '../../src/messages/index.ts';
import { ADVERT_KIND } from '../../src/nostr/advert.ts';
import { ADVERT_LINK_SCHEME } from '../../src/nostr/advert-link.ts';
import { MAIL_KINDS } from '../../src/nostr/index.ts';
import type { VetoCode } from '../../src/wallet/core.ts';
import { withExamples } from './examples.ts';

const path = new URL('../../docs/PROTOCOL.md', import.meta.url);
const vectors = new URL('../vectors/protocol/', import.meta.url);
const files = Object.fromEntries(
  readdirSync(vectors)
    .filter(name => name.endsWith('.json'))
    .map(name => [name, JSON.parse(readFileSync(new URL(name, vectors), 'utf8')) as Record<string, unknown>]),
);
if (process.env.BTCR2_WRITE_VECTORS) writeFileSync(path, withExamples(readFileSync(path, 'utf8'), files));
const document = readFileSync(path, 'utf8');

/** The compiler keeps this whole: every code of the wallet, and no other. */
const VETO_CODES = Object.keys({
  wrong_address: true,
  wrong_session_id: true,
  wrong_steps: true,
  psbt_invalid: true,
  destination_not_agreed: true,
  nothing_to_cancel: true,
  wrong_output_script: true,
  fee_over_cap: true,
  transaction_not_ours: true,
  open_session: true,
  no_chain_view: true,
  outpoint_unknown: true,
  outpoint_value: true,
  outpoint_shallow: true,
  too_soon: true,
  evidence_missing: true,
  evidence_invalid: true,
  wrong_announcement: true,
  version_locked: true,
  policy_forbids: true,
  key_deleted: true,
  unknown_session: true,
  no_fallback: true,
} satisfies Record<VetoCode, true>);

function codesOf(name: string): string[] {
  const section = document.split(`<!-- codes: ${name} -->`)[1]?.split('<!-- end -->')[0] ?? '';
  return [...section.matchAll(/^\| `(\w+)` \|/gm)].map(match => match[1]!);
}

describe('docs/PROTOCOL.md', () => {
  test('every example is what the vectors say (BTCR2_WRITE_VECTORS=1 writes them)', () => {
    expect(document.match(/<!-- example: /g)?.length).toBeGreaterThan(Object.keys(BODIES).length);
    expect(document).toBe(withExamples(document, files));
  });

  test('every message has a chapter and an example of its own', () => {
    const chapters = [...document.matchAll(/^#### `(\w+)`\n([\s\S]*?)(?=^#)/gm)];
    expect(chapters.map(([, type]) => type).sort()).toEqual(Object.keys(BODIES).sort());
    for (const [, type, text] of chapters) expect(text, type).toMatch(/<!-- example: \S+ \w+/);
  });

  test.each([
    ['rejection', [...REJECTION_CODES]],
    ['veto', VETO_CODES],
    ['abort', [...ABORT_REASONS]],
  ])('the closed set of codes: %s', (name, codes) => {
    expect(codesOf(name).sort()).toEqual([...codes].sort());
  });

  test('kinds and the link’s scheme', () => {
    for (const kind of [ADVERT_KIND, ...MAIL_KINDS]) expect(document).toContain(`| ${kind} |`);
    expect(document).toContain(`\`${ADVERT_LINK_SCHEME}\``);
  });
});

import { describe, expect, test } from 'vitest';
import { curve } from '#curve';
import { sha256, toHex, utf8 } from '../../src/crypto/index.ts';
import { createProof, encodeDid, jcs } from '../../src/did/index.ts';
import { readTerms, type Terms } from '../../src/messages/index.ts';
import { type AdvertParts, didOfIdentity, readAdvert, signAdvert } from '../../src/nostr/advert.ts';
import { advertDocument, verifyAdvertDocument } from '../../src/nostr/advert-document.ts';
import { decodeAdvertLink, encodeAdvertLink, readAdvertSource } from '../../src/nostr/advert-link.ts';
import { type NostrEvent, signEvent, xOnlyOf } from '../../src/nostr/event.ts';
import { nprofile } from '../../src/shell/adverts.ts';
import { terms as chosen } from '../e2e/harness.ts';
import { alice, bob, bobKey, carol, random } from './keys.ts';

const NOW = 1_700_000_000;
const RELAYS = ['wss://one.example', 'wss://two.example/path'];
const identity = xOnlyOf(alice);
const sign = (secret: Uint8Array) => (hash: Uint8Array) => curve.signSchnorr(hash, secret, random(32));

const terms: Terms = {
  v: 1,
  id: 'regtest-1',
  btc_network: 'regtest',
  ...chosen,
  transport_key: bobKey,
  return_address: nprofile(bobKey, RELAYS),
  aggregator_did: didOfIdentity(identity, 'regtest'),
};
const document = await advertDocument(terms, sign(alice));
const content = jcs(document);

function eventOf(text: string, over: Partial<AdvertParts> = {}, secret = alice): NostrEvent {
  const read = readTerms(text);
  if (!read.ok) throw new Error(read.text);
  const parts = {
    content: text,
    terms: read.terms,
    status: 'open',
    relays: RELAYS,
    createdAt: NOW,
    cohort: null,
  } as const;
  return signAdvert({ ...parts, expiresAt: NOW + 60, expiration: NOW + 120, ...over }, secret, random(32));
}
const event = eventOf(content);

describe('an advert as a document', () => {
  test('carries a proof by the first key of the DID, and verifies on its own', () => {
    expect(document).toEqual({
      ...terms,
      proof: {
        type: 'DataIntegrityProof',
        cryptosuite: 'bip340-jcs-2025',
        verificationMethod: `${terms.aggregator_did}#initialKey`,
        proofPurpose: 'assertionMethod',
        proofValue: expect.stringMatching(/^z/),
      },
    });
    const terms_hash = toHex(sha256(utf8(content)));
    expect(verifyAdvertDocument(document)).toEqual({ ok: true, terms: document, terms_hash, identity });
  });
  test('in any spelling of its JSON it is the same document, with the hash of the event', () => {
    const shuffled = JSON.parse(JSON.stringify(Object.fromEntries(Object.entries(document).reverse()), null, 4));
    const read = verifyAdvertDocument(shuffled);
    const advert = readAdvert(event);
    if (!read.ok || !advert.ok) throw new Error('does not verify');
    expect(read.terms_hash).toBe(advert.advert.terms_hash);
    expect(advert.advert.terms).toEqual(document);
  });
  const { proof } = document;
  const other = proof.proofValue.replace(/.$/, last => (last === '1' ? '2' : '1'));
  const named = (did: string) => ({ ...document, aggregator_did: did, proof: { ...proof, verificationMethod: `${did}#initialKey` } }); // biome-ignore format: one line
  test.each<[string, unknown]>([
    ['without proof', terms],
    ['with another fee cap', { ...document, fee_cap: document.fee_cap + 1 }],
    ['with another transport key', { ...document, transport_key: identity }],
    ['with another signature', { ...document, proof: { ...proof, proofValue: other } }],
    ['with another purpose', { ...document, proof: { ...proof, proofPurpose: 'authentication' } }],
    ['with another suite', { ...document, proof: { ...proof, cryptosuite: 'bip340-rdfc-2025' } }],
    ['with a date in the proof', { ...document, proof: { ...proof, created: '2026-01-01T00:00:00Z' } }],
    ['with two proofs', { ...document, proof: [proof, proof] }],
    ['with a method that the DID does not list', { ...document, proof: { ...proof, verificationMethod: `${terms.aggregator_did}#key-0` } }], // biome-ignore format: one line a case
    ['with the method of another DID', { ...document, proof: { ...proof, verificationMethod: `${didOfIdentity(bobKey, 'regtest')}#initialKey` } }], // biome-ignore format: one line a case
    ['in the name of another aggregator', named(didOfIdentity(bobKey, 'regtest'))],
    ['in the name of the same key on another network', named(didOfIdentity(identity, 'signet'))],
    ['in the name of an x DID', named(encodeDid({ version: 1, network: 'regtest', kind: 'external', genesisBytes: random(32) }))], // biome-ignore format: one line a case
    ['with a key __proto__', JSON.parse(`{"__proto__":1,${content.slice(1)}`)],
    ['with one more member', { ...document, more: 1 }],
    ['that is no object', content],
    ['that is nothing', null],
  ])('is refused %s', (_name, value) => {
    expect(verifyAdvertDocument(value)).toMatchObject({ ok: false, reason: expect.any(String) });
  });
  test('is refused where another key than the one of the DID signed it', async () => {
    const forged = await advertDocument(terms, sign(carol));
    expect(verifyAdvertDocument(forged)).toEqual({ ok: false, reason: 'the proof does not verify' });
  });
  test('a proof that was made for another purpose serves none', async () => {
    const config = { ...proof, proofPurpose: 'capabilityInvocation' } as Record<string, unknown>;
    delete config.proofValue;
    const made = await createProof({ ...terms }, config, sign(alice));
    expect(verifyAdvertDocument({ ...terms, proof: made }).ok).toBe(false);
    expect(verifyAdvertDocument({ ...terms, proof: { ...made, proofPurpose: 'assertionMethod' } }).ok).toBe(false);
  });
  test('cannot be certified twice', async () => {
    await expect(advertDocument(document, sign(alice))).rejects.toThrow(TypeError);
  });
});

describe('an advert event', () => {
  test('without a proof in its content is still an advert', () => {
    const read = readAdvert(eventOf(jcs(terms)));
    expect(read.ok && read.advert.terms.proof).toBeUndefined();
    expect(read.ok).toBe(true);
  });
  test('with a proof that does not verify is none', async () => {
    const forged = jcs(await advertDocument(terms, sign(bob)));
    expect(readAdvert(eventOf(forged))).toEqual({ ok: false, reason: 'the proof does not verify' });
  });
});

describe("an advert's link", () => {
  const link = encodeAdvertLink(event, RELAYS);
  const short = encodeAdvertLink(event, RELAYS, { maxChars: 0 });
  const pointer = {
    identity,
    advert_id: terms.id,
    relays: RELAYS,
    terms_hash: toHex(sha256(utf8(content))),
  };
  const payloadOf = (text: string) => JSON.parse(Buffer.from(text.slice(14), 'base64url').toString());
  const linkOf = (payload: unknown) => `nostr+btcr2://${Buffer.from(JSON.stringify(payload)).toString('base64url')}`;

  test('carries the event, which verifies', () => {
    expect(link).toMatch(/^nostr\+btcr2:\/\/[A-Za-z0-9_-]+$/);
    expect(decodeAdvertLink(`  ${link}\n`)).toEqual(readAdvert(event));
  });
  test('without the event says where to fetch which one, and fits a QR code', () => {
    expect(short.length).toBeLessThan(700);
    expect(decodeAdvertLink(short)).toEqual({ ok: true, pointer });
  });
  test('leaves the event out where the whole would be too long', () => {
    expect(encodeAdvertLink(event, RELAYS, { maxChars: link.length })).toBe(link);
    expect(encodeAdvertLink(event, RELAYS, { maxChars: link.length - 1 })).toBe(short);
  });
  test('names relays only, and few', () => {
    const many = Array.from({ length: 30 }, (_, i) => `wss://r${i}.example`);
    const read = decodeAdvertLink(
      encodeAdvertLink(event, ['https://x.example', 'file:///etc', ...many], { maxChars: 0 }),
    );
    expect(read).toMatchObject({ pointer: { relays: many.slice(0, 10) } });
  });
  test('is made of adverts only', () => {
    const note = signEvent({ kind: 1, created_at: NOW, tags: [['d', 'x']], content: '' }, alice, random(32));
    expect(() => encodeAdvertLink(note, [])).toThrow('not an advert');
  });
  const payload = payloadOf(link);
  test.each([
    ['nothing', ''],
    ['another scheme', link.replace('nostr+btcr2', 'https')],
    ['a link that was cut', link.slice(0, -7)],
    ['base64 with padding', `${short}==`],
    ['no JSON', 'nostr+btcr2://AAAA'],
    ['nesting', `nostr+btcr2://${Buffer.from('['.repeat(5_000)).toString('base64url')}`],
    ['ten megabytes', `nostr+btcr2://${'A'.repeat(10_000_000)}`],
    ['another version', linkOf({ ...payload, v: 2 })],
    ['one more member', linkOf({ ...payload, more: 1 })],
    ['no coordinates', linkOf({ ...payload, naddr: undefined })],
    ['a key for coordinates', linkOf({ ...payload, naddr: 'npub1xxxx' })],
    ['no hash', linkOf({ ...payload, terms: 'AAAA' })],
    ['an event with another signature', linkOf({ ...payload, event: { ...event, sig: event.sig.replace(/^./, d => (d === '0' ? '1' : '0')) } })], // biome-ignore format: one line a case
    ['the event of another advert', linkOf({ ...payload, event: eventOf(jcs({ ...terms, id: 'other' })) })],
    ['the same advert with other terms', linkOf({ ...payload, event: eventOf(jcs({ ...terms, fee_cap: 999 })) })],
    ['null for the event', linkOf({ ...payload, event: null })],
  ])('with %s is refused', (_name, text) => {
    expect(decodeAdvertLink(text)).toMatchObject({ ok: false, reason: expect.any(String) });
  });
  test('events, documents and links are all taken as what they are', () => {
    expect(readAdvertSource(event)).toEqual(readAdvert(event));
    expect(readAdvertSource(link)).toEqual(readAdvert(event));
    expect(readAdvertSource(short)).toEqual({ ok: true, pointer });
    expect(readAdvertSource(document)).toEqual({ ok: true, pointer });
    for (const junk of [null, 7, 'x', [], {}, terms, { ...event, sig: '' }])
      expect(readAdvertSource(junk).ok).toBe(false);
  });
});

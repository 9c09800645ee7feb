import * as nip19 from 'nostr-tools/nip19';
import { curve } from '#curve';
import type { Network } from '../bitcoin/network.ts';
import type { CohortState } from '../cohort/index.ts';
import type { Bytes } from '../crypto/index.ts';
import { jcs } from '../did/index.ts';
import { readTerms, type Terms, termsHash } from '../messages/index.ts';
import { ADVERT_KIND, type AdvertStatus, didOfIdentity, signAdvert } from '../nostr/advert.ts';
import { advertDocument } from '../nostr/advert-document.ts';
import { type NostrEvent, signEvent, withWork } from '../nostr/index.ts';
import type { AdvertTerms } from '../operator/api.ts';

/** Relays may drop an advert's event after so many seconds; it is published again after half of them. */
export const ADVERT_LIFE = 14 * 86_400;

export interface Identity {
  /** x-only hex. */
  key: string;
  lend: <T>(use: (secret: Bytes) => T) => T;
}

interface Signing {
  identity: Identity;
  relays: readonly string[];
  /** Bits of work that these relays want of every event (NIP-13). */
  workBits: () => number;
  random: (length: number) => Bytes;
}

export const nprofile = (pubkey: string, relays: readonly string[]): string =>
  `nostr:${nip19.nprofileEncode({ pubkey, relays: [...relays] })}`;

/** The terms of a new advert, complete; or the field that is wrong and why. */
export function completeTerms(
  chosen: AdvertTerms,
  made: { id: string; network: Network; transport: string; identity: string; relays: readonly string[] },
): { ok: true; terms: Terms; content: string; terms_hash: string } | { ok: false; field: string; text: string } {
  const content = jcs({
    v: 1,
    id: made.id,
    btc_network: made.network,
    ...chosen,
    transport_key: made.transport,
    return_address: nprofile(made.transport, made.relays),
    aggregator_did: didOfIdentity(made.identity, made.network),
  });
  const read = readTerms(content);
  return read.ok ? { ...read, content } : read;
}

/** Adds the aggregator's proof, so that the content of the advert's events stands on its own as a document. */
export async function certifyTerms(
  { identity, random }: Signing,
  terms: Terms,
): Promise<{ terms: Terms; content: string; terms_hash: string }> {
  const signer = (hash: Bytes): Bytes => identity.lend(secret => curve.signSchnorr(hash, secret, random(32)));
  const document = await advertDocument(terms, signer);
  const content = jcs(document);
  return { terms: document, content, terms_hash: termsHash(content) };
}

export function firstAdvert(
  signing: Signing,
  advert: { terms: Terms; content: string; expires_at: number; now: number },
): NostrEvent {
  return sign(signing, { ...advert, status: 'open', createdAt: advert.now, cohort: null });
}

/** The advert of a cohort with another status, strictly later than the last one, its content byte for byte the same. */
export function nextAdvert(signing: Signing, state: CohortState, status: AdvertStatus, now: number): NostrEvent {
  const { terms, expires_at, published_at } = state.advert;
  return sign(signing, {
    terms,
    content: jcs(terms),
    expires_at,
    status,
    createdAt: Math.max(now, published_at + 1),
    cohort: state.id,
  });
}

function sign(
  { identity, relays, workBits, random }: Signing,
  advert: {
    terms: Terms;
    content: string;
    expires_at: number;
    status: AdvertStatus;
    createdAt: number;
    cohort: string | null;
  },
): NostrEvent {
  const { terms, content, status, createdAt, cohort, expires_at } = advert;
  const parts = {
    terms,
    content,
    status,
    relays,
    work: workBits(),
    expiresAt: expires_at,
    expiration: createdAt + ADVERT_LIFE,
    createdAt,
    cohort,
  };
  return identity.lend(secret => signAdvert(parts, secret, random(32)));
}

/** Profile (0), relay list (10002), inbox relays (10050) and application handler (31990): how wallets find the bot by convention. */
export function introduction(
  { identity, relays, workBits, random }: Signing,
  about: { name: string; about: string; network: Network; now: number },
): NostrEvent[] {
  const profile = {
    name: about.name,
    about: about.about,
    bot: true,
    did: didOfIdentity(identity.key, about.network),
  };
  const templates = [
    { kind: 0, tags: [], content: JSON.stringify(profile) },
    { kind: 10002, tags: relays.map(url => ['r', url]), content: '' },
    { kind: 10050, tags: relays.map(url => ['relay', url]), content: '' },
    {
      kind: 31990,
      tags: [
        ['d', 'did-btcr2-aggregator'],
        ['k', String(ADVERT_KIND)],
      ],
      content: JSON.stringify({ name: about.name, about: about.about }),
    },
  ];
  return identity.lend(secret =>
    templates.map(template =>
      signEvent(withWork({ ...template, created_at: about.now }, secret, workBits()), secret, random(32)),
    ),
  );
}

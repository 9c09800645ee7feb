import type { Network } from '../bitcoin/network.ts';
import { type Bytes, concatBytes, fromHex, toHex } from '../crypto/index.ts';
import { decodeDid, encodeDid } from '../did/index.ts';
import { readTerms, type Terms } from '../messages/index.ts';
import { verifyAdvertDocument } from './advert-document.ts';
import { expirationOf, type NostrEvent, signEvent, tagValue, tagValues, verifyEvent } from './event.ts';
import { withWork } from './pow.ts';

/** The kind of a beacon advert: addressable, so that a status change replaces it. */
export const ADVERT_KIND = 38252;
export const ADVERT_TOPIC = 'did-btcr2';

export type AdvertStatus = 'open' | 'full' | 'closed' | 'cancelled';
const STATUSES: readonly string[] = ['open', 'full', 'closed', 'cancelled'] satisfies AdvertStatus[];

export interface Advert {
  event: NostrEvent;
  terms: Terms;
  terms_hash: string;
  /** x-only key of the aggregator: it signed the event, and its DID is made of it. */
  identity: string;
  status: AdvertStatus;
  /** Unix seconds at which the offer ends. */
  expires_at: number;
  relays: string[];
  /** Id of the first event of this advert: what its cohort is called. */
  cohort: string;
}

/** The `k` identifier of an identity key (x-only hex): the even point of it. */
export const didOfIdentity = (identity: string, network: Network): string =>
  encodeDid({ version: 1, network, kind: 'key', genesisBytes: concatBytes(Uint8Array.of(2), fromHex(identity, 32)) });

export interface AdvertParts {
  /** JSON of the terms; every event of one advert repeats it byte for byte. */
  content: string;
  terms: Terms;
  status: AdvertStatus;
  relays: readonly string[];
  /** Bits of work that these relays want (NIP-13); 0 if left out. */
  work?: number;
  expiresAt: number;
  /** When relays may drop this event (NIP-40), which is not when the offer ends. */
  expiration: number;
  createdAt: number;
  /** Id of the first event; null for the first itself. */
  cohort: string | null;
}

/** Signs an advert event. `identity` is the 32-byte key of the aggregator's DID, `auxRand` 32 random bytes. */
export function signAdvert(parts: AdvertParts, identity: Bytes, auxRand: Bytes): NostrEvent {
  const { terms, content, createdAt } = parts;
  const tags = [
    ['d', terms.id],
    ['t', ADVERT_TOPIC],
    ['s', parts.status],
    ['b', terms.type],
    ['n', terms.btc_network],
    ['cohort_size', String(terms.cohort_size.min), String(terms.cohort_size.max)],
    ['fee_cap', String(terms.fee_cap)],
    ['enrolment', String(terms.financials.enrolment)],
    ['per_announcement', String(terms.financials.per_announcement)],
    ['expires_at', String(parts.expiresAt)],
    ['expiration', String(parts.expiration)],
    ['relays', ...parts.relays],
    ['encryption', terms.communication.filter(scheme => scheme !== 'nip59').join(' ')],
    ['v', '1'],
    ['alt', `did:btcr2 beacon advert: ${terms.type} on ${terms.btc_network}, ${parts.status}`],
    ...(parts.cohort === null ? [] : [['cohort', parts.cohort]]),
  ];
  const event = { kind: ADVERT_KIND, created_at: createdAt, tags, content };
  return signEvent(withWork(event, identity, parts.work), identity, auxRand);
}

export type AdvertRead = { ok: true; advert: Advert } | { ok: false; reason: string };

/**
 * Reads and verifies an advert from the event alone: its signature, that its signer is the key of the DID in its terms,
 * and with that the transport key that the terms certify. `value` may come from anybody.
 */
export function readAdvert(value: unknown): AdvertRead {
  const no = (reason: string): AdvertRead => ({ ok: false, reason });
  const event = verifyEvent(value);
  if (!event) return no('not a signed Nostr event');
  if (event.kind !== ADVERT_KIND) return no(`kind ${event.kind} is no advert`);
  const read = readTerms(event.content);
  if (!read.ok) return no(`terms: ${read.field}: ${read.text}`);
  const { terms, terms_hash } = read;
  if (tagValue(event, 'd') !== terms.id) return no('the d tag is not the advert id of the terms');
  if (!isKeyOf(event.pubkey, terms.aggregator_did, terms.btc_network))
    return no('the event is not signed by the key of aggregator_did');
  if (terms.proof !== undefined) {
    const document = verifyAdvertDocument(JSON.parse(event.content));
    if (!document.ok) return no(document.reason);
  }
  const status = tagValue(event, 's') ?? '';
  if (!STATUSES.includes(status)) return no(`unknown status ${JSON.stringify(status)}`);
  const expires_at = Number(tagValue(event, 'expires_at'));
  if (!Number.isSafeInteger(expires_at) || expires_at <= 0) return no('expires_at is no Unix time');
  if (expirationOf(event) === null) return no('expiration is no Unix time');
  const cohorts = tagValues(event, 'cohort');
  const cohort = cohorts[0] ?? event.id;
  if (!/^[0-9a-f]{64}$/.test(cohort)) return no('the cohort tag is no event id');
  const relays = event.tags.find(tag => tag[0] === 'relays')?.slice(1) ?? [];
  return {
    ok: true,
    advert: {
      event,
      terms,
      terms_hash,
      identity: event.pubkey,
      status: status as AdvertStatus,
      expires_at,
      relays,
      cohort,
    },
  };
}

function isKeyOf(identity: string, did: string, network: Network): boolean {
  try {
    const parts = decodeDid(did);
    return parts.kind === 'key' && parts.network === network && toHex(parts.genesisBytes) === `02${identity}`;
  } catch {
    return false;
  }
}

import type { Network } from '../bitcoin/network.ts';
import { type Bytes, fromHex, taggedHash, utf8 } from '../crypto/index.ts';
import { jcs } from '../did/jcs.ts';

/**
 * What cohort keys and DID keys sign beside transactions. Each kind has a tag of its own (BIP-340 tagged hash over JCS),
 * so that no signature made for one purpose can serve another, least of all as a transaction's.
 */
const statement = (tag: string, content: object): Bytes =>
  taggedHash(`did:btcr2/aggregation/${tag}`, utf8(jcs(content)));

/** Proof of possession in an opt-in: binds the cohort key to one aggregator, network, terms and transport key. */
export const optInStatement = (s: {
  aggregator: string;
  network: Network;
  terms_hash: string;
  transport_key: string;
}) => statement('opt_in', s);

/** A member's signature over the whole set; all of them together make a cohort. */
export const cohortSetStatement = (s: {
  aggregator: string;
  network: Network;
  terms_hash: string;
  participant_pubkeys: string[];
  beacon_address: string;
}) => statement('cohort_set', s);

/** Proof of control in a registration, by a key of the DID's current document. */
export const registrationStatement = (s: {
  did: string;
  network: Network;
  beacon_address: string;
  participant_pk: string;
  challenge: string;
}) => statement('did_registration', s);

/** A new transport key for a member, signed by its cohort key; the counter only grows. */
export const rebindStatement = (s: {
  cohort: string;
  participant_pk: string;
  transport_key: string;
  counter: number;
}) => statement('rebind', s);

/** Admission by allowlist: a listed key vouches for one transport key at one advert. */
export const admissionStatement = (s: { aggregator: string; terms_hash: string; transport_key: string }) =>
  statement('admission', s);

/** By the one-time key of a pairing string: this key may be the companion's only owner. */
export const companionPairStatement = (s: { companion: string; owner: string; network: Network }) =>
  statement('companion_pair', s);

/** By the owner's key: what its companion may do. */
export const companionPolicyStatement = (s: { companion: string; owner: string; policy: object }) =>
  statement('companion_policy', s);

/** Session id: the hash of what the session is about, so every member can compute it itself. */
export const sessionId = (s: {
  cohort: string;
  round: number;
  attempt: number;
  outpoint: string;
  transactions: string[];
  participant_pubkeys: string[];
  signal_bytes: string;
}): Bytes => statement('session', s);

/** Id of an opportunity: what blinded leaves draw their nonces for. */
export const opportunityId = (s: { cohort: string; round: number; attempt: number; entropy: string }): Bytes =>
  statement('opportunity', s);

/** x-only form of a compressed key (hex to hex): BIP-340 verifies by it. */
export const xOnlyOf = (compressed: string): string => {
  fromHex(compressed, 33);
  return compressed.slice(2);
};

// An advert: the signed offer that a member holds the aggregator to, whatever is published later.
import { verifyEvent } from 'nostr-tools/pure';
import { hex, jcs, sha256, utf8 } from './bytes.js';
import { keyDid, proofVerified } from './did.js';
import { misfit } from './schema.js';

const STATUSES = ['open', 'full', 'closed', 'cancelled'];

/** What an event offers, or a text that says why it is to be ignored. */
export function readAdvert(event, now) {
  const tag = name => event.tags.find(([key]) => key === name)?.slice(1);
  if (event.kind !== 38252 || !verifyEvent(event)) return 'not an advert, or not signed';
  if (Number(tag('expiration')?.[0] ?? now + 1) <= now) return 'expired';
  if (event.content.length > 16384) return 'terms too long';
  let terms;
  try {
    terms = JSON.parse(event.content);
  } catch {
    return 'terms that are no JSON';
  }
  const wrong = misfit('terms', terms);
  if (wrong) return `${wrong} does not fit the schema`;
  if (tag('d')?.[0] !== terms.id) return 'd is not the id of the terms';
  if (terms.aggregator_did !== keyDid(`02${event.pubkey}`, terms.btc_network)) return 'another aggregator_did';
  if (!STATUSES.includes(tag('s')?.[0])) return 'unknown status';
  const broken = brokenRule(terms);
  if (broken) return broken;
  if (terms.proof) {
    if (terms.proof.verificationMethod !== `${terms.aggregator_did}#initialKey`) return 'a proof by another key';
    if (!proofVerified(terms, `02${event.pubkey}`)) return 'a proof that does not verify';
    if (event.content !== jcs(terms)) return 'terms with a proof that are not canonical';
  }
  return {
    event,
    terms,
    status: tag('s')[0],
    expires: Number(tag('expires_at')?.[0] ?? 0),
    relays: tag('relays') ?? [],
    aggregator: event.pubkey,
    termsHash: hex(sha256(utf8(event.content))),
    cohort: tag('cohort')?.[0] ?? event.id,
  };
}

function brokenRule({
  cohort_size,
  dids,
  frequency,
  privacy,
  type,
  flow,
  financials,
  bit_order,
  signal_output,
  btc_network,
}) {
  if (cohort_size.min > cohort_size.max || dids.min > dids.max) return 'min above max';
  if (frequency.min_interval > frequency.interval) return 'min_interval above interval';
  if (privacy === 'blinded' && (type !== 'SMTBeacon' || flow !== 'pull' || financials.per_announcement > 0))
    return 'blinded needs SMTBeacon, pull and no price';
  if (flow === 'pull' && dids.max > 10000) return 'too many DIDs to pull';
  if (bit_order === 'lsb' && type === 'CASBeacon') return 'lsb without a tree';
  return signal_output === 'first' && btc_network === 'bitcoin' ? 'signals that nobody sees' : null;
}

/** Why this wallet does not join under such terms, or null: what it has not learned it says before, not after. */
export function unfit({ terms, status, expires }, network, now) {
  if (terms.btc_network !== network) return `this wallet is on ${network}`;
  if (status !== 'open' || expires <= now) return `the offer is ${status === 'open' ? 'over' : status}`;
  if (terms.privacy === 'blinded') return 'this wallet knows no blinded trees';
  if (!terms.communication.includes('nip44_v2')) return 'this wallet writes NIP-44 only';
  if (terms.signal_output === 'first') return 'no resolver sees such signals';
  return terms.admission === 'allowlist' ? 'this wallet has no listed key' : null;
}

import { judge, verdictBrief } from '../blame/index.ts';
import type { Bytes } from '../crypto/index.ts';
import type { RoundAborted } from '../messages/index.ts';
import { fallbackMessages } from './fallback.ts';
import { messagesOf } from './jobs.ts';
import type { MemberBeacon, MemberSession, Membership } from './state.ts';

/** Somebody whom the aggregator blames for a round that ended badly, and whether its own words prove it. */
export interface Blame {
  participant_pk: string;
  shown: boolean;
  /** What is shown, or why nothing is. */
  text: string;
}

function fallbackById(beacon: MemberBeacon, session: MemberSession): ReadonlyMap<string, Bytes> {
  const messages = fallbackMessages(beacon, session);
  return new Map((session.fallback?.steps ?? []).map(({ txid }, i) => [txid, messages[i]!]));
}

/**
 * The wallet's own judgement of a `round_aborted`: an aggregator may blame whom it likes, but only envelopes that the
 * member signed convict it, over the session that this wallet checked itself. Who is not proven to have done it is
 * told as such, so that a lie falls back on the aggregator.
 */
export function judgeBlame(membership: Membership, beacon: MemberBeacon, body: RoundAborted): Blame[] {
  const { identity, terms, terms_hash } = membership;
  const advert = { aggregator: identity, network: terms.btc_network, terms_hash };
  const known = body.session_id === null ? undefined : beacon.sessions.get(body.session_id);
  const { participant_pubkeys } = beacon;
  const session = known
    ? {
        session_id: known.session_id,
        participant_pubkeys,
        policy: beacon.policy,
        messages: messagesOf(beacon, known),
        fallback: fallbackById(beacon, known),
      }
    : null;
  return body.blame.map(participant_pk => {
    if (!participant_pubkeys.includes(participant_pk))
      return { participant_pk, shown: false, text: 'it is no member of this cohort' };
    const verdict = judge({ participant_pk, seats: body.seats ?? [], advert }, body.evidence, session);
    return { participant_pk, shown: verdict.shown, text: verdictBrief(verdict) };
  });
}

import type { CohortStatus } from '../../messages/index.ts';
import { plural, safeText, sats, shortId } from '../../operator/terminal.ts';
import type { CohortView } from '../api.ts';
import type { WalletEvent } from '../core.ts';
import { describeCompanion } from './companion-news.ts';

/** What an open wallet tells of. */
export type News = WalletEvent | { type: 'refused'; text: string; cohort?: string };

/** An event in words for a person, to stand behind the name of its cohort; null for one that is of no interest. */
export function describeNews(
  news: News,
  cohort: Pick<CohortView, 'beacon_address' | 'members'> | undefined,
  nameOf: (did: string) => string = did => did,
): string | null {
  switch (news.type) {
    case 'joined':
      return 'asked to join';
    case 'seated':
      return 'has a seat; waiting for the other members';
    case 'set_signed':
      return 'cohort set checked and signed';
    case 'cohort_ready':
      return `ready${cohort?.beacon_address ? `: ${plural(cohort.members ?? 0, 'member')}, beacon ${cohort.beacon_address}` : ''}`;
    case 'membership_ended':
      return `membership ended: ${safeText(news.reason)}`;
    case 'rebind_asked':
      return 'asked the aggregator to take a new transport key';
    case 'rebound':
      return 'goes on with a new transport key';
    case 'rebind_refused':
      return `the new transport key was refused: ${safeText(news.text)}`;
    case 'did_created':
      return `made ${news.did}${news.name === null ? '' : `, called ${news.name}`}`;
    case 'did_restored':
      return `put back ${news.did}${news.name === null ? '' : `, called ${news.name}`}, with ${plural(news.updates.length, 'update')}`;
    case 'cohort_restored':
      return 'put back, to fetch proofs: this wallet cannot sign for it';
    case 'updates_restored':
      return `put back ${plural(news.updates.length, 'update')} of ${nameOf(news.did)} that the companion had`;
    case 'cohort_resumed':
      return 'the companion has this seat still: it signs, and this wallet speaks through it again';
    case 'did_registered':
      return `registered ${nameOf(news.did)}${news.proven ? '' : ' provisionally, without proof of control'}`;
    case 'registration_refused':
      return `registration of ${nameOf(news.did)} refused: ${safeText(news.text)} (${safeText(news.code)})`;
    case 'update_signed':
      return `update to version ${news.version} of ${nameOf(news.did)} signed`;
    case 'update_moved':
      return `update ${shortId(news.announcement)} of ${nameOf(news.did)} is ${news.state}${news.text === undefined ? '' : `: ${safeText(news.text)}`}`;
    case 'opportunity_answered': {
      const updates = news.entries.filter(entry => entry.announcement !== null).length;
      return `asked for updates: answered with ${plural(updates, 'update')} for ${plural(news.entries.length, 'DID')}`;
    }
    case 'session_checked': {
      const { session_id, round, attempt, updates, steps, purpose } = news.session;
      if (purpose !== undefined)
        return `request checked: a ${purpose} of ${sats(news.session.outpoint.value_sats)}, session ${shortId(session_id)}`;
      const fee = Math.max(...steps.map(step => step.fee_sats));
      return `request checked: round ${round}, attempt ${attempt}, session ${shortId(session_id)}, ${plural(updates.length, 'own update')}, fee at most ${sats(fee)}`;
    }
    case 'session_vetoed':
      return `vetoed session ${shortId(news.session_id)}: ${safeText(news.text)} (${news.code})`;
    case 'session_signed':
      return `signed session ${shortId(news.session_id)}`;
    case 'fallback_signed':
      return `signed the fallback of session ${shortId(news.session_id)}: one member did not sign, the others go on`;
    case 'recovery_seen':
      return news.signal === null
        ? `the operator's recovery key took money from this beacon, by ${news.txid}: no member agreed to that; it is no signal`
        : `the operator's recovery key published ${news.signal} under this beacon, by ${news.txid}: no member agreed to that, and it may destroy every DID behind it`;
    case 'session_lost':
      return `cannot sign session ${shortId(news.session_id)} any more: its secret nonces went with an earlier process`;
    case 'session_settled':
      return news.announced
        ? `session ${shortId(news.session_id)} is settled: announced by ${news.txid}`
        : `session ${shortId(news.session_id)} is settled without an announcement, by ${news.txid}`;
    case 'signal_seen':
      return signalSeen(news);
    case 'abort_told':
      return `the aggregator called round ${news.round} off: ${safeText(news.text)} (${safeText(news.reason)})${blameText(news)}`;
    case 'restored':
      return 'was put back from a copy, or another copy of it is at work: nothing new is signed for its DIDs until the chain has settled what it may have signed since';
    case 'doubt_settled':
      return `what may have been signed at ${news.address} is settled, ${news.by === 'chain' ? 'by the chain' : 'by its owner'}`;
    case 'doubt_dated':
      return null;
    case 'refused':
      return `refused: ${safeText(news.text)}`;
    case 'asked':
    case 'opportunity_asked':
    case 'answered':
    case 'set_proposed':
    case 'registration_asked':
    case 'evidence_kept':
    case 'request_held':
    case 'nonce_drawn':
    case 'agg_nonce_received':
    case 'fallback_checked':
    case 'fallback_dropped':
    case 'transactions_told':
      return null;
    case 'spend_told':
      return `a spend of the beacon that announces nothing is complete (session ${shortId(news.session_id)})`;
    case 'release_agreed':
      return news.to === null
        ? 'the money of the beacon stays where it is'
        : `agreed that the money of the beacon goes to ${news.to} when it is given up`;
    case 'status_told':
      return `the aggregator says: ${safeText(news.status.text)}${successionHint(news.status)}`;
    case 'refund_refused':
      return `no refund of ${news.outpoint} is begun: ${safeText(news.text)}`;
    case 'leaving_told':
      return 'the aggregator knows that this wallet wants to go';
    case 'retired':
      return 'the cohort key is deleted: nothing is signed here any more';
    case 'signal_lingers':
      return news.step === 0
        ? null
        : `signal ${shortId(news.signal_bytes)} lingers: its fee step ${news.step + 1} is published`;
    default:
      return describeCompanion(news, nameOf);
  }
}

const successionHint = ({ succession, gone }: CohortStatus): string =>
  succession ? '; see `btcr2-wallet succession`' : gone.length > 0 ? '; see `btcr2-wallet exit`' : '';

/** What the wallet makes of the aggregator's blame. */
export const blameText = ({ blame = [] }: Pick<Extract<News, { type: 'abort_told' }>, 'blame'>): string =>
  blame
    .map(({ participant_pk, shown, text }) =>
      shown
        ? `; proven: ${participant_pk} ${text}`
        : `; it blames ${safeText(participant_pk)} and shows nothing: ${safeText(text)}`,
    )
    .join('');

function signalSeen({ signal_bytes, status, txid, height }: Extract<News, { type: 'signal_seen' }>): string {
  const signal = `signal ${shortId(signal_bytes)}`;
  if (status === 'unseen') return `${signal} is not on the chain any more`;
  return `${signal} ${status}${height === null ? '' : ` in block ${height}`}${txid === null ? '' : `: ${txid}`}`;
}

/** Id of the cohort that an event is about; null for one that is about the wallet as a whole. */
export const cohortOf = (news: News): string | null => ('cohort' in news ? (news.cohort ?? null) : null);

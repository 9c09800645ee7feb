import { plural, safeText, shortId } from '../../operator/terminal.ts';
import type { CompanionEvent } from '../companion/pair.ts';

/** What happens between a companion and its owner, in words; null for what is of no interest. */
export function describeCompanion(news: CompanionEvent, nameOf: (did: string) => string): string | null {
  switch (news.type) {
    case 'companion_opened':
      return 'this wallet is a companion, and waits for its owner';
    case 'companion_owned':
      return `belongs to the owner ${shortId(news.owner)}`;
    case 'companion_policy_taken':
      return news.policy.revoked
        ? 'the owner revoked this companion: it signs nothing any more'
        : `policy ${news.policy.version} of the owner is in force`;
    case 'companion_join_failed':
      return `cohort ${shortId(news.cohort)} could not be joined: ${safeText(news.text)}`;
    case 'companion_released':
      return `never signs for the update ${shortId(news.announcement)} of ${nameOf(news.did)}: ${safeText(news.text)}`;
    case 'companion_acknowledged':
      return `the owner knows of ${news.session_ids.map(shortId).join(', ')}`;
    case 'companion_asked':
      return `asked the companion ${shortId(news.companion)} to pair`;
    case 'companion_policy_issued':
      return `policy ${news.policy.version} for the companion signed`;
    case 'companion_refused':
      return `the companion refused (${safeText(news.slot)}): ${safeText(news.text)} (${safeText(news.code)})`;
    case 'companion_ended':
      return `has no companion any more: ${safeText(news.reason)}`;
    case 'companion_heir_signed':
      return 'the owner can take this seat over, should this companion be lost';
    case 'companion_inherited':
      return 'the seat of the lost companion is this wallet’s: it fetches proofs, and cannot sign';
    case 'companion_ending':
      return news.delete_key
        ? 'the owner gives this cohort up: its key is deleted as soon as nothing needs it'
        : 'the owner says where the money of this beacon may go';
    case 'companion_restored':
      return `put back with its companion ${shortId(news.companion)}: asks it what it keeps`;
    case 'companion_kept':
      return `the companion showed policy ${news.policy.version}, and ${plural(news.dids.length, 'DID')} that it keeps`;
    case 'companion_heir_named':
    case 'companion_heir_kept':
    case 'companion_ordered':
    case 'companion_named':
    case 'companion_told':
      return null;
  }
}

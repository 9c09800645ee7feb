import type { Fault, Verdict } from './judge.ts';

const FAULTS: Record<Fault, string> = {
  two_nonces: 'signed two different nonces for one session',
  two_authorizations: 'signed two different authorizations for one session',
  two_fallback_signatures: 'signed two different fallbacks of one session',
  invalid_fallback_signature: 'sent a signature for a fallback that does not verify',
  invalid_nonce: 'signed a nonce that is no point on the curve',
  invalid_signature: 'signed a partial signature that does not verify under the nonces that it sent',
};

/** The heart of a verdict in a few words: what was done, or why nothing is shown. */
export const verdictBrief = (verdict: Verdict): string => (verdict.shown ? FAULTS[verdict.fault] : verdict.why);

/** A verdict in plain words, for people: who is shown to have done what, or that nothing is shown. */
export function verdictWords(verdict: Verdict): string[] {
  if (!verdict.shown) return ['This shows nothing.', `Why: ${verdict.why}.`];
  const { fault, participant_pk, session_id } = verdict;
  return [
    `Shown: the member ${participant_pk} ${FAULTS[fault]}.`,
    `In the session ${session_id}.`,
    'A wallet that follows the protocol never does this. Either it cheats, or it ran twice or from a copy, or somebody else holds its transport key.',
  ];
}

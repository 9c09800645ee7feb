import { signalSighash, signedTogether } from '../bitcoin/index.ts';
import type { Bytes } from '../crypto/index.ts';
import type { TermsPolicy } from '../messages/index.ts';
import { heirJobs } from './companion/heir.ts';
import { fallbackMessages } from './fallback.ts';
import { setStatement } from './joining.ts';
import { heldDids } from './opportunity.ts';
import { beaconOf, type MemberBeacon, type MemberSession, type WalletState } from './state.ts';

/** Work that needs a secret. It follows from the state alone, so a restart finds it again. */
export type Job =
  | { type: 'draw_leaves'; cohort: string; address: string; opportunity_id: string; dids: string[] }
  | { type: 'sign_heir'; cohort: string; participant_pk: string; statement: Bytes }
  | { type: 'sign_set'; cohort: string; participant_pk: string; statement: Bytes }
  | {
      type: 'draw_nonces';
      cohort: string;
      participant_pk: string;
      participant_pubkeys: string[];
      policy: TermsPolicy;
      session: MemberSession;
      messages: Bytes[];
    }
  | {
      type: 'sign_session';
      cohort: string;
      participant_pk: string;
      participant_pubkeys: string[];
      policy: TermsPolicy;
      session: MemberSession;
      agg_nonce: [string, string][];
      messages: Bytes[];
    }
  | { type: 'sign_fallback'; cohort: string; participant_pk: string; session_id: string; messages: Bytes[] };

export function jobsOf(state: WalletState): Job[] {
  const jobs: Job[] = [];
  for (const membership of state.cohorts.values()) {
    const { phase, cohort, participant_pk } = membership;
    if (phase.name === 'proposed' && phase.sig === null)
      jobs.push({ type: 'sign_set', cohort, participant_pk, statement: setStatement(membership, phase.set) });
    const beacon = beaconOf(membership);
    if (!beacon) continue;
    if (membership.terms.privacy === 'blinded')
      for (const { opportunity_id, entries } of beacon.opportunities.values())
        if (entries === null)
          jobs.push({
            type: 'draw_leaves',
            cohort,
            address: beacon.beacon_address,
            opportunity_id,
            dids: heldDids(beacon),
          });
    const { participant_pubkeys, policy } = beacon;
    for (const session of beacon.sessions.values()) {
      const { stage } = session;
      const common = { cohort, participant_pk, participant_pubkeys, policy, session };
      if (stage.name === 'checked')
        jobs.push({ type: 'draw_nonces', ...common, messages: messagesOf(beacon, session) });
      if (stage.name === 'to_sign')
        jobs.push({
          type: 'sign_session',
          ...common,
          agg_nonce: stage.agg_nonce,
          messages: messagesOf(beacon, session),
        });
      if (session.fallback?.sig === null)
        jobs.push({
          type: 'sign_fallback',
          cohort,
          participant_pk,
          session_id: session.session_id,
          messages: fallbackMessages(beacon, session),
        });
    }
  }
  return [...jobs, ...heirJobs(state)];
}

/** What is signed in a session: the hash of each of its transactions. */
export const messagesOf = (beacon: MemberBeacon, session: MemberSession): Bytes[] =>
  signedTogether(session).map(({ unsigned_hex, value_sats }) =>
    signalSighash(unsigned_hex, beacon.script_hex, value_sats),
  );

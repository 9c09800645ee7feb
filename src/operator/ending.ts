import type { CohortState } from '../cohort/index.ts';
import type { Log, NostrEvent } from '../nostr/index.ts';
import type { Host } from '../shell/host.ts';
import { successionSummary } from '../shell/succession.ts';
import { OperatorError } from './api.ts';
import type { SuccessionApi, SuccessionSummary } from './succession-api.ts';

const WEEK = 7 * 86_400;

export interface EndingParts {
  host: Host;
  /** Finds a cohort by its id, its advert's, or a beginning. Throws OperatorError. */
  find: (name: string) => CohortState;
  /** Finds a member's transport key by a key of its, or a beginning. Throws OperatorError. */
  transportOf: (state: CohortState, name: string) => string;
  linkOf: (advert: NostrEvent) => string;
  /** Unix seconds. */
  now: () => number;
  log: Log;
}

/** How cohorts end, as the operator asks for it. */
export function createEnding({ host, find, transportOf, linkOf, now, log }: EndingParts): SuccessionApi {
  function summary(id: string): SuccessionSummary {
    const found = successionSummary(find(id), host.states(), host.env(id));
    if (!found) throw new OperatorError('wrong_phase', `the cohort is ${find(id).phase.name}`);
    return found;
  }

  const refusedBy = (drop: string | null): void => {
    if (drop !== null) throw new OperatorError('refused', drop);
  };

  function successorOf(state: CohortState, named: string) {
    const next = find(named);
    const { terms, terms_hash } = next.advert;
    if (next.phase.name === 'ended') throw new OperatorError('refused', `${terms.id} ended: ${next.phase.reason}`);
    if (next.id === state.id) throw new OperatorError('refused', 'a cohort does not follow itself');
    const event = host.advertEvent(next.id);
    if (event === null) throw new OperatorError('not_found', 'the event of this advert was not kept: export it first');
    const beacon_address = next.phase.name === 'formed' ? next.phase.beacon.address : null;
    return { cohort: next.id, terms_hash, link: linkOf(event), beacon_address };
  }

  return {
    async cohortEnd({ cohort, advert, deadline_in = WEEK, text = '' }) {
      const state = find(cohort);
      const successor = advert === undefined ? null : successorOf(state, advert);
      refusedBy(host.feed(state.id, { type: 'end_cohort', successor, deadline: now() + deadline_in, text }));
      log('warn', 'the operator ends a cohort', { cohort: state.id, successor: successor?.cohort ?? null });
      return summary(state.id);
    },
    cohortSuccession: async ({ cohort }) => summary(find(cohort).id),
    async memberMark({ cohort, member, gone }) {
      const state = find(cohort);
      const participant_pk = state.transports.get(transportOf(state, member));
      if (participant_pk === undefined) throw new OperatorError('not_found', `there is no member ${member}`);
      refusedBy(host.feed(state.id, { type: 'mark_member', participant_pk, gone }));
      log('warn', gone ? 'the operator holds a member for gone' : 'a member is here again', { cohort: state.id });
      return summary(state.id);
    },
  };
}

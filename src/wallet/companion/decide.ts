import { evolve } from '../evolve.ts';
import type { Decision, Env, Input } from '../inputs.ts';
import type { WalletState } from '../state.ts';
import { decideEnd } from './ending.ts';
import { decideHeir, decideHeirSigned } from './heir.ts';
import { newsFor } from './news.ts';
import { decideIssue, decideLost, decidePairing, decideSync, decideTakeBack } from './owner.ts';
import { asCompanion } from './pair.ts';
import { releasedBy } from './releases.ts';
import { decideRestore } from './restoring.ts';

/** What a person, or the wallet's shell, tells one half of a pair. */
export type CompanionInput = Extract<Input, { type: `companion_${string}` }>;

/** What follows from it. */
export function decideCompanionship(state: WalletState, input: CompanionInput): Decision {
  switch (input.type) {
    case 'companion_open':
      return openCompanion(state, input);
    case 'companion_join_failed': {
      const { cohort, text } = input;
      return asCompanion(state)?.failed.get(cohort) === text
        ? { drop: 'said already' }
        : { events: [{ type: 'companion_join_failed', cohort, text }], effects: [] };
    }
    case 'companion_pair':
      return decidePairing(state, input);
    case 'companion_issue':
      return decideIssue(state, input);
    case 'companion_withdraw':
      return decideTakeBack(state, input);
    case 'companion_sync':
      return decideSync(state);
    case 'companion_lost':
      return decideLost(state, input.reason);
    case 'companion_end':
      return decideEnd(state, input);
    case 'companion_restore':
      return decideRestore(state, input);
    case 'companion_heir':
      return decideHeir(state, input);
    case 'companion_heir_signed':
      return decideHeirSigned(state, input);
  }
}

/** A wallet becomes a companion while it is empty; until somebody paired it may be opened anew, by another string. */
function openCompanion(state: WalletState, input: Extract<Input, { type: 'companion_open' }>): Decision {
  const { type: _, ...opened } = input;
  const { companionship } = state;
  if (companionship?.role === 'owner') return { refuse: 'this wallet has a companion: it cannot be one' };
  if (companionship?.owner) return { refuse: 'this companion has an owner: another one takes a companion of its own' };
  if (state.dids.size > 0 || state.cohorts.size > 0)
    return { refuse: 'this wallet has DIDs or cohorts: a companion begins as a wallet of its own, without any' };
  return { events: [{ type: 'companion_opened', ...opened }], effects: [] };
}

/** A companion tells its owner what came of anything that concerns it. */
export function withNews(state: WalletState, decision: Decision, env: Env): Decision {
  if (!asCompanion(state) || !('events' in decision) || decision.events.length === 0) return decision;
  const events = [...decision.events, ...releasedBy(state, decision.events)];
  // A copy, since evolve changes maps in place and a decision changes nothing.
  const next = events.reduce((now, event) => evolve(now, { ...event, at: env.now }), structuredClone(state));
  return { events, effects: [...decision.effects, ...newsFor(next, { ...decision, events })] };
}

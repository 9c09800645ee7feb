import type { Decided, Decision, Effect, Input } from './inputs.ts';
import { sendUpdate } from './opportunity.ts';
import { beaconOf, type Membership, type WalletState } from './state.ts';

/** Tells the aggregator a new transport key. The old one stays the membership's until the new one is answered. */
export function decideRebind(
  state: WalletState,
  membership: Membership,
  { transport, counter, sig }: Extract<Input, { type: 'rebind' }>,
): Decision {
  const { cohort, participant_pk, phase } = membership;
  if (phase.name === 'retired') return { refuse: 'the cohort key was deleted: nothing else can prove the seat' };
  if (phase.name === 'ended') return { refuse: `there is no seat to keep: the membership is ${phase.name}` };
  for (const known of state.cohorts.values())
    if (known.transport === transport || known.rebinding?.transport === transport)
      return { refuse: `the key was used in cohort ${known.cohort} already` };
  const last = Math.max(membership.rebind_counter, membership.rebinding?.counter ?? 0);
  if (counter <= last) return { refuse: `the counter has to be above ${last}` };
  const body = { participant_pk, transport_key: transport, counter, sig };
  return {
    events: [{ type: 'rebind_asked', cohort, transport, counter }],
    effects: [{ type: 'send', cohort, from: transport, message: { type: 'rebind', body }, slot: 'rebind' }],
  };
}

/**
 * The aggregator speaks to the new key, so it took it. Updates that it may never have heard of go out again, by the new
 * key; proofs that are missing are asked for by the next look.
 */
export function decideRebound(state: WalletState, membership: Membership): Decided {
  const { cohort, rebinding } = membership;
  if (!rebinding) return { events: [], effects: [] };
  const { transport, counter } = rebinding;
  return { events: [{ type: 'rebound', cohort, transport, counter }], effects: unheardUpdates(state, membership) };
}

function unheardUpdates(state: WalletState, membership: Membership): Effect[] {
  const beacon = beaconOf(membership);
  if (!beacon || membership.terms.flow === 'pull') return [];
  return [...state.dids.values()].flatMap(({ did, updates }) =>
    updates
      .filter(({ state: at, cohorts }) => cohorts.includes(membership.cohort) && (at === 'signed' || at === 'locked'))
      .map(update => sendUpdate(membership, beacon, did, update)),
  );
}

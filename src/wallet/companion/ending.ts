import type { Envelope } from '../../messages/index.ts';
import type { WalletEvent } from '../events.ts';
import type { Decision, Env, Input } from '../inputs.ts';
import { agreeRelease } from '../release.ts';
import { beaconOf, type MemberBeacon, type Membership, type WalletState } from '../state.ts';
import { decideRetire } from '../succession.ts';
import { asCompanion, asHearing, type Companion } from './pair.ts';
import { answered, refuse, tell } from './replies.ts';
import { toCompanion } from './requests.ts';

/** The owner agrees where the money of a companion's beacon goes, and has its key deleted when nothing needs it any more. */
export function decideEnd(
  state: WalletState,
  { type: _, ...body }: Extract<Input, { type: 'companion_end' }>,
): Decision {
  const owner = asHearing(state);
  const membership = state.cohorts.get(body.cohort);
  if (!owner || membership?.companion !== owner.companion)
    return { refuse: 'the companion of this wallet is no member there' };
  const agreed = agreeRelease(membership, body.release);
  if (!('events' in agreed)) return agreed;
  return {
    events: beaconOf(membership) ? agreed.events : [],
    effects: [toCompanion(owner, { type: 'companion_end', body }, endSlot(body.cohort))],
  };
}

/** What the request waits for its answer by. */
export const endSlot = (cohort: string): string => `end ${cohort}`;

/** An order to end a cohort, noted: the key goes at the first look at the chain that shows that nothing needs it. */
export function decideEndOrder(
  state: WalletState,
  companion: Companion,
  envelope: Extract<Envelope, { type: 'companion_end' }>,
): Decision {
  const { cohort, release, delete_key, abandon } = envelope.body;
  const membership = state.cohorts.get(cohort);
  if (membership?.phase.name === 'retired') return { events: [], effects: [tell(state, companion, envelope.id)] };
  const beacon = membership && beaconOf(membership);
  if (!beacon) return refuse(companion, envelope, 'wrong_phase', 'the companion has no seat there', 'body.cohort');
  const agreed = agreeRelease(membership, release);
  if (!('events' in agreed))
    return refuse(
      companion,
      envelope,
      'wrong_address',
      'refuse' in agreed ? agreed.refuse : agreed.drop,
      'body.release',
    );
  const events: WalletEvent[] = beacon.release === release ? [] : agreed.events;
  return answered(state, envelope.id, [...events, { type: 'companion_ending', cohort, delete_key, abandon }]);
}

/** Whether the owner wants the key of a cohort gone: then nothing new is taken there. */
export const isEnding = ({ endings }: Companion, cohort: string): boolean => endings.get(cohort)?.delete_key === true;

/** After a look at the chain: the key that its owner gave up is not needed any more, so the membership ends here. */
export function decideEnding(state: WalletState, membership: Membership, beacon: MemberBeacon, env: Env): Decision {
  const ending = asCompanion(state)?.endings.get(membership.cohort);
  const none = { events: [], effects: [] };
  if (!ending?.delete_key) return none;
  // That no document lists the beacon only the owner can know, and has looked up before it ordered this.
  const { abandon } = ending;
  const { cohort } = membership;
  const retired = decideRetire(state, membership, beacon, { type: 'retire', cohort, listing: [], abandon }, env);
  return 'events' in retired ? retired : none;
}

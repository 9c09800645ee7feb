import type { Message } from '../../messages/index.ts';
import type { Effect } from '../inputs.ts';
import { provenBeaconOf, type WalletState } from '../state.ts';
import type { Owner } from './pair.ts';
import { isTold } from './replies.ts';

/** A message of the owner to its companion about the pair; one with a slot is sent again until it is answered. */
export const toCompanion = (
  { key, companion, pairing }: Pick<Owner, 'key' | 'companion' | 'pairing'>,
  message: Message,
  slot?: string,
): Effect => ({
  type: 'send',
  cohort: pairing,
  from: key,
  to: companion,
  message,
  ...(slot === undefined ? {} : { slot }),
});

/** Says which sessions the owner knows of; the companion sends the others. */
export function sync(state: WalletState, owner: Owner, slot?: string): Effect {
  const sessions = [...state.cohorts.values()].flatMap(membership => {
    const beacon = membership.companion === owner.companion ? provenBeaconOf(membership) : null;
    if (!beacon) return [];
    const session_ids = [...beacon.sessions.values()].filter(isTold).map(({ session_id }) => session_id);
    const heir_key = owner.heirs.get(membership.cohort);
    return [{ cohort: membership.cohort, session_ids, ...(heir_key ? { heir_key } : {}) }];
  });
  return toCompanion(owner, { type: 'companion_sync', body: { sessions } }, slot);
}

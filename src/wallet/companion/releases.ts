import type { Envelope } from '../../messages/index.ts';
import type { WalletEvent } from '../events.ts';
import type { Decision } from '../inputs.ts';
import type { WalletState, WalletUpdate } from '../state.ts';
import { asCompanion, type Companion } from './pair.ts';
import { answered, refuse, tell } from './replies.ts';

/** Updates that no partial signature left for. */
export const freeUpdates = (state: WalletState): { did: string; update: WalletUpdate }[] =>
  [...state.dids.values()].flatMap(({ did, updates }) =>
    updates.filter(update => isFree(update) && !isInDoubt(state, did)).map(update => ({ did, update })),
  );

/** Whether no partial signature left for it. */
export const isFree = ({ state }: WalletUpdate): boolean =>
  state === 'signed' || state === 'acked' || state === 'refused';

/** A companion that was put back from a copy does not know what it signed: then it promises nothing about it. */
export const isInDoubt = (state: WalletState, did: string): boolean => {
  if (state.doubt === null || state.doubt.addresses.size === 0) return false;
  const own = state.dids.get(did);
  return own === undefined || own.created_at <= state.doubt.since;
};

/** An update is never signed for from here on, and the owner may sign another one of its version. */
export function giveUp(
  did: string,
  announcement: string,
  text: string,
  known: WalletUpdate | undefined,
): WalletEvent[] {
  const released: WalletEvent = { type: 'companion_released', did, announcement, text };
  return known ? [released, { type: 'update_moved', did, announcement, state: 'replaced', text }] : [released];
}

/** Gives an update back that no partial signature left for. */
export function decideWithdraw(
  state: WalletState,
  companion: Companion,
  envelope: Extract<Envelope, { type: 'companion_withdraw' }>,
): Decision {
  const { did, announcement } = envelope.body;
  const known = state.dids.get(did)?.updates.find(update => update.announcement === announcement);
  if (companion.released.has(announcement)) return { events: [], effects: [tell(state, companion, envelope.id)] };
  if (isInDoubt(state, did))
    return refuse(
      companion,
      envelope,
      'wrong_phase',
      'the companion was put back from a copy, and may have signed for it',
    );
  if (known && !isFree(known))
    return refuse(companion, envelope, 'version_taken', `a partial signature left for it: it is ${known.state}`);
  // One that never came may still be on its way.
  return answered(state, envelope.id, giveUp(did, announcement, 'withdrawn by the owner', known));
}

/** What an aggregator refused is not signed for any more: so the owner may sign another one of that version. */
export function releasedBy(state: WalletState, events: readonly WalletEvent[]): WalletEvent[] {
  const companion = asCompanion(state);
  if (!companion) return [];
  return events.flatMap((event): WalletEvent[] => {
    if (event.type !== 'update_moved' || event.state !== 'refused' || companion.released.has(event.announcement))
      return [];
    const { did, announcement, text = 'refused' } = event;
    const known = state.dids.get(did)?.updates.find(update => update.announcement === announcement);
    const isElsewhere = known?.cohorts.some(cohort => cohort !== event.cohort);
    return isElsewhere || isInDoubt(state, did) ? [] : [{ type: 'companion_released', did, announcement, text }];
  });
}

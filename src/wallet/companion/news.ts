import { toHex } from '../../crypto/index.ts';
import { type RejectionCode, toPlainText } from '../../messages/index.ts';
import { leafIndex } from '../../smt/index.ts';
import type { WalletEvent } from '../events.ts';
import type { Decided, Effect } from '../inputs.ts';
import { beaconOf, type WalletState } from '../state.ts';
import { asCompanion, type Companion } from './pair.ts';
import { registrationOrder } from './registrations.ts';
import { isTold, sendSigned, tell, toOwner } from './replies.ts';
import { evidenceAbout } from './report.ts';

/** What the owner is told of what happened; `state` is the one after it. */
export function newsFor(state: WalletState, { events, effects }: Decided): Effect[] {
  const companion = asCompanion(state);
  if (!companion?.owner) return [];
  const news = events.flatMap(event => newsOf(state, companion, event));
  const isTold = effects.some(effect => effect.type === 'send' && effect.message.type === 'companion_state');
  const isChanged = !isTold && events.some(({ type }) => CHANGES.has(type));
  return isChanged ? [...news, tell(state, companion)] : news;
}

const CHANGES: ReadonlySet<WalletEvent['type']> = new Set([
  'joined',
  'seated',
  'cohort_ready',
  'membership_ended',
  'status_told',
  'retired',
  'companion_released',
  'companion_join_failed',
  'companion_heir_signed',
  'restored',
  'doubt_settled',
]);

function newsOf(state: WalletState, companion: Companion, event: WalletEvent): Effect[] {
  switch (event.type) {
    case 'did_registered': {
      const { cohort, did, proven } = event;
      const signals = evidenceAbout(beaconOf(state.cohorts.get(cohort)!)!, did);
      const index = toHex(leafIndex(did));
      const body = { accepted: 'did_registration' as const, did, index, proven, signals };
      return [toOwner(companion, cohort, { type: 'ack', body }, companion.orders.get(registrationOrder(cohort, did)))];
    }
    case 'registration_refused': {
      const { cohort, did, code, text } = event;
      const body = { code: code as RejectionCode, text: toPlainText(text, 1000), field: did };
      const to = companion.orders.get(registrationOrder(cohort, did));
      return [toOwner(companion, cohort, { type: 'rejection', body }, to)];
    }
    case 'session_signed': {
      const membership = state.cohorts.get(event.cohort)!;
      const session = beaconOf(membership)!.sessions.get(event.session_id)!;
      return isTold(session) ? [sendSigned(state, companion, membership, session)] : [];
    }
    default:
      return [];
  }
}

import type { Envelope } from '../../messages/index.ts';
import type { WalletEvent } from '../events.ts';
import type { Decision, Env } from '../inputs.ts';
import { sendVeto } from '../rounds.ts';
import { beaconOf, type Membership, type WalletState } from '../state.ts';
import { policyBar } from './pair.ts';

/** What no signature follows from, whoever says it. */
const HARMLESS: ReadonlySet<Envelope['type']> = new Set([
  'ack',
  'rejection',
  'cohort_set',
  'cohort_ready',
  'cohort_status',
  'presence',
  'update_opportunity',
  'proofs',
  'signal_status',
  'spend_status',
  'round_aborted',
]);

/**
 * Without a policy in force a companion takes no step towards a signature, whatever is asked: what it signed is sent again
 * all the same, byte for byte.
 */
export function barredByOwner(
  state: WalletState,
  membership: Membership,
  envelope: Envelope,
  { now }: Env,
): Decision | null {
  const { cohort } = membership;
  const text = HARMLESS.has(envelope.type) ? null : policyBar(state, cohort, now);
  if (text === null) return null;
  const { body, id } = envelope;
  if (!('session_id' in body) || typeof body.session_id !== 'string') return { refuse: text };
  const { session_id } = body;
  const stage = beaconOf(membership)?.sessions.get(session_id)?.stage.name;
  if (stage === 'signed') return null;
  const code = 'policy_forbids';
  const vetoed: WalletEvent = { type: 'session_vetoed', cohort, session_id, code, text };
  const isUnderWay = stage !== undefined && stage !== 'lost';
  return beaconOf(membership)
    ? {
        events: isUnderWay ? [vetoed, { type: 'session_lost', cohort, session_id }] : [vetoed],
        effects: [sendVeto(cohort, session_id, id, code, text)],
      }
    : { refuse: text };
}

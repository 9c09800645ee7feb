import { outpointText } from '../bitcoin/index.ts';
import { NO_SIGNAL } from '../messages/index.ts';
import type { CohortEvent, Stored } from './events.ts';
import type { Beacon, Session, SignedSpend } from './state.ts';

type Of<T extends CohortEvent['type']> = Extract<Stored<CohortEvent>, { type: T }>;

/** What happens to a spend that announces nothing. */
export function evolveSpend(
  beacon: Beacon,
  event: Of<'spend_requested' | 'spend_ended' | 'spend_completed' | 'spend_final'>,
): Beacon {
  switch (event.type) {
    case 'spend_requested': {
      const { session_id, round, attempt, purpose, to, outpoint, steps, refunds = [], deadline, remind_at } = event;
      const session: Session = {
        id: session_id,
        round,
        attempt,
        signal_bytes: NO_SIGNAL,
        outpoint,
        steps,
        refunds,
        nonces: new Map(),
        agg_nonce: null,
        sigs: new Map(),
      };
      const spend = { purpose, to, stage: { name: 'nonces' as const, deadline, remind_at, session } };
      if (purpose === 'refund') {
        const name = outpointText(outpoint);
        beacon.refunds_begun.set(name, (beacon.refunds_begun.get(name) ?? 0) + 1);
      }
      return { ...beacon, spend, spends_begun: attempt };
    }
    case 'spend_ended':
      return { ...beacon, spend: null };
    case 'spend_completed': {
      const { session_id, txid, hex, refunds = [] } = event;
      const isOver = beacon.spend?.stage.session.id === session_id;
      const signed = withSigned(beacon, session_id, spend => ({ ...spend, transaction: { txid, hex }, refunds }));
      return isOver ? { ...signed, spend: null } : signed;
    }
    case 'spend_final':
      return withSigned(beacon, event.session_id, spend => ({ ...spend, isFinal: true }));
  }
}

const withSigned = (beacon: Beacon, session_id: string, change: (spend: SignedSpend) => SignedSpend): Beacon => ({
  ...beacon,
  spends: beacon.spends.map(spend => (spend.session.id === session_id ? change(spend) : spend)),
});

/** The beacon after a step of signing that is about a spend; null where it is about a round. */
export function spendAbout(beacon: Beacon, event: Stored<CohortEvent>): Beacon | null {
  const { spend } = beacon;
  switch (event.type) {
    case 'nonce_received': {
      if (spend?.stage.name !== 'nonces' || spend.stage.session.id !== event.envelope.body.session_id) return null;
      spend.stage.session.nonces.set(event.participant_pk, event.envelope);
      return beacon;
    }
    case 'nonces_aggregated': {
      if (spend?.stage.name !== 'nonces' || spend.stage.session.id !== event.session_id) return null;
      const { purpose, to } = spend;
      const session: Session = { ...spend.stage.session, agg_nonce: event.agg_nonce };
      const { deadline, remind_at } = event;
      return {
        ...beacon,
        spend: { purpose, to, stage: { name: 'signatures', deadline, remind_at, session } },
        spends: [...beacon.spends, { purpose, to, session, transaction: null, refunds: [], isFinal: false }],
      };
    }
    case 'authorization_received': {
      const signed = beacon.spends.find(({ session }) => session.id === event.envelope.body.session_id);
      signed?.session.sigs.set(event.participant_pk, event.envelope);
      return signed ? beacon : null;
    }
    default:
      return null;
  }
}

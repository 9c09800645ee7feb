import type { CohortEvent, Stored } from './events.ts';
import type { Round, Session } from './state.ts';

type Of<T extends CohortEvent['type']> = Extract<Stored<CohortEvent>, { type: T }>;

/** What happens to the fallback of a session. */
export function evolveFallback(
  round: Round,
  event: Of<'fallback_requested' | 'fallback_signed' | 'fallback_vetoed'>,
): Round {
  switch (event.type) {
    case 'fallback_requested': {
      const { session_id, steps, deadline, remind_at } = event;
      const before = round.open.find(open => open.id === session_id)!;
      const session: Session = { ...before, fallback: { steps, sigs: new Map(), vetoes: new Set() } };
      return {
        ...round,
        open: round.open.map(open => (open === before ? session : open)),
        stage: { name: 'fallback', deadline, remind_at, session },
      };
    }
    case 'fallback_signed': {
      const { session_id } = event.envelope.body;
      round.open.find(open => open.id === session_id)?.fallback?.sigs.set(event.participant_pk, event.envelope);
      return round;
    }
    case 'fallback_vetoed':
      round.open.find(open => open.id === event.session_id)?.fallback?.vetoes.add(event.participant_pk);
      return round;
  }
}

/**
 * Members had checked the session and sent nonces, all of them: from its deadline on the others may go on without one. Not
 * after a veto, which says that something about the session is wrong, and not if the operator ended it.
 */
export function markOverdue(round: Round, { reason }: Pick<Of<'attempt_ended'>, 'reason'>): Session[] {
  const { stage } = round;
  if (stage.name !== 'signatures' || reason === 'veto' || reason === 'cancelled') return round.open;
  return round.open.map(open => (open === stage.session ? { ...open, overdue_at: stage.deadline } : open));
}

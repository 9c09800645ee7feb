import { type Envelope, type Message, type RejectionCode, toPlainText } from '../messages/index.ts';
import type { CohortEvent } from './events.ts';
import type { Decision, Effect } from './inputs.ts';

export const nothing: Decision = { events: [], effects: [] };

/** Answers the sender of an envelope. */
export const reply = (to: Envelope, message: Message): Effect => ({
  type: 'send',
  to: to.from,
  message,
  in_reply_to: to.id,
  ...(to.session === undefined ? {} : { session: to.session }),
});

/** A polite refusal: nothing changes, and the sender learns why. */
export const refuse = (to: Envelope, code: RejectionCode, text: string, field?: string): Decision => ({
  events: [],
  effects: [reply(to, rejection(code, text, field))],
});

/** Words and field may quote the peer that is refused. */
export const rejection = (code: RejectionCode, text: string, field?: string) =>
  ({
    type: 'rejection',
    body: {
      code,
      text: toPlainText(text, 1000),
      ...(field === undefined ? {} : { field: toPlainText(field, 200) }),
    },
  }) as const satisfies Message;

/** Facts, with what goes out because of them. */
export const accept = (events: CohortEvent[], ...effects: Effect[]): Decision => ({ events, effects });

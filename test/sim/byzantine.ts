import type { Message } from '../../src/messages/index.ts';
import { readEnvelope } from '../../src/messages/index.ts';
import { conversationKey, decrypt } from '../../src/nostr/index.ts';
import type { KeyStore } from '../../src/shell/keystore.ts';
import { createMail } from '../../src/shell/mail.ts';
import type { Batch, OutboxItem } from '../../src/store/index.ts';
import type { Luck } from './random.ts';

/** How a member fails its cohort. */
export const VICES = ['silent', 'late', 'wrong signatures', 'equivocating', 'vetoing'] as const;
export type Vice = (typeof VICES)[number];

/** What becomes of one message: others in its place, none, or itself so many seconds later. */
type Fate = { messages: Message[] } | { delay: number } | null;

const OWED = new Set(['presence_ack', 'update_response', 'nonce', 'signal_authorization']);

function fateOf(vice: Vice, message: Message, luck: Luck): Fate {
  if (!OWED.has(message.type) || luck.chance(0.3)) return null;
  switch (vice) {
    case 'silent':
      return { messages: [] };
    case 'late':
      return { delay: 300 + luck.below(2_400) };
    case 'wrong signatures':
      return message.type === 'signal_authorization'
        ? { messages: [{ ...message, body: { ...message.body, sig: message.body.sig.map(() => '01'.repeat(32)) } }] }
        : null;
    case 'equivocating': {
      if (message.type !== 'nonce') return null;
      const nonce_points = message.body.nonce_points.map(([a, b]): [string, string] => [b, a]);
      return { messages: [message, { ...message, body: { ...message.body, nonce_points } }] };
    }
    case 'vetoing': {
      if (message.type !== 'nonce') return null;
      const { session_id } = message.body;
      return { messages: [{ type: 'veto', body: { session_id, code: 'policy', text: 'not today' } }] };
    }
  }
}

/**
 * Changes what a wallet is about to store and send, as one does whose owner means ill: the wallet itself believes that it
 * sent what it decided. `later` stores an item after so many seconds.
 */
export function corrupt(
  vice: Vice,
  luck: Luck,
  now: () => number,
  later: (item: OutboxItem, seconds: number) => void,
): (batch: Batch, keys: KeyStore) => Batch {
  let seq = 1_000_000;
  return (batch, keys) => {
    if (!batch.outbox?.length) return batch;
    const mail = createMail({ lend: keys.lend, random: luck.bytes, maxMessageBytes: () => null });
    const outbox = batch.outbox.flatMap((item): OutboxItem[] => {
      const opened = keys.lend(item.event.pubkey, secret =>
        decrypt(item.event.content, conversationKey(secret, item.to)),
      );
      const read = opened.ok ? readEnvelope(opened.text) : null;
      if (!read?.ok) return [item];
      const { from, to, cohort, session, in_reply_to, type, body } = read.envelope;
      const fate = fateOf(vice, { type, body } as Message, luck);
      if (fate === null) return [item];
      if ('delay' in fate) {
        later(item, fate.delay);
        return [];
      }
      return fate.messages.flatMap(
        message => mail.seal({ from, to, cohort, session, in_reply_to, message, seq: seq++ }, now()).items,
      );
    });
    const kept = new Set(outbox.map(({ id }) => id));
    const answers = (batch.answers ?? []).map(({ key, eventIds }) => ({
      key,
      eventIds: eventIds.filter(id => kept.has(id)),
    }));
    return { ...batch, outbox, answers };
  };
}

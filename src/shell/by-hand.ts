import { type Envelope, type EnvelopeRead, readEnvelope } from '../messages/index.ts';
import { tagValue } from '../nostr/event.ts';
import { BY_HAND } from '../store/by-hand.ts';
import type { StoredLetter } from '../store/types.ts';
import type { Mail } from './mail.ts';

/** How a message stands in a file: the events that relays would carry, or the signed envelope itself. */
export type Form = 'encrypted' | 'plain';

/** What is told of a message that was carried by hand. */
export interface Brief {
  id: string;
  type: string;
  seq: number;
  from: string;
  to: string;
  cohort: string;
  /** Unix seconds. */
  created_at: number;
}

/** A message of ours, ready to be written to a file. */
export interface Composed extends Brief {
  form: Form;
  /** Name for its file: sorts by sequence, tells type, recipient and sender. */
  name: string;
  /** What the file says: one JSON text a line. */
  lines: string[];
  /** Ids of the stored events that carry it: to be named when the file is written. */
  events: string[];
}

export interface ComposeRequest {
  form: Form;
  /** Also what was written to a file, or sent, before. */
  all?: boolean;
  /** One message: its sequence number, its id, or a beginning of that; waiting or not. */
  message?: string;
}

/** What became of one message that was delivered by hand. */
export type HandIn<Told = never> =
  /** Something followed from it; `told` says what, where that is known. */
  | { outcome: 'taken'; message: Brief; told: Told[] }
  /** It was understood, and nothing followed: it came before, or its time is over, or not come. */
  | { outcome: 'idle'; message: Brief; text: string }
  /** It came before, and nothing is done twice. */
  | { outcome: 'again'; message: Brief; text: string }
  /** It has to be delivered to a process that stays. */
  | { outcome: 'held'; message: Brief; text: string }
  /** A part of a larger message, of which others are missing yet. */
  | { outcome: 'partial'; have: number; of: number }
  /** A message for somebody else, or by ourselves. */
  | { outcome: 'not_ours'; field: string; text: string }
  | { outcome: 'refused'; field: string; text: string };

export const briefOf = ({ id, type, seq, from, to, cohort, created_at }: Envelope): Brief => ({
  id,
  type,
  seq,
  from,
  to,
  cohort,
  created_at,
});

/**
 * Told of a message that was taken by hand before. Its id stands among those of the events that were dealt with: read
 * from a shared folder again and again, it would be answered anew each time.
 */
export const takenBefore = (message: Brief): HandIn => ({
  outcome: 'again',
  message,
  text: 'was taken before; what followed from it can be composed by --all',
});

/** What an envelope that cannot be read is refused by. */
export const refusedRead = (read: Extract<EnvelopeRead, { ok: false }>): HandIn =>
  read.code === 'drop'
    ? { outcome: 'refused', field: 'envelope', text: read.text }
    : { outcome: 'refused', field: read.field, text: read.text };

/** A stored message of ours as far as it is known without decrypting it. */
export interface Unread {
  message: string;
  rows: StoredLetter[];
  /** Whether it was not written to a file yet. */
  isWaiting: boolean;
  /** x-only key of the recipient. */
  to: string;
}

/** What is to be composed: told apart first by what is known without decrypting, then by the envelope. */
export interface Choice {
  form: Form;
  wants: (unread: Unread) => boolean;
  isMeant: (envelope: Envelope) => boolean;
}

/** Stored rows by the message that they carry, in the order in which they were committed. */
function messagesOf(letters: readonly StoredLetter[]): Unread[] {
  const found = new Map<string, Unread>();
  for (const row of letters) {
    const known = found.get(row.message);
    const isWaiting = row.pending.includes(BY_HAND);
    if (known) {
      known.rows.push(row);
      known.isWaiting ||= isWaiting;
    } else found.set(row.message, { message: row.message, rows: [row], isWaiting, to: tagValue(row.event, 'p') ?? '' });
  }
  return [...found.values()];
}

/** The envelope of a stored message. Throws if it is not whole, which a commit of all its events rules out. */
function envelopeOf({ rows }: Unread, mail: Pick<Mail, 'readBack'>): Envelope {
  const kept = rows.find(({ letter }) => letter !== null)?.letter;
  const events = rows.map(({ event }) => event);
  const read = readEnvelope(kept ?? mail.readBack(events, events[0]!.pubkey));
  if (!read.ok) throw new Error(`a stored message cannot be read: ${read.text}`);
  return read.envelope;
}

/** Whether a person meant this message: by its sequence number, its id, or a beginning of that. */
export const isMeant = (which: string, { seq, id }: Pick<Envelope, 'seq' | 'id'>): boolean =>
  which === String(seq) || (which.length >= 4 && id.startsWith(which));

const KEY_LETTERS = 8;

/** Stored messages of ours in the form that was asked for, in the order in which they were committed. */
export const composeAll = (
  letters: readonly StoredLetter[],
  mail: Pick<Mail, 'readBack'>,
  { form, wants, isMeant: isChosen }: Choice,
): Composed[] =>
  messagesOf(letters)
    .filter(wants)
    .flatMap(unread => {
      const envelope = envelopeOf(unread, mail);
      return isChosen(envelope) ? [compose(unread, envelope, form)] : [];
    });

function compose(unread: Unread, envelope: Envelope, form: Form): Composed {
  const { type, seq, from, to } = envelope;
  const name = `${String(seq).padStart(6, '0')}-${type}-to-${to.slice(0, KEY_LETTERS)}-from-${from.slice(0, KEY_LETTERS)}`;
  const events = unread.rows.map(({ event }) => event);
  return {
    ...briefOf(envelope),
    form,
    name: `${name}${form === 'plain' ? '.plain' : ''}.json`,
    lines: form === 'plain' ? [JSON.stringify(envelope)] : events.map(event => JSON.stringify(event)),
    events: events.map(({ id }) => id),
  };
}

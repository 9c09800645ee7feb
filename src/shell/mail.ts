import { type Bytes, toHex } from '../crypto/index.ts';
import {
  type Envelope,
  type EnvelopeRead,
  type Message,
  readEnvelope,
  type Scheme,
  signEnvelope,
} from '../messages/index.ts';
import {
  canReadBack,
  createChunkAssembler,
  isChunk,
  type NostrEvent,
  unwrapBy,
  unwrapOwn,
  wrapBy,
} from '../nostr/index.ts';
import type { OutboxItem } from '../store/types.ts';

/** Lends the secret of a transport key (x-only hex) and wipes the copy afterwards. Throws for a key it does not hold. */
export type LendSecret = <T>(transport: string, use: (secret: Bytes) => T) => T;

export interface Letter {
  from: string;
  to: string;
  cohort: string;
  message: Message;
  session?: string | undefined;
  in_reply_to?: string | undefined;
  seq: number;
  /** How it travels: `nip44_v2` if left out. */
  scheme?: Scheme | undefined;
  /** Bits of proof of work (NIP-13) that the recipient asks of strangers; none if left out. */
  work?: number | undefined;
  /** Seconds after which relays and the outbox may drop it: 30 days if left out. */
  keep?: number | undefined;
}

export interface Sealed {
  envelope: Envelope;
  items: OutboxItem[];
}

export type Opened =
  | { status: 'message'; read: EnvelopeRead; eventIds: string[]; scheme: Scheme; sender: string }
  /** A part of a larger message: nothing is done yet. */
  | { status: 'partial'; have: number; of: number }
  | { status: 'drop'; why: 'decryption' | 'chunks' | 'grafted'; reason: string };

export interface MailOptions {
  lend: LendSecret;
  random: (length: number) => Bytes;
  /** Smallest message that a relay of ours takes, in bytes; null while none says. */
  maxMessageBytes: () => number | null;
  /** Bits of work that relays of ours want of every event (NIP-13); none if left out. */
  workBits?: () => number;
}

/** Relays may drop a directed message after so many seconds: longer than any outage that a cohort survives. */
const KEEP = 30 * 86_400;

export interface Mail {
  /** Signs, encrypts and signs again: what comes out is stored and sent as it is, for ever. */
  seal(letter: Letter, now: number): Sealed;
  /**
   * The text of a message of ours from the events that carry it, in any order. Throws if they are not all of them, or
   * are gift wraps, whose key is forgotten.
   */
  readBack(events: readonly NostrEvent[], from: string): string;
  /**
   * Decrypts a verified event for one of our transport keys, putting chunks together: of senders that are known only,
   * since nothing that a stranger has to say needs them, and open sets cost memory.
   */
  open(event: NostrEvent, to: string, now: number, isKnown?: (sender: string) => boolean): Opened;
}

export function createMail({ lend, random, maxMessageBytes, workBits = () => 0 }: MailOptions): Mail {
  const chunks = createChunkAssembler();
  return {
    seal({ message, scheme = 'nip44_v2', work = 0, keep = KEEP, ...header }, now) {
      return lend(header.from, secret => {
        const envelope = signEnvelope({ ...message, ...header, created_at: now }, secret, random(32));
        const outgoing = {
          plaintext: JSON.stringify(envelope),
          from: secret,
          to: header.to,
          contextId: header.session ?? header.cohort,
          createdAt: now,
          expiration: now + keep,
          random,
          work: Math.max(work, workBits()),
        };
        const events = wrapBy(scheme, outgoing, maxMessageBytes());
        const items = events.map((event, i) => ({
          id: event.id,
          to: header.to,
          event: { ...event, tags: event.tags.map(tag => [...tag]) },
          createdAt: now,
          expiresAt: now + keep,
          kind: event.kind,
          message: envelope.id,
          ...(i === 0 && !canReadBack(event) ? { letter: outgoing.plaintext } : {}),
          ...(header.in_reply_to === undefined ? {} : { answers: header.in_reply_to }),
        }));
        return { envelope, items };
      });
    },
    readBack(events, from) {
      const parts = createChunkAssembler();
      for (const event of events) {
        const opened = lend(from, secret => unwrapOwn(event, secret));
        if (!opened.ok) throw new Error(`a sent event cannot be read back: ${opened.reason}`);
        const part = parts.accept({ sender: from, text: opened.text, eventId: event.id, now: 0 });
        if (part.status === 'whole') return part.text;
      }
      throw new Error('a sent message cannot be read back: parts of it are missing');
    },
    open(event, to, now, isKnown = () => true) {
      chunks.expire(now);
      const unwrapped = lend(to, secret => unwrapBy(event, secret));
      if (!unwrapped.ok) return { status: 'drop', why: 'decryption', reason: `decryption: ${unwrapped.reason}` };
      const { sender, text, scheme } = unwrapped;
      if (!isKnown(sender) && isChunk(text)) return { status: 'drop', why: 'chunks', reason: 'chunks: of a stranger' };
      const part = chunks.accept({ sender, text, eventId: event.id, now });
      if (part.status === 'partial') return part;
      if (part.status === 'refused') return { status: 'drop', why: 'chunks', reason: `chunks: ${part.reason}` };
      const read = readEnvelope(part.text);
      // The envelope binds its sender and recipient: grafted onto another event it is worth nothing.
      const header = read.ok ? read.envelope : read.code === 'drop' ? null : read.sender;
      if (header && (header.from !== sender || header.to !== to))
        return {
          status: 'drop',
          why: 'grafted',
          reason: 'the envelope is of another sender or recipient than its event',
        };
      return { status: 'message', read, eventIds: part.eventIds, scheme, sender };
    },
  };
}

/** Fresh randomness as hex. */
export const randomHex = (random: (length: number) => Bytes, length: number): string => toHex(random(length));

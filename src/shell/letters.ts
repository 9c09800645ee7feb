import type { CohortEvent, CohortState, Effect } from '../cohort/index.ts';
import type { Message, Scheme } from '../messages/index.ts';
import { boundedMap, type NostrEvent } from '../nostr/index.ts';
import type { Batch, OutboxItem, Store } from '../store/index.ts';
import type { Mail } from './mail.ts';

/** Relays keep an advert's event for its own `expiration`; the row that carries it needs no longer life. */
const KEEP_ADVERT = 30 * 86_400;
/** Answers that pass: how many are sent again as they are, and for how many seconds relays and outbox keep them. */
const FLEETING = 2_000;
const KEEP_FLEETING = 3_600;

export const answerKey = (sender: string, messageId: string): string => `${sender}:${messageId}`;

const advertKey = (cohort: string): string => `advert:${cohort}`;

const schemeKey = (cohort: string, transport: string): string => `scheme:${cohort}:${transport}`;

/** An answer in words for an operator; a rejection with its reason, which is this side's own. */
const wordsOf = (message: Message): string =>
  message.type === 'rejection' ? `rejection: ${message.body.code}: ${message.body.text}` : message.type;

/** How a message came, to be answered alike. */
export interface Heard {
  from: string;
  /** Null for one outside Nostr: its answer is sealed as if it had not been heard. */
  scheme: Scheme | null;
  /** The sender's; null for a message that could not be read, which is answered alike and not remembered. */
  seq: number | null;
}

/** What an input came from. */
export interface Source {
  eventIds?: readonly string[];
  /** The event that a freshly created cohort is named after. */
  advert?: NostrEvent;
  /** The message that is dealt with. */
  heard?: Heard;
}

/** What is known of the text from a file that is dealt with at the moment. */
export interface Carrying {
  /** The operator brought it, and no limit of strangers holds. */
  isByHand: boolean;
  /** Answers in words, by the message that they answer; null while none came by hand. */
  answeredWith: Map<string, string[]> | null;
}

export interface Letters {
  /** A stream that the store has: its messages are numbered on from where they were. */
  adopt(stream: string): void;
  /** What of effects is to be stored, sealed and numbered; appends to `events` what only this step knows. */
  render(
    cohort: string,
    state: CohortState | null,
    effects: readonly Effect[],
    events: CohortEvent[],
    at: number,
    source: Pick<Source, 'advert' | 'heard'>,
  ): Batch;
  /**
   * Answers that change nothing and need not last: what strangers are refused, and that a member was too fast. They are
   * kept for an hour and recorded nowhere else, so that a flood of strangers fills no disk.
   */
  isFleeting(state: CohortState | null, effects: readonly Effect[], events: readonly CohortEvent[]): boolean;
  /** The events that answered a message before, if they were not recorded. */
  fleetingAnswers(key: string): string[] | undefined;
  /** The event by which a cohort's advert was last published. */
  advertEvent(cohort: string): NostrEvent | null;
}

export interface LettersOptions {
  store: Store;
  mail: Mail;
  signAdvert: (state: CohortState, status: CohortState['advert']['status']) => NostrEvent;
  carrying: Carrying;
}

/** Effects as rows: messages sealed in the scheme that their reader last spoke, adverts, broadcasts, evidence. */
export function createLetters({ store, mail, signAdvert, carrying }: LettersOptions): Letters {
  const sequences = new Map<string, number>();
  /** Answers that pass, by what they answer: the ids of their events. */
  const fleeting = boundedMap<string[]>(FLEETING);
  /** How members last spoke, over what is stored of it: the newest may wait in the journal. */
  const schemes = new Map<string, { scheme: Scheme; seq: number }>();
  /** How this member last spoke, by its own sequence: a relay that holds a message back cannot turn the scheme back. */
  function lastHeard(cohort: string, transport: string): { scheme: Scheme; seq: number } | null {
    const key = schemeKey(cohort, transport);
    const known = schemes.get(key);
    if (known) return known;
    const stored = store.meta(key);
    return stored === null ? null : (JSON.parse(stored) as { scheme: Scheme; seq: number });
  }

  /** The scheme of the sender's last message; never another by our own choice. */
  function schemeFor(cohort: string, state: CohortState, to: string, heard: Heard | undefined): Scheme {
    const { communication } = state.advert.terms;
    if (communication.length === 1) return communication[0]!;
    const last = lastHeard(cohort, to);
    const isNewest = heard?.from === to && (last === null || heard.seq === null || heard.seq >= last.seq);
    if (isNewest && heard.scheme !== null) return heard.scheme;
    return last?.scheme ?? (communication.includes('nip44_v2') ? 'nip44_v2' : communication[0]!);
  }

  function render(
    cohort: string,
    state: CohortState | null,
    effects: readonly Effect[],
    events: CohortEvent[],
    at: number,
    { advert, heard }: Source,
  ): Batch {
    const { answeredWith } = carrying;
    const outbox: OutboxItem[] = [];
    const answers = new Map<string, string[]>();
    const meta: { key: string; value: string }[] = [];
    const batch: Batch = { meta, outbox, broadcasts: [], settleBroadcasts: [], evidence: [] };
    let seq = sequences.get(cohort) ?? 0;
    const passes = isFleeting(state, effects, events);
    const keep = passes ? KEEP_FLEETING : undefined;
    for (const effect of effects) {
      switch (effect.type) {
        case 'send': {
          const from = state!.advert.terms.transport_key;
          const { to, message, session, in_reply_to } = effect;
          const scheme = schemeFor(cohort, state!, to, heard);
          const letter = { from, to, cohort, message, session, in_reply_to, seq: ++seq, scheme, keep };
          const { items } = mail.seal(letter, at);
          outbox.push(...items);
          if (in_reply_to !== undefined)
            answeredWith?.set(in_reply_to, [...(answeredWith.get(in_reply_to) ?? []), wordsOf(message)]);
          // What was refused for its haste alone is judged anew when it comes again.
          if (in_reply_to !== undefined && passes && !state!.transports.has(to))
            fleeting.set(
              answerKey(to, in_reply_to),
              items.map(item => item.id),
            );
          else if (in_reply_to !== undefined && !passes) {
            const key = answerKey(to, in_reply_to);
            answers.set(key, [...(answers.get(key) ?? []), ...items.map(item => item.id)]);
          }
          break;
        }
        case 'publish_advert': {
          const event = advert ?? signAdvert(state!, effect.status);
          meta.push({ key: advertKey(cohort), value: JSON.stringify(event) });
          outbox.push({ id: event.id, to: '', event, createdAt: at, expiresAt: at + KEEP_ADVERT, kind: event.kind });
          if (state) events.push({ type: 'advert_refreshed', event_id: event.id, expires_at: state.advert.expires_at });
          break;
        }
        case 'broadcast':
          batch.broadcasts!.push({ txid: effect.txid, hex: effect.hex, stream: cohort, at });
          break;
        case 'settle_broadcast':
          batch.settleBroadcasts!.push(effect.txid);
          break;
        case 'keep_evidence':
          batch.evidence!.push({ stream: cohort, at, reason: effect.transcript.reason, body: effect.transcript });
          break;
      }
    }
    if (seq !== sequences.get(cohort)) {
      sequences.set(cohort, seq);
      meta.push({ key: `seq:${cohort}`, value: String(seq) });
    }
    const isNoted = !passes && heard && heard.seq !== null && heard.scheme !== null;
    if (
      isNoted &&
      heard.seq !== null &&
      heard.scheme !== null &&
      state &&
      state.advert.terms.communication.length > 1
    ) {
      const { from, scheme } = heard;
      if (heard.seq >= (lastHeard(cohort, from)?.seq ?? 0))
        noteScheme(meta, schemeKey(cohort, from), { scheme, seq: heard.seq });
    }
    batch.answers = [...answers].map(([key, eventIds]) => ({ key, eventIds }));
    return batch;
  }

  function noteScheme(
    meta: { key: string; value: string }[],
    key: string,
    spoken: { scheme: Scheme; seq: number },
  ): void {
    schemes.set(key, spoken);
    meta.push({ key, value: JSON.stringify(spoken) });
  }

  function isFleeting(state: CohortState | null, effects: readonly Effect[], events: readonly CohortEvent[]): boolean {
    const [first] = effects;
    if (carrying.isByHand || !state || events.length > 0 || first?.type !== 'send' || first.in_reply_to === undefined)
      return false;
    const { message } = first;
    const isTooFast =
      message.type === 'rejection' && (message.body.code === 'rate_limited' || message.body.code === 'queue_full');
    return isTooFast || !state.transports.has(first.to);
  }

  return {
    adopt: stream => void sequences.set(stream, Number(store.meta(`seq:${stream}`) ?? 0)),
    render,
    isFleeting,
    fleetingAnswers: key => fleeting.get(key),
    advertEvent(cohort) {
      const stored = store.meta(advertKey(cohort));
      return stored === null ? null : (JSON.parse(stored) as NostrEvent);
    },
  };
}

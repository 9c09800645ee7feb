import type { AdmissionPolicy, CohortState, Effect, Input } from '../cohort/index.ts';
import type { EnvelopeRead, Message, Scheme } from '../messages/index.ts';
import { readCarried } from '../nostr/carried.ts';
import { type Delivered, MAX_SKEW, messageOf, type NostrEvent } from '../nostr/index.ts';
import { isStoreFault, type Store } from '../store/index.ts';
import { briefOf, type HandIn, refusedRead, takenBefore } from './by-hand.ts';
import { type Door, type Guest, hidesSender } from './door.ts';
import type { Dropped, Drops } from './drops.ts';
import type { Journal } from './journal.ts';
import { answerKey, type Carrying, type Letters, type Source } from './letters.ts';
import type { Mail, Opened } from './mail.ts';

const byHandKey = (cohort: string, transport: string): string => `by_hand:${cohort}:${transport}`;

/** What became of a message, and as what it counts if it was dropped. */
type Taken = HandIn & { why?: Dropped };

export interface IntakeOptions {
  store: Store;
  mail: Mail;
  door: Door;
  drops: Drops;
  journal: Journal;
  letters: Letters;
  carrying: Carrying;
  states: ReadonlyMap<string, CohortState>;
  cohortOfTransport: ReadonlyMap<string, string>;
  admission: (advertId: string) => AdmissionPolicy;
  feed: (cohort: string, input: Input, source: Source) => string | null;
  onStored: () => void;
  /** Unix seconds. */
  now: () => number;
}

export interface Intake {
  /** One verified directed event; what follows is stored, and acted on, at the next flush of the journal. */
  enter(event: NostrEvent, relay: string): Delivered;
  /** One JSON text from a file. */
  takeByHand(text: string): HandIn;
  /** Whether a member's messages came by file. */
  isByHand(cohort: string, transport: string): boolean;
  /** Whether an answer is worth what it costs: a refusal to a stranger is, at a rate. */
  isWorthAnswer(cohort: string, effect: Effect): boolean;
  /** Whether an event that nobody has verified yet may be worth it; counts it if not. */
  isWelcome(event: NostrEvent, relay: string): boolean;
  isSeen(id: string): boolean;
  unseen(ids: readonly string[]): string[];
}

/** What comes in, from its first look to the core: who may enter, what can be read, what was answered before. */
export function createIntake(options: IntakeOptions): Intake {
  const { store, mail, door, drops, journal, letters, carrying, states, cohortOfTransport, feed, now } = options;

  /** What comes by hand may have come before. */
  const isSeen = (id: string): boolean => journal.holdsSeen(id) || store.hasSeen(id);
  const unseen = (ids: readonly string[]): string[] => ids.filter(id => !isSeen(id));

  /** Nothing that anybody can send throws past here: a message that finds a fault of ours is counted, logged, and gone. */
  function withoutFault(event: NostrEvent, run: () => Delivered): Delivered {
    try {
      return run();
    } catch (error) {
      if (isStoreFault(error)) throw error;
      drops.count('fault', event.pubkey, { event: event.id, error: messageOf(error) });
      return undefined;
    }
  }

  function letterOf(event: NostrEvent, relay: string): Letter | null {
    const to = event.tags.find(tag => tag[0] === 'p')?.[1] ?? '';
    const cohort = cohortOfTransport.get(to);
    return cohort === undefined || !states.has(cohort) ? null : { event, relay, to, cohort };
  }

  const guestOf = ({ event, relay, cohort }: Letter): Guest => ({
    event,
    relay,
    seat: hidesSender(event) ? 'wrapped' : seatOf(cohort, event.pubkey),
    work: states.get(cohort)!.advert.terms.pow_bits ?? 0,
  });

  /** A flood is turned away at the cost of a hash at most: a signature takes ten times as long. */
  function isWelcome(event: NostrEvent, relay: string): boolean {
    const letter = letterOf(event, relay);
    const objection = letter === null ? 'recipient' : door.glance(guestOf(letter));
    if (objection === null) return true;
    // Nobody has proven to have written it: it counts as the relay's.
    drops.count(objection, relay, { event: event.id });
    return false;
  }

  function admit(event: NostrEvent, relay: string): Delivered {
    const letter = letterOf(event, relay);
    if (letter) return pass(guestOf(letter), letter, () => open(letter));
  }

  const seatOf = (cohort: string, transport: string): { name: string } | 'stranger' => {
    const member = states.get(cohort)?.transports.get(transport);
    return member === undefined ? 'stranger' : { name: `${cohort} ${member}` };
  };

  interface Letter {
    event: NostrEvent;
    relay: string;
    to: string;
    cohort: string;
  }

  /** Through the door: now, later, or not at all. What was not opened is not dealt with, and may come again. */
  function pass(guest: Guest, letter: Letter, run: () => Delivered): Delivered {
    const { event, relay, cohort } = letter;
    const { seat } = guest;
    const admitted = door.admit(guest, () => {
      if (!isSeen(event.id)) withoutFault(event, run);
      journal.flush();
    });
    if (admitted === 'now') return run();
    if (admitted === 'later') return 'again';
    dropped(cohort, event, admitted, relay);
    if (typeof seat === 'object' && door.mayWarn(seat.name)) warn(letter);
    return admitted === 'no_work' ? undefined : 'again';
  }

  /** A member is not met with silence, not even one that floods: now and then it is told why nothing happens. */
  function warn({ event, to, cohort }: Letter): void {
    const opened = mail.open(event, to, now(), () => false);
    if (opened.status !== 'message' || !opened.read.ok) return;
    const { from, id } = opened.read.envelope;
    const text = 'this member sends more than its share: slow down, and send it again later';
    refuse(cohort, { from, id, scheme: opened.scheme }, [], {
      type: 'rejection',
      body: { code: 'rate_limited', text },
    });
  }

  function open(letter: Letter): Delivered {
    const { event, to, cohort } = letter;
    const state = states.get(cohort)!;
    const opened = mail.open(event, to, now(), sender => state.transports.has(sender));
    if (opened.status !== 'message' || !hidesSender(event)) return told(letter, take(cohort, opened));
    const guest = { ...guestOf(letter), seat: seatOf(cohort, opened.sender) };
    return pass(guest, letter, () => told(letter, take(cohort, opened)));
  }

  /** What became of an event that a relay brought. */
  function told({ cohort, event }: Letter, taken: Taken): Delivered {
    if (taken.outcome === 'partial') return 'again';
    if (taken.why) return dropped(cohort, event, taken.why, 'text' in taken ? taken.text : '');
    // Refused for its haste: nothing was recorded, and it may come again.
    const isMember = states.get(cohort)!.transports.has(event.pubkey);
    return taken.outcome === 'taken' && isMember && !isSeen(event.id) ? 'again' : undefined;
  }

  function take(cohort: string, opened: Opened, byHand = false): Taken {
    const state = states.get(cohort)!;
    if (opened.status === 'partial') return { outcome: 'partial', have: opened.have, of: opened.of };
    if (opened.status === 'drop') return { outcome: 'refused', field: 'content', text: opened.reason, why: opened.why };
    if (!state.advert.terms.communication.includes(opened.scheme))
      return { outcome: 'refused', field: 'kind', text: `this advert does not take ${opened.scheme}`, why: 'scheme' };
    return receive(cohort, state, opened, byHand);
  }

  function receive(
    cohort: string,
    state: CohortState,
    { read, eventIds, scheme }: { read: EnvelopeRead; eventIds: readonly string[]; scheme: Scheme | null },
    byHand = false,
  ): Taken {
    if (!read.ok && read.code === 'drop') return { ...refusedRead(read), why: 'envelope' };
    const sender = read.ok ? read.envelope : (read as Extract<EnvelopeRead, { sender: unknown }>).sender;
    const isMember = state.transports.has(sender.from);
    if (byHand) rememberByHand(cohort, sender.from);
    const key = answerKey(sender.from, sender.id);
    if (journal.holdsAnswer(key)) journal.flush();
    const known = store.answersFor(key)?.map(answer => answer.id) ?? letters.fleetingAnswers(key);
    if (known) {
      store.requeue(known);
      options.onStored();
      if (!read.ok) return refusedRead(read);
      const text = 'was answered before; the same answer waits to be composed';
      return { outcome: 'again', message: briefOf(read.envelope), text };
    }
    // Who asks for a seat has none yet, and must learn which field was wrong.
    const asksToEnter = sender.type === 'opt_in' || sender.type === 'rebind';
    if (!read.ok) {
      if (!isMember && !(asksToEnter && read.code === 'invalid_message'))
        return { ...refusedRead(read), why: 'no_seat' };
      refuse(cohort, { ...sender, scheme }, eventIds, {
        type: 'rejection',
        body: { code: read.code, text: read.text, field: read.field },
      });
      return refusedRead(read);
    }
    const { envelope } = read;
    const heard = { from: envelope.from, scheme, seq: envelope.seq };
    if (!isMember && !asksToEnter)
      return { outcome: 'refused', field: 'from', text: 'the sender has no seat', why: 'no_seat' };
    if (envelope.created_at > now() + MAX_SKEW)
      return { outcome: 'refused', field: 'created_at', text: 'dated in the future', why: 'future' };
    if (!state.advert.event_ids.has(envelope.cohort)) {
      const text = `this transport key serves the cohort ${cohort}`;
      refuse(cohort, { ...sender, scheme }, eventIds, {
        type: 'rejection',
        body: { code: 'wrong_cohort', text, field: 'cohort' },
      });
      return { outcome: 'refused', field: 'cohort', text };
    }
    const message = briefOf(envelope);
    if (byHand && isSeen(envelope.id)) return takenBefore(message);
    const drop = feed(
      cohort,
      { type: 'message', envelope, admission: options.admission(state.advert.terms.id) },
      { eventIds: byHand ? [...eventIds, envelope.id] : eventIds, heard },
    );
    return drop === null
      ? { outcome: 'taken', message, told: [] }
      : { outcome: 'idle', message, text: drop, why: 'undecided' };
  }

  /** Whoever wrote by hand is answered by hand: a file is not waited for at a relay. */
  function rememberByHand(cohort: string, from: string): void {
    const key = byHandKey(cohort, from);
    if (store.meta(key) === null) store.commit({ meta: [{ key, value: '1' }] });
  }

  function takeByHand(text: string): HandIn {
    carrying.isByHand = true;
    try {
      return takeCarried(text);
    } finally {
      carrying.isByHand = false;
    }
  }

  function takeCarried(text: string): HandIn {
    const carried = readCarried(text);
    if (carried.form === 'refused') return { outcome: 'refused', field: carried.field, text: carried.text };
    if (carried.form === 'event') {
      const { event, to } = carried;
      const cohort = cohortTo(to, event.pubkey);
      if (typeof cohort !== 'string') return cohort;
      if (event.created_at > now() + MAX_SKEW)
        return { outcome: 'refused', field: 'created_at', text: 'dated in the future' };
      return take(cohort, mail.open(event, to, now()), true);
    }
    const { read } = carried;
    const { from, to } = read.ok ? read.envelope : read.sender;
    const cohort = cohortTo(to, from);
    if (typeof cohort !== 'string') return cohort;
    return receive(cohort, states.get(cohort)!, { read, eventIds: [], scheme: null }, true);
  }

  function cohortTo(to: string, author: string): string | HandIn {
    if (cohortOfTransport.has(author))
      return { outcome: 'not_ours', field: 'from', text: 'written by this aggregator itself' };
    return cohortOfTransport.get(to) ?? { outcome: 'not_ours', field: 'to', text: 'for no cohort of this aggregator' };
  }

  function refuse(
    cohort: string,
    sender: { from: string; id: string; scheme: Scheme | null },
    eventIds: readonly string[],
    message: Message,
  ): undefined {
    const at = now();
    const effect: Effect = { type: 'send', to: sender.from, message, in_reply_to: sender.id };
    const heard = { from: sender.from, scheme: sender.scheme, seq: null };
    const passes = letters.isFleeting(states.get(cohort)!, [effect], []);
    if (passes && !isWorthAnswer(cohort, effect)) return undefined;
    const batch = letters.render(cohort, states.get(cohort)!, [effect], [], at, { heard });
    const seen = passes ? [] : unseen(eventIds).map(id => ({ id, at }));
    journal.add(cohort, { ...batch, seen }, options.onStored);
    return undefined;
  }

  function dropped(cohort: string, event: NostrEvent, reason: Dropped, text: string): undefined {
    drops.count(reason, event.pubkey, { cohort, event: event.id, text });
    return undefined;
  }

  /** Refusals to strangers are limited too: each is an event that every relay of ours is sent. */
  function isWorthAnswer(cohort: string, effect: Effect): boolean {
    if (effect.type !== 'send' || states.get(cohort)!.transports.has(effect.to) || door.mayRefuse()) return true;
    drops.count('refusals_limited', effect.to, { cohort });
    return false;
  }

  return {
    enter: (event, relay) => withoutFault(event, () => admit(event, relay)),
    takeByHand,
    isByHand: (cohort, transport) => store.meta(byHandKey(cohort, transport)) !== null,
    isWorthAnswer,
    isWelcome,
    isSeen,
    unseen,
  };
}

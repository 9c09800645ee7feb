import { type Chain, ChainUnreachable } from '../chain/index.ts';
import {
  type AdmissionPolicy,
  type Beacon,
  type ChainView,
  type CohortEvent,
  type CohortState,
  decide,
  type Effect,
  type Env,
  evolve,
  type Input,
} from '../cohort/index.ts';
import type { Bytes } from '../crypto/index.ts';
import type { EnvelopeRead, Message, Scheme } from '../messages/index.ts';
import { readCarried } from '../nostr/carried.ts';
import { boundedMap, type Delivered, type Log, type NostrEvent } from '../nostr/index.ts';
import { BY_HAND } from '../store/by-hand.ts';
import { type Batch, isStoreFault, type OutboxItem, type Store } from '../store/index.ts';
import {
  briefOf,
  type Composed,
  type ComposeRequest,
  composeAll,
  type HandIn,
  isMeant,
  refusedRead,
  takenBefore,
} from './by-hand.ts';
import { checkControl } from './control-check.ts';
import { type Door, hidesSender } from './door.ts';
import type { Dropped, Drops } from './drops.ts';
import type { Eye } from './eye.ts';
import { createJournal } from './journal.ts';
import { type Mail, type Opened, randomHex } from './mail.ts';

export interface HostOptions {
  store: Store;
  mail: Mail;
  chain: Chain;
  eye: Eye;
  random: (length: number) => Bytes;
  /** Unix seconds. */
  now: () => number;
  log: Log;
  door: Door;
  drops: Drops;
  admission: (advertId: string) => AdmissionPolicy;
  /** Signs the advert of a cohort anew, with this status; strictly later than the one before. */
  signAdvert: (state: CohortState, status: CohortState['advert']['status']) => NostrEvent;
  /** Whether anything can be heard at present; while not, nobody's deadline passes. */
  isHearing: () => boolean;
  /** Rows were stored: the outbox should look. */
  onStored: () => void;
  /** A cohort was created: its transport key takes mail from now on. */
  onRecipients: () => void;
}

export interface Host {
  states(): CohortState[];
  view(cohort: string): ChainView | null;
  /** Transport keys that mail in this scheme is for. */
  recipients(scheme: Scheme): string[];
  /** The event by which a cohort's advert was last published. */
  advertEvent(cohort: string): NostrEvent | null;
  /** Begins a cohort with its first advert event, which is sent as it is. */
  create(input: Extract<Input, { type: 'create' }>, advert: NostrEvent): string | null;
  /** Feeds one input and does what follows from it. Returns why nothing happened, or null. */
  feed(cohort: string, input: Input): string | null;
  /** One verified directed event, and the relay that it came from; what follows is stored, and acted on, at the next `flush`. Throws only what the store throws. */
  deliver(event: NostrEvent, relay: string): Delivered;
  /** Makes all that was delivered durable, and does what follows. Every other method has flushed when it returns. */
  flush(): void;
  /** Whether an event was dealt with: durably, or to be so at the next `flush`. */
  hasSeen(id: string): boolean;
  /** One JSON text from a file: an event, or a signed envelope. Resolves when the checks that it set off are done. */
  deliverByHand(text: string): Promise<HandIn<string>>;
  /**
   * Messages of a cohort for files, oldest first: to one member (x-only transport key), else to those whose messages came
   * by file, or to all where no relay is in use.
   */
  compose(cohort: string, request: ComposeRequest & { member?: string; toAll: boolean }): Composed[];
  /** The files of these events were written: they wait no longer. */
  composed(eventIds: readonly string[]): void;
  /** Looks at the chain for every formed cohort, then does what is due. */
  lookAll(): Promise<void>;
  /** Does what time has made due. */
  tick(): void;
  /** Sends every stored transaction that is not settled. */
  rebroadcast(): Promise<void>;
  env(cohort: string): Env;
}

/** Relays keep an advert's event for its own `expiration`; the row that carries it needs no longer life. */
const KEEP_ADVERT = 30 * 86_400;

const answerKey = (sender: string, messageId: string): string => `${sender}:${messageId}`;

const advertKey = (cohort: string): string => `advert:${cohort}`;

const byHandKey = (cohort: string, transport: string): string => `by_hand:${cohort}:${transport}`;

const schemeKey = (cohort: string, transport: string): string => `scheme:${cohort}:${transport}`;

/** What became of a message, and as what it counts if it was dropped. */
type Taken = HandIn & { why?: Dropped };

/** How a message came, to be answered alike. */
interface Heard {
  from: string;
  /** Null for one outside Nostr: its answer is sealed as if it had not been heard. */
  scheme: Scheme | null;
  /** The sender's; null for a message that could not be read, which is answered alike and not remembered. */
  seq: number | null;
}

const beaconOf = (state: CohortState | undefined): Beacon | null =>
  state?.phase.name === 'formed' ? state.phase.beacon : null;

/** An answer in words for an operator; a rejection with its reason, which is this side's own. */
const wordsOf = (message: Message): string =>
  message.type === 'rejection' ? `rejection: ${message.body.code}: ${message.body.text}` : message.type;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** More steps than any cascade of one input has: beyond it the core is in a loop, which must not take the others along. */
const MAX_STEPS = 200;
/** Answers that pass: how many are sent again as they are, and for how many seconds relays and outbox keep them. */
const FLEETING = 2_000;
const KEEP_FLEETING = 3_600;
/** Seconds that an envelope may be dated ahead. */
const MAX_SKEW = 900;

/** Runs the cohorts: input → decide → one commit of everything → evolve → effects. Cohorts fail alone. */
export function createHost(options: HostOptions): Host {
  const { store, mail, chain, eye, random, now, log, door, drops } = options;
  const states = new Map<string, CohortState>();
  const cohortOfTransport = new Map<string, string>();
  const views = new Map<string, ChainView>();
  const failed = new Set<string>();
  /** Answers in words, by the message that they answer, while one that came by hand is dealt with. */
  let answeredWith: Map<string, string[]> | null = null;
  let underway = 0;
  /** While a text from a file is dealt with: the operator brought it, and no limit of strangers holds. */
  let isByHand = false;
  const checking = new Map<string, Promise<void>>();
  const sequences = new Map<string, number>();
  const lookups = new Map<string, Promise<void>>();
  /** Answers that pass, by what they answer: the ids of their events. */
  const fleeting = boundedMap<string[]>(FLEETING);
  /** How members last spoke, over what is stored of it: the newest may wait in the journal. */
  const schemes = new Map<string, { scheme: Scheme; seq: number }>();
  const journal = createJournal(store, stopCohort);
  /** Messages come in bursts, and one commit is enough for a burst. */
  let isDelivering = false;

  for (const stream of store.streams()) {
    sequences.set(stream, Number(store.meta(`seq:${stream}`) ?? 0));
    guarded(stream, () => {
      let state: CohortState | null = null;
      for (const row of store.read(stream)) state = evolve(state, { ...(row.body as CohortEvent), at: row.at });
      if (state) adopt(stream, state);
    });
  }

  function adopt(cohort: string, state: CohortState): void {
    if (!states.has(cohort)) cohortOfTransport.set(state.advert.terms.transport_key, cohort);
    states.set(cohort, state);
  }

  const env = (cohort: string): Env => ({
    now: now(),
    entropy: randomHex(random, 32),
    chain: views.get(cohort) ?? null,
  });

  /** What comes by hand may have come before. */
  const isSeen = (id: string): boolean => journal.holdsSeen(id) || store.hasSeen(id);
  const unseen = (ids: readonly string[]): string[] => ids.filter(id => !isSeen(id));

  interface Source {
    eventIds?: readonly string[];
    /** The event that a freshly created cohort is named after. */
    advert?: NostrEvent;
    /** The message that is dealt with. */
    heard?: Heard;
  }

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

  /** Decides one input; everything that follows is stored in one transaction, and only then acted on. */
  function step(cohort: string, input: Input, source: Source = {}): { changed: boolean; drop: string | null } {
    const state = states.get(cohort) ?? null;
    const at = now();
    const decision = decide(state, input, env(cohort));
    if ('drop' in decision) return { changed: false, drop: decision.drop };
    const events = [...decision.events];
    const passes = isFleeting(state, decision.effects, events);
    if (passes && !isWorthAnswer(cohort, decision.effects[0]!)) return { changed: false, drop: null };
    const batch = render(cohort, state, decision.effects, events, at, source);
    const nothing = events.length === 0 && decision.effects.length === 0;
    const act = (): void => {
      if (decision.effects.length > 0) options.onStored();
      for (const effect of decision.effects)
        if (effect.type === 'broadcast') void submit(cohort, effect.txid, effect.hex);
    };
    if (!nothing || source.eventIds)
      journal.add(
        cohort,
        {
          ...batch,
          seen: passes ? [] : unseen(source.eventIds ?? []).map(id => ({ id, at })),
          events: events.map(event => ({ stream: cohort, type: event.type, at, body: event })),
        },
        act,
      );
    let next = state;
    for (const event of events) next = evolve(next, { ...event, at });
    if (next) adopt(cohort, next);
    for (const event of events)
      log('debug', event.type, { cohort, ...('reason' in event ? { reason: event.reason } : {}) });
    return { changed: events.length > 0, drop: null };
  }

  function render(
    cohort: string,
    state: CohortState | null,
    effects: readonly Effect[],
    events: CohortEvent[],
    at: number,
    { advert, heard }: Source,
  ): Batch {
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
          const event = advert ?? options.signAdvert(state!, effect.status);
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

  /** Repeats what is due until nothing is: every step is a commit of its own, so a crash between two loses nothing. */
  function settle(cohort: string): void {
    if (failed.has(cohort)) return;
    if (!options.isHearing()) {
      // What came by hand is answered all the same: only what hangs on time stands still.
      startChecks(cohort);
      return;
    }
    for (let i = 0; i < MAX_STEPS; i++)
      if (!step(cohort, { type: 'advance' }).changed) {
        startChecks(cohort);
        return;
      }
    throw new Error(`cohort ${cohort} does not come to rest`);
  }

  /** One cohort's fault stops that cohort only: it is reported, and left as its log has it. */
  function guarded(cohort: string, run: () => void): void {
    if (failed.has(cohort)) return;
    try {
      run();
    } catch (error) {
      // When the database cannot take a step, no cohort may take one.
      if (isStoreFault(error)) throw error;
      stopCohort(cohort, error);
    }
  }

  function stopCohort(cohort: string, error: unknown): void {
    failed.add(cohort);
    log('error', 'a cohort failed and is stopped until the next start', {
      cohort,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }

  function feed(cohort: string, input: Input, source: Source = {}): string | null {
    let drop: string | null = null;
    guarded(cohort, () => {
      ({ drop } = step(cohort, input, source));
      settle(cohort);
    });
    if (!isDelivering) journal.flush();
    return failed.has(cohort) ? 'the cohort is stopped: see the log' : drop;
  }

  function startChecks(cohort: string): void {
    const beacon = beaconOf(states.get(cohort));
    if (!beacon) return;
    for (const check of beacon.checks.values()) {
      if (checking.has(check.request_id)) continue;
      const checked = checkControl(chain, states.get(cohort)!.advert.terms, beacon, check)
        .then(result => void feed(cohort, { type: 'control_checked', request_id: check.request_id, result }))
        .catch(error => log('warn', 'a registration could not be checked yet', { cohort, error: messageOf(error) }))
        .finally(() => checking.delete(check.request_id));
      checking.set(check.request_id, checked);
    }
  }

  async function submit(cohort: string, txid: string, hex: string): Promise<void> {
    try {
      const result = await chain.submit(hex);
      if (result.accepted) await look(cohort);
      else {
        const { code, reason } = result;
        feed(cohort, { type: 'broadcast_refused', txid, reason: `${code}: ${reason}`, cheap: code === 'fee_too_low' });
      }
    } catch (error) {
      // It may have been sent: the same bytes go out again with the next block.
      log('warn', 'a broadcast had no answer', { cohort, txid, error: messageOf(error) });
    }
  }

  /** One look at a time for each cohort; whoever asks during one waits for a fresh one. */
  async function look(cohort: string): Promise<void> {
    const running = lookups.get(cohort);
    const next = (running ?? Promise.resolve()).then(async () => {
      const beacon = beaconOf(states.get(cohort));
      if (!beacon) return;
      try {
        views.set(cohort, await eye.look(beacon.address));
      } catch (error) {
        views.delete(cohort);
        if (!(error instanceof ChainUnreachable))
          log('error', 'the chain cannot be read', { cohort, error: messageOf(error) });
        return;
      }
      guarded(cohort, () => settle(cohort));
      journal.flush();
    });
    lookups.set(cohort, next);
    await next;
  }

  function deliver(event: NostrEvent, relay: string): Delivered {
    isDelivering = true;
    try {
      return withoutFault(event, () => enter(event, relay));
    } finally {
      isDelivering = false;
    }
  }

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

  function enter(event: NostrEvent, relay: string): Delivered {
    const to = event.tags.find(tag => tag[0] === 'p')?.[1] ?? '';
    const cohort = cohortOfTransport.get(to);
    if (cohort === undefined || !states.has(cohort)) return;
    const letter = { event, relay, to, cohort };
    if (hidesSender(event)) return pass(letter, 'wrapped', () => open(letter));
    return pass(letter, seatOf(cohort, event.pubkey), () => open(letter));
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
  function pass(letter: Letter, seat: Parameters<Door['admit']>[0]['seat'], run: () => Delivered): Delivered {
    const { event, relay, cohort } = letter;
    const work = states.get(cohort)!.advert.terms.pow_bits ?? 0;
    const admitted = door.admit({ event, relay, seat, work }, () => {
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
    return pass(letter, seatOf(cohort, opened.sender), () => told(letter, take(cohort, opened)));
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
    const known = store.answersFor(key)?.map(answer => answer.id) ?? fleeting.get(key);
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
    isByHand = true;
    try {
      return takeCarried(text);
    } finally {
      isByHand = false;
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
    const passes = isFleeting(states.get(cohort)!, [effect], []);
    if (passes && !isWorthAnswer(cohort, effect)) return undefined;
    const batch = render(cohort, states.get(cohort)!, [effect], [], at, { heard });
    const seen = passes ? [] : unseen(eventIds).map(id => ({ id, at }));
    journal.add(cohort, { ...batch, seen }, options.onStored);
    return undefined;
  }

  /**
   * Answers that change nothing and need not last: what strangers are refused, and that a member was too fast. They are
   * kept for an hour and recorded nowhere else, so that a flood of strangers fills no disk.
   */
  function isFleeting(state: CohortState | null, effects: readonly Effect[], events: readonly CohortEvent[]): boolean {
    const [first] = effects;
    if (isByHand || !state || events.length > 0 || first?.type !== 'send' || first.in_reply_to === undefined)
      return false;
    const { message } = first;
    const isTooFast =
      message.type === 'rejection' && (message.body.code === 'rate_limited' || message.body.code === 'queue_full');
    return isTooFast || !state.transports.has(first.to);
  }

  /** Refusals to strangers are limited too: each is an event that every relay of ours is sent. */
  function isWorthAnswer(cohort: string, effect: Effect): boolean {
    if (effect.type !== 'send' || states.get(cohort)!.transports.has(effect.to) || door.mayRefuse()) return true;
    drops.count('refusals_limited', effect.to, { cohort });
    return false;
  }

  function dropped(cohort: string, event: NostrEvent, reason: Dropped, text: string): undefined {
    drops.count(reason, event.pubkey, { cohort, event: event.id, text });
    return undefined;
  }

  return {
    states: () => [...states.values()],
    view: cohort => views.get(cohort) ?? null,
    recipients: scheme =>
      [...cohortOfTransport]
        .filter(([, cohort]) => states.get(cohort)?.advert.terms.communication.includes(scheme))
        .map(([transport]) => transport),
    advertEvent(cohort) {
      const stored = store.meta(advertKey(cohort));
      return stored === null ? null : (JSON.parse(stored) as NostrEvent);
    },
    create(input, advert) {
      const drop = feed(input.cohort, input, { advert });
      options.onRecipients();
      return drop;
    },
    feed: (cohort, input) => feed(cohort, input),
    deliver,
    flush: () => journal.flush(),
    hasSeen: isSeen,
    async deliverByHand(text) {
      answeredWith ??= new Map();
      const answers = answeredWith;
      underway++;
      try {
        const result = takeByHand(text);
        journal.flush();
        await Promise.all(checking.values());
        return result.outcome === 'taken' ? { ...result, told: answers.get(result.message.id) ?? [] } : result;
      } finally {
        if (--underway === 0) answeredWith = null;
      }
    },
    compose(cohort, { form, all = false, message: which, member, toAll }) {
      const { transport_key } = states.get(cohort)!.advert.terms;
      return composeAll(store.outbox.letters(now()), mail, {
        form,
        wants({ to, isWaiting }) {
          const isTheirs = member !== undefined ? to === member : toAll || store.meta(byHandKey(cohort, to)) !== null;
          return isTheirs && (which !== undefined || all || isWaiting);
        },
        isMeant: envelope => envelope.from === transport_key && (which === undefined || isMeant(which, envelope)),
      });
    },
    composed(eventIds) {
      for (const id of eventIds) store.outbox.settle(id, BY_HAND, 'done');
    },
    env,
    tick() {
      door.pump();
      for (const cohort of states.keys()) guarded(cohort, () => settle(cohort));
      journal.flush();
    },
    async lookAll() {
      await Promise.all([...states.keys()].map(look));
    },
    async rebroadcast() {
      for (const { txid, hex, stream } of store.broadcasts()) await submit(stream, txid, hex);
    },
  };
}

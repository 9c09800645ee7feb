import { type Chain, ChainUnreachable } from '../chain/index.ts';
import {
  type AdmissionPolicy,
  type Beacon,
  type ChainView,
  type CohortEvent,
  type CohortState,
  decide,
  type Env,
  evolve,
  type Input,
} from '../cohort/index.ts';
import type { Bytes } from '../crypto/index.ts';
import type { Scheme } from '../messages/index.ts';
import { type Delivered, type Log, messageOf, type NostrEvent } from '../nostr/index.ts';
import { BY_HAND } from '../store/by-hand.ts';
import { isStoreFault, type Store } from '../store/index.ts';
import { type Composed, type ComposeRequest, composeAll, type HandIn, isMeant } from './by-hand.ts';
import { checkControl } from './control-check.ts';
import type { Door } from './door.ts';
import type { Drops } from './drops.ts';
import type { Eye } from './eye.ts';
import { createIntake } from './intake.ts';
import { createJournal } from './journal.ts';
import { type Carrying, createLetters, type Source } from './letters.ts';
import { type Mail, randomHex } from './mail.ts';
import { formedSuccessors } from './succession.ts';
import { keepTrees, type TreeBuilder } from './trees.ts';

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
  /** Hashes large trees without anybody waiting; all are hashed in line if left out. */
  trees?: TreeBuilder | undefined;
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
  /** Whether an event that nobody has verified yet may be worth it; counts it if not, against the relay alone. */
  isWelcome(event: NostrEvent, relay: string): boolean;
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
  /** Nothing is decided any more: what is looked at or checked meanwhile has nowhere to be stored. */
  stop(): void;
}

const beaconOf = (state: CohortState | undefined): Beacon | null =>
  state?.phase.name === 'formed' ? state.phase.beacon : null;

/** More steps than any cascade of one input has: beyond it the core is in a loop, which must not take the others along. */
const MAX_STEPS = 200;
/** What became of one input: `isPart` where more of the same follows, and others may be heard in between. */
interface Stepped {
  changed: boolean;
  isPart: boolean;
  drop: string | null;
}
const REST: Stepped = { changed: false, isPart: false, drop: null };

/** Runs the cohorts: input → decide → one commit of everything → evolve → effects. Cohorts fail alone. */
export function createHost(options: HostOptions): Host {
  const { store, mail, chain, eye, random, now, log, door, drops } = options;
  const carrying: Carrying = { isByHand: false, answeredWith: null };
  const states = new Map<string, CohortState>();
  const cohortOfTransport = new Map<string, string>();
  const views = new Map<string, ChainView>();
  const failed = new Set<string>();
  const checking = new Map<string, Promise<void>>();
  const lookups = new Map<string, Promise<void>>();
  const journal = createJournal(store, stopCohort);
  const letters = createLetters({ store, mail, signAdvert: options.signAdvert, carrying });
  const intake = createIntake({
    store,
    mail,
    door,
    drops,
    journal,
    letters,
    carrying,
    states,
    cohortOfTransport,
    admission: options.admission,
    feed,
    onStored: options.onStored,
    now,
  });
  /** Cohorts that go on at the next turn of the event loop. */
  const breathing = new Set<string>();
  let isStopped = false;
  /** Texts from files that are being dealt with. */
  let underway = 0;
  /** Messages come in bursts, and one commit is enough for a burst. */
  let isDelivering = false;

  for (const stream of store.streams()) {
    letters.adopt(stream);
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
    ...(trees ? { trees: { above: trees.above, prepared: trees.prepared(cohort) } } : {}),
  });
  const trees = options.trees && keepTrees(options.trees, { log, onReady: advance });

  /** Decides one input; everything that follows is stored in one transaction, and only then acted on. */
  function step(cohort: string, input: Input, source: Source = {}): Stepped {
    const state = states.get(cohort) ?? null;
    const at = now();
    const decision = decide(state, input, env(cohort));
    if ('drop' in decision) return { ...REST, drop: decision.drop };
    const events = [...decision.events];
    const passes = letters.isFleeting(state, decision.effects, events);
    if (passes && !intake.isWorthAnswer(cohort, decision.effects[0]!)) return REST;
    const effects = decision.effects.filter(effect => effect.type !== 'build_tree');
    for (const effect of decision.effects) if (effect.type === 'build_tree') trees?.build(cohort, effect.job);
    if (events.some(event => event.type === 'session_requested')) trees?.forget(cohort);
    const batch = letters.render(cohort, state, effects, events, at, source);
    const nothing = events.length === 0 && effects.length === 0;
    const act = (): void => {
      if (effects.length > 0) options.onStored();
      for (const effect of effects)
        if (effect.type === 'broadcast')
          submit(cohort, effect.txid, effect.hex).catch(error =>
            log('error', 'what became of a broadcast could not be stored', { cohort, error: messageOf(error) }),
          );
    };
    if (!nothing || source.eventIds)
      journal.add(
        cohort,
        {
          ...batch,
          seen: passes ? [] : intake.unseen(source.eventIds ?? []).map(id => ({ id, at })),
          events: events.map(event => ({ stream: cohort, type: event.type, at, body: event })),
        },
        act,
      );
    let next = state;
    for (const event of events) next = evolve(next, { ...event, at });
    if (next) adopt(cohort, next);
    for (const event of events)
      log('debug', event.type, { cohort, ...('reason' in event ? { reason: event.reason } : {}) });
    return { changed: events.length > 0, isPart: events.some(event => 'told' in event), drop: null };
  }

  /** Repeats what is due until nothing is: every step is a commit of its own, so a crash between two loses nothing. */
  function settle(cohort: string): void {
    if (failed.has(cohort)) return;
    if (!options.isHearing()) {
      // What came by hand is answered all the same: only what hangs on time stands still.
      startChecks(cohort);
      return;
    }
    for (let i = 0; i < MAX_STEPS; i++) {
      const { changed, isPart } = step(cohort, { type: 'advance' });
      if (isPart) afterBreath(cohort);
      if (isPart || !changed) {
        startChecks(cohort);
        return;
      }
    }
    throw new Error(`cohort ${cohort} does not come to rest`);
  }

  /** One cohort's fault stops that cohort only: it is reported, and left as its log has it. */
  function guarded(cohort: string, run: () => void): void {
    if (isStopped || failed.has(cohort)) return;
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

  /** More of the same is due: whoever waits to be heard comes first. */
  function afterBreath(cohort: string): void {
    if (breathing.has(cohort)) return;
    breathing.add(cohort);
    setImmediate(() => {
      breathing.delete(cohort);
      try {
        advance(cohort);
      } catch (error) {
        log('error', 'a step could not be stored', { cohort, error: messageOf(error) });
      }
    });
  }

  /** Something that an advance waited for is there. */
  function advance(cohort: string): void {
    guarded(cohort, () => settle(cohort));
    journal.flush();
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
    const result = await chain.submit(hex).catch((error: unknown) => {
      // It may have been sent: the same bytes go out again with the next block.
      log('warn', 'a broadcast had no answer', { cohort, txid, error: messageOf(error) });
      return null;
    });
    if (result === null) return;
    if (result.accepted) {
      await look(cohort);
      return;
    }
    const { code, reason } = result;
    feed(cohort, { type: 'broadcast_refused', txid, reason: `${code}: ${reason}`, cheap: code === 'fee_too_low' });
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
      advance(cohort);
    });
    lookups.set(cohort, next);
    await next;
  }

  return {
    states: () => [...states.values()],
    view: cohort => views.get(cohort) ?? null,
    recipients: scheme =>
      [...cohortOfTransport]
        .filter(([, cohort]) => states.get(cohort)?.advert.terms.communication.includes(scheme))
        .map(([transport]) => transport),
    advertEvent: letters.advertEvent,
    create(input, advert) {
      const drop = feed(input.cohort, input, { advert });
      options.onRecipients();
      return drop;
    },
    feed: (cohort, input) => feed(cohort, input),
    deliver(event, relay) {
      isDelivering = true;
      try {
        return intake.enter(event, relay);
      } finally {
        isDelivering = false;
      }
    },
    flush: () => journal.flush(),
    isWelcome: intake.isWelcome,
    hasSeen: intake.isSeen,
    async deliverByHand(text) {
      carrying.answeredWith ??= new Map();
      const answers = carrying.answeredWith;
      underway++;
      try {
        const result = intake.takeByHand(text);
        journal.flush();
        await Promise.all(checking.values());
        return result.outcome === 'taken' ? { ...result, told: answers.get(result.message.id) ?? [] } : result;
      } finally {
        if (--underway === 0) carrying.answeredWith = null;
      }
    },
    compose(cohort, { form, all = false, message: which, member, toAll }) {
      const { transport_key } = states.get(cohort)!.advert.terms;
      return composeAll(store.outbox.letters(now()), mail, {
        form,
        wants({ to, isWaiting }) {
          const isTheirs = member !== undefined ? to === member : toAll || intake.isByHand(cohort, to);
          return isTheirs && (which !== undefined || all || isWaiting);
        },
        isMeant: envelope => envelope.from === transport_key && (which === undefined || isMeant(which, envelope)),
      });
    },
    composed(eventIds) {
      for (const id of eventIds) store.outbox.settle(id, BY_HAND, 'done');
    },
    env,
    stop() {
      isStopped = true;
    },
    tick() {
      door.pump();
      for (const { cohort, input } of formedSuccessors([...states.values()])) feed(cohort, input);
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

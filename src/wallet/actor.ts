import { curve } from '#curve';
import type { ChainView } from '../cohort/index.ts';
import { type Bytes, toHex } from '../crypto/index.ts';
import type { Envelope, EnvelopeRead, Scheme } from '../messages/index.ts';
import { readCarried } from '../nostr/carried.ts';
import { type Delivered, type Log, MAX_SKEW, messageOf, type NostrEvent } from '../nostr/index.ts';
import {
  briefOf,
  type Composed,
  type ComposeRequest,
  composeAll,
  type HandIn,
  isMeant,
  refusedRead,
  takenBefore,
} from '../shell/by-hand.ts';
import type { Eye } from '../shell/eye.ts';
import type { KeyStore } from '../shell/keystore.ts';
import type { Mail } from '../shell/mail.ts';
import { BY_HAND } from '../store/by-hand.ts';
import type { Batch, OutboxItem } from '../store/types.ts';
import type { WalletStore } from '../store/wallet-store.ts';
import type { HandNews } from './api.ts';
import { peerOf } from './companion/pair.ts';
import {
  beaconOf,
  concernedDids,
  createNonceJar,
  type Decision,
  decide,
  type Effect,
  emptyWallet,
  evolve,
  forgottenOpportunities,
  type Input,
  type Job,
  jobsOf,
  nonceName,
  provenBeaconOf,
  treeNonce,
  type WalletEvent,
  type WalletState,
} from './core.ts';
import { sendSetAck, setAddress } from './joining.ts';
import { buriedSignals, ownAddresses } from './singleton.ts';

/** One log for the whole wallet: its DIDs and its cohorts depend on each other. */
const STREAM = 'wallet';
const NONCE_KEY = 'nonce_key';
/** Beacons that are looked at together: what is seen of the last is not much older than what is done about it. */
const LOOKS_AT_ONCE = 16;
/** Seconds after which a request that nobody answered is sent again, the first time. */
const FIRST_WAIT = 5;
/** How often the wallet looks again when its chain source seems to lag behind the aggregator's. */
const LAG_TRIES = 5;
const LAG_MS = 1_000;

export type ActorStore = Pick<
  WalletStore,
  'commit' | 'read' | 'meta' | 'answersFor' | 'requeue' | 'broadcasts' | 'hasSeen' | 'outbox' | 'whenStored'
>;

export interface ActorOptions {
  store: ActorStore;
  keys: KeyStore;
  mail: Mail;
  /** Null for a wallet without a view of the chain. */
  eye: Eye | null;
  submit: (hex: string) => Promise<void>;
  random: (length: number) => Bytes;
  now: () => number;
  log: Log;
  onStored: () => void;
  /** A request has waited for long, although it was sent again. */
  onUnanswered: () => void;
  onEvent: (event: HandNews) => void;
}

export interface Actor {
  state(): WalletState;
  /** Decides, stores, acts. Returns why nothing happened, or null. */
  feed(input: Input, chain?: ChainView | null): Promise<string | null>;
  deliver(event: NostrEvent): Promise<Delivered>;
  /** One JSON text from a file; a request to sign only if the process `stays`. */
  deliverByHand(text: string, stays: boolean): Promise<HandIn<HandNews>>;
  /** Messages for files; `relays` are those in use, whose word counts that they took one. */
  compose(request: { cohort?: string } & ComposeRequest, relays: readonly string[]): Composed[];
  composed(eventIds: readonly string[]): void;
  /** Looks at the chain for every cohort. */
  lookAll(): Promise<void>;
  /** Sessions whose nonces an earlier process took with it. */
  reportLostNonces(): Promise<void>;
  /** Sends requests again that nobody has answered. */
  resend(): void;
  /** Resolves with the first value that is not undefined, looking after every change; undefined when time is up. */
  until<T>(look: (state: WalletState) => T | undefined, timeoutMs: number): Promise<T | undefined>;
  /** Time is up for everybody who waits, now and later: a stopped wallet hears nothing, and holds no process open. */
  stopWaiting(): void;
}

type MessageInput = Extract<Input, { type: 'message' }>;

/** What of a membership it takes to write to its aggregator. */
interface Sender {
  transport: string;
  terms: { transport_key: string; pow_bits?: number | undefined };
  companion?: string;
  scheme?: Scheme | undefined;
}

/** Runs the wallet's core: one input at a time, stored before it has any effect, secrets only inside jobs. */
export function createActor(options: ActorOptions): Actor {
  const { store, keys, mail, eye, random, now, log } = options;
  const jar = createNonceJar();
  const watchers = new Set<() => void>();
  const stopped = new AbortController();
  const resent = new Map<string, { at: number; wait: number }>();
  /** Signals of own beacons that nobody has to look at any more. */
  const buried = new Set<string>();
  /** Cohorts whose transport key is lost: said once. */
  const mute = new Set<string>();
  let state = emptyWallet();
  let seq = Number(store.meta('seq') ?? 0);
  let queue: Promise<unknown> = Promise.resolve();
  for (const row of store.read(STREAM)) state = evolve(state, { ...(row.body as WalletEvent), at: row.at });

  const inTurn = <T>(run: () => Promise<T> | T): Promise<T> => {
    const turn = queue.then(run);
    queue = turn.catch(() => {});
    return turn;
  };

  /** Stores what was decided in one transaction; the effects are in it as bytes. */
  function carryOut(decision: Decision, eventIds: readonly string[]): string | null {
    const at = now();
    // What comes by hand may have come before.
    const seen = eventIds.filter(id => !store.hasSeen(id)).map(id => ({ id, at }));
    if (!('events' in decision)) {
      const text = 'drop' in decision ? decision.drop : decision.refuse;
      if ('refuse' in decision) {
        // Whoever listens is told; in the log it would be the same words again.
        if (eventIds.length > 0) log('info', 'refused', { text });
        tell({ type: 'refused', text, ...(decision.cohort === undefined ? {} : { cohort: decision.cohort }) });
      }
      // By hand it may come in a wrong order, and again: what nothing followed from is not dealt with.
      if (seen.length > 0 && listener === null) store.commit({ seen });
      return text;
    }
    const events = [...decision.events];
    const outbox: OutboxItem[] = [];
    const answers: { key: string; eventIds: string[] }[] = [];
    const before = seq;
    // What the lost wallet sent had smaller numbers.
    if (events.some(event => event.type === 'cohort_restored')) seq = Math.max(seq, at);
    let next = state;
    const apply = (event: WalletEvent): void => {
      next = evolve(next, { ...event, at });
    };
    // Effects may concern a cohort that these events only bring about.
    const memberships = new Map<string, Sender>(state.cohorts);
    for (const event of events) {
      if (event.type === 'joined') memberships.set(event.cohort, event);
      if (event.type === 'rebound')
        memberships.set(event.cohort, { ...memberships.get(event.cohort)!, transport: event.transport });
    }
    for (const effect of decision.effects) {
      if (effect.type !== 'send') continue;
      const { from, to } = effect;
      const known = memberships.get(effect.cohort);
      const sender = from && to ? { transport: from, terms: { ...known?.terms, transport_key: to } } : known!;
      // What is not sent for the want of a key is sent after a rebind, by the new one; all else goes on without it.
      if (!keys.has(effect.from ?? sender.transport)) {
        if (!mute.has(effect.cohort))
          log('warn', 'nothing is sent: the transport key is lost', { cohort: effect.cohort });
        mute.add(effect.cohort);
        continue;
      }
      const { items, envelope } = seal(effect, sender, at);
      outbox.push(...items);
      if (effect.slot === undefined) continue;
      events.push({ type: 'asked', cohort: effect.cohort, envelope_id: envelope.id, slot: effect.slot });
      answers.push({ key: sentKey(envelope.id), eventIds: items.map(item => item.id) });
    }
    const submits = decision.effects.flatMap(effect => (effect.type === 'broadcast' ? [effect.hex] : []));
    if (events.length === 0 && outbox.length === 0 && seen.length === 0) return null;
    store.commit({
      seen,
      events: events.map(event => ({ stream: STREAM, type: event.type, at, body: event })),
      outbox,
      answers,
      ...keptBroadcasts(state, events, at),
      ...(seq === before ? {} : { meta: [{ key: 'seq', value: String(seq) }] }),
    });
    for (const event of events) apply(event);
    state = next;
    for (const event of events) if (event.type === 'session_lost') jar.forget(event.session_id);
    afterStoring(() => {
      if (outbox.length > 0) options.onStored();
      for (const event of events) tell(event);
      for (const hex of submits) submit(hex);
      for (const watcher of watchers) watcher();
    });
    return null;
  }

  /** Hears of everything while a message that came by hand is dealt with. */
  let listener: HandNews[] | null = null;
  function tell(event: HandNews): void {
    listener?.push(event);
    options.onEvent(event);
  }

  /** What leaves the wallet waits for the disk: at once where commit has waited for it already. */
  function afterStoring(act: () => void): void {
    if (store.whenStored)
      store.whenStored().then(act, error => log('error', 'not stored', { error: messageOf(error) }));
    else act();
  }

  /** A result that is told only when all it rests on is on the disk; rejects if that failed. */
  const stored = <T>(result: T): T | Promise<T> => store.whenStored?.().then(() => result) ?? result;

  function submit(hex: string): void {
    void options
      .submit(hex)
      .catch(error => log('info', 'a signal could not be published', { error: messageOf(error) }));
  }

  function seal(
    effect: Extract<Effect, { type: 'send' }>,
    membership: Sender,
    at: number,
  ): { items: OutboxItem[]; envelope: Envelope } {
    const { cohort, message, session, in_reply_to } = effect;
    const letter = {
      from: effect.from ?? membership.transport,
      to: peerOf(membership),
      cohort,
      message,
      session,
      in_reply_to,
      scheme: membership.scheme,
      // Who asks for a seat is a stranger still, and so is a member under a new key.
      work: message.type === 'opt_in' || message.type === 'rebind' ? membership.terms.pow_bits : undefined,
    };
    return mail.seal({ ...letter, seq: ++seq }, at);
  }

  function step(
    input: Input,
    chain: ChainView | null,
    eventIds: readonly string[] = [],
    decided = decide(state, input, { now: now(), chain }),
  ): string | null {
    const drop = carryOut(decided, eventIds);
    for (let jobs = jobsOf(state); jobs.length > 0; jobs = jobsOf(state)) for (const job of jobs) work(job);
    return drop;
  }

  /** Secrets are lent for the time of one signature; nonces never leave the jar. */
  function work(job: Job): void {
    const { cohort } = job;
    const done = (input: Input): void => {
      const drop = carryOut(decide(state, input, { now: now(), chain: null }), []);
      if (drop) throw new Error(`${job.type}: ${drop}`);
    };
    if (job.type === 'draw_leaves') {
      const { address, opportunity_id, dids } = job;
      const nonces = keys.lend(nonceKey(), seed =>
        Object.fromEntries(dids.map(did => [did, treeNonce(seed, address, did, opportunity_id)])),
      );
      done({ type: 'leaves_drawn', cohort, opportunity_id, nonces });
      return;
    }
    const { participant_pk } = job;
    if (job.type === 'sign_set' || job.type === 'sign_heir') {
      const sign = (secret: Bytes): Bytes => curve.signSchnorr(job.statement, secret, random(32));
      const sig = toHex(keys.lend(participant_pk, sign, 'statement'));
      done({ type: job.type === 'sign_set' ? 'set_signed' : 'companion_heir_signed', cohort, sig });
      return;
    }
    if (job.type === 'sign_fallback') {
      const { session_id, messages } = job;
      const sign = (secret: Bytes): string[] =>
        messages.map(message => toHex(curve.signSchnorr(message, secret, random(32))));
      done({ type: 'fallback_signed', cohort, session_id, sig: keys.lend(participant_pk, sign, 'fallback') });
      return;
    }
    const { session, participant_pubkeys, policy, messages } = job;
    const { session_id } = session;
    if (job.type === 'draw_nonces') {
      jar.forget(session_id);
      const nonce_points = keys.lend(
        participant_pk,
        secretKey => jar.draw(session_id, { secretKey, participant_pk, participant_pubkeys, policy, messages, random }),
        'musig',
      );
      done({ type: 'nonce_drawn', cohort, session_id, nonce_points });
      return;
    }
    let sig: string[];
    try {
      const { agg_nonce } = job;
      sig = keys.lend(
        participant_pk,
        secretKey =>
          jar.sign(session_id, { secretKey, participant_pk, participant_pubkeys, policy, messages, agg_nonce }),
        'musig',
      );
    } catch (error) {
      log('warn', 'a session cannot be signed any more', { session_id, error: messageOf(error) });
      done({ type: 'nonce_lost', cohort, session_id });
      return;
    }
    done({ type: 'signed', cohort, session_id, sig });
  }

  /** The key that blinded leaves draw their nonces from: one for the whole wallet, for ever. */
  function nonceKey(): string {
    const known = store.meta(NONCE_KEY);
    if (known !== null) return known;
    const made = keys.create('nonces');
    store.commit({ meta: [{ key: NONCE_KEY, value: made }] });
    return made;
  }

  async function view(address: string): Promise<ChainView | null> {
    for (let i = 0; eye !== null && i < LAG_TRIES; i++)
      try {
        return await eye.look(address);
      } catch (error) {
        log('warn', 'the chain cannot be read', { error: messageOf(error) });
        await pause(LAG_MS);
      }
    return null;
  }

  /** Addresses that a message makes the wallet look at. */
  function addressFor(envelope: Envelope): string | null {
    const membership = state.cohorts.get(envelope.cohort);
    if (envelope.type === 'cohort_set') return membership ? setAddress(envelope.body, membership) : null;
    const beacon = membership && provenBeaconOf(membership);
    const matters = [
      'authorize_beacon_signal_request',
      'authorize_spend_request',
      'fallback_authorization_request',
      'proofs',
    ].includes(envelope.type);
    return beacon && matters ? beacon.beacon_address : null;
  }

  /**
   * The view that a message is judged by, and the decision where it was made to find that out. The aggregator's node may
   * know a block that ours does not know yet: that is no reason to veto at once.
   */
  async function viewFor(input: MessageInput): Promise<{ chain: ChainView | null; decided?: Decision }> {
    const { envelope } = input;
    const address = addressFor(envelope);
    if (address === null) return { chain: null };
    for (let i = 0; ; i++) {
      const chain = await view(address);
      if (envelope.type !== 'authorize_beacon_signal_request' || i >= LAG_TRIES) return { chain };
      const trial = decide(state, input, { now: now(), chain });
      const veto = 'events' in trial && trial.events.find(event => event.type === 'session_vetoed');
      if (!veto || (veto.code !== 'outpoint_unknown' && veto.code !== 'outpoint_shallow'))
        return { chain, decided: trial };
      await pause(LAG_MS);
    }
  }

  /** Tree nonces of opportunities that this wallet has no answers to: restored, its seed makes them again. */
  function recall(envelope: Envelope): Record<string, string> {
    const membership = state.cohorts.get(envelope.cohort);
    const beacon = membership && provenBeaconOf(membership);
    const forgotten = membership ? forgottenOpportunities(membership, envelope) : [];
    if (!membership || !beacon || forgotten.length === 0) return {};
    const dids = concernedDids(state, beacon);
    return keys.lend(nonceKey(), seed =>
      Object.fromEntries(
        forgotten.flatMap(id =>
          dids.map(did => [nonceName(did, id), treeNonce(seed, beacon.beacon_address, did, id)] as const),
        ),
      ),
    );
  }

  async function deliver(event: NostrEvent): Promise<Delivered> {
    const to = event.tags.find(tag => tag[0] === 'p')?.[1] ?? '';
    if (!keys.has(to)) return undefined;
    const opened = mail.open(event, to, now());
    if (opened.status === 'partial') return 'again';
    if (opened.status === 'drop' || !opened.read.ok) {
      const reason = opened.status === 'drop' ? opened.reason : opened.read.ok ? '' : opened.read.text;
      log('debug', 'dropped', { event: event.id, reason });
      return undefined;
    }
    const { envelope } = opened.read;
    if (envelope.created_at > now() + MAX_SKEW) return undefined;
    await inTurn(async () => {
      const input: MessageInput = { type: 'message', envelope, recalled: recall(envelope) };
      const { chain, decided } = await viewFor(input);
      const drop = await stored(step(input, chain, opened.eventIds, decided));
      if (drop) log('debug', 'no effect', { type: envelope.type, reason: drop });
    });
    // A store that fails here fails at its next commit too, which tells; nothing may be thrown past a message.
    if (envelope.type === 'signal_status')
      void lookAll().catch(error => log('debug', 'nothing was looked at', { error: messageOf(error) }));
    return undefined;
  }

  function isUnanswered(message: string): boolean {
    const asked = state.asked.get(message);
    return asked !== undefined && state.cohorts.get(asked.cohort)?.phase.name !== 'ended';
  }

  /** Refuses by the field what cannot be for this wallet; null for what can. */
  function notOurs(from: string, to: string): HandIn | null {
    if (keys.has(from)) return { outcome: 'not_ours', field: 'from', text: 'written by this wallet itself' };
    if (!keys.has(to)) return { outcome: 'not_ours', field: 'to', text: 'for another wallet' };
    return null;
  }

  async function deliverByHand(text: string, stays: boolean): Promise<HandIn<HandNews>> {
    const carried = readCarried(text);
    if (carried.form === 'refused') return { outcome: 'refused', field: carried.field, text: carried.text };
    if (carried.form === 'plain') {
      const { read } = carried;
      const { from, to } = read.ok ? read.envelope : read.sender;
      return notOurs(from, to) ?? receiveByHand(read, [], stays);
    }
    const { event, to } = carried;
    const other = notOurs(event.pubkey, to);
    if (other) return other;
    const opened = mail.open(event, to, now());
    if (opened.status === 'partial') return { outcome: 'partial', have: opened.have, of: opened.of };
    if (opened.status === 'drop') return { outcome: 'refused', field: 'content', text: opened.reason };
    return receiveByHand(opened.read, opened.eventIds, stays);
  }

  async function receiveByHand(
    read: EnvelopeRead,
    eventIds: readonly string[],
    stays: boolean,
  ): Promise<HandIn<HandNews>> {
    if (!read.ok) return refusedRead(read);
    const { envelope } = read;
    const message = briefOf(envelope);
    const no = (field: string, text: string): HandIn => ({ outcome: 'refused', field, text });
    if (envelope.created_at > now() + MAX_SKEW) return no('created_at', 'dated in the future');
    const membership = state.cohorts.get(envelope.cohort);
    const own = [membership?.transport, membership?.rebinding?.transport];
    if (!membership || !own.includes(envelope.to)) return no('cohort', 'is no cohort of this wallet');
    if (envelope.from !== peerOf(membership))
      return no('from', 'is not the transport key of the advert that was agreed to');
    if (envelope.type === 'authorize_beacon_signal_request' && !stays)
      return {
        outcome: 'held',
        message,
        text: 'nonces live in the memory of one process: start `btcr2-wallet run`, and deliver this again beside it',
      };
    return inTurn(async () => {
      if (store.hasSeen(envelope.id)) return takenBefore(message);
      const input: MessageInput = { type: 'message', envelope };
      const { chain, decided } = await viewFor(input);
      const told: HandNews[] = [];
      listener = told;
      try {
        const drop = await stored(step(input, chain, [...eventIds, envelope.id], decided));
        if (drop === null) return { outcome: 'taken', message, told };
        const isRefused = told.some(({ type }) => type === 'refused');
        return isRefused ? no('body', drop) : { outcome: 'idle', message, text: drop };
      } finally {
        listener = null;
      }
    });
  }

  async function lookAll(): Promise<void> {
    // Before anything is waited for: a wallet that stops meanwhile closes its store.
    for (const { hex } of store.broadcasts()) submit(hex);
    const beacons = [...state.cohorts].flatMap(([cohort, membership]) => {
      const beacon = provenBeaconOf(membership);
      return beacon ? [{ cohort, address: beacon.beacon_address }] : [];
    });
    for (let i = 0; eye && i < beacons.length; i += LOOKS_AT_ONCE) {
      const some = beacons.slice(i, i + LOOKS_AT_ONCE);
      const looks = some.map(({ address }) => eye.look(address));
      // Each is waited for in its turn; until then its failure is nobody's.
      for (const look of looks) look.catch(() => {});
      for (const [at, { cohort }] of some.entries())
        try {
          const chain = await looks[at]!;
          await inTurn(() => stored(step({ type: 'look', cohort }, chain)));
        } catch (error) {
          log('debug', 'the chain cannot be read', { cohort, error: messageOf(error) });
        }
    }
    for (const address of [...(state.doubt?.addresses.keys() ?? [])]) {
      if (!eye) continue;
      try {
        const chain = await eye.look(address);
        await inTurn(() => stored(step({ type: 'look_doubt', address }, chain)));
      } catch (error) {
        log('debug', 'the chain cannot be read', { address, error: messageOf(error) });
      }
    }
    for (const [address, txids] of ownAddresses(state)) {
      if (!eye || txids.every(txid => buried.has(txid))) continue;
      try {
        const chain = await eye.look(address);
        await inTurn(() => stored(step({ type: 'look_own', address }, chain)));
        for (const txid of buriedSignals(state, address, chain)) buried.add(txid);
      } catch (error) {
        log('debug', 'the chain cannot be read', { address, error: messageOf(error) });
      }
    }
  }

  /** `cohort_ready` answers no request, so nobody else would notice that it, or the signature before it, was lost. */
  function resendSetAcks(): void {
    for (const { cohort, phase, relays } of state.cohorts.values()) {
      // By hand nothing is sent again by itself: a person would carry every copy.
      if (phase.name !== 'proposed' || phase.sig === null || relays.length === 0) continue;
      const key = `set ${cohort} ${phase.set.attempt}`;
      const last = resent.get(key);
      if (last && now() < last.at + last.wait) continue;
      const { set, sig } = phase;
      resent.set(key, { at: now(), wait: last ? Math.min(last.wait * 2, 3600) : readyWait(set) });
      if (last)
        void inTurn(() => carryOut({ events: [], effects: [sendSetAck(cohort, set, sig)] }, [])).catch(error =>
          log('warn', 'a signature over the set could not be sent again', { cohort, error: messageOf(error) }),
        );
    }
  }

  return {
    state: () => state,
    feed: (input, chain = null) => inTurn(() => stored(step(input, chain))),
    deliver,
    deliverByHand,
    compose({ form, all = false, message: which, cohort }, relays) {
      return composeAll(store.outbox.letters(now()), mail, {
        form,
        wants({ message, isWaiting, rows }) {
          // What went out by a key that is lost cannot be read back; a rebind sends what matters of it again.
          if (!rows.some(({ event, letter }) => letter !== null || keys.has(event.pubkey))) return false;
          if (which !== undefined || all || isUnanswered(message)) return true;
          // An answer says that it arrived, whatever way it went.
          if (store.answersFor(sentKey(message)) !== null) return false;
          const isTaken = relays.some(url => rows.every(({ pending }) => !pending.includes(url)));
          return isWaiting && !isTaken;
        },
        isMeant: envelope =>
          (cohort === undefined || envelope.cohort === cohort) && (which === undefined || isMeant(which, envelope)),
      });
    },
    composed(eventIds) {
      for (const id of eventIds) store.outbox.settle(id, BY_HAND, 'done');
    },
    lookAll,
    reportLostNonces: () =>
      inTurn(() => {
        for (const [cohort, membership] of state.cohorts)
          for (const { session_id, stage } of beaconOf(membership)?.sessions.values() ?? [])
            if ((stage.name === 'nonce_sent' || stage.name === 'to_sign') && !jar.has(session_id))
              step({ type: 'nonce_lost', cohort, session_id }, null);
      }),
    resend() {
      resendSetAcks();
      for (const [envelopeId, asked] of state.asked) {
        const last = resent.get(envelopeId) ?? { at: asked.at, wait: FIRST_WAIT };
        if (now() < last.at + last.wait) continue;
        resent.set(envelopeId, { at: now(), wait: Math.min(last.wait * 2, 300) });
        // The answer may lie on a relay that stored it and never pushed it: the same bytes sent again change nothing there.
        if (last.wait > FIRST_WAIT) options.onUnanswered();
        store.requeue((store.answersFor(sentKey(envelopeId)) ?? []).map(event => event.id));
        options.onStored();
      }
    },
    stopWaiting: () => stopped.abort(),
    until(look, timeoutMs) {
      return new Promise(resolve => {
        const finish = (found: ReturnType<typeof look>): void => {
          clearTimeout(timer);
          watchers.delete(watcher);
          stopped.signal.removeEventListener('abort', giveUp);
          resolve(stored(found));
        };
        const giveUp = (): void => finish(undefined);
        const watcher = (): void => {
          const found = look(state);
          if (found !== undefined) finish(found);
        };
        const timer = setTimeout(giveUp, stopped.signal.aborted ? 0 : timeoutMs);
        stopped.signal.addEventListener('abort', giveUp);
        watchers.add(watcher);
        watcher();
      });
    },
  };
}

/**
 * Transactions of own beacons are stored by the commit that locks their update, before they are sent, and sent again
 * until they are six deep; one that a reorganization takes away is sent again.
 */
function keptBroadcasts(
  state: WalletState,
  events: readonly WalletEvent[],
  at: number,
): Pick<Batch, 'broadcasts' | 'settleBroadcasts'> {
  const broadcasts: NonNullable<Batch['broadcasts']> = [];
  const settleBroadcasts: string[] = [];
  for (const event of events) {
    if (event.type === 'update_signed' && event.own_signal)
      broadcasts.push({ txid: event.own_signal.txid, hex: event.own_signal.hex, stream: STREAM, at });
    if (event.type !== 'update_moved' || !event.own_signal) continue;
    const { txid, status } = event.own_signal;
    const update = state.dids.get(event.did)?.updates.find(known => known.announcement === event.announcement);
    const signal = update?.own_signals.find(known => known.txid === txid);
    if (status === 'final' || status === 'gone') settleBroadcasts.push(txid);
    else if (signal) broadcasts.push({ txid, hex: signal.hex, stream: STREAM, at });
  }
  return { broadcasts, settleBroadcasts };
}

/** Seconds until a signature over the set is sent again: every member gets all signatures, which takes a large cohort long. */
const readyWait = ({ participant_pubkeys }: { participant_pubkeys: readonly string[] }): number =>
  FIRST_WAIT + Math.floor(participant_pubkeys.length / 20);

const sentKey = (envelopeId: string): string => `sent:${envelopeId}`;
const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

import { expect } from 'vitest';
import { curve } from '#curve';
import { addressToScript } from '../../../src/bitcoin/index.ts';
import type { ChainView } from '../../../src/cohort/index.ts';
import { sha256, toHex, utf8 } from '../../../src/crypto/index.ts';
import type { DidDocument, SignedUpdate } from '../../../src/did/index.ts';
import {
  type Body,
  type Envelope,
  type Message,
  type MessageType,
  optInStatement,
  readEnvelope,
  rebindStatement,
  registrationStatement,
  signEnvelope,
  type Terms,
} from '../../../src/messages/index.ts';
import { peerOf } from '../../../src/wallet/companion/pair.ts';
import {
  beaconOf,
  createNonceJar,
  type Decision,
  decide,
  type Effect,
  type Env,
  emptyWallet,
  evolve,
  type Input,
  type Job,
  jobsOf,
  type MemberBeacon,
  type Membership,
  provenBeaconOf,
  type Stored,
  treeNonce,
  type WalletEvent,
  type WalletState,
} from '../../../src/wallet/core.ts';
import type { FakeChain } from '../../cohort/chain.ts';
import { type Controller, draw, publicHex, schnorr, xOnly } from '../../cohort/members.ts';

/** What all sides of a test share; the chain is the truth, whatever a side is shown of it. */
export interface World {
  now: number;
  /** Decides once, and does not look whether the state was touched: for thousands of sessions. */
  quick?: boolean;
  readonly chain: FakeChain;
}

export interface Advert {
  cohort: string;
  terms: Terms;
  terms_hash: string;
  /** x-only. */
  identity: string;
}

/** What came of one input and of the jobs that followed from it. */
export interface Outcome {
  events: WalletEvent[];
  effects: Effect[];
  /** Signed, and read again from their text. */
  sent: Envelope[];
  dropped: string | null;
  refused: string | null;
}

/** A wallet's shell in memory: every decision is checked, made twice, and stored as JSON before it counts. */
export interface Wallet {
  readonly name: string;
  readonly state: WalletState;
  readonly log: Stored<WalletEvent>[];
  /** Of its seats: cohort keys and transport keys. */
  secrets(): Uint8Array[];
  /** Signed and not delivered yet. */
  mail: Envelope[];
  /** Everything that was ever sent. */
  readonly sent: Envelope[];
  /** What it is shown of the chain; null for a wallet that sees none. */
  eye: (truth: ChainView) => ChainView | null;
  /** False: jobs wait until `work`. */
  works: boolean;
  feed(input: Input): Outcome;
  receive(envelope: Envelope): Outcome;
  /** Takes a key for a channel of its own; returns its x-only form. */
  hold(secret: Uint8Array): string;
  /** What it would decide; nothing is stored. */
  consider(envelope: Envelope, chain?: ChainView | null): Decision;
  /** Does the jobs that wait, or only those of some kinds. */
  work(only?: (job: Job) => boolean): Outcome;
  look(cohort: string): Outcome;
  /** The process dies: secret nonces are gone, the log is folded again. */
  restart(): void;
  /** Another log takes the place of this one, as a copy that is put back does; nonces are gone. */
  putBack(copy: readonly Stored<WalletEvent>[]): void;
  membership(cohort: string): Membership;
  beacon(cohort: string): MemberBeacon;
  /** Agrees to a fallback policy only if told to. */
  join(advert: Advert, agreed?: { allow_fallback?: boolean }): Outcome;
  addDid(controller: Controller, document?: DidDocument): Outcome;
  register(cohort: string, controller: Controller, disclose?: boolean): Outcome;
  /** Asks for a new transport key, drawn for this counter. */
  rebind(cohort: string, counter: number): Outcome;
  submit(controller: Controller, update: SignedUpdate, document: DidDocument, cohorts: string[]): Outcome;
}

/** State as text: maps and sets in their order. */
export const snapshot = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    part instanceof Map
      ? { map: [...part] }
      : part instanceof Set
        ? { set: [...part] }
        : part instanceof Uint8Array
          ? toHex(part)
          : part,
  );

export const roundTrip = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

/** A message as it arrives: signed, sent as text, read again. */
export function sealed(
  from: { secret: Uint8Array },
  about: Omit<Parameters<typeof signEnvelope>[0], 'type' | 'body' | 'from'> & { message: Message },
): Envelope {
  const { message, ...rest } = about;
  const signed = signEnvelope({ ...message, ...rest, from: xOnly(from.secret) }, from.secret, draw('aux'));
  const read = readEnvelope(JSON.stringify(signed));
  if (!read.ok) throw new Error(`an unreadable ${message.type}: ${read.text}`);
  return read.envelope;
}

/** Over all tests of a process: the guard remembers every nonce that ever signed. */
let drawn = 0;

const fold = (log: readonly Stored<WalletEvent>[]): WalletState => roundTrip([...log]).reduce(evolve, emptyWallet());

export function newWallet(world: World, name: string): Wallet {
  const secrets = new Map<string, Uint8Array>();
  const log: Stored<WalletEvent>[] = [];
  let live = emptyWallet();
  let again = emptyWallet();
  let jar = createNonceJar();
  let seq = 0;

  const secretOf = (publicKey: string): Uint8Array => {
    const secret = secrets.get(publicKey);
    if (!secret) throw new Error(`no secret for ${publicKey}`);
    return secret;
  };

  const viewOf = (cohort: string, envelope?: Envelope): ChainView | null => {
    const membership = live.cohorts.get(cohort);
    if (!membership) return null;
    const address =
      envelope?.type === 'cohort_set' ? envelope.body.beacon_address : provenBeaconOf(membership)?.beacon_address;
    if (address === undefined) return null;
    try {
      return self.eye(world.chain.view(scriptOf(address, membership.terms)));
    } catch {
      // No address of this network: a node has no answer either.
      return null;
    }
  };

  /** The address of the controller's own beacon, where the input is about it. */
  const ownView = (input: Input): ChainView | null => {
    const address =
      input.type === 'look_own' || input.type === 'look_doubt'
        ? input.address
        : input.type === 'submit_update'
          ? input.own_signal?.address
          : undefined;
    return address === undefined ? null : self.eye(world.chain.view(addressToScript(address, 'regtest')));
  };

  /** Decides on the live state and on the one from JSON: the same decision, and neither state is touched. */
  function checked(input: Input, chain: ChainView | null): Decision {
    const env: Env = { now: world.now, chain };
    if (world.quick) return decide(live, input, env);
    const before = snapshot(live);
    const decision = decide(live, input, env);
    expect(snapshot(live)).toBe(before);
    expect(snapshot(again)).toBe(before);
    expect(snapshot(decide(again, roundTrip(input), roundTrip(env)))).toBe(snapshot(decision));
    expect(snapshot(again)).toBe(before);
    return decision;
  }

  function store(event: WalletEvent): void {
    const stored = { ...event, at: world.now };
    log.push(roundTrip(stored));
    live = evolve(live, stored);
    if (!world.quick) again = evolve(again, roundTrip(stored));
  }

  function once(input: Input, chain: ChainView | null): Outcome {
    const decision = checked(input, chain);
    const none = { events: [], effects: [], sent: [], dropped: null, refused: null };
    if ('drop' in decision) return { ...none, dropped: decision.drop };
    if ('refuse' in decision) return { ...none, refused: decision.refuse };
    for (const event of decision.events) store(event);
    const sent: Envelope[] = [];
    for (const effect of decision.effects) {
      if (effect.type === 'broadcast') world.chain.submit(effect.hex);
      else {
        const envelope = seal(effect);
        sent.push(envelope);
        if (effect.slot !== undefined)
          store({ type: 'asked', cohort: effect.cohort, envelope_id: envelope.id, slot: effect.slot });
      }
    }
    self.mail.push(...sent);
    self.sent.push(...sent);
    return { ...none, ...decision, sent };
  }

  function seal(effect: Extract<Effect, { type: 'send' }>): Envelope {
    const { cohort, message, from, to, session, in_reply_to } = effect;
    const membership = live.cohorts.get(cohort);
    return sealed(
      { secret: secretOf(from ?? membership!.transport) },
      {
        message,
        to: to ?? peerOf(membership!),
        cohort,
        seq: seq++,
        created_at: world.now,
        ...(session === undefined ? {} : { session }),
        ...(in_reply_to === undefined ? {} : { in_reply_to }),
      },
    );
  }

  function work(job: Job): Outcome {
    const { cohort } = job;
    if (job.type === 'draw_leaves') {
      const { address, opportunity_id, dids } = job;
      const seed = sha256(utf8(`${name} nonces`));
      const nonces = Object.fromEntries(dids.map(did => [did, treeNonce(seed, address, did, opportunity_id)]));
      return once({ type: 'leaves_drawn', cohort, opportunity_id, nonces }, null);
    }
    const { participant_pk } = job;
    if (job.type === 'sign_heir')
      return once(
        { type: 'companion_heir_signed', cohort, sig: schnorr(job.statement, secretOf(participant_pk)) },
        null,
      );
    if (job.type === 'sign_set')
      return once({ type: 'set_signed', cohort, sig: schnorr(job.statement, secretOf(participant_pk)) }, null);
    if (job.type === 'sign_fallback') {
      const sig = job.messages.map(message => schnorr(message, secretOf(participant_pk)));
      return once({ type: 'fallback_signed', cohort, session_id: job.session_id, sig }, null);
    }
    const { session, participant_pubkeys, policy, messages } = job;
    const { session_id } = session;
    const common = { secretKey: secretOf(participant_pk), participant_pk, participant_pubkeys, policy, messages };
    if (job.type === 'draw_nonces') {
      const random = () => draw(`${name} random ${drawn++}`);
      return once(
        { type: 'nonce_drawn', cohort, session_id, nonce_points: jar.draw(session_id, { ...common, random }) },
        null,
      );
    }
    if (!jar.has(session_id)) return once({ type: 'nonce_lost', cohort, session_id }, null);
    return once(
      { type: 'signed', cohort, session_id, sig: jar.sign(session_id, { ...common, agg_nonce: job.agg_nonce }) },
      null,
    );
  }

  function workAll(only: (job: Job) => boolean = () => true): Outcome {
    const all: Outcome = { events: [], effects: [], sent: [], dropped: null, refused: null };
    for (let job = jobsOf(live).find(only); job; job = jobsOf(live).find(only)) {
      const { events, effects, sent, dropped } = work(job);
      // What a job brings must be taken, or it would be done again and again.
      expect(dropped).toBeNull();
      all.events.push(...events);
      all.effects.push(...effects);
      all.sent.push(...sent);
    }
    return all;
  }

  function feed(input: Input, chain: ChainView | null): Outcome {
    const first = once(input, chain);
    if (!self.works) return first;
    const rest = workAll();
    return {
      ...first,
      events: [...first.events, ...rest.events],
      effects: [...first.effects, ...rest.effects],
      sent: [...first.sent, ...rest.sent],
    };
  }

  const self: Wallet = {
    name,
    get state() {
      return live;
    },
    log,
    secrets: () => [...secrets.values()],
    mail: [],
    sent: [],
    eye: truth => truth,
    works: true,
    feed: input => feed(input, 'cohort' in input ? viewOf(input.cohort) : ownView(input)),
    receive: envelope => feed({ type: 'message', envelope }, viewOf(envelope.cohort, envelope)),
    consider: (envelope, chain = viewOf(envelope.cohort, envelope)) => checked({ type: 'message', envelope }, chain),
    hold(secret) {
      secrets.set(xOnly(secret), secret);
      return xOnly(secret);
    },
    work: workAll,
    look: cohort => self.feed({ type: 'look', cohort }),
    restart() {
      jar = createNonceJar();
      live = fold(log);
      if (!world.quick) expect(snapshot(live)).toBe(snapshot(again));
    },
    putBack(copy) {
      jar = createNonceJar();
      log.splice(0, log.length, ...roundTrip([...copy]));
      live = fold(log);
      again = fold(log);
      self.feed({ type: 'restored' });
    },
    membership: cohort => live.cohorts.get(cohort)!,
    beacon(cohort) {
      const beacon = beaconOf(self.membership(cohort));
      if (!beacon) throw new Error(`the cohort is ${self.membership(cohort).phase.name}`);
      return beacon;
    },
    join({ cohort, terms, terms_hash, identity }, agreed = {}) {
      const which = `of ${name} in ${cohort}${self.state.cohorts.has(cohort) ? ' again' : ''}`;
      const key = draw(`cohort key ${which}`);
      const transportKey = draw(`transport key ${which}`);
      const transport = xOnly(transportKey);
      secrets.set(publicHex(key), key);
      secrets.set(transport, transportKey);
      const statement = optInStatement({
        aggregator: identity,
        network: terms.btc_network,
        terms_hash,
        transport_key: transport,
      });
      return self.feed({
        type: 'join',
        ...agreed,
        cohort,
        advert_event: { id: cohort },
        terms,
        terms_hash,
        identity,
        relays: ['ws://127.0.0.1:7777'],
        transport,
        opt_in: {
          advert_id: terms.id,
          terms_hash,
          participant_pubkey: publicHex(key),
          return_interact: 'by hand',
          proof: schnorr(statement, key),
        },
      });
    },
    addDid: ({ did, secret, document: first }, document = first) =>
      self.feed({
        type: 'add_did',
        did,
        name: null,
        network: 'regtest',
        public_key: publicHex(secret),
        genesis: null,
        document,
      }),
    register(cohort, { did, method, secret }, disclose = false) {
      const { participant_pk, terms } = self.membership(cohort);
      const { beacon_address, challenge } = self.beacon(cohort);
      const statement = registrationStatement({
        did,
        network: terms.btc_network,
        beacon_address,
        participant_pk,
        challenge,
      });
      const proof = { verification_method: method, sig: schnorr(statement, secret) };
      return self.feed({ type: 'register', cohort, did, proof, sidecar: {}, ...(disclose ? { disclose } : {}) });
    },
    rebind(cohort, counter) {
      const { participant_pk } = self.membership(cohort);
      const transportKey = draw(`transport key ${counter} of ${name} in ${cohort}`);
      const transport = xOnly(transportKey);
      secrets.set(transport, transportKey);
      const statement = rebindStatement({ cohort, participant_pk, transport_key: transport, counter });
      return self.feed({
        type: 'rebind',
        cohort,
        transport,
        counter,
        sig: schnorr(statement, secretOf(participant_pk)),
      });
    },
    submit: ({ did }, update, document, cohorts) =>
      self.feed({ type: 'submit_update', did, update, document, cohorts }),
  };
  return self;
}

export const scriptOf = (address: string, terms: Terms): string => addressToScript(address, terms.btc_network);

/** The messages of one type among envelopes. */
export const sentOf = <T extends MessageType>({ sent }: { sent: Envelope[] }, type: T): Body<T>[] =>
  sent.flatMap(envelope => (envelope.type === type ? [envelope.body as Body<T>] : []));

export const typesOf = ({ events }: { events: WalletEvent[] }): string[] => events.map(event => event.type);

/** The state of an own update. */
export const updateState = (wallet: Wallet, did: string, version = 2): string[] =>
  wallet.state.dids
    .get(did)!
    .updates.filter(update => update.version === version)
    .map(update => update.state);

/** A point that is on the curve, whoever holds its secret. */
export const somePoint = (label: string): string => toHex(curve.publicKey(draw(label)));

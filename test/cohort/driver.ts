import { expect } from 'vitest';
import {
  beaconOutput,
  fallbackTree,
  leafSighash,
  readSignalPsbt,
  refundsOf,
  signalBytesOf,
} from '../../src/bitcoin/index.ts';
import {
  type AdmissionPolicy,
  type Beacon,
  type CohortEvent,
  type CohortState,
  type Decision,
  decide,
  type Effect,
  type Env,
  evolve,
  type Input,
  type Stored,
} from '../../src/cohort/index.ts';
import { treeOf } from '../../src/cohort/keys.ts';
import { fromHex, toHex } from '../../src/crypto/index.ts';
import { encodeDid, jcs } from '../../src/did/index.ts';
import {
  BODIES,
  type Body,
  cohortSetStatement,
  type Envelope,
  type Message,
  type MessageType,
  optInStatement,
  policyFor,
  readEnvelope,
  readTerms,
  registrationStatement,
  sessionId,
  signEnvelope,
  type Terms,
} from '../../src/messages/index.ts';
import { PLAIN_FORM } from '../terms.ts';
import { type FakeChain, fakeChain } from './chain.ts';
import {
  addService,
  type Controller,
  draw,
  drawHex,
  drawNonces,
  type Member,
  newController,
  newMember,
  publicHex,
  schnorr,
  signPartially,
  updateOf,
  walletMusig,
  xOnly,
} from './members.ts';

export const START = 1_900_000_000;
export const IDENTITY = xOnly(draw('identity'));
const HOT_KEY = draw('hot transport key');

const TERMS: Terms = {
  v: 1,
  id: 'demo',
  ...PLAIN_FORM,
  cohort_size: { min: 2, max: 3 },
  btc_network: 'regtest',
  frequency: { interval: 86_400, min_interval: 0, pending_updates: 1 },
  latency: { cohort_set: 600, presence: 60, nonce: 600, signature: 600 },
  dids: { min: 0, max: 10 },
  funder: 'anyone',
  fee_cap: 2000,
  communication: ['nip44_v2'],
  transport_key: xOnly(HOT_KEY),
  return_address: 'nostr:nprofile1demo',
  aggregator_did: encodeDid({
    version: 1,
    network: 'regtest',
    kind: 'key',
    genesisBytes: fromHex(publicHex(draw('identity'))),
  }),
};

export const contentOf = (changes: Partial<Terms> = {}): string => JSON.stringify({ ...TERMS, ...changes });

export type Sent = Extract<Effect, { type: 'send' }>;
export interface SentBody<T extends MessageType> {
  type: T;
  to: string;
  body: Body<T>;
  session?: string;
  in_reply_to?: string;
}

/** What came of one input, with all that `advance` added. */
export interface Outcome {
  events: CohortEvent[];
  effects: Effect[];
  dropped: string | null;
}

/** One cohort under test. Every decision is checked, and made a second time from the log as JSON. */
export interface Cohort {
  readonly state: CohortState;
  readonly beacon: Beacon;
  readonly id: string;
  readonly terms: Terms;
  readonly log: Stored<CohortEvent>[];
  /** Not delivered yet. */
  mail: Sent[];
  /** Everything that was ever sent. */
  readonly sent: Sent[];
  readonly members: Member[];
  now: number;
  readonly chain: FakeChain;
  /** False: the backend cannot be reached. */
  chainUp: boolean;
  /** False: what is broadcast gets lost. */
  broadcasts: boolean;
  /** One decision, without `advance`. */
  only(input: Input): Outcome;
  /** One decision, then `advance` until it has nothing to say. */
  give(input: Input): Outcome;
  advance(): Outcome;
  wait(seconds: number): Outcome;
  mine(blocks?: number): Outcome;
  envelope(member: Member, message: Message, session?: string): Envelope;
  tell(member: Member, message: Message, admission?: AdmissionPolicy): Outcome;
  /** The state as a restart has it: the log as JSON, folded. */
  restarted(): CohortState;
  /** The folded log decides as the live state does. */
  expectRestartable(): void;
}

/** State as text: maps and sets in their order. */
const snapshot = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    part instanceof Map ? { map: [...part] } : part instanceof Set ? { set: [...part] } : part,
  );

const roundTrip = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
const OPEN: AdmissionPolicy = { invites: [], allowlist: [] };
const MAX_ADVANCES = 50;

export function startCohort(changes: Partial<Terms> = {}, { expires_at = START + 86_400 } = {}): Cohort {
  const read = readTerms(contentOf(changes));
  if (!read.ok) throw new Error(`${read.field}: ${read.text}`);
  const { terms, terms_hash } = read;
  const cohort = drawHex('advert event');
  let live: CohortState | null = null;
  let again: CohortState | null = null;
  let inputs = 0;
  const chain = fakeChain({ deposits: 'real' });

  const self: Cohort = {
    get state() {
      return live!;
    },
    get beacon() {
      if (live?.phase.name !== 'formed') throw new Error(`the cohort is ${live?.phase.name}`);
      return live.phase.beacon;
    },
    id: cohort,
    terms,
    log: [],
    mail: [],
    sent: [],
    members: [],
    now: START,
    chain,
    chainUp: true,
    broadcasts: true,
    only(input) {
      const env: Env = {
        now: self.now,
        entropy: drawHex(`entropy ${inputs++}`),
        chain: self.chainUp && live?.phase.name === 'formed' ? chain.view(live.phase.beacon.script_hex) : null,
      };
      const decision = decideTwice(live, again, input, env);
      if ('drop' in decision) return { events: [], effects: [], dropped: decision.drop };
      // An answer needs no event, but what changes the world must follow from something that is stored.
      const harmless = new Set(['send', 'keep_evidence', ...(input.type === 'refresh' ? ['publish_advert'] : [])]);
      if (decision.events.length === 0)
        expect(decision.effects.map(effect => effect.type).filter(type => !harmless.has(type))).toEqual([]);
      const senders = new Set(live?.transports.keys());
      const store = (event: CohortEvent) => {
        const stored = { ...event, at: self.now };
        self.log.push(stored);
        live = evolve(live, stored);
        again = evolve(again, roundTrip(stored));
      };
      const isNew = live === null;
      for (const event of decision.events) store(event);
      // The shell signs the advert, and stores under which id.
      for (const effect of decision.effects)
        if (effect.type === 'publish_advert' && !isNew)
          store({ type: 'advert_refreshed', event_id: drawHex(`advert ${self.log.length}`), expires_at });
      if (input.type === 'message') senders.add(input.envelope.from);
      for (const key of live?.transports.keys() ?? []) senders.add(key);
      for (const effect of decision.effects) {
        if (effect.type === 'send') {
          expectSendable(effect);
          // A message to a seat that is gone would wait in an outbox for ever.
          expect(senders).toContain(effect.to);
          self.mail.push(effect);
          self.sent.push(effect);
        }
        if (effect.type === 'broadcast' && self.broadcasts) chain.submit(effect.hex);
      }
      return { ...decision, dropped: null };
    },
    give(input) {
      const first = self.only(input);
      const rest = self.advance();
      return {
        events: [...first.events, ...rest.events],
        effects: [...first.effects, ...rest.effects],
        dropped: first.dropped,
      };
    },
    advance() {
      const all: Outcome = { events: [], effects: [], dropped: null };
      for (let i = 0; i < MAX_ADVANCES; i++) {
        const { events, effects } = self.only({ type: 'advance' });
        if (events.length === 0) {
          expect(effects).toEqual([]);
          return all;
        }
        all.events.push(...events);
        all.effects.push(...effects);
      }
      throw new Error('advance does not come to rest');
    },
    wait(seconds) {
      self.now += seconds;
      return self.advance();
    },
    mine(blocks = 1) {
      const all: Outcome = { events: [], effects: [], dropped: null };
      for (let i = 0; i < blocks; i++) {
        chain.mine();
        const { events, effects } = self.wait(600);
        all.events.push(...events);
        all.effects.push(...effects);
      }
      return all;
    },
    envelope(member, message, session) {
      const draft = {
        ...message,
        from: member.transport,
        to: terms.transport_key,
        cohort,
        seq: member.seq++,
        created_at: self.now,
        ...(session === undefined ? {} : { session }),
      };
      const signed = signEnvelope(draft, member.transportSecret, draw('aux'));
      const read = readEnvelope(JSON.stringify(signed));
      if (!read.ok) throw new Error(`the test sends an unreadable ${message.type}: ${read.text}`);
      return read.envelope;
    },
    tell: (member, message, admission = OPEN) =>
      self.give({ type: 'message', envelope: self.envelope(member, message), admission }),
    restarted() {
      const folded = roundTrip(self.log).reduce<CohortState | null>((state, event) => evolve(state, event), null);
      if (!folded) throw new Error('the log is empty');
      return folded;
    },
    expectRestartable() {
      const folded = self.restarted();
      expect(snapshot(folded)).toBe(snapshot(live));
      const env = { now: self.now, entropy: drawHex('restart'), chain: null };
      expect(snapshot(decide(folded, { type: 'advance' }, env))).toBe(snapshot(decide(live, { type: 'advance' }, env)));
    },
  };
  self.give({ type: 'create', cohort, terms, terms_hash, identity: IDENTITY, expires_at });
  return self;
}

/** Decides on the live state and on the one from JSON: same decision, and neither state is touched. */
function decideTwice(live: CohortState | null, again: CohortState | null, input: Input, env: Env): Decision {
  const before = snapshot(live);
  const decision = decide(live, input, env);
  expect(snapshot(live)).toBe(before);
  const fromLog = decide(again, roundTrip(input), roundTrip(env));
  expect(snapshot(again)).toBe(before);
  expect(snapshot(fromLog)).toBe(snapshot(decision));
  return decision;
}

/** What goes out must be readable at the other end. */
function expectSendable({ message }: Sent): void {
  const parsed = BODIES[message.type].safeParse(message.body);
  expect(parsed.success ? null : `${message.type}: ${parsed.error.message}`).toBeNull();
  expect(jcs(message.body)).toBe(jcs(roundTrip(message.body)));
}

/** The messages of one type that an outcome sends. */
export const sentOf = <T extends MessageType>({ effects }: { effects: Effect[] }, type: T): SentBody<T>[] =>
  effects.flatMap(effect =>
    effect.type === 'send' && effect.message.type === type
      ? [{ ...effect, type, body: effect.message.body as Body<T> }]
      : [],
  );

/** The one refusal that an outcome is; fails for anything else. */
export function refusal(outcome: Outcome): Body<'rejection'> {
  expect(outcome.events).toEqual([]);
  const [only, ...more] = sentOf(outcome, 'rejection');
  expect(more).toEqual([]);
  return only!.body;
}

export const typesOf = (outcome: { events: CohortEvent[] }): string[] => outcome.events.map(event => event.type);

export const optIn = (cohort: Cohort, member: Member, changes: Partial<Body<'opt_in'>> = {}): Message => ({
  type: 'opt_in',
  body: {
    advert_id: cohort.terms.id,
    terms_hash: cohort.state.advert.terms_hash,
    participant_pubkey: member.pk,
    return_interact: 'nostr:nprofile1member',
    proof: schnorr(
      optInStatement({
        aggregator: IDENTITY,
        network: cohort.terms.btc_network,
        terms_hash: cohort.state.advert.terms_hash,
        transport_key: member.transport,
      }),
      member.secret,
    ),
    ...changes,
  },
});

const keySetFor = (cohort: Cohort, participants: readonly string[]) => {
  const keys = participants.map(key => fromHex(key));
  const policy = policyFor(cohort.terms.policy, participants.length);
  return policy.type === 'keypath'
    ? walletMusig.keySet(keys)
    : walletMusig.keySet(keys, { merkleRoot: fallbackTree(keys, policy).merkleRoot });
};

export const keySetOf = (cohort: Cohort) => keySetFor(cohort, cohort.beacon.participant_pubkeys);

/** What a member signs in the fallback leaf: one hash a transaction. */
export function fallbackMessages(cohort: Cohort, psbts: readonly string[]): Uint8Array[] {
  const tree = treeOf(cohort.beacon.participant_pubkeys, cohort.terms.policy)!;
  return psbts
    .map(readSignalPsbt)
    .map(({ unsignedHex, prevoutScriptHex, prevout }) =>
      leafSighash(unsignedHex, { scriptHex: prevoutScriptHex, valueSats: prevout.value_sats }, tree.fallback),
    );
}

/** What an honest wallet sends back, or null for what needs no answer. It checks what it signs. */
export function answer(cohort: Cohort, member: Member, { message }: Sent): Message | null {
  switch (message.type) {
    case 'cohort_set': {
      const { participant_pubkeys, beacon_address, attempt, policy } = message.body;
      expect(policy).toEqual(policyFor(cohort.terms.policy, participant_pubkeys.length));
      const keySet = keySetFor(cohort, participant_pubkeys);
      expect(keySet.publicKeys.map(toHex)).toEqual(participant_pubkeys);
      expect(beaconOutput(keySet, cohort.terms.btc_network).address).toBe(beacon_address);
      const statement = cohortSetStatement({
        aggregator: IDENTITY,
        network: cohort.terms.btc_network,
        terms_hash: cohort.state.advert.terms_hash,
        participant_pubkeys,
        beacon_address,
      });
      return { type: 'cohort_set_ack', body: { beacon_address, attempt, sig: schnorr(statement, member.secret) } };
    }
    case 'presence':
      return { type: 'presence_ack', body: message.body };
    case 'authorize_beacon_signal_request': {
      const { body } = message;
      const steps = body.pending_beacon_signal.map(readSignalPsbt);
      const [psbt] = steps;
      expect(body.session_id).toBe(
        toHex(
          sessionId({
            cohort: cohort.id,
            round: body.round,
            attempt: body.attempt,
            outpoint: `${psbt!.prevout.txid}:${psbt!.prevout.vout}`,
            transactions: [...steps, ...refundsOfSteps(cohort, steps)].map(({ txid }) => txid),
            participant_pubkeys: cohort.beacon.participant_pubkeys,
            signal_bytes: body.signal_bytes,
          }),
        ),
      );
      for (const { unsignedHex } of steps) expect(toHex(signalBytesOf(unsignedHex)!)).toBe(body.signal_bytes);
      return {
        type: 'nonce',
        body: {
          session_id: body.session_id,
          beacon_address: body.beacon_address,
          nonce_points: drawNonces(member, keySetOf(cohort), body, body.pending_beacon_signal, cohort.terms),
        },
      };
    }
    case 'authorize_spend_request': {
      const { session_id, beacon_address, pending_spend } = message.body;
      const nonce_points = drawNonces(member, keySetOf(cohort), { session_id }, pending_spend, cohort.terms);
      return { type: 'nonce', body: { session_id, beacon_address, nonce_points } };
    }
    case 'fallback_authorization_request': {
      const { pending_beacon_signal, ...session } = message.body;
      const txids = pending_beacon_signal.map(psbt => readSignalPsbt(psbt).txid);
      const sig = fallbackMessages(cohort, pending_beacon_signal).map(each => schnorr(each, member.secret));
      return { type: 'fallback_signature', body: { ...session, txids, sig } };
    }
    case 'aggregated_nonce': {
      const { body } = message;
      const sig = signPartially(member, keySetOf(cohort), body);
      return sig === null ? null : { type: 'signal_authorization', body: { ...body, sig } };
    }
    default:
      return null;
  }
}

/** Refunds of what the transactions of a request leave at the beacon. */
export const refundsOfSteps = (cohort: Cohort, steps: readonly { unsignedHex: string }[]) =>
  refundsOf(
    cohort.terms,
    cohort.beacon.script_hex,
    steps.map(({ unsignedHex }) => unsignedHex),
  );

type Policy = (member: Member, sent: Sent) => 'answer' | 'ignore' | 'hold';

/** Delivers all mail until nothing is left; `policy` says who ignores what. `hold` leaves it in the mail box. */
export function deliver(cohort: Cohort, policy: Policy = () => 'answer'): void {
  const held: Sent[] = [];
  for (let next = cohort.mail.shift(); next; next = cohort.mail.shift()) {
    const member = cohort.members.find(each => each.transport === next!.to);
    const what = member ? policy(member, next) : 'ignore';
    if (what === 'hold') held.push(next);
    const message = member && what === 'answer' ? answer(cohort, member, next) : null;
    if (member && message) cohort.tell(member, message);
  }
  cohort.mail = held;
}

/** Ignores messages of these types by one member. */
export const silent =
  (who: Member, ...types: MessageType[]): Policy =>
  (member, sent) =>
    member === who && types.includes(sent.message.type) ? 'ignore' : 'answer';

/** Nobody answers these types yet: they stay in the mail. */
export const until =
  (...types: MessageType[]): Policy =>
  (_, sent) =>
    types.includes(sent.message.type) ? 'hold' : 'answer';

export function join(cohort: Cohort, name: string): Member {
  const member = newMember(name);
  cohort.members.push(member);
  cohort.tell(member, optIn(cohort, member));
  return member;
}

/** A cohort of three (unless told), formed, without money. */
export function formed(changes: Partial<Terms> = {}, names = ['ada', 'bob', 'eve']): Cohort {
  const cohort = startCohort({ cohort_size: { min: 2, max: names.length }, ...changes });
  for (const name of names) join(cohort, name);
  deliver(cohort);
  expect(cohort.state.phase.name).toBe('formed');
  return cohort;
}

/** A deposit that a round can spend. */
export function fund(cohort: Cohort, value_sats = 100_000): string {
  const txid = cohort.chain.deposit(cohort.beacon.script_hex, value_sats);
  cohort.mine(6);
  return txid;
}

export function registration(
  cohort: Cohort,
  member: Member,
  controller: Controller,
  changes: Partial<Body<'did_registration'>> = {},
): Message {
  const statement = registrationStatement({
    did: controller.did,
    network: cohort.terms.btc_network,
    beacon_address: cohort.beacon.address,
    participant_pk: member.pk,
    challenge: cohort.beacon.challenge,
  });
  return {
    type: 'did_registration',
    body: {
      beacon_address: cohort.beacon.address,
      participant_pk: member.pk,
      did: controller.did,
      proof: { verification_method: controller.method, sig: schnorr(statement, controller.secret) },
      ...changes,
    },
  };
}

/** Plays the shell: answers every control check that is waiting. */
export function checkControl(
  cohort: Cohort,
  controller: Controller,
  version = 1,
  document = controller.document,
): Outcome {
  const [check] = cohort.beacon.checks.values();
  return cohort.give({
    type: 'control_checked',
    request_id: check!.request_id,
    result: { ok: true, document, version, deactivated: document.deactivated === true },
  });
}

export function register(cohort: Cohort, member: Member, name: string): Controller {
  const controller = newController(name);
  cohort.tell(member, registration(cohort, member, controller));
  const outcome = checkControl(cohort, controller);
  expect(typesOf(outcome)).toContain('did_registered');
  return controller;
}

export const update = (cohort: Cohort, member: Member, did: string, invocation: object): Message => ({
  type: 'did_update',
  body: {
    beacon_address: cohort.beacon.address,
    participant_pk: member.pk,
    did,
    invocation: invocation as Record<string, unknown>,
  },
});

/** Ada has a DID with an update in the queue, and a deposit is there: the round is open and presence is asked. */
export async function roundOpen(changes: Partial<Terms> = {}, names?: string[]) {
  const cohort = formed(changes, names);
  const [ada] = cohort.members as [Member];
  fund(cohort);
  const controller = register(cohort, ada, 'one');
  const signed = await updateOf(controller, addService('first'));
  const outcome = cohort.tell(ada, update(cohort, ada, controller.did, signed));
  return { cohort, ada, controller, signed, outcome };
}

/** As `roundOpen`, then on: the session is open, and nobody has signed. */
export async function sessionOpen(changes: Partial<Terms> = {}, names?: string[]) {
  const made = await roundOpen(changes, names);
  deliver(made.cohort, until('aggregated_nonce'));
  expect(made.cohort.beacon.round?.stage.name).toBe('signatures');
  return made;
}

/** As `roundOpen`, then on: the signal is broadcast. */
export async function signalSent(changes: Partial<Terms> = {}, names?: string[]) {
  const made = await roundOpen(changes, names);
  deliver(made.cohort);
  expect(made.cohort.beacon.round?.stage.name).toBe('announced');
  return made;
}

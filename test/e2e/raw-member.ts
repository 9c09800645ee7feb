import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { curve } from '#curve';
import { createMusig, readSignalPsbt, type SecretNonce, signalSighash } from '../../src/bitcoin/index.ts';
import { type Bytes, concatBytes, fromHex, toHex } from '../../src/crypto/index.ts';
import type { Daemon } from '../../src/daemon.ts';
import {
  type Body,
  cohortSetStatement,
  type Envelope,
  type EnvelopeDraft,
  type Message,
  optInStatement,
  readEnvelope,
  rebindStatement,
  registrationStatement,
  signEnvelope,
} from '../../src/messages/index.ts';
import { type Advert, readAdvert } from '../../src/nostr/advert.ts';
import {
  createChunkAssembler,
  createRelays,
  DIRECTED_KIND,
  type NostrEvent,
  unwrapMessage,
  wrapMessage,
} from '../../src/nostr/index.ts';
import { nodeSocket } from '../../src/nostr/websocket-node.ts';
import type { AdvertTerms } from '../../src/operator/api.ts';
import type { TestRelay } from '../../src/testing/relay.ts';
import { log, random, until } from './harness.ts';
import type { RawDid } from './raw-did.ts';

export const randomSecret = (): Bytes => {
  for (;;) {
    const secret = random(32);
    if (curve.isSecretKey(secret)) return secret;
  }
};
export const publicKeyOf = (secret: Bytes): string => toHex(curve.publicKey(secret));
export const schnorr = (message: Bytes, secret: Bytes): string => toHex(curve.signSchnorr(message, secret, random(32)));
const now = (): number => Math.floor(Date.now() / 1000);

export const musig = createMusig(curve);
export const splitNonce = (nonce: Bytes): [string, string] => [toHex(nonce.subarray(0, 33)), toHex(nonce.subarray(33))];
export const joinNonce = ([first, second]: [string, string]): Bytes => concatBytes(fromHex(first), fromHex(second));

/** The newest advert of a cohort, as a relay has it. */
export function advertOf(relay: TestRelay, cohort: string): Advert {
  for (const event of relay.events()) {
    const read = event.kind === 38252 ? readAdvert(event) : null;
    if (read?.ok && read.advert.cohort === cohort) return read.advert;
  }
  throw new Error(`the relay has no advert of ${cohort}`);
}

/** The same, as soon as the relay has one. */
export const adverted = (relay: TestRelay, cohort: string): Promise<Advert> =>
  until('the advert on the relay', () => {
    try {
      return advertOf(relay, cohort);
    } catch {
      return undefined;
    }
  });

export type EnvelopeOf<T extends Envelope['type']> = Extract<Envelope, { type: T }>;
/** What members are asked to sign together. */
type Asked = Body<'authorize_beacon_signal_request'> | Body<'authorize_spend_request'>;
type Over = Partial<Pick<EnvelopeDraft, 'to' | 'cohort' | 'seq' | 'created_at' | 'session' | 'in_reply_to'>> & {
  v?: number;
};

/** What a member does by itself; each can be switched off to hold the protocol there. */
export interface Habits {
  ack: boolean;
  presence: boolean;
  nonces: boolean;
  sign: boolean;
}

export interface Keys {
  transport: Bytes;
  cohort: Bytes;
}

/**
 * A member, or a stranger, made of nothing but keys and a relay client: it sends whatever it is told to, well-formed or
 * not, and keeps every envelope that it is sent.
 */
export function openRawMember(advert: Advert, relayUrls: readonly string[], keys?: Partial<Keys>) {
  const transportSecret = keys?.transport ?? randomSecret();
  const cohortSecret = keys?.cohort ?? randomSecret();
  const transport = publicKeyOf(transportSecret).slice(2);
  const pk = publicKeyOf(cohortSecret);
  const { terms } = advert;
  const habits: Habits = { ack: true, presence: true, nonces: true, sign: true };
  const heard: Envelope[] = [];
  const copies: Envelope[] = [];
  const eventIds = new Set<string>();
  const chunks = createChunkAssembler();
  const secretNonces = new Map<string, SecretNonce[]>();
  /** Partial signatures by session, sent or not. */
  const signatures = new Map<string, string[]>();
  let seq = 0;

  const relays = createRelays(relayUrls, { openSocket: nodeSocket, log: log(`raw ${pk.slice(0, 6)}`) });
  relays.subscribe({
    key: 'raw',
    everyCopy: true,
    filters: () => [{ kinds: [DIRECTED_KIND], '#p': [transport] }],
    onEvent: event => {
      const opened = unwrapMessage(event, transportSecret);
      if (!opened.ok) return;
      const part = chunks.accept({ sender: event.pubkey, text: opened.text, eventId: event.id, now: now() });
      if (part.status !== 'whole') return;
      const read = readEnvelope(part.text);
      if (!read.ok) throw new Error(`the aggregator sent what does not parse: ${read.text}`);
      copies.push(read.envelope);
      if (eventIds.has(event.id)) return;
      eventIds.add(event.id);
      heard.push(read.envelope);
      habitually(read.envelope);
    },
  });

  function draft(message: Message | { type: string; body: unknown }, over: Over = {}): Envelope {
    const letter = {
      from: transport,
      to: terms.transport_key,
      cohort: advert.cohort,
      seq: ++seq,
      created_at: now(),
      ...message,
      ...over,
    };
    // Also what no type allows: other versions, unknown types, broken bodies.
    return signEnvelope(letter as unknown as EnvelopeDraft, transportSecret, random(32));
  }

  function wrap(text: string, createdAt = now()): NostrEvent[] {
    return wrapMessage({
      plaintext: text,
      from: transportSecret,
      to: terms.transport_key,
      contextId: advert.cohort,
      createdAt,
      expiration: createdAt + 86_400,
      random,
    });
  }

  async function publish(events: readonly NostrEvent[]): Promise<void> {
    for (const event of events)
      await until('a relay takes the event', async () => {
        const verdicts = relays.publish(event).map(({ result }) => result.then(({ verdict }) => verdict === 'done'));
        return (await Promise.all(verdicts)).includes(true);
      });
  }

  /** Sends a text, or an envelope, under a fresh event. */
  const post = (what: Envelope | string): Promise<void> =>
    publish(wrap(typeof what === 'string' ? what : JSON.stringify(what)));

  async function send(message: Message | { type: string; body: unknown }, over: Over = {}): Promise<Envelope> {
    const envelope = draft(message, over);
    await post(envelope);
    return envelope;
  }

  const repliesTo = (id: string): Envelope[] => heard.filter(envelope => envelope.in_reply_to === id);

  /** Sends and waits for the answer. */
  async function ask(message: Message | { type: string; body: unknown }, over: Over = {}): Promise<Envelope> {
    const { id } = await send(message, over);
    return until(`an answer to ${message.type}`, () => repliesTo(id)[0], 10_000);
  }

  /** The refusal of a message: code, text and field. */
  async function refused(message: Message | { type: string; body: unknown }, over: Over = {}) {
    const answer = await ask(message, over);
    if (answer.type !== 'rejection') throw new Error(`${message.type} was answered by ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  const all = <T extends Envelope['type']>(type: T): EnvelopeOf<T>[] =>
    heard.filter((envelope): envelope is EnvelopeOf<T> => envelope.type === type);
  const next = <T extends Envelope['type']>(
    type: T,
    where: (envelope: EnvelopeOf<T>) => boolean = () => true,
    ms = 15_000,
  ): Promise<EnvelopeOf<T>> => until(`${type} for ${pk.slice(0, 6)}`, () => all(type).find(where), ms);

  const optIn = (over: Partial<Body<'opt_in'>> = {}): Message => ({
    type: 'opt_in',
    body: {
      advert_id: terms.id,
      terms_hash: advert.terms_hash,
      participant_pubkey: pk,
      return_interact: `nostr:${transport}`,
      proof: schnorr(
        optInStatement({
          aggregator: advert.identity,
          network: terms.btc_network,
          terms_hash: advert.terms_hash,
          transport_key: transport,
        }),
        cohortSecret,
      ),
      ...over,
    },
  });

  function setAck(set: Pick<Body<'cohort_set'>, 'participant_pubkeys' | 'beacon_address' | 'attempt'>): Message {
    const statement = cohortSetStatement({
      aggregator: advert.identity,
      network: terms.btc_network,
      terms_hash: advert.terms_hash,
      participant_pubkeys: set.participant_pubkeys,
      beacon_address: set.beacon_address,
    });
    const { beacon_address, attempt } = set;
    return { type: 'cohort_set_ack', body: { beacon_address, attempt, sig: schnorr(statement, cohortSecret) } };
  }

  const ready = (): Body<'cohort_ready'> => {
    const envelope = all('cohort_ready')[0];
    if (!envelope) throw new Error('the cohort is not ready');
    return envelope.body;
  };
  const keySet = () => musig.keySet(ready().participant_pubkeys.map(key => fromHex(key, 33)));

  function messagesOf(request: Asked): Bytes[] {
    const psbts = 'pending_spend' in request ? request.pending_spend : request.pending_beacon_signal;
    return psbts.map(psbt => {
      const { unsignedHex, prevoutScriptHex, prevout } = readSignalPsbt(psbt);
      return signalSighash(unsignedHex, prevoutScriptHex, prevout.value_sats);
    });
  }
  const requestOf = (session_id: string): Asked =>
    [...all('authorize_beacon_signal_request'), ...all('authorize_spend_request')].find(
      ({ body }) => body.session_id === session_id,
    )!.body;

  function nonce(request: Asked): Message {
    const nonces = messagesOf(request).map(message =>
      musig.newNonce({
        secretKey: cohortSecret,
        publicKey: fromHex(pk),
        keySet: keySet(),
        message,
        random32: random(32),
      }),
    );
    // The first ones count; further ones are drawn only to contradict them.
    if (!secretNonces.has(request.session_id)) secretNonces.set(request.session_id, nonces);
    const { session_id, beacon_address } = request;
    return {
      type: 'nonce',
      body: { session_id, beacon_address, nonce_points: nonces.map(each => splitNonce(each.publicNonce)) },
    };
  }

  /** The partial signatures of a session; its secret nonces are used up. */
  function partials({ session_id, agg_nonce }: Body<'aggregated_nonce'>): Bytes[] {
    const messages = messagesOf(requestOf(session_id));
    const made = secretNonces
      .get(session_id)!
      .map((secret, i) =>
        secret.sign(
          musig.session({ keySet: keySet(), aggNonce: joinNonce(agg_nonce[i]!), message: messages[i]! }),
          cohortSecret,
        ),
      );
    signatures.set(session_id, made.map(toHex));
    return made;
  }

  function authorization(body: Body<'aggregated_nonce'>, sig = partials(body).map(toHex)): Message {
    const { session_id, beacon_address, agg_nonce } = body;
    return { type: 'signal_authorization', body: { session_id, beacon_address, agg_nonce, sig } };
  }

  const answered = new Set<string>();
  function habitually(envelope: Envelope): void {
    const quietly = (message: Message): void => void send(message).catch(() => {});
    switch (envelope.type) {
      case 'cohort_set':
        if (habits.ack) quietly(setAck(envelope.body));
        return;
      case 'presence':
        if (habits.presence) quietly({ type: 'presence_ack', body: envelope.body });
        return;
      case 'authorize_beacon_signal_request':
      case 'authorize_spend_request':
        if (!habits.nonces || answered.has(`n${envelope.body.session_id}`)) return;
        answered.add(`n${envelope.body.session_id}`);
        quietly(nonce(envelope.body));
        return;
      case 'aggregated_nonce':
        if (!habits.sign || answered.has(`s${envelope.body.session_id}`)) return;
        answered.add(`s${envelope.body.session_id}`);
        quietly(authorization(envelope.body));
        return;
    }
  }

  const register = (raw: RawDid, over: Partial<Body<'did_registration'>> = {}): Message => {
    const { beacon_address, challenge } = ready();
    const statement = registrationStatement({
      did: raw.did,
      network: terms.btc_network,
      beacon_address,
      participant_pk: pk,
      challenge,
    });
    return {
      type: 'did_registration',
      body: {
        beacon_address,
        participant_pk: pk,
        did: raw.did,
        proof: { verification_method: raw.method, sig: schnorr(statement, raw.secret) },
        sidecar: raw.sidecar,
        ...over,
      },
    };
  };

  const update = (raw: RawDid, invocation: object, over: Partial<Body<'did_update'>> = {}): Message => ({
    type: 'did_update',
    body: {
      beacon_address: ready().beacon_address,
      participant_pk: pk,
      did: raw.did,
      invocation: { ...invocation },
      ...over,
    },
  });

  const rebind = (transport_key: string, counter: number): Message => ({
    type: 'rebind',
    body: {
      participant_pk: pk,
      transport_key,
      counter,
      sig: schnorr(
        rebindStatement({ cohort: advert.cohort, participant_pk: pk, transport_key, counter }),
        cohortSecret,
      ),
    },
  });

  return {
    advert,
    signatures,
    pk,
    transport,
    transportSecret,
    cohortSecret,
    habits,
    /** Every envelope once. */
    heard,
    /** Every time that a relay sent one. */
    copies,
    draft,
    wrap,
    publish,
    post,
    send,
    ask,
    refused,
    repliesTo,
    all,
    next,
    optIn,
    setAck,
    ready,
    keySet,
    nonce,
    partials,
    authorization,
    register,
    update,
    rebind,
    close: () => relays.close(),
  };
}

export type RawMember = ReturnType<typeof openRawMember>;

/** Advertises a cohort; `member` makes a raw member who may join it, gone when the test that makes it ends. */
export async function advertise(aggregator: Daemon, relay: TestRelay, over: Partial<AdvertTerms> = {}) {
  const { cohort } = await aggregator.api.advertCreate(over);
  const advert = await adverted(relay, cohort);
  const member = (keys?: Partial<Keys>): RawMember => {
    const made = openRawMember(advert, [relay.url], keys);
    onTestFinished(() => made.close());
    return made;
  };
  return { cohort, advert, member };
}

/** Opts in, and waits until the cohort stands. All of them must be members of one cohort that they fill. */
export async function formCohort(members: readonly RawMember[]): Promise<Body<'cohort_ready'>> {
  for (const member of members) {
    const answer = await member.ask(member.optIn());
    if (answer.type !== 'ack') throw new Error(`the opt-in was refused: ${JSON.stringify(answer.body)}`);
  }
  await Promise.all(members.map(member => member.next('cohort_ready')));
  return members[0]!.ready();
}

/** Secrets of a key file, by public key (hex): what a thief of the machine would have. */
export function stolenKeys(home: string): Map<string, { kind: string; secret: Bytes }> {
  const { keys } = JSON.parse(readFileSync(join(home, 'keys.json'), 'utf8')) as {
    keys: Record<string, { kind: string; secret: string }>;
  };
  return new Map(Object.entries(keys).map(([key, { kind, secret }]) => [key, { kind, secret: fromHex(secret, 32) }]));
}

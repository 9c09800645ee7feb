import { type CohortEvent, type CohortState, evolve } from '../../src/cohort/index.ts';
import { toHex } from '../../src/crypto/index.ts';
import { announcementOf, type SignedUpdate } from '../../src/did/index.ts';
import { type Envelope, NO_SIGNAL } from '../../src/messages/index.ts';
import type { NostrEvent } from '../../src/nostr/index.ts';
import { createMail, type LendSecret } from '../../src/shell/mail.ts';
import type { Batch, Store } from '../../src/store/index.ts';
import type { WalletEvent } from '../../src/wallet/events.ts';
import { createLeafOracle, hasFallback, membersOf } from './leaf-oracle.ts';
import type { Program } from './programs.ts';

/** A session as its aggregator asked for it. */
export interface SeenSession {
  cohort: string;
  outpoint: string;
  value_sats: number;
  signal_bytes: string;
  updates: { did: string; version: number; announcement: string }[];
  signers: Set<string>;
}

/** An update that an aggregator acknowledged on the wire, and every state that it was told in. */
export interface Acked {
  did: string;
  version: number;
  announcement: string;
  wallet: string;
  states: Set<string>;
}

/**
 * Looks at everything that leaves a program and at everything that is stored, over a whole run, crashes and all, and
 * knows what must never happen. It holds every transport key, so it reads what is sent.
 */
export interface Oracle {
  violations: string[];
  /** A fault of the world itself counts too. */
  violate(text: string): void;
  onOpen(role: string, store: Store): void;
  onCommit(role: string, batch: Batch, isKnown: boolean): void;
  onSend(program: Program, frame: string): void;
  onSubmit(program: Program, hex: string): void;
  /** Cohorts as the aggregator's stored events make them. */
  cohort(id: string): CohortState | undefined;
  sessions: ReadonlyMap<string, SeenSession>;
  acked: ReadonlyMap<string, Acked>;
  /** Announcements that were refused, or displaced, with an answer to their sender. */
  refused: ReadonlySet<string>;
  /** Messages that brought signatures of a fallback. */
  leafSignatures(): number;
  figures: { messages: number; partial_signatures: number; nonces: number; reopened: number; resent: number };
}

interface Journal {
  /** Bodies of events whose commit returned, by stream. */
  events: Map<string, string[]>;
  /** What a commit that was cut off may have left. */
  doubtful: Batch | null;
  outbox: Set<string>;
  transactions: Map<string, string>;
}

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

export function createOracle(options: {
  lend: LendSecret;
  now: () => number;
  aggregator: string;
  /** Of a program that is not, nothing is expected but that it hurts nobody else. */
  isHonest: (name: string) => boolean;
}): Oracle {
  const { lend, now } = options;
  const mail = createMail({ lend, random: () => new Uint8Array(32), maxMessageBytes: () => null });
  const violations: string[] = [];
  const journals = new Map<string, Journal>();
  const cohorts = new Map<string, CohortState>();
  const sessions = new Map<string, SeenSession>();
  const acked = new Map<string, Acked>();
  const refused = new Set<string>();
  const sentEvents = new Map<string, string>();
  /** For each nonce pair that left a wallet, what it belongs to. */
  const nonceUse = new Map<string, string>();
  const noncesOf = new Map<string, string[]>();
  /** For each nonce pair that was signed with, what was signed. */
  const signedWith = new Map<string, string>();
  const partials = new Map<string, string>();
  const announced = new Map<string, string>();
  /** Announcements by the message that brought them. */
  const submissions = new Map<string, string[]>();
  const everQueued = new Map<string, { did: string; target_version_id: number }>();
  const rawTransactions = new Map<string, string>();
  const nonceHeard = new Map<string, Set<string>>();
  const evidenceStored = new Map<string, Set<string>>();
  /** Updates that wallets hold, by role. */
  const kept = new Set<string>();
  const figures = { messages: 0, partial_signatures: 0, nonces: 0, reopened: 0, resent: 0 };

  function violate(text: string): void {
    if (violations.length < 50) violations.push(`${new Date(now() * 1_000).toISOString().slice(11, 19)} ${text}`);
  }

  const leaves = createLeafOracle({
    now,
    session: id => sessions.get(id),
    cohort: id => cohorts.get(id),
    nonces: session => nonceHeard.get(session),
    violate,
    blame,
    onSignable,
  });

  function journalOf(role: string): Journal {
    const known = journals.get(role);
    if (known) return known;
    const made: Journal = { events: new Map(), doubtful: null, outbox: new Set(), transactions: new Map() };
    journals.set(role, made);
    return made;
  }

  function keep(role: string, batch: Batch): void {
    const journal = journalOf(role);
    for (const { stream, body, at } of batch.events ?? []) {
      const text = JSON.stringify(body);
      const list = journal.events.get(stream) ?? [];
      journal.events.set(stream, list);
      list.push(text);
      if (role === options.aggregator) foldCohort(stream, JSON.parse(text) as CohortEvent, at);
      else noteWalletEvent(role, JSON.parse(text) as WalletEvent);
    }
    for (const { id } of batch.outbox ?? []) journal.outbox.add(id);
    for (const { txid, hex } of batch.broadcasts ?? []) journal.transactions.set(txid, hex);
  }

  function foldCohort(stream: string, event: CohortEvent, at: number): void {
    const next = evolve(cohorts.get(stream) ?? null, { ...event, at });
    if (next) cohorts.set(stream, next);
    if (event.type === 'update_queued')
      everQueued.set(event.announcement, { did: event.did, target_version_id: event.version });
    if (event.type === 'spend_requested') {
      const { txid, vout, value_sats } = event.outpoint;
      const spend = { cohort: stream, outpoint: `${txid}:${vout}`, value_sats, signal_bytes: NO_SIGNAL, updates: [] };
      sessions.set(event.session_id, { ...spend, signers: new Set() });
    }
    if (event.type !== 'session_requested') return;
    const { outpoint, signal_bytes, updates } = event.frozen;
    sessions.set(event.session_id, {
      cohort: stream,
      outpoint: `${outpoint.txid}:${outpoint.vout}`,
      value_sats: outpoint.value_sats,
      signal_bytes,
      updates,
      signers: new Set(),
    });
  }

  /** What a wallet keeps of the signals, and that it has it before it draws a nonce. */
  function noteWalletEvent(role: string, event: WalletEvent): void {
    const held = evidenceStored.get(role) ?? new Set();
    evidenceStored.set(role, held);
    if (event.type === 'evidence_kept') for (const { signal_bytes } of event.signals) held.add(signal_bytes);
    if (
      event.type === 'session_checked' &&
      event.session.signal_bytes !== NO_SIGNAL &&
      !held.has(event.session.signal_bytes)
    )
      violate(`${role} checked session ${event.session.session_id} without having stored its evidence`);
    if (event.type === 'update_signed') kept.add(`${role} ${event.announcement}`);
    if (event.type === 'spend_told') journalOf(role).transactions.set(`told ${event.transaction}`, event.transaction);
    if (event.type === 'transactions_told')
      for (const hex of event.transactions) journalOf(role).transactions.set(`told ${hex}`, hex);
  }

  /** Whatever a commit said is stored is there after every end; what was being committed is there wholly or not at all. */
  function onOpen(role: string, store: Store): void {
    const journal = journalOf(role);
    figures.reopened++;
    const { doubtful } = journal;
    journal.doubtful = null;
    const streams = new Set([...journal.events.keys(), ...(doubtful?.events ?? []).map(({ stream }) => stream)]);
    let survived: boolean | null = null;
    for (const stream of streams) {
      const found = [...store.read(stream)].map(row => JSON.stringify(row.body));
      const known = journal.events.get(stream) ?? [];
      for (const [i, text] of known.entries())
        if (found[i] !== text) {
          violate(`${role}: event ${i} of ${stream} was stored and is lost or changed: ${text.slice(0, 120)}`);
          return;
        }
      const maybe = (doubtful?.events ?? []).filter(event => event.stream === stream).map(e => JSON.stringify(e.body));
      const rest = found.slice(known.length);
      if (rest.length > 0 && !isSame(rest, maybe)) violate(`${role}: events of nobody are stored in ${stream}`);
      if (maybe.length > 0) survived = rest.length > 0;
    }
    if (doubtful && survived === null)
      survived = (doubtful.outbox ?? []).length > 0 || (doubtful.seen ?? []).some(({ id }) => store.hasSeen(id));
    for (const { id } of doubtful?.seen ?? [])
      if (doubtful?.events?.length && store.hasSeen(id) !== survived)
        violate(`${role}: a commit that was cut off is there in part: seen ${id}`);
    if (doubtful && survived) keep(role, doubtful);
  }

  function onSend(program: Program, frame: string): void {
    const event = (JSON.parse(frame) as [string, NostrEvent])[1];
    const text = JSON.stringify(event);
    const known = sentEvents.get(event.id);
    if (known !== undefined) {
      figures.resent++;
      if (known !== text) violate(`${program.name} sends event ${event.id} again with other bytes`);
    }
    if (!journalOf(program.name).outbox.has(event.id))
      violate(`${program.name} sends event ${event.id} of kind ${event.kind}, which it has not stored`);
    if (known !== undefined) return;
    sentEvents.set(event.id, text);
    const to = event.tags.find(tag => tag[0] === 'p')?.[1];
    if (to === undefined) return;
    const opened = mail.open(event, to, now());
    if (opened.status === 'drop') violate(`${program.name} sends what its recipient cannot read: ${opened.reason}`);
    if (opened.status !== 'message') return;
    if (opened.read.ok) onMessage(program, opened.read.envelope);
    else violate(`${program.name} sends a message that is not one: ${JSON.stringify(opened.read)}`);
  }

  function onMessage({ name, side }: Program, envelope: Envelope): void {
    figures.messages++;
    switch (envelope.type) {
      case 'nonce':
        onNonce(name, envelope);
        return;
      case 'signal_authorization':
        onPartial(name, envelope);
        return;
      case 'aggregated_nonce': {
        leaves.onAggregatedNonce(envelope);
        const members = membersOf(cohorts.get(envelope.cohort));
        if ((nonceHeard.get(envelope.body.session_id)?.size ?? 0) < members.length)
          violate(`an aggregated nonce of ${envelope.body.session_id} went out before every member had sent its own`);
        return;
      }
      case 'fallback_authorization_request':
        leaves.onRequest(envelope);
        return;
      case 'fallback_signature':
        leaves.onSignature(name, envelope);
        return;
      case 'authorize_beacon_signal_request':
        if (!sessions.has(envelope.body.session_id))
          violate(`session ${envelope.body.session_id} is asked for and is not stored`);
        return;
      case 'did_update':
        submissions.set(envelope.id, announcementsOf([envelope.body]));
        return;
      case 'update_response':
        submissions.set(envelope.id, announcementsOf(envelope.body.entries));
        return;
      case 'ack':
        if (side === 'wallet') {
          if (envelope.body.accepted === 'did_update' && !kept.has(`${name} ${envelope.body.announcement}`))
            violate(`${name} acknowledged update ${envelope.body.announcement} without having stored it`);
          return;
        }
        if (envelope.body.accepted === 'did_update') onUpdateAck(envelope.to, envelope.body);
        if (envelope.body.accepted === 'update_response')
          for (const announcement of envelope.body.announcements) {
            const queued = everQueued.get(announcement);
            if (!queued) violate(`update ${announcement} was acknowledged and is not stored`);
            else onUpdateAck(envelope.to, { ...queued, announcement, state: 'queued' });
          }
        return;
      case 'rejection': {
        const about = envelope.in_reply_to === undefined ? undefined : submissions.get(envelope.in_reply_to);
        for (const announcement of about ?? []) refused.add(announcement);
        return;
      }
      default:
        return;
    }
  }

  const announcementsOf = (entries: readonly object[]): string[] =>
    entries.flatMap(entry => {
      if ('announcement' in entry && typeof entry.announcement === 'string') return [entry.announcement];
      return 'invocation' in entry && entry.invocation
        ? [toHex(announcementOf(entry.invocation as unknown as SignedUpdate))]
        : [];
    });

  function onUpdateAck(
    to: string,
    body: { did: string; announcement: string; target_version_id: number; state: string },
  ): void {
    const { did, announcement, target_version_id: version } = body;
    const known = acked.get(announcement) ?? { did, version, announcement, wallet: to, states: new Set<string>() };
    known.states.add(body.state);
    acked.set(announcement, known);
    if (!everQueued.has(announcement)) violate(`update ${announcement} of ${did} was acknowledged and is not stored`);
  }

  function blame(name: string, text: string): void {
    if (options.isHonest(name)) violate(text);
  }

  function onNonce(name: string, { from, body }: Extract<Envelope, { type: 'nonce' }>): void {
    const { session_id, nonce_points } = body;
    const slot = `${from} ${session_id}`;
    figures.nonces++;
    const pairs = nonce_points.map(pair => pair.join());
    const before = noncesOf.get(slot);
    if (before && !isSame(before, pairs)) blame(name, `${name} sent two different nonces for session ${session_id}`);
    noncesOf.set(slot, pairs);
    for (const [step, pair] of pairs.entries()) {
      const use = nonceUse.get(pair);
      if (use !== undefined && use !== `${slot} ${step}`)
        blame(name, `${name} sent one nonce for two things: ${use}, ${slot}`);
      nonceUse.set(pair, `${slot} ${step}`);
    }
    const heard = nonceHeard.get(session_id) ?? new Set();
    nonceHeard.set(session_id, heard.add(from));
    const session = sessions.get(session_id);
    const isSignal = session && session.signal_bytes !== NO_SIGNAL;
    if (isSignal && !evidenceStored.get(name)?.has(session.signal_bytes))
      blame(name, `${name} sent a nonce for ${session_id} before it had stored its evidence`);
    // All but one can finish it from now on, whether the last one ever signs or not.
    const state = session && cohorts.get(session.cohort);
    if (isSignal && hasFallback(state) && heard.size >= membersOf(state).length) onSignable(session_id, session);
  }

  function onPartial(name: string, envelope: Extract<Envelope, { type: 'signal_authorization' }>): void {
    const { from, body } = envelope;
    const { session_id, agg_nonce, sig } = body;
    const slot = `${from} ${session_id}`;
    figures.partial_signatures++;
    const text = JSON.stringify([agg_nonce, sig]);
    const before = partials.get(slot);
    if (before !== undefined && before !== text) blame(name, `${name} signed session ${session_id} twice, differently`);
    partials.set(slot, text);
    const pairs = noncesOf.get(slot);
    if (!pairs) blame(name, `${name} signed session ${session_id} without having sent a nonce for it`);
    for (const [step, pair] of (pairs ?? []).entries()) {
      const what = JSON.stringify([session_id, step, agg_nonce[step], sig[step]]);
      const other = signedWith.get(pair);
      if (other !== undefined && other !== what)
        blame(name, `${name} made two partial signatures from one nonce: ${other} and ${what}`);
      signedWith.set(pair, what);
    }
    const session = sessions.get(session_id);
    if (!session) {
      blame(name, `${name} signed session ${session_id}, which no aggregator asked for`);
      return;
    }
    session.signers.add(from);
    onSignable(session_id, session);
  }

  /**
   * Whether the member that holds a DID has signed a session; of one that nobody holds any more, yes, and where the others
   * can go on without it.
   */
  function hasSigned({ cohort, signers }: SeenSession, did: string): boolean {
    const state = cohorts.get(cohort);
    if (state?.phase.name !== 'formed' || hasFallback(state)) return true;
    const { registry } = state.phase.beacon;
    const holder = [...registry.values()].find(each => each.did === did)?.member;
    return holder === undefined || [...signers].some(transport => state.transports.get(transport) === holder);
  }

  /** A signature left, or is not needed: from now on this transaction may appear, whatever is said. */
  function onSignable(id: string, session: SeenSession): void {
    for (const [other, rival] of sessions) {
      if (other === id || rival.signers.size === 0 || rival.outpoint !== session.outpoint) continue;
      // A spend that announces nothing may stand beside a signal: whichever is mined, one at most is announced.
      if (NO_SIGNAL === rival.signal_bytes || NO_SIGNAL === session.signal_bytes) continue;
      if (rival.signal_bytes !== session.signal_bytes)
        violate(`two signals of one outpoint may be completed: sessions ${other} and ${id} of ${session.outpoint}`);
    }
    for (const { did, version, announcement } of session.updates) {
      // Without its controller's signature a session never becomes a transaction; once it is given up, another update may come.
      if (!hasSigned(session, did)) continue;
      const key = `${did} ${version}`;
      const before = announced.get(key);
      if (before !== undefined && before !== announcement)
        violate(`two updates of version ${version} of ${did} may be announced: ${before} and ${announcement}`);
      announced.set(key, announcement);
    }
  }

  function onSubmit(program: Program, hex: string): void {
    const { transactions } = journalOf(program.name);
    const txid = [...transactions].find(([, stored]) => stored === hex)?.[0];
    if (txid === undefined) violate(`${program.name} publishes a transaction that it has not stored: ${hex}`);
    const key = hex.slice(0, 120);
    const before = rawTransactions.get(`${program.side} ${key}`);
    if (before !== undefined && before !== hex) violate(`${program.name} publishes other bytes of one transaction`);
    rawTransactions.set(`${program.side} ${key}`, hex);
  }

  return {
    violations,
    violate,
    onOpen,
    onCommit(role, batch, isKnown) {
      if (isKnown) keep(role, batch);
      else journalOf(role).doubtful = batch;
    },
    onSend,
    onSubmit,
    cohort: id => cohorts.get(id),
    sessions,
    acked,
    refused,
    leafSignatures: leaves.count,
    figures,
  };
}

import type { SignalEvidence, TermsPolicy } from '../messages/index.ts';
import { type CompanionEvent, evolveCompanionship } from './companion/pair.ts';
import { signableAddresses } from './doubt.ts';
import type { Stored, WalletEvent } from './events.ts';
import {
  type HeldSignal,
  type MemberBeacon,
  type MemberPhase,
  type MemberSession,
  type Membership,
  mayAppear,
  type OwnSignal,
  type ProposedSet,
  provenBeaconOf,
  type WalletDid,
  type WalletState,
  type WalletUpdate,
} from './state.ts';

type Event = Stored<WalletEvent>;
type Of<T extends WalletEvent['type']> = Extract<Event, { type: T }>;

/** The next state of a wallet; like the cohort's `evolve` it changes the maps in place. */
export function evolve(state: WalletState, event: Event): WalletState {
  switch (event.type) {
    case 'companion_opened':
    case 'companion_owned':
    case 'companion_policy_taken':
    case 'companion_ordered':
    case 'companion_join_failed':
    case 'companion_released':
    case 'companion_acknowledged':
    case 'companion_named':
    case 'companion_asked':
    case 'companion_policy_issued':
    case 'companion_told':
    case 'companion_refused':
    case 'companion_heir_named':
    case 'companion_heir_signed':
    case 'companion_heir_kept':
    case 'companion_inherited':
    case 'companion_restored':
    case 'companion_kept':
    case 'companion_ending':
    case 'companion_ended':
      return evolveCompanionship(state, event);
    case 'did_created':
      state.dids.set(event.did, {
        did: event.did,
        name: event.name,
        network: event.network,
        public_key: event.public_key,
        genesis: event.genesis,
        named: new Set(event.names),
        updates: [],
        created_at: event.at,
        restored: false,
      });
      return state;
    case 'did_restored':
      state.dids.set(event.did, {
        did: event.did,
        name: event.name,
        network: event.network,
        public_key: event.public_key,
        genesis: event.genesis,
        named: new Set(event.names),
        updates: event.updates.map(putBack),
        created_at: event.at,
        restored: true,
      });
      return state;
    case 'updates_restored':
      // A proof that did not fit before was refused, and the same answer would not be looked at again.
      for (const [id, { slot }] of state.asked) if (slot === `proofs ${event.did}`) state.asked.delete(id);
      return withDid(state, event.did, own => ({
        ...own,
        named: new Set([...own.named, ...event.names]),
        updates: [...own.updates, ...event.updates.map(putBack)].sort((a, b) => a.version - b.version),
      }));
    case 'cohort_restored': {
      const { type: _, at, beacon, dids, ...membership } = event;
      const restored: MemberBeacon = {
        ...newBeacon(beacon, event.terms.policy),
        signatures: [],
        challenge: '',
        ready_at: at,
      };
      for (const did of dids) restored.registrations.set(did, { name: 'held', proven: false });
      state.cohorts.set(event.cohort, {
        ...membership,
        joined_at: at,
        phase: { name: 'restored', beacon: restored },
        rebind_counter: 0,
        rebinding: null,
        last_abort: null,
      });
      return state;
    }
    case 'update_signed':
      return withDid(state, event.did, own => signed(own, event));
    case 'update_moved':
      return withDid(state, event.did, own => moved(own, event));
    case 'joined': {
      const { type: _, at, ...membership } = event;
      state.cohorts.set(event.cohort, {
        ...membership,
        joined_at: at,
        phase: { name: 'asked' },
        rebind_counter: 0,
        rebinding: null,
        last_abort: null,
      });
      return state;
    }
    case 'rebind_asked': {
      const { transport, counter } = event;
      return withMembership(state, event.cohort, m => ({ ...m, rebinding: { transport, counter, refused: null } }));
    }
    case 'rebind_refused':
      return withMembership(state, event.cohort, m =>
        m.rebinding ? { ...m, rebinding: { ...m.rebinding, refused: event.text } } : m,
      );
    case 'rebound':
      return rebound(state, event);
    case 'asked':
      state.asked.set(event.envelope_id, { cohort: event.cohort, slot: event.slot, at: event.at });
      return state;
    case 'answered':
      state.asked.delete(event.envelope_id);
      return state;
    case 'seated':
      return withPhase(state, event.cohort, phase => (phase.name === 'asked' ? { name: 'seated' } : phase));
    case 'set_proposed':
      return withPhase(state, event.cohort, () => ({ name: 'proposed', set: event.set, sig: null }));
    case 'set_signed':
      return withPhase(state, event.cohort, phase =>
        phase.name === 'proposed' ? { ...phase, sig: event.sig } : phase,
      );
    case 'cohort_ready':
      doubtReady(state, event.cohort);
      return withPhase(state, event.cohort, phase =>
        ready(phase, state.cohorts.get(event.cohort)!.terms.policy, event),
      );
    case 'cohort_resumed': {
      const { signatures, challenge } = event;
      return withPhase(state, event.cohort, phase =>
        phase.name === 'restored' ? { name: 'ready', beacon: { ...phase.beacon, signatures, challenge } } : phase,
      );
    }
    case 'membership_ended':
      // Nobody waits for answers from there, and an opt-in that is sent again could take a seat once more.
      for (const [id, asked] of state.asked) if (asked.cohort === event.cohort) state.asked.delete(id);
      return withPhase(state, event.cohort, () => ({ name: 'ended', reason: event.reason }));
    case 'restored':
      for (const own of state.dids.values()) state.dids.set(own.did, withoutDrafts(own));
      return {
        ...state,
        doubt: { since: event.at, addresses: new Map(signableAddresses(state).map(address => [address, null])) },
      };
    case 'doubt_dated':
      state.doubt?.addresses.set(event.address, event.height);
      return state;
    case 'doubt_settled':
      state.doubt?.addresses.delete(event.address);
      return state;
    case 'abort_told':
      return withMembership(state, event.cohort, membership => ({
        ...membership,
        last_abort: {
          round: event.round,
          reason: event.reason,
          text: event.text,
          at: event.at,
          ...(event.blame ? { blame: event.blame } : {}),
        },
      }));
    default: {
      const membership = state.cohorts.get(event.cohort);
      const beacon = membership && provenBeaconOf(membership);
      if (!beacon) throw new Error(`${event.type} in a cohort that is not ready`);
      if (event.type === 'release_agreed')
        return withPhase(state, event.cohort, phase =>
          phase.name === 'ready' ? { ...phase, beacon: { ...phase.beacon, release: event.to } } : phase,
        );
      if (event.type === 'status_told' || event.type === 'leaving_told' || event.type === 'retired')
        return withPhase(state, event.cohort, phase => standing(phase, event));
      if (event.type === 'request_held')
        return withHeld(state, event.cohort, beacon, { body: event.body, in_reply_to: event.in_reply_to });
      const next = evolveBeacon(state, beacon, event);
      const done = event.type === 'session_checked' || event.type === 'session_vetoed';
      return done && beacon.held_request ? withHeld(next, event.cohort, beacon, null) : next;
    }
  }
}

/** Signed for, as far as anybody can know: its bytes are announced, or nothing of its version. */
const putBack = (known: Of<'did_restored'>['updates'][number]): WalletUpdate => ({
  ...known,
  bare: false,
  cohorts: [],
  state: 'locked',
  text: null,
  own_signals: [],
  names: null,
});

/**
 * Another update may have taken their place, and even their version on chain: a draft of the copy is never signed for, and
 * made again once the chain has told.
 */
const withoutDrafts = (own: WalletDid): WalletDid => ({
  ...own,
  updates: own.updates.map(update => {
    const isDraft = update.state === 'signed' || update.state === 'acked' || update.state === 'frozen';
    return isDraft ? { ...update, state: 'replaced', text: 'put back from a copy: make it again' } : update;
  }),
});

/** It may have been ready, and signing, in the time that a restored wallet does not know. */
function doubtReady({ doubt, cohorts }: WalletState, cohort: string): void {
  const { joined_at, phase } = cohorts.get(cohort)!;
  if (doubt && joined_at <= doubt.since && phase.name === 'proposed')
    doubt.addresses.set(phase.set.beacon_address, null);
}

function withDid(state: WalletState, did: string, change: (own: WalletDid) => WalletDid): WalletState {
  state.dids.set(did, change(state.dids.get(did)!));
  return state;
}

function withMembership(state: WalletState, cohort: string, change: (m: Membership) => Membership): WalletState {
  state.cohorts.set(cohort, change(state.cohorts.get(cohort)!));
  return state;
}

const withPhase = (state: WalletState, cohort: string, change: (phase: MemberPhase) => MemberPhase): WalletState =>
  withMembership(state, cohort, membership => ({ ...membership, phase: change(membership.phase) }));

/** Requests by the old key are answered to nobody: what they were for is asked again, by the wallet or by its owner. */
function rebound(state: WalletState, { cohort, transport, counter }: Of<'rebound'>): WalletState {
  for (const [id, asked] of state.asked) if (asked.cohort === cohort) state.asked.delete(id);
  return withMembership(state, cohort, membership => {
    const { phase } = membership;
    if (phase.name === 'ready')
      for (const [did, { name }] of phase.beacon.registrations)
        if (name === 'asked')
          phase.beacon.registrations.set(did, {
            name: 'refused',
            code: 'rebound',
            text: 'the transport key changed before the answer came: register again',
          });
    // Only a seat can be given a new key: so there is one.
    const seated = phase.name === 'asked' ? { name: 'seated' as const } : phase;
    return { ...membership, transport, rebind_counter: counter, rebinding: null, phase: seated };
  });
}

const withHeld = (state: WalletState, cohort: string, beacon: MemberBeacon, held: MemberBeacon['held_request']) =>
  withPhase(state, cohort, () => ({ name: 'ready', beacon: { ...beacon, held_request: held } }));

function signed(own: WalletDid, event: Of<'update_signed'>): WalletDid {
  const { version, announcement, update, bare = false } = event;
  for (const address of event.names) own.named.add(address);
  const before = own.updates.find(known => known.announcement === announcement);
  const others = own.updates.filter(known => known.announcement !== announcement);
  const isNew = !before || before.state === 'refused' || before.state === 'replaced';
  const cohorts = [...new Set([...(before?.cohorts ?? []), ...event.cohorts])];
  // Sent once more, as a returned one is, it stays what it was: a lock does not open by signing again.
  const state = isNew ? ('signed' as const) : before.state;
  const sent = {
    version,
    announcement,
    update,
    bare,
    cohorts,
    state,
    text: null,
    own_signals: before?.own_signals ?? [],
    names: event.names,
  };
  const updates = event.own_signal ? announced(others, sent, event.own_signal) : [...others, sent];
  return {
    ...own,
    restored: own.restored && before !== undefined,
    updates: updates.sort((a, b) => a.version - b.version),
  };
}

/** A signature of the own beacon is about to leave: from here on this is the update of its version, for ever. */
function announced(others: WalletUpdate[], update: WalletUpdate, signal: OwnSignal): WalletUpdate[] {
  const isSettled = update.state === 'broadcast' || update.state === 'final';
  const before = update.own_signals.filter(known => known.txid !== signal.txid);
  const own_signals = [...before, { ...signal, status: 'unseen' as const }];
  return [
    ...others.map(other => {
      const isRival = other.version === update.version && (other.state === 'signed' || other.state === 'acked');
      return isRival ? { ...other, state: 'replaced' as const } : other;
    }),
    { ...update, own_signals, state: isSettled ? update.state : 'locked' },
  ];
}

function moved(
  own: WalletDid,
  event: Pick<Of<'update_moved'>, 'announcement' | 'state' | 'text' | 'cohort' | 'own_signal'>,
): WalletDid {
  const { announcement, state, text = null, own_signal } = event;
  const position = own.updates.findIndex(update => update.announcement === announcement);
  const target = own.updates[position];
  return {
    ...own,
    updates: own.updates.map((update, i) => {
      if (i === position)
        return refusedByOne(update, event) ?? { ...update, state, text, own_signals: seen(update, own_signal) };
      // The aggregator took the newer one: the older one of that version is never announced any more.
      const gone = state === 'acked' && i < position && update.version === target?.version && update.state === 'acked';
      return gone ? { ...update, state: 'replaced' } : update;
    }),
  };
}

const seen = ({ own_signals }: WalletUpdate, now: Of<'update_moved'>['own_signal']): WalletUpdate['own_signals'] =>
  own_signals.map(signal => (signal.txid === now?.txid ? { ...signal, status: now.status } : signal));

/** One of several cohorts refused it: there it will not be announced, in the others it may. */
function refusedByOne(update: WalletUpdate, event: Pick<Of<'update_moved'>, 'state' | 'text' | 'cohort'>) {
  const cohorts = update.cohorts.filter(cohort => cohort !== event.cohort);
  return event.state === 'refused' && event.cohort !== undefined && cohorts.length > 0
    ? { ...update, cohorts, text: event.text ?? null }
    : null;
}

function ready(phase: MemberPhase, policy: TermsPolicy, event: Of<'cohort_ready'>): MemberPhase {
  if (phase.name !== 'proposed') throw new Error(`cohort_ready while ${phase.name}`);
  const { attempt: _, ...set } = phase.set;
  return {
    name: 'ready',
    beacon: { ...newBeacon(set, policy), signatures: event.signatures, challenge: event.challenge, ready_at: event.at },
  };
}

const newBeacon = (
  set: Omit<ProposedSet, 'attempt'>,
  policy: TermsPolicy,
): Omit<MemberBeacon, 'signatures' | 'challenge' | 'ready_at'> => ({
  ...set,
  policy,
  registrations: new Map(),
  signals: new Map(),
  sessions: new Map(),
  opportunities: new Map(),
  release: null,
  status: null,
  leaving: false,
  recoveries: [],
  held_request: null,
});

/** Where a membership stands on its way out. */
function standing(phase: MemberPhase, event: Of<'status_told' | 'leaving_told' | 'retired'>): MemberPhase {
  if (!('beacon' in phase)) return phase;
  switch (event.type) {
    case 'status_told':
      return { ...phase, beacon: { ...phase.beacon, status: event.status } };
    case 'leaving_told':
      return { ...phase, beacon: { ...phase.beacon, leaving: true } };
    case 'retired':
      return { name: 'retired', beacon: { ...phase.beacon, held_request: null } };
  }
}

type Outside =
  | CompanionEvent['type']
  | 'restored'
  | 'doubt_dated'
  | 'doubt_settled'
  | 'did_created'
  | 'did_restored'
  | 'updates_restored'
  | 'cohort_restored'
  | 'update_signed'
  | 'update_moved'
  | 'joined'
  | 'rebind_asked'
  | 'rebind_refused'
  | 'rebound'
  | 'asked'
  | 'answered'
  | 'seated'
  | 'set_proposed'
  | 'set_signed'
  | 'cohort_ready'
  | 'cohort_resumed'
  | 'membership_ended'
  | 'abort_told'
  | 'request_held'
  | 'release_agreed'
  | 'status_told'
  | 'leaving_told'
  | 'retired';

function evolveBeacon(state: WalletState, beacon: MemberBeacon, event: Exclude<Event, { type: Outside }>): WalletState {
  switch (event.type) {
    case 'registration_asked':
      if (beacon.registrations.get(event.did)?.name !== 'held') beacon.registrations.set(event.did, { name: 'asked' });
      return state;
    case 'did_registered':
      beacon.registrations.set(event.did, { name: 'held', proven: event.proven });
      return state;
    case 'registration_refused':
      // Only whoever proved control takes a DID that is held.
      if (event.code === 'did_taken' || beacon.registrations.get(event.did)?.name !== 'held')
        beacon.registrations.set(event.did, { name: 'refused', code: event.code, text: event.text });
      return state;
    case 'evidence_kept':
      for (const signal of event.signals) keep(beacon, signal);
      return state;
    case 'session_checked':
      beacon.sessions.set(event.session.session_id, {
        ...event.session,
        stage: { name: 'checked' },
        checked_at: event.at,
        settled: null,
      });
      return state;
    case 'session_vetoed':
    case 'refund_refused':
      return state;
    case 'recovery_seen':
      beacon.recoveries.push({ txid: event.txid, signal: event.signal });
      return state;
    case 'opportunity_asked':
      dropUnused(beacon);
      beacon.opportunities.set(event.opportunity.opportunity_id, event.opportunity);
      return state;
    case 'opportunity_answered': {
      const asked = beacon.opportunities.get(event.opportunity_id)!;
      beacon.opportunities.set(event.opportunity_id, { ...asked, entries: event.entries });
      return state;
    }
    case 'transactions_told': {
      const held = heldSignal(beacon, event.signal_bytes);
      beacon.signals.set(event.signal_bytes, {
        ...held,
        transactions: [...new Set([...held.transactions, ...event.transactions])],
        refunds: [...new Set([...held.refunds, ...(event.refunds ?? [])])],
      });
      return state;
    }
    case 'signal_lingers': {
      const { from_height, step } = event;
      const held = heldSignal(beacon, event.signal_bytes);
      beacon.signals.set(event.signal_bytes, { ...held, lingers: { from_height, step } });
      return state;
    }
    case 'signal_seen': {
      const { status, txid, height } = event;
      const held = heldSignal(beacon, event.signal_bytes);
      const lingers = height === null ? held.lingers : null;
      beacon.signals.set(event.signal_bytes, { ...held, lingers, seen: { status, txid, height } });
      return state;
    }
    default: {
      const session = beacon.sessions.get(event.session_id);
      if (!session) throw new Error(`${event.type} for a session that was never checked`);
      const next = evolveSession(session, event);
      beacon.sessions.set(event.session_id, next);
      const isGiven = ['nonce_drawn', 'session_signed', 'fallback_signed'].includes(event.type);
      return isGiven && mayAppear(beacon, next) ? lockUpdates(state, session, event.cohort) : state;
    }
  }
}

/** Questions cost an aggregator nothing: only those that a session came of are kept, and the newest. */
function dropUnused(beacon: MemberBeacon): void {
  const used = new Set([...beacon.sessions.values()].map(session => session.opportunity_id));
  for (const id of beacon.opportunities.keys()) if (!used.has(id)) beacon.opportunities.delete(id);
}

function heldSignal(beacon: MemberBeacon, signalBytes: string): HeldSignal {
  return (
    beacon.signals.get(signalBytes) ?? {
      signal_bytes: signalBytes,
      proofs: new Map(),
      map: null,
      transactions: [],
      refunds: [],
      lingers: null,
      seen: { status: 'unseen', txid: null, height: null },
    }
  );
}

function keep(beacon: MemberBeacon, signal: Pick<SignalEvidence, 'signal_bytes' | 'evidence'>): void {
  const held = heldSignal(beacon, signal.signal_bytes);
  if ('map' in signal.evidence) beacon.signals.set(signal.signal_bytes, { ...held, map: signal.evidence.map });
  else {
    for (const [did, proof] of Object.entries(signal.evidence.proofs)) held.proofs.set(did, proof);
    beacon.signals.set(signal.signal_bytes, held);
  }
}

type SessionEvent = Of<
  | 'nonce_drawn'
  | 'agg_nonce_received'
  | 'session_signed'
  | 'session_lost'
  | 'session_settled'
  | 'spend_told'
  | 'fallback_checked'
  | 'fallback_signed'
  | 'fallback_dropped'
>;

function evolveSession(session: MemberSession, event: SessionEvent): MemberSession {
  const { stage } = session;
  switch (event.type) {
    case 'nonce_drawn':
      return { ...session, nonced: true, stage: { name: 'nonce_sent', nonce_points: event.nonce_points } };
    case 'agg_nonce_received':
      return stage.name === 'nonce_sent'
        ? { ...session, stage: { ...stage, name: 'to_sign', agg_nonce: event.agg_nonce } }
        : session;
    case 'session_signed':
      return { ...session, stage: { name: 'signed', agg_nonce: event.agg_nonce, sig: event.sig } };
    case 'session_lost':
      return { ...session, stage: { name: 'lost' } };
    case 'spend_told':
      return {
        ...session,
        transaction: event.transaction,
        ...(event.refunds ? { given_back: event.refunds } : {}),
      };
    case 'fallback_checked':
      return { ...session, fallback: { steps: event.steps, sig: null } };
    case 'fallback_signed':
      return session.fallback ? { ...session, fallback: { ...session.fallback, sig: event.sig } } : session;
    case 'fallback_dropped': {
      const { fallback: _, ...rest } = session;
      return rest;
    }
    case 'session_settled':
      return { ...session, settled: { txid: event.txid, announced: event.announced } };
  }
}

/** The session may appear from now on: these are the updates of their versions, for ever. */
function lockUpdates(state: WalletState, session: MemberSession, cohort: string): WalletState {
  for (const { did, announcement } of session.updates) {
    const own = state.dids.get(did);
    const known = own?.updates.find(update => update.announcement === announcement);
    if (!known) continue;
    if (known.state !== 'broadcast' && known.state !== 'final')
      withDid(state, did, d => moved(d, { announcement, state: 'locked' }));
    withDid(state, did, d => withoutRivals(d, known, cohort));
  }
  return state;
}

/** Where nobody acknowledges updates, only the lock tells that one took another's place; kept, it would be offered for ever. */
const withoutRivals = (own: WalletDid, { version, announcement }: WalletUpdate, cohort: string): WalletDid => ({
  ...own,
  updates: own.updates.map(update => {
    const isFree = update.state === 'signed' || update.state === 'acked';
    const isRival = update.version === version && update.announcement !== announcement && isFree;
    return isRival && update.cohorts.every(other => other === cohort) ? { ...update, state: 'replaced' } : update;
  }),
});

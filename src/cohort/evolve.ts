import { isDeactivated } from '../did/index.ts';
import type { CohortEvent, Stored } from './events.ts';
import { evolveFallback, markOverdue } from './fallback-evolve.ts';
import { afterUpdate } from './known.ts';
import { evolveSpend, spendAbout } from './spend-evolve.ts';
import type { Beacon, CohortState, QueuedUpdate, Round, Session, Signal, SignalStep } from './state.ts';
import { allSteps } from './steps.ts';
import { evolveSuccession, type SuccessionEvent } from './succession-evolve.ts';
import { toldField } from './telling.ts';

/**
 * The next state. The maps inside are changed in place, since a registry of 100,000 DIDs is not copied for every event:
 * whoever holds the old state must let it go.
 */
export function evolve(state: CohortState | null, event: Stored<CohortEvent>): CohortState {
  if (event.type === 'advert_created') return created(event);
  if (!state) throw new Error(`the log of a cohort begins with advert_created, not ${event.type}`);
  const { advert } = state;
  switch (event.type) {
    case 'advert_refreshed':
      advert.event_ids.add(event.event_id);
      return {
        ...state,
        advert: {
          ...advert,
          expires_at: event.expires_at,
          published_at: Math.max(event.at, advert.published_at + 1),
        },
      };
    case 'advert_status_changed':
      return { ...state, advert: { ...advert, status: event.status } };
    case 'seat_taken':
      state.seats.set(event.participant_pk, {
        participant_pk: event.participant_pk,
        transport: event.transport,
        return_interact: event.return_interact,
        seated_at: event.at,
        rebind_counter: 0,
        proofs: [{ transport_key: event.transport, proof: event.proof }],
      });
      state.transports.set(event.transport, event.participant_pk);
      return state;
    case 'seats_dropped':
      for (const key of event.participant_pubkeys) {
        state.transports.delete(state.seats.get(key)!.transport);
        state.seats.delete(key);
      }
      return state;
    case 'member_rebound': {
      const seat = state.seats.get(event.participant_pk)!;
      state.transports.delete(seat.transport);
      state.transports.set(event.transport, event.participant_pk);
      const { transport, counter, sig } = event;
      const proof = { transport_key: transport, rebind: { cohort: state.id, counter, sig } };
      state.seats.set(event.participant_pk, {
        ...seat,
        transport,
        rebind_counter: counter,
        proofs: [...seat.proofs, proof],
      });
      return state;
    }
    case 'cohort_ended':
      return { ...state, phase: { name: 'ended', reason: event.reason } };
    case 'set_proposed':
    case 'set_signed':
    case 'set_failed':
    case 'cohort_formed':
      return evolveSet(state, event);
    case 'reminded':
    case 'deaf_time_credited':
      return evolveTime(state, event);
    case 'members_told':
      return event.what === 'set' ? setOut(state, event.told) : withBeacon(state, beacon => membersTold(beacon, event));
    default:
      return withBeacon(state, beacon => evolveBeacon(beacon, event));
  }
}

type Pick_<T extends CohortEvent['type']> = Extract<Stored<CohortEvent>, { type: T }>;

function created(event: Pick_<'advert_created'>): CohortState {
  return {
    id: event.cohort,
    advert: {
      terms: event.terms,
      terms_hash: event.terms_hash,
      identity: event.identity,
      status: 'open',
      expires_at: event.expires_at,
      created_at: event.at,
      published_at: event.at,
      event_ids: new Set([event.cohort]),
    },
    seats: new Map(),
    transports: new Map(),
    phase: { name: 'recruiting', attempts: 0 },
  };
}

function evolveSet(
  state: CohortState,
  event: Pick_<'set_proposed' | 'set_signed' | 'set_failed' | 'cohort_formed'>,
): CohortState {
  if (event.type === 'set_proposed') {
    const { type: _, at: __, ...set } = event;
    return { ...state, phase: { name: 'confirming', ...set, signatures: new Map() } };
  }
  const { phase } = state;
  if (phase.name !== 'confirming') throw new Error(`${event.type} while ${phase.name}`);
  switch (event.type) {
    case 'set_signed':
      phase.signatures.set(event.participant_pk, event.sig);
      return state;
    case 'set_failed':
      return { ...state, phase: { name: 'recruiting', attempts: phase.attempt } };
    case 'cohort_formed':
      return {
        ...state,
        phase: {
          name: 'formed',
          beacon: {
            participant_pubkeys: phase.participant_pubkeys,
            address: phase.beacon_address,
            script_hex: phase.script_hex,
            policy: state.advert.terms.policy,
            signatures: phase.signatures,
            challenge: event.challenge,
            ...(event.told === undefined ? {} : { ready_told: event.told }),
            formed_at: event.at,
            registry: new Map(),
            leaves: [],
            checks: new Map(),
            held: new Map(),
            updates: new Map(),
            ready: new Set(),
            signals: [],
            round: null,
            spend: null,
            spends: [],
            spends_begun: 0,
            refunds_begun: new Map(),
            recoveries: [],
            rounds_opened: 0,
            not_before: 0,
            failures: 0,
            round_requested: false,
            last_signal_at: event.at,
            last_opportunity_at: event.at,
            alarms: new Map(),
            departures: new Map(),
            succession: null,
            keys_deleted: new Set(),
            statuses_told: 0,
          },
        },
      };
  }
}

/** A reminder goes out once; deaf time moves what is waited for. */
function evolveTime(state: CohortState, event: Pick_<'reminded' | 'deaf_time_credited'>): CohortState {
  const moved = <T extends { deadline: number; remind_at: number }>(timed: T): T =>
    event.type === 'reminded'
      ? { ...timed, remind_at: Number.MAX_SAFE_INTEGER }
      : { ...timed, deadline: timed.deadline + event.seconds, remind_at: timed.remind_at + event.seconds };
  const { phase } = state;
  if (phase.name === 'confirming') {
    const again = event.type === 'reminded' && event.told !== undefined ? { told: event.told } : {};
    return { ...state, phase: { ...moved(phase), ...again } };
  }
  return phase.name !== 'formed'
    ? state
    : withBeacon(state, beacon => {
        if (beacon.spend) return { ...beacon, spend: { ...beacon.spend, stage: moved(beacon.spend.stage) } };
        return beacon.round && 'deadline' in beacon.round.stage
          ? { ...beacon, round: { ...beacon.round, stage: moved(beacon.round.stage) } }
          : beacon;
      });
}

function withBeacon(state: CohortState, change: (beacon: Beacon) => Beacon): CohortState {
  if (state.phase.name !== 'formed') throw new Error(`no cohort is formed, it is ${state.phase.name}`);
  return { ...state, phase: { name: 'formed', beacon: change(state.phase.beacon) } };
}

type SetUp = 'advert_created' | 'advert_refreshed' | 'advert_status_changed' | 'seat_taken' | 'seats_dropped';
type Early = SetUp | 'member_rebound' | 'members_told' | 'set_proposed' | 'set_signed' | 'set_failed' | 'cohort_formed';
type BeaconEvent = Exclude<Stored<CohortEvent>, { type: Early | 'cohort_ended' | 'reminded' | 'deaf_time_credited' }>;

function evolveBeacon(beacon: Beacon, event: BeaconEvent): Beacon {
  switch (event.type) {
    case 'registration_received': {
      const { type: _, at: __, ...check } = event;
      beacon.checks.set(check.request_id, check);
      return beacon;
    }
    case 'registration_refused':
      beacon.checks.delete(event.request_id);
      return beacon;
    case 'did_registered':
      return register(beacon, event);
    case 'update_queued': {
      const { type: _, at, ...update } = event;
      const others = (beacon.updates.get(event.did) ?? []).filter(queued => queued.version !== event.version);
      // What waited for the version that is replaced was made for its result: announced after another, it ends the DID.
      const kept = others.filter(
        queued =>
          queued.version !== event.version + 1 ||
          (event.update !== null && queued.update?.sourceHash === event.update.targetHash),
      );
      const queue: QueuedUpdate[] = [...kept, { ...update, received_at: at, state: 'queued' }];
      setQueue(
        beacon,
        event.did,
        queue.sort((a, b) => a.version - b.version),
      );
      return beacon;
    }
    case 'round_requested':
      return { ...beacon, round_requested: true };
    case 'alarm_raised':
      beacon.alarms.set(event.key, { ...event.alarm, at: event.at });
      return beacon;
    case 'alarm_cleared':
      beacon.alarms.delete(event.key);
      return beacon;
    case 'alarm_dismissed': {
      const alarm = beacon.alarms.get(event.key);
      if (alarm) beacon.alarms.set(event.key, { ...alarm, halts: false, dismissed: true });
      return beacon;
    }
    case 'round_opened':
      return {
        ...beacon,
        rounds_opened: event.round,
        round_requested: false,
        round: {
          number: event.round,
          attempt: 1,
          opened_at: event.at,
          frozen: null,
          open: [],
          stage: {
            name: 'presence',
            deadline: event.deadline,
            remind_at: event.remind_at,
            heard: new Set(),
            opportunity:
              event.opportunity_id === undefined
                ? null
                : { id: event.opportunity_id, leaves: new Map(), wanted: false },
          },
        },
      };
    case 'opportunity_passed':
      return { ...beacon, round: null, last_opportunity_at: event.at, failures: 0 };
    case 'signal_seen':
      return withSignal(beacon, event.txid, signal => ({
        ...signal,
        seen: event.seen,
        // What was taken out of a block is sent again, and has its time again.
        sent_at_height: event.seen.status === 'reorged' ? event.height : (signal.sent_at_height ?? event.height),
      }));
    case 'signal_switched':
      return withSignal(beacon, event.was, signal => switched(signal, event));
    case 'recovery_sent': {
      const { txid, hex, outpoint, to, fee_sats } = event;
      return { ...beacon, recoveries: [...beacon.recoveries, { txid, hex, outpoint, to, fee_sats, isFinal: false }] };
    }
    case 'recovery_final':
      return {
        ...beacon,
        recoveries: beacon.recoveries.map(each => (each.txid === event.txid ? { ...each, isFinal: true } : each)),
      };
    case 'spend_requested':
    case 'spend_ended':
    case 'spend_completed':
    case 'spend_final':
      return evolveSpend(beacon, event);
    case 'member_leaving':
    case 'member_marked':
    case 'succession_begun':
    case 'successor_formed':
    case 'succession_moved':
    case 'key_deleted':
      return evolveSuccession(beacon, event);
    default: {
      const spent = spendAbout(beacon, event);
      if (spent) return spent;
      if (!beacon.round) throw new Error(`${event.type} without a round`);
      return evolveRound(beacon, beacon.round, event);
    }
  }
}

function register(beacon: Beacon, event: Pick_<'did_registered'>): Beacon {
  const { type: _, at, request_id, ...registration } = event;
  beacon.checks.delete(request_id);
  const before = beacon.registry.get(event.did);
  if (!before) beacon.leaves.push(event.did);
  if (before?.member !== event.member) {
    if (before) beacon.held.set(before.member, (beacon.held.get(before.member) ?? 1) - 1);
    beacon.held.set(event.member, (beacon.held.get(event.member) ?? 0) + 1);
  }
  const queue = beacon.updates.get(event.did);
  // Whoever loses a DID loses what it queued for it: nobody proved that those updates are the controller's.
  if (queue && before && before.member !== event.member) setQueue(beacon, event.did, []);
  else if (queue)
    setQueue(
      beacon,
      event.did,
      queue.filter(queued => !isOvertaken(queued, event.known)),
    );
  const isSame = before?.member === event.member;
  if (before && !isSame) dropLeaf(beacon, event.did);
  beacon.registry.set(event.did, { ...registration, registered_at: isSame ? before.registered_at : at });
  return beacon;
}

/** A leaf of whoever lost the index would be in a signal that its holder cannot prove: for once the index is empty. */
function dropLeaf({ round }: Beacon, index: string): void {
  if (round?.stage.name === 'presence') round.stage.opportunity?.leaves.delete(index);
}

/** Announced elsewhere meanwhile: another update of that version would raise LATE_PUBLISHING for good. */
const isOvertaken = (queued: QueuedUpdate, known: { version: number } | null): boolean =>
  known !== null && queued.version <= known.version && isFree(queued);

const isFree = (queued: QueuedUpdate): boolean => queued.state === 'queued' || queued.state === 'returned';

function setQueue(beacon: Beacon, did: string, queue: QueuedUpdate[]): void {
  if (queue.length === 0) beacon.updates.delete(did);
  else beacon.updates.set(did, queue);
  const next = queue.find(queued => queued.state !== 'final');
  if (next && isFree(next)) beacon.ready.add(did);
  else beacon.ready.delete(did);
}

function setOut(state: CohortState, told: number): CohortState {
  const { phase } = state;
  if (phase.name !== 'confirming') throw new Error(`a set told while ${phase.name}`);
  const { told: _, ...rest } = phase;
  return { ...state, phase: { ...rest, ...toldField(told, phase.participant_pubkeys.length) } };
}

function membersTold(beacon: Beacon, { what, told }: Pick_<'members_told'>): Beacon {
  const count = beacon.participant_pubkeys.length;
  if (what === 'ready') {
    const { ready_told: _, ...rest } = beacon;
    return told < count ? { ...rest, ready_told: told } : rest;
  }
  const { round } = beacon;
  if (round?.stage.name !== 'nonces') throw new Error(`a request told while ${round?.stage.name}`);
  const { told: _, ...stage } = round.stage;
  return withRound(beacon, { ...round, stage: { ...stage, ...toldField(told, count) } });
}

type RoundEvent = Exclude<
  BeaconEvent,
  {
    type:
      | 'registration_received'
      | 'registration_refused'
      | 'did_registered'
      | 'update_queued'
      | 'round_requested'
      | 'alarm_raised'
      | 'alarm_cleared'
      | 'alarm_dismissed'
      | 'round_opened'
      | 'opportunity_passed'
      | 'signal_seen'
      | 'signal_switched'
      | 'spend_requested'
      | 'spend_ended'
      | 'spend_completed'
      | 'spend_final'
      | 'recovery_sent'
      | 'recovery_final'
      | SuccessionEvent['type'];
  }
>;

function evolveRound(beacon: Beacon, round: Round, event: RoundEvent): Beacon {
  const { stage } = round;
  switch (event.type) {
    case 'presence_asked':
      return withRound(beacon, {
        ...round,
        attempt: event.attempt,
        stage: {
          name: 'presence',
          deadline: event.deadline,
          remind_at: event.remind_at,
          heard: new Set(),
          opportunity: null,
        },
      });
    case 'presence_heard':
      if (stage.name === 'presence') {
        stage.heard.add(event.participant_pk);
        if (stage.opportunity && event.wants_signal) stage.opportunity.wanted = true;
        for (const { index, leaf } of event.leaves ?? []) stage.opportunity?.leaves.set(index, leaf);
      }
      return beacon;
    case 'session_requested':
      markUpdates(beacon, event.frozen.updates, 'frozen');
      return withRound(beacon, {
        ...round,
        frozen: event.frozen,
        stage: {
          name: 'nonces',
          deadline: event.deadline,
          remind_at: event.remind_at,
          ...(event.told === undefined ? {} : { told: event.told }),
          session: {
            id: event.session_id,
            round: round.number,
            attempt: event.attempt,
            signal_bytes: event.frozen.signal_bytes,
            outpoint: event.frozen.outpoint,
            steps: event.steps,
            refunds: event.refunds ?? [],
            nonces: new Map(),
            agg_nonce: null,
            sigs: new Map(),
          },
        },
      });
    case 'nonce_received':
      if (stage.name === 'nonces') stage.session.nonces.set(event.participant_pk, event.envelope);
      return beacon;
    case 'nonces_aggregated': {
      if (stage.name !== 'nonces') throw new Error(`nonces_aggregated while ${stage.name}`);
      const session: Session = { ...stage.session, agg_nonce: event.agg_nonce };
      return withRound(beacon, {
        ...round,
        open: [...round.open, session],
        stage: { name: 'signatures', deadline: event.deadline, remind_at: event.remind_at, session },
      });
    }
    case 'authorization_received':
      round.open
        .find(session => session.id === event.envelope.body.session_id)
        ?.sigs.set(event.participant_pk, event.envelope);
      return beacon;
    case 'round_aborted':
      if (round.frozen) markUpdates(beacon, round.frozen.updates, 'queued');
      // Its trigger was met once: it is tried again, however it was opened.
      return {
        ...beacon,
        round: null,
        round_requested: true,
        not_before: event.not_before,
        failures: beacon.failures + 1,
      };
    case 'fallback_requested':
    case 'fallback_signed':
    case 'fallback_vetoed':
      return withRound(beacon, evolveFallback(round, event));
    case 'attempt_ended':
      return {
        ...withRound(beacon, {
          ...round,
          open: markOverdue(round, event),
          stage: { name: 'waiting', retry_at: event.retry_at },
        }),
        failures: beacon.failures + 1,
      };
    case 'outpoint_moved': {
      const frozen = { ...round.frozen!, outpoint: event.outpoint };
      markUpdates(beacon, frozen.updates, 'frozen');
      return {
        ...withRound(beacon, { ...round, frozen, stage: { name: 'waiting', retry_at: event.retry_at } }),
        signals: beacon.signals.filter(signal => signal.round !== round.number),
      };
    }
    case 'signal_completed':
      return completed(beacon, round, event);
    case 'round_closed':
      return closed(beacon, round, event);
  }
}

const withRound = (beacon: Beacon, round: Round): Beacon => ({ ...beacon, round });

function markUpdates(beacon: Beacon, frozen: { did: string; announcement: string }[], to: QueuedUpdate['state']): void {
  for (const { did, announcement } of frozen) {
    const queue = beacon.updates.get(did) ?? [];
    setQueue(
      beacon,
      did,
      queue.map(queued => (queued.announcement === announcement ? { ...queued, state: to } : queued)),
    );
  }
}

function completed(beacon: Beacon, round: Round, event: Pick_<'signal_completed'>): Beacon {
  const frozen = round.frozen!;
  markUpdates(beacon, frozen.updates, 'announced');
  const earlier = beacon.signals.filter(signal => signal.round !== round.number);
  const hexes = new Map(event.transactions.map(({ txid, hex }) => [txid, hex]));
  const steps = round.open.flatMap(session =>
    allSteps(session).map(
      ({ txid, fee_sats }): SignalStep => ({
        session_id: session.id,
        attempt: session.attempt,
        txid,
        fee_sats,
        hex: hexes.get(txid) ?? null,
      }),
    ),
  );
  // Attempts over the same outpoint at the same fee make the same transaction: the session says which one was signed.
  const { session_id, attempt, fee_sats } = steps.find(
    step => step.txid === event.txid && step.session_id === event.session_id,
  )!;
  return {
    ...withRound(beacon, { ...round, stage: { name: 'announced' } }),
    failures: 0,
    last_signal_at: event.at,
    signals: [
      ...earlier,
      {
        round: round.number,
        attempt,
        fee_sats,
        session_id,
        txid: event.txid,
        hex: hexes.get(event.txid)!,
        frozen,
        announced_at: event.at,
        sent_at_height: event.height,
        steps,
        refunds: event.refunds ?? [],
        seen: { status: 'completed' },
      },
    ],
  };
}

const withSignal = (beacon: Beacon, txid: string, change: (signal: Signal) => Signal): Beacon => ({
  ...beacon,
  signals: beacon.signals.map(signal => (signal.txid === txid ? change(signal) : signal)),
});

/** From here on another of its transactions is the one that is watched. */
function switched(signal: Signal, { txid, hex, height }: Pick_<'signal_switched'>): Signal {
  const same = signal.steps.filter(step => step.txid === txid);
  // Attempts at the same fee made it too: it stays that of the session whose parts are complete.
  const { session_id, attempt, fee_sats } = same.find(step => step.session_id === signal.session_id) ?? same[0]!;
  return {
    ...signal,
    session_id,
    attempt,
    fee_sats,
    txid,
    hex,
    steps: signal.steps.map(step => (step.txid === txid ? { ...step, hex } : step)),
    sent_at_height: height,
    seen: { status: 'completed' },
  };
}

function closed(beacon: Beacon, round: Round, event: Pick_<'round_closed'>): Beacon {
  const frozen = round.frozen!;
  if (event.outcome === 'no_signal') {
    markUpdates(beacon, frozen.updates, 'returned');
    return { ...beacon, round: null, signals: beacon.signals.filter(signal => signal.round !== round.number) };
  }
  markUpdates(beacon, frozen.updates, 'final');
  for (const { did, announcement } of frozen.updates) {
    const registration = beacon.registry.get(did);
    const update = beacon.updates.get(did)?.find(queued => queued.announcement === announcement);
    const known = registration?.known && update ? afterUpdate(registration.known, update) : null;
    if (registration && known)
      beacon.registry.set(did, { ...registration, known, deactivated: isDeactivated(known.document) });
  }
  return { ...beacon, round: null };
}

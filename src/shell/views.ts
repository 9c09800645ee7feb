import { confirmations, runway } from '../bitcoin/index.ts';
import {
  announceable,
  type Beacon,
  type CohortState,
  type Env,
  type Round,
  roundBlocker,
  type Session,
  type SignedSpend,
} from '../cohort/index.ts';
import { fromHex } from '../crypto/index.ts';
import { cidV1 } from '../did/index.ts';
import type {
  AdvertSummary,
  CohortDetail,
  CohortSummary,
  RoundDetail,
  RoundSummary,
  SpendSummary,
} from '../operator/api.ts';
import { duration } from '../operator/terminal.ts';

/** 154 vB at the present estimate, or at 1 sat/vB where there is none. */
const VSIZE = 154;
/** Rounds that a suggested deposit should last for, at the cap. */
const SUGGESTED_ROUNDS = 10;
const DUST = 330;

const beaconOf = (state: CohortState): Beacon | null => (state.phase.name === 'formed' ? state.phase.beacon : null);

export function advertSummary(state: CohortState): AdvertSummary {
  const { terms, status, expires_at } = state.advert;
  return {
    cohort: state.id,
    advert_id: terms.id,
    status,
    type: terms.type,
    seats: { taken: state.seats.size, ...terms.cohort_size },
    expires_at,
  };
}

export function cohortSummary(state: CohortState, env: Env): CohortSummary {
  const beacon = beaconOf(state);
  const base = { ...advertSummary(state), phase: state.phase.name };
  if (!beacon) {
    const round =
      state.phase.name === 'confirming'
        ? `${state.phase.signatures.size} of ${state.phase.participant_pubkeys.length} members signed the set`
        : state.phase.name === 'ended'
          ? state.phase.reason
          : `${state.seats.size} of at least ${state.advert.terms.cohort_size.min} seats are taken`;
    return {
      ...base,
      beacon_address: state.phase.name === 'confirming' ? state.phase.beacon_address : null,
      dids: 0,
      pending_updates: 0,
      signals: 0,
      round,
      balance_sats: null,
      runway: null,
      suggested_deposit_sats: null,
      alarms: [],
    };
  }
  const { fee_cap } = state.advert.terms;
  const balance = env.chain?.utxos.reduce((sum, utxo) => sum + utxo.value_sats, 0) ?? null;
  const left = balance === null ? null : runway(balance, fee_cap, Math.ceil((env.chain?.fee_rate ?? 1) * VSIZE));
  return {
    ...base,
    beacon_address: beacon.address,
    dids: beacon.registry.size,
    pending_updates: announceable(beacon).length,
    signals: beacon.signals.length,
    round: beacon.spend
      ? `a ${beacon.spend.purpose} is being signed`
      : beacon.round
        ? stageText(beacon, beacon.round, env.now)
        : (roundBlocker(state, beacon, env) ?? 'a round is about to open'),
    balance_sats: balance,
    runway: left && { at_cap: left.atCap, at_estimate: left.atEstimate },
    suggested_deposit_sats: fee_cap * SUGGESTED_ROUNDS + DUST,
    alarms: [...beacon.alarms.values()].filter(alarm => !alarm.dismissed).map(alarm => alarm.text),
  };
}

function stageText(beacon: Beacon, round: Round, now: number): string {
  const { stage } = round;
  const members = beacon.participant_pubkeys.length;
  const prefix = `round ${round.number}, attempt ${round.attempt}: `;
  switch (stage.name) {
    case 'presence':
      return `${prefix}${stage.heard.size} of ${members} members are present`;
    case 'nonces':
      return `${prefix}${stage.session.nonces.size} of ${members} members checked it and sent nonces`;
    case 'signatures':
      return `${prefix}${stage.session.sigs.size} of ${members} members authorized it`;
    case 'fallback':
      return `${prefix}${stage.session.fallback?.sigs.size ?? 0} of ${members} members signed the fallback, all but one are needed`;
    case 'waiting':
      return `${prefix}open; ${waitingText(beacon, stage.retry_at, now)}`;
    case 'announced':
      return `${prefix}${beacon.signals.at(-1)!.seen.status}, ${beacon.signals.at(-1)!.txid}`;
  }
}

/** A spend that all signed, such as a cancel, settles the session: no attempt follows while it waits for its blocks. */
function waitingText({ spends }: Beacon, retryAt: number, now: number): string {
  const spend = spends.find(({ purpose, transaction, isFinal }) => purpose !== 'refund' && transaction && !isFinal);
  if (spend) return `all signed the ${spend.purpose} ${spend.transaction!.txid}, which settles it six blocks deep`;
  const next = 'the next attempt with the same outpoint and bytes';
  return retryAt > now
    ? `${next} is in ${duration(retryAt - now)}`
    : `${next} waits for its output and for all members`;
}

function heardNow(round: Round | null, member: string): boolean | null {
  switch (round?.stage.name) {
    case 'presence':
      return round.stage.heard.has(member);
    case 'nonces':
      return round.stage.session.nonces.has(member);
    case 'signatures':
      return round.stage.session.sigs.has(member);
    case 'fallback':
      return round.stage.session.fallback?.sigs.has(member) ?? false;
    default:
      return null;
  }
}

export function cohortDetail(state: CohortState, env: Env): CohortDetail {
  const beacon = beaconOf(state);
  const registered = [...(beacon?.registry.values() ?? [])];
  return {
    ...cohortSummary(state, env),
    terms: state.advert.terms,
    members: [...state.seats.values()].map(({ participant_pk, transport, seated_at }) => ({
      participant_pk,
      transport,
      seated_at,
      dids: registered.filter(({ member }) => member === participant_pk).length,
      heard: heardNow(beacon?.round ?? null, participant_pk),
    })),
    registered: registered.map(({ did, member, proven, known }) => ({
      did,
      member,
      proven,
      version: known?.version ?? null,
      pending: beacon?.updates.get(did)?.find(queued => queued.state !== 'final')?.version ?? null,
    })),
    rounds: roundSummaries(state, env),
    alarm_details: [...(beacon?.alarms ?? [])].map(([key, alarm]) => ({
      key,
      code: alarm.code,
      text: alarm.text,
      at: alarm.at,
      halts: alarm.halts,
      dismissed: alarm.dismissed === true,
    })),
  };
}

export function roundSummaries(state: CohortState, env: Env): RoundSummary[] {
  return roundDetails(state, env).map(
    ({ round, stage, attempt, session_id, txid, status, height, updates }): RoundSummary => ({
      round,
      stage,
      attempt,
      session_id,
      txid,
      status,
      height,
      updates,
    }),
  );
}

const withCid = <T extends { announcement: string }>(update: T): T & { cid: string } => ({
  ...update,
  cid: cidV1(fromHex(update.announcement, 32)),
});

/** A CAS beacon's signal bytes are the hash of its map, and so its address. */
const mapCidOf = (state: CohortState, signalBytes: string | undefined): string | null =>
  state.advert.terms.type === 'CASBeacon' && signalBytes !== undefined ? cidV1(fromHex(signalBytes, 32)) : null;

/** `isPublished` says of a map's signal bytes whether it was published; null where nothing is. */
export function roundDetails(
  state: CohortState,
  env: Env,
  isPublished: ((signalBytes: string) => boolean) | null = null,
): RoundDetail[] {
  const beacon = beaconOf(state);
  if (!beacon) return [];
  const done = beacon.signals.map((signal): RoundDetail => {
    const { round, attempt, fee_sats, session_id, txid, hex, frozen, seen, steps } = signal;
    const complete = steps.filter(each => each.hex !== null).sort((a, b) => a.fee_sats - b.fee_sats);
    const step = complete.findIndex(each => each.txid === txid);
    const running = beacon.round?.number === round ? beacon.round : null;
    const height = 'height' in seen ? seen.height : null;
    const depth = env.chain && height !== null ? confirmations(height, env.chain.tip.height) : 0;
    return {
      round,
      stage: running ? 'announced' : 'closed',
      attempt,
      session_id,
      txid,
      status: height === null ? seen.status : `${seen.status} (${depth} confirmations)`,
      height,
      updates: frozen.updates.length,
      signal_bytes: frozen.signal_bytes,
      outpoint: frozen.outpoint,
      fee_sats,
      step: step < 0 ? null : { number: step + 1, of: complete.length },
      hex,
      open_sessions: [],
      announcements: frozen.updates.map(withCid),
      map_cid: mapCidOf(state, frozen.signal_bytes),
      map_published:
        mapCidOf(state, frozen.signal_bytes) === null ? null : (isPublished?.(frozen.signal_bytes) ?? null),
    };
  });
  const { round } = beacon;
  return round && round.stage.name !== 'announced' ? [...done, openRound(state, beacon, round, env.now)] : done;
}

/**
 * Spends that announce nothing: those by the recovery key, then those that reached signing, oldest first, then the one that
 * waits for nonces.
 */
export function spendSummaries(state: CohortState): SpendSummary[] {
  const beacon = beaconOf(state);
  if (!beacon) return [];
  const { spend, spends, recoveries } = beacon;
  const members = beacon.participant_pubkeys.length;
  const summary = (
    { session, purpose, to }: Pick<SignedSpend, 'session' | 'purpose' | 'to'>,
    status: SpendSummary['status'],
    hex: string | null = null,
  ): SpendSummary => {
    const [{ txid, fee_sats }] = session.steps as [Session['steps'][number]];
    const heard = status === 'nonces' ? session.nonces.size : session.sigs.size;
    return {
      session_id: session.id,
      purpose,
      to,
      outpoint: session.outpoint,
      fee_sats,
      txid,
      status,
      heard,
      members,
      hex,
    };
  };
  const isRunning = ({ session }: SignedSpend): boolean => spend?.stage.session.id === session.id;
  const signed = spends.map(signed => {
    const done = signed.isFinal ? 'final' : 'complete';
    const open = isRunning(signed) ? 'signatures' : 'unfinished';
    return summary(signed, signed.transaction ? done : open, signed.transaction?.hex);
  });
  const recovered = recoveries.map(
    ({ txid, hex, outpoint, to, fee_sats, isFinal }): SpendSummary => ({
      session_id: null,
      purpose: 'recovery',
      to,
      outpoint,
      fee_sats,
      txid,
      status: isFinal ? 'final' : 'complete',
      heard: 0,
      members: 0,
      hex,
    }),
  );
  const all = [...recovered, ...signed];
  return spend?.stage.name === 'nonces' ? [...all, summary({ ...spend, session: spend.stage.session }, 'nonces')] : all;
}

function openRound(state: CohortState, beacon: Beacon, round: Round, now: number): RoundDetail {
  const session = 'session' in round.stage ? round.stage.session : round.open.at(-1);
  return {
    round: round.number,
    stage: round.stage.name,
    attempt: round.attempt,
    session_id: session?.id ?? null,
    txid: session?.steps[0]?.txid ?? null,
    status: stageText(beacon, round, now),
    height: null,
    updates: round.frozen?.updates.length ?? announceable(beacon).length,
    signal_bytes: round.frozen?.signal_bytes ?? null,
    outpoint: round.frozen?.outpoint ?? null,
    fee_sats: session?.steps[0]?.fee_sats ?? null,
    step: session ? { number: 1, of: session.steps.length } : null,
    hex: null,
    open_sessions: round.open.map(open => ({
      session_id: open.id,
      attempt: open.attempt,
      authorized: open.sigs.size,
      members: beacon.participant_pubkeys.length,
    })),
    announcements: (round.frozen?.updates ?? []).map(withCid),
    map_cid: mapCidOf(state, round.frozen?.signal_bytes),
    map_published: null,
  };
}

import { confirmations, isByRecoveryKey, MIN_CONFIRMATIONS, parseTx } from '../bitcoin/index.ts';
import type { ChainTx, ChainView } from '../cohort/index.ts';
import { treeOf } from '../cohort/keys.ts';
import { heldEvidence, holdsEvidence, openSessions, shownAnnouncement } from './check.ts';
import type { WalletEvent } from './events.ts';
import type { Decision, Effect, Env } from './inputs.ts';
import { askProofs } from './rounds.ts';
import {
  concernedDids,
  type HeldOwnSignal,
  type HeldSignal,
  type MemberBeacon,
  type MemberSession,
  type Membership,
  mayAppear,
  ownSignals,
  provenBeaconOf,
  stepsOf,
  type UpdateState,
  type WalletState,
} from './state.ts';

/**
 * What the chain says, in the wallet's own view: which sessions are settled, how deep the signals are, what became of
 * the own updates, and of which signals a proof is missing.
 */
export function decideLook(state: WalletState, membership: Membership, beacon: MemberBeacon, env: Env): Decision {
  const { chain } = env;
  if (!chain) return { events: [], effects: [] };
  const { cohort } = membership;
  const events: WalletEvent[] = [];
  const seen = new Map<string, HeldSignal['seen']>();
  for (const tx of chain.history) {
    // The deepest counts, should the same bytes have been announced twice.
    if (!tx.spends || tx.signal === null || seen.has(tx.signal)) continue;
    const now = sight(tx, chain);
    seen.set(tx.signal, now);
    const before = beacon.signals.get(tx.signal)?.seen;
    if (before?.status !== now.status || before.height !== now.height || before.txid !== now.txid)
      events.push({ type: 'signal_seen', cohort, signal_bytes: tx.signal, ...now });
  }
  for (const [signal_bytes, held] of beacon.signals)
    if (held.seen.status !== 'unseen' && !seen.has(signal_bytes))
      events.push({ type: 'signal_seen', cohort, signal_bytes, status: 'unseen', txid: null, height: null });
  events.push(...recoveries(cohort, beacon, chain));
  const raised = raiseFees(membership, beacon, chain, seen);
  events.push(...raised.events, ...settle(cohort, beacon, chain), ...moveUpdates(state, { cohort, chain, seen }));
  return { events, effects: [...raised.effects, ...askForMissing(state, cohort, beacon, [...seen.keys()])] };
}

/** The recovery key at work: a spend that no member agreed to, and no signal of the cohort whatever it carries. */
function recoveries(cohort: string, beacon: MemberBeacon, chain: ChainView): WalletEvent[] {
  const tree = treeOf(beacon.participant_pubkeys, beacon.policy);
  if (!tree) return [];
  const known = new Set(beacon.recoveries.map(({ txid }) => txid));
  return chain.history.flatMap(({ txid, hex, spends, signal }): WalletEvent[] =>
    spends && !known.has(txid) && isByRecoveryKey(hex, tree) ? [{ type: 'recovery_seen', cohort, txid, signal }] : [],
  );
}

/** Blocks that a member gives the aggregator to publish the next step itself. */
const COURTESY = 2;

/** A signal that lingers: its next step is published, by any member, should the aggregator not do it. */
function raiseFees(
  { cohort, terms }: Membership,
  beacon: MemberBeacon,
  chain: ChainView,
  seen: ReadonlyMap<string, HeldSignal['seen']>,
): { events: WalletEvent[]; effects: Effect[] } {
  const events: WalletEvent[] = [];
  const effects: Effect[] = [];
  for (const { signal_bytes, transactions, lingers } of beacon.signals.values()) {
    if (!terms.fee_ladder || transactions.length < 2 || (seen.get(signal_bytes)?.height ?? null) !== null) continue;
    const { from_height, step } = lingers ?? { from_height: chain.tip.height, step: 0 };
    const due = Math.floor((chain.tip.height - from_height) / (terms.fee_ladder.blocks + COURTESY));
    const next = Math.max(step, Math.min(due, transactions.length - 1));
    if (lingers && next === step) continue;
    events.push({ type: 'signal_lingers', cohort, signal_bytes, from_height, step: next });
    if (next > step) effects.push({ type: 'broadcast', hex: byFee(beacon, transactions)[next]! });
  }
  return { events, effects };
}

/** Cheapest first. */
function byFee(beacon: MemberBeacon, transactions: readonly string[]): string[] {
  const steps = [...beacon.sessions.values()].flatMap(stepsOf);
  const fees = new Map(steps.map(({ txid, fee_sats }) => [txid, fee_sats]));
  const feeOf = (hex: string): number => fees.get(parseTx(hex).txid) ?? 0;
  return [...transactions].sort((a, b) => feeOf(a) - feeOf(b));
}

export const depth = (tx: ChainTx, chain: ChainView): number => confirmations(tx.height, chain.tip.height);

function sight(tx: ChainTx, chain: ChainView): HeldSignal['seen'] {
  const deep = depth(tx, chain);
  const status = deep >= MIN_CONFIRMATIONS ? 'final' : deep > 0 ? 'confirmed' : 'broadcast';
  return { status, txid: tx.txid, height: tx.height };
}

const spenderOf = (chain: ChainView, outpoint: { txid: string; vout: number }): ChainTx | undefined =>
  chain.history.find(tx => tx.spends && tx.inputs.includes(`${outpoint.txid}:${outpoint.vout}`));

/**
 * What ends a session, six deep: whatever spends its outpoint; or, where that was the change of an earlier session, another
 * step of that one. After such a reorganization the outpoint will never exist, and would be waited for for ever.
 */
function endOf(beacon: MemberBeacon, session: MemberSession, chain: ChainView): ChainTx | null {
  const end = spenderOf(chain, session.outpoint) ?? rivalOfParent(beacon, session, chain);
  return end && depth(end, chain) >= MIN_CONFIRMATIONS ? end : null;
}

function rivalOfParent(beacon: MemberBeacon, session: MemberSession, chain: ChainView): ChainTx | undefined {
  const { txid } = session.outpoint;
  const parent = [...beacon.sessions.values()].find(session => stepsOf(session).some(step => step.txid === txid));
  const spender = parent && spenderOf(chain, parent.outpoint);
  return spender?.txid === txid ? undefined : spender;
}

/** An open session ends when its outpoint is spent six deep: by its transaction, or by anything else. */
function settle(cohort: string, beacon: MemberBeacon, chain: ChainView): WalletEvent[] {
  return openSessions(beacon).flatMap((session): WalletEvent[] => {
    const end = endOf(beacon, session, chain);
    if (!end) return [];
    const { session_id } = session;
    const announced = end.signal === session.signal_bytes;
    return [{ type: 'session_settled', cohort, session_id, txid: end.txid, announced }];
  });
}

/** A session of any cohort that announces one of the wallet's updates, and what became of it. */
interface Witness {
  did: string;
  status: HeldSignal['seen']['status'];
  /** It may still appear: its outpoint went nowhere else. */
  isOpen: boolean;
}

/**
 * The own updates follow the signals that announce them, whichever cohort's they are; one that was signed for comes back
 * when every outpoint that it was signed for went elsewhere.
 */
export function moveUpdates(state: WalletState, look: Look): Moved[] {
  return [...witnessesOf(state, look)].flatMap(([announcement, witnesses]): Moved[] => {
    const { did } = witnesses[0]!;
    const known = state.dids.get(did)?.updates.find(update => update.announcement === announcement);
    if (!known) return [];
    const to = nextState(known.state, witnesses);
    return to === known.state ? [] : [{ type: 'update_moved', did, announcement, state: to }];
  });
}

export type Moved = Extract<WalletEvent, { type: 'update_moved' }>;

/** What was looked at just now: a cohort's address, or that of an own beacon with the signals there by txid. */
type Look =
  | { cohort: string; chain: ChainView; seen: ReadonlyMap<string, HeldSignal['seen']> }
  | { own: ReadonlyMap<string, HeldOwnSignal['status']> };

/** By announcement: what is looked at as the chain shows it now, all else as the wallet saw it last. */
function witnessesOf(state: WalletState, look: Look): Map<string, Witness[]> {
  const witnesses = new Map<string, Witness[]>();
  const add = (announcement: string, witness: Witness): void => {
    const others = witnesses.get(announcement);
    if (others) others.push(witness);
    else witnesses.set(announcement, [witness]);
  };
  for (const membership of state.cohorts.values()) {
    const beacon = provenBeaconOf(membership);
    const here = 'cohort' in look && look.cohort === membership.cohort ? look : null;
    for (const session of beacon?.sessions.values() ?? []) {
      const sight = here ? here.seen.get(session.signal_bytes) : beacon?.signals.get(session.signal_bytes)?.seen;
      const isOpen = mayAppear(beacon!, session) && !isGone(beacon!, session, here?.chain ?? null);
      const witness = { status: sight?.status ?? 'unseen', isOpen };
      for (const { did, announcement } of session.updates) add(announcement, { did, ...witness });
    }
    // Whoever only fetches proofs knows of no session: there the proofs tell what a signal on the chain announced.
    for (const { signal_bytes, seen } of membership.phase.name === 'restored' ? beacon!.signals.values() : []) {
      const { status } = (here ? here.seen.get(signal_bytes) : seen) ?? { status: 'unseen' as const };
      const evidence = heldEvidence(beacon!, signal_bytes);
      for (const did of status === 'unseen' ? [] : state.dids.keys()) {
        const announcement = shownAnnouncement(evidence, did);
        if (announcement !== null) add(announcement, { did, status, isOpen: false });
      }
    }
  }
  for (const { did, update, signal } of ownSignals(state)) {
    const status = ('own' in look ? look.own.get(signal.txid) : undefined) ?? signal.status;
    const hasGone = status === 'gone';
    add(update.announcement, { did, status: hasGone ? 'unseen' : status, isOpen: !hasGone });
  }
  return witnesses;
}

/** Whether its outpoint went elsewhere; without a view of its address, as the wallet saw it last. */
function isGone(beacon: MemberBeacon, session: MemberSession, chain: ChainView | null): boolean {
  if (session.settled?.announced === false || !chain) return session.settled?.announced === false;
  const end = endOf(beacon, session, chain);
  return end !== null && end.signal !== session.signal_bytes;
}

function nextState(now: UpdateState, witnesses: readonly Witness[]): UpdateState {
  if (witnesses.some(witness => witness.status === 'final')) return 'final';
  if (witnesses.some(witness => witness.status !== 'unseen')) return 'broadcast';
  if (now === 'broadcast' || now === 'final') return 'locked';
  return now === 'locked' && !witnesses.some(witness => witness.isOpen) ? 'returned' : now;
}

/** A missing proof makes a DID unresolvable, so it is asked for at once, and again until it comes. */
function askForMissing(state: WalletState, cohort: string, beacon: MemberBeacon, signals: readonly string[]): Effect[] {
  const waiting = new Set([...state.asked.values()].filter(a => a.cohort === cohort).map(asked => asked.slot));
  return concernedDids(state, beacon)
    .filter(did => !waiting.has(`proofs ${did}`) && signals.some(bytes => !holdsEvidence(beacon, bytes, did)))
    .map(did => askProofs(cohort, beacon, did));
}

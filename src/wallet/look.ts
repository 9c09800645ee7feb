import { confirmations, MIN_CONFIRMATIONS } from '../bitcoin/index.ts';
import type { ChainTx, ChainView } from '../cohort/index.ts';
import { isCommitted, openSessions } from './check.ts';
import type { WalletEvent } from './events.ts';
import type { Decision, Effect, Env } from './inputs.ts';
import { askProofs } from './rounds.ts';
import {
  concernedDids,
  type HeldSignal,
  type MemberBeacon,
  type Membership,
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
    if (!tx.spends || tx.signal === null) continue;
    const now = sight(tx, chain);
    seen.set(tx.signal, now);
    const before = beacon.signals.get(tx.signal)?.seen;
    if (before?.status !== now.status || before.height !== now.height || before.txid !== now.txid)
      events.push({ type: 'signal_seen', cohort, signal_bytes: tx.signal, ...now });
  }
  for (const [signal_bytes, held] of beacon.signals)
    if (held.seen.status !== 'unseen' && !seen.has(signal_bytes))
      events.push({ type: 'signal_seen', cohort, signal_bytes, status: 'unseen', txid: null, height: null });
  events.push(...settle(cohort, beacon, chain), ...moveUpdates(state, beacon, chain, seen));
  return { events, effects: askForMissing(state, cohort, beacon, [...seen.keys()]) };
}

const depth = (tx: ChainTx, chain: ChainView): number => confirmations(tx.height, chain.tip.height);

function sight(tx: ChainTx, chain: ChainView): HeldSignal['seen'] {
  const deep = depth(tx, chain);
  const status = deep >= MIN_CONFIRMATIONS ? 'final' : deep > 0 ? 'confirmed' : 'broadcast';
  return { status, txid: tx.txid, height: tx.height };
}

const spenderOf = (chain: ChainView, outpoint: { txid: string; vout: number }): ChainTx | undefined =>
  chain.history.find(tx => tx.spends && tx.inputs.includes(`${outpoint.txid}:${outpoint.vout}`));

/** An open session ends when its outpoint is spent six deep: by its transaction, or by anything else. */
function settle(cohort: string, beacon: MemberBeacon, chain: ChainView): WalletEvent[] {
  return openSessions(beacon).flatMap((session): WalletEvent[] => {
    const spender = spenderOf(chain, session.outpoint);
    if (!spender || depth(spender, chain) < MIN_CONFIRMATIONS) return [];
    const { session_id } = session;
    const announced = spender.signal === session.signal_bytes;
    return [{ type: 'session_settled', cohort, session_id, txid: spender.txid, announced }];
  });
}

/** The own updates follow the signals that announce them; one whose outpoint went elsewhere comes back. */
function moveUpdates(
  state: WalletState,
  beacon: MemberBeacon,
  chain: ChainView,
  seen: ReadonlyMap<string, HeldSignal['seen']>,
): WalletEvent[] {
  const moves = new Map<string, Extract<WalletEvent, { type: 'update_moved' }>>();
  const move = (did: string, announcement: string, to: UpdateState) =>
    moves.set(`${did} ${announcement}`, { type: 'update_moved', did, announcement, state: to });
  for (const session of beacon.sessions.values()) {
    const now = seen.get(session.signal_bytes);
    for (const { did, announcement } of session.updates) {
      const known = state.dids.get(did)?.updates.find(update => update.announcement === announcement);
      if (!known) continue;
      if (now) {
        const to = now.status === 'final' ? 'final' : 'broadcast';
        if (known.state !== to) move(did, announcement, to);
      } else if (known.state === 'broadcast' || known.state === 'final') move(did, announcement, 'locked');
      else if (known.state === 'locked') {
        const spender = spenderOf(chain, session.outpoint);
        if (spender && spender.signal !== session.signal_bytes && depth(spender, chain) >= MIN_CONFIRMATIONS)
          move(did, announcement, 'returned');
      }
    }
  }
  return [...moves.values()].filter(event => {
    const known = state.dids.get(event.did)!.updates.find(update => update.announcement === event.announcement)!;
    return event.state !== 'returned' || isCommitted(known.state);
  });
}

/** A missing proof makes a DID unresolvable, so it is asked for at once, and again until it comes. */
function askForMissing(state: WalletState, cohort: string, beacon: MemberBeacon, signals: readonly string[]): Effect[] {
  const waiting = new Set([...state.asked.values()].filter(a => a.cohort === cohort).map(asked => asked.slot));
  return concernedDids(state, beacon)
    .filter(did => !waiting.has(`proofs ${did}`) && signals.some(bytes => !holdsEvidence(beacon, bytes, did)))
    .map(did => askProofs(cohort, beacon, did));
}

/** Whether the wallet holds what a resolver of this DID needs of a signal. */
export function holdsEvidence(beacon: MemberBeacon, signalBytes: string, did: string): boolean {
  const held = beacon.signals.get(signalBytes);
  return held !== undefined && (held.map !== null || held.proofs.has(did));
}

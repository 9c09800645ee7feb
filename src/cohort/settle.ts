import { DUST_SATS, isByRecoveryKey } from '../bitcoin/index.ts';
import { accept, nothing } from './answer.ts';
import type { CohortEvent } from './events.ts';
import type { ChainTx, ChainView, Decision, Effect, Env } from './inputs.ts';
import { treeOf } from './keys.ts';
import { raiseFee } from './ladder.ts';
import { ownTransactions, txAt } from './own.ts';
import { CONFIRMATIONS_FINAL, endAttempt, tellEnded } from './rounds.ts';
import type { Beacon, CohortState, Outpoint, Round, Signal, SignalSeen, SignedSpend } from './state.ts';
import { tellStatus } from './status.ts';
import { allSteps } from './steps.ts';

/** Reorganizations deeper than this are not looked for. */
export const WATCH_DEPTH = 144;

const name = (outpoint: Outpoint): string => `${outpoint.txid}:${outpoint.vout}`;

const confirmationsOf = (tx: ChainTx, chain: ChainView): number =>
  tx.height === null ? 0 : Math.max(0, chain.tip.height - tx.height + 1);

/**
 * The chain decides: what became of the open session's outpoint, how deep the signals are,
 * and whether anybody did something at the address that no round of ours explains.
 */
export function advanceChain(state: CohortState, beacon: Beacon, env: Env): Decision {
  const { chain } = env;
  if (!chain) return nothing;
  const steps = [
    // First, while the round still tells an agreed cancel from a theft.
    () => lookForStrangers(beacon, chain),
    () => settleOpenSession(state, beacon, chain, env),
    () => followSignals(state, beacon, chain),
    () => raiseFee(state, beacon, chain),
    () => settleSpends(beacon, chain),
    () => settleRecoveries(beacon, chain),
  ];
  for (const step of steps) {
    const decision = step();
    if ('events' in decision && decision.events.length > 0) return decision;
  }
  return nothing;
}

/** An old session's transaction that appears after its attempt was called aborted is the success it is. */
function settleOpenSession(state: CohortState, beacon: Beacon, chain: ChainView, env: Env): Decision {
  const { round } = beacon;
  if (!round?.frozen) return nothing;
  const spender = chain.history.find(tx => tx.spends && tx.inputs.includes(name(round.frozen!.outpoint)));
  if (!spender) return moveOutpoint(state, beacon, round, chain, env);
  if (round.open.length === 0)
    return endAttempt(state, beacon, round, env, {
      reason: 'outpoint_spent',
      text: `${spender.txid} spends the outpoint of this round`,
    });
  const session = round.open.find(open => allSteps(open).some(step => step.txid === spender.txid));
  if (session) {
    const { txid, hex } = spender;
    const { height } = chain.tip;
    return round.stage.name === 'announced'
      ? nothing
      : accept([{ type: 'signal_completed', session_id: session.id, txid, transactions: [{ txid, hex }], height }]);
  }
  if (confirmationsOf(spender, chain) < CONFIRMATIONS_FINAL) return nothing;
  const why = {
    reason: 'outpoint_spent',
    text: `${spender.txid} spends the outpoint and is ${CONFIRMATIONS_FINAL} deep: the updates will be announced again, byte for byte`,
  } as const;
  return accept(
    [{ type: 'round_closed', outcome: 'no_signal' }, ...clearRefused(beacon, stepsOf(round))],
    ...tellEnded(state, beacon, round, why, { session_id: round.open.at(-1)!.id, open: false }),
    ...settleBroadcasts(round),
  );
}

/**
 * The round spends the change of an earlier signal, and a reorganization put another step of that one on chain, six deep:
 * the outpoint will not exist again. What may have been signed on it announced these bytes; so does what is signed now.
 */
function moveOutpoint(state: CohortState, beacon: Beacon, round: Round, chain: ChainView, env: Env): Decision {
  const { outpoint } = round.frozen!;
  const isStep = (signal: Signal, txid: string) => signal.steps.some(step => step.txid === txid);
  const parent = beacon.signals.find(signal => signal.round !== round.number && isStep(signal, outpoint.txid));
  const mined = parent && chain.history.find(tx => tx.txid !== outpoint.txid && isStep(parent, tx.txid));
  if (!mined || confirmationsOf(mined, chain) < CONFIRMATIONS_FINAL) return nothing;
  const text = `a reorganization put ${mined.txid} in the place of ${outpoint.txid}, whose change this round spends`;
  if (round.open.length === 0) return endAttempt(state, beacon, round, env, { reason: 'outpoint_gone', text });
  const session_id = round.open.at(-1)!.id;
  const least = state.advert.terms.fee_cap + DUST_SATS;
  const change = chain.utxos.find(utxo => utxo.txid === mined.txid && utxo.value_sats >= least);
  const reason = 'outpoint_gone';
  const moved: CohortEvent = change
    ? {
        type: 'outpoint_moved',
        outpoint: { txid: change.txid, vout: change.vout, value_sats: change.value_sats },
        reason,
        retry_at: env.now,
      }
    : { type: 'round_closed', outcome: 'no_signal' };
  return accept(
    [moved, ...clearRefused(beacon, stepsOf(round))],
    ...tellEnded(state, beacon, round, { reason, text }, { session_id, open: change !== undefined }),
    ...settleBroadcasts(round),
  );
}

/** Nothing that any attempt of the round may have broadcast needs sending any more. */
const settleBroadcasts = (round: Round): Effect[] =>
  stepsOf(round).map(txid => ({ type: 'settle_broadcast', txid }) as const);

/** Every transaction that may have been signed in a round. */
const stepsOf = (round: Round): string[] => round.open.flatMap(session => allSteps(session).map(step => step.txid));

/** What a node says of a transaction is of no interest once that is mined, or will never be. */
const clearRefused = (beacon: Beacon, txids: readonly string[]): CohortEvent[] =>
  txids.flatMap((txid): CohortEvent[] =>
    beacon.alarms.has(refusedKey(txid)) ? [{ type: 'alarm_cleared', key: refusedKey(txid) }] : [],
  );

function followSignals(state: CohortState, beacon: Beacon, chain: ChainView): Decision {
  const { height } = chain.tip;
  for (const signal of beacon.signals) {
    if (isBuried(signal, chain)) continue;
    const other = otherStep(signal, chain);
    if (other) {
      const { txid, hex } = other;
      return accept(
        [{ type: 'signal_switched', was: signal.txid, txid, hex, height }],
        { type: 'settle_broadcast', txid: signal.txid },
        { type: 'broadcast', txid, hex },
      );
    }
    const seen = look(signal, chain);
    if (!seen || sameSight(seen, signal.seen)) continue;
    const events: CohortEvent[] = [{ type: 'signal_seen', txid: signal.txid, seen, height }];
    const effects: Effect[] = tellStatus(state, beacon, signal, seen);
    const { round } = beacon;
    if ('height' in seen)
      events.push(
        ...clearRefused(
          beacon,
          signal.steps.map(({ txid }) => txid),
        ),
      );
    if (seen.status === 'final') {
      const closes = round?.stage.name === 'announced' && round.number === signal.round;
      if (closes) events.push({ type: 'round_closed', outcome: 'announced' });
      effects.push(...(closes ? settleBroadcasts(round) : [{ type: 'settle_broadcast', txid: signal.txid } as const]));
    }
    if (seen.status === 'reorged') effects.push({ type: 'broadcast', txid: signal.txid, hex: signal.hex });
    return accept(events, ...effects);
  }
  return nothing;
}

/** The alarm about a transaction that the node does not take. */
export const refusedKey = (txid: string): string => `signal_refused:${txid}`;

/** Another transaction of the signal than the one that was sent: in a block, or as the mempool's for its higher fee. */
function otherStep(signal: Signal, chain: ChainView): ChainTx | undefined {
  if (signal.steps.length < 2) return undefined;
  return chain.history.find(tx => {
    const step = tx.txid === signal.txid ? undefined : signal.steps.find(({ txid }) => txid === tx.txid);
    return step !== undefined && (tx.height !== null || step.fee_sats > signal.fee_sats);
  });
}

/** A recovery that is six deep needs sending no more. */
function settleRecoveries(beacon: Beacon, chain: ChainView): Decision {
  const isDeep = (txid: string): boolean =>
    chain.history.some(tx => tx.txid === txid && confirmationsOf(tx, chain) >= CONFIRMATIONS_FINAL);
  const deep = beacon.recoveries.find(({ txid, isFinal }) => !isFinal && isDeep(txid));
  if (!deep) return nothing;
  const { txid } = deep;
  return accept([{ type: 'recovery_final', txid }, ...clearRefused(beacon, [txid])], {
    type: 'settle_broadcast',
    txid,
  });
}

/** A spend that is six deep needs sending no more. */
function settleSpends(beacon: Beacon, chain: ChainView): Decision {
  const isDeep = ({ transaction, isFinal }: SignedSpend): boolean => {
    const tx = isFinal || !transaction ? undefined : txAt(chain, transaction.txid);
    return tx !== undefined && confirmationsOf(tx, chain) >= CONFIRMATIONS_FINAL;
  };
  const deep = beacon.spends.find(isDeep);
  if (!deep) return nothing;
  const { txid } = deep.transaction!;
  return accept([{ type: 'spend_final', session_id: deep.session.id }, ...clearRefused(beacon, [txid])], {
    type: 'settle_broadcast',
    txid,
  });
}

const isBuried = (signal: Signal, chain: ChainView): boolean =>
  signal.seen.status === 'final' && chain.tip.height - signal.seen.height + 1 > WATCH_DEPTH;

function look(signal: Signal, chain: ChainView): SignalSeen | null {
  const tx = txAt(chain, signal.txid);
  const wasMined = 'height' in signal.seen;
  if (!tx) return wasMined ? { status: 'reorged' } : null;
  if (tx.height === null || tx.block_hash === null) return wasMined ? { status: 'reorged' } : { status: 'broadcast' };
  const confirmations = confirmationsOf(tx, chain);
  const status = confirmations >= CONFIRMATIONS_FINAL ? 'final' : 'confirmed';
  return { status, height: tx.height, block_hash: tx.block_hash, confirmations };
}

/** Depth alone is no news: members hear of broadcast, 1, 6, and of a block that is no longer the same. */
const sameSight = (a: SignalSeen, b: SignalSeen): boolean =>
  (a.status === b.status || (a.status === 'broadcast' && b.status === 'reorged')) &&
  ('block_hash' in a ? a.block_hash : null) === ('block_hash' in b ? b.block_hash : null);

/** Spends that are not ours, and deposits that look like signals to some resolvers. */
function lookForStrangers(beacon: Beacon, chain: ChainView): Decision {
  const gone = goneAlarm(beacon, chain);
  if (gone !== null) return accept([{ type: 'alarm_cleared', key: gone }]);
  const ours = ownTransactions(beacon);
  for (const tx of chain.history) {
    if (ours.has(tx.txid)) continue;
    if (tx.spends) {
      const key = `foreign_spend:${tx.txid}`;
      if (!beacon.alarms.has(key))
        return accept([
          {
            type: 'alarm_raised',
            key,
            alarm: {
              code: 'foreign_spend',
              text: `${tx.txid} spends from the beacon and is of no session of this cohort${byRecoveryKey(beacon, tx)}`,
              halts: tx.signal !== null || !isClosing(beacon, tx),
            },
          },
        ]);
    } else if (tx.signal !== null) {
      const key = `stray_signal_deposit:${tx.txid}`;
      if (!beacon.alarms.has(key))
        return accept([
          {
            type: 'alarm_raised',
            key,
            alarm: {
              code: 'stray_signal_deposit',
              text: `${tx.txid} pays the beacon and carries 32 bytes in its last output: some resolvers take that for a signal`,
              halts: false,
            },
          },
        ]);
    }
  }
  return nothing;
}

const byRecoveryKey = ({ participant_pubkeys, policy }: Beacon, { hex }: ChainTx): string => {
  const tree = treeOf(participant_pubkeys, policy);
  return tree && isByRecoveryKey(hex, tree) ? ': it was signed by the recovery key, and not here' : '';
};

/** An alarm about a transaction that is in no block and no mempool any more: it is as if it had never been. */
function goneAlarm(beacon: Beacon, chain: ChainView): string | null {
  for (const [key, { code }] of beacon.alarms) {
    if (code !== 'foreign_spend' && code !== 'stray_signal_deposit') continue;
    const txid = key.slice(key.indexOf(':') + 1);
    if (!txAt(chain, txid)) return key;
  }
  return null;
}

/** An n-of-n spend of the open session's outpoint without signal bytes: the agreed way to cancel it. */
const isClosing = (beacon: Beacon, tx: ChainTx): boolean => {
  const frozen = beacon.round?.frozen;
  return frozen ? tx.inputs.includes(name(frozen.outpoint)) : false;
};

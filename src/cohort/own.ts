import { parseTx } from '../bitcoin/index.ts';
import type { ChainTx, ChainView } from './inputs.ts';
import type { Beacon, Signal } from './state.ts';
import { allSteps } from './steps.ts';

/** By the list of signals, which is another one whenever any of them changes: there may be thousands, and every input asks. */
const known = new WeakMap<readonly Signal[], ReadonlySet<string>>();

function ofSignals(signals: readonly Signal[]): ReadonlySet<string> {
  const before = known.get(signals);
  if (before) return before;
  const ids = new Set(
    signals.flatMap(({ steps, refunds }) => [
      ...steps.map(step => step.txid),
      ...refunds.map(hex => parseTx(hex).txid),
    ]),
  );
  known.set(signals, ids);
  return ids;
}

/** Ids of all that this cohort's members were ever asked to sign and may have signed. */
export function ownTransactions({ signals, round, spends, spend, recoveries }: Beacon): { has(txid: string): boolean } {
  const past = ofSignals(signals);
  const others = new Set([
    ...recoveries.map(({ txid }) => txid),
    ...[...(round?.open ?? []), ...spends.map(({ session }) => session)].flatMap(session =>
      [...allSteps(session), ...session.refunds].map(({ txid }) => txid),
    ),
    ...(spend?.stage.session.steps ?? []).map(step => step.txid),
  ]);
  return { has: txid => others.has(txid) || past.has(txid) };
}

const indices = new WeakMap<readonly ChainTx[], ReadonlyMap<string, ChainTx>>();

/** A transaction at the address by its id, as this look shows it. The look is gone through once, whoever asks. */
export function txAt({ history }: ChainView, txid: string): ChainTx | undefined {
  const index = indices.get(history) ?? new Map(history.map(tx => [tx.txid, tx]));
  indices.set(history, index);
  return index.get(txid);
}

import { MIN_CONFIRMATIONS } from '../bitcoin/index.ts';
import type { ChainTx, ChainView } from '../cohort/index.ts';
import type { Decision, Env } from './inputs.ts';
import { depth, type Moved, moveUpdates } from './look.ts';
import { type HeldOwnSignal, type OwnSignal, ownSignals, type WalletState } from './state.ts';

/** Blocks after which nobody looks any more whether a reorganization took a signal away. */
const WATCH_DEPTH = 144;

/** The addresses of the controller's own beacons that ever signed a signal, each with the txids. */
export function ownAddresses(state: WalletState): Map<string, string[]> {
  const addresses = new Map<string, string[]>();
  for (const { signal } of ownSignals(state))
    addresses.set(signal.address, [...(addresses.get(signal.address) ?? []), signal.txid]);
  return addresses;
}

/** The same bytes count under another txid too: others can change a P2PKH input without breaking its signature. */
const announcing = (signal: OwnSignal, announcement: string, chain: ChainView): ChainTx[] =>
  chain.history.filter(tx => tx.spends && (tx.txid === signal.txid || tx.signal === announcement));

const rivalsOf = (signal: OwnSignal, announcement: string, chain: ChainView): ChainTx[] =>
  chain.history.filter(tx => tx.signal !== announcement && tx.inputs.some(input => signal.inputs.includes(input)));

const isUnspent = (outpoint: string, chain: ChainView): boolean =>
  chain.utxos.some(({ txid, vout }) => `${txid}:${vout}` === outpoint);

/** Whether a signal is on the chain or in the mempool, or could be there as soon as it is sent again. */
export const isAlive = (signal: OwnSignal, announcement: string, chain: ChainView): boolean =>
  announcing(signal, announcement, chain).length > 0 || signal.inputs.every(input => isUnspent(input, chain));

function statusOf(signal: OwnSignal, announcement: string, chain: ChainView): HeldOwnSignal['status'] {
  const seen = announcing(signal, announcement, chain);
  if (seen.length > 0) return seen.some(tx => depth(tx, chain) >= MIN_CONFIRMATIONS) ? 'final' : 'broadcast';
  const isGone = rivalsOf(signal, announcement, chain).some(tx => depth(tx, chain) >= MIN_CONFIRMATIONS);
  return isGone ? 'gone' : 'unseen';
}

/** What became of the signals of the controller's own beacon at an address, and of the updates that they announce. */
export function decideOwnLook(state: WalletState, address: string, env: Env): Decision {
  const { chain } = env;
  if (!chain) return { events: [], effects: [] };
  const here = ownSignals(state).filter(({ signal }) => signal.address === address);
  const own = new Map(
    here.map(({ update, signal }) => [signal.txid, statusOf(signal, update.announcement, chain)] as const),
  );
  const moves = moveUpdates(state, { own });
  const told = new Set<string>();
  const events = here.flatMap(({ did, update, signal }): Moved[] => {
    const { announcement } = update;
    const status = own.get(signal.txid)!;
    if (status === signal.status) return [];
    told.add(announcement);
    const to = moves.find(move => move.announcement === announcement)?.state ?? update.state;
    const own_signal = { txid: signal.txid, status };
    return [{ type: 'update_moved', did, announcement, state: to, own_signal }];
  });
  return { events: [...events, ...moves.filter(move => !told.has(move.announcement))], effects: [] };
}

/**
 * Why the own beacon must not send this, or null: one signal of an address is in flight at a time, and it spends what
 * the wallet itself sees unspent.
 */
export function ownSignalProblem(
  state: WalletState,
  announcement: string,
  signal: OwnSignal,
  chain: ChainView | null,
): string | null {
  if (!chain) return 'a signal of the own beacon needs a view of the chain';
  const inFlight = signalInFlight(state, announcement, signal.address, chain);
  if (inFlight) return inFlight;
  const spent = signal.inputs.find(input => !isUnspent(input, chain));
  return spent === undefined ? null : `${spent} is no unspent output of ${signal.address}`;
}

/** The signal of an address that forbids another one for this announcement, in words; null if there is none. */
export function signalInFlight(
  state: WalletState,
  announcement: string,
  address: string,
  chain: ChainView,
): string | null {
  const found = ownSignals(state).find(
    ({ signal, update }) =>
      signal.address === address &&
      (update.announcement === announcement
        ? isAlive(signal, announcement, chain)
        : signal.status === 'unseen' || signal.status === 'broadcast'),
  );
  if (!found) return null;
  const { did, update, signal } = found;
  return `${address} has a signal in flight: ${signal.txid} for version ${update.version} of ${did}`;
}

/** Txids of the own signals at an address that nothing will change any more. */
export const buriedSignals = (state: WalletState, address: string, chain: ChainView): string[] =>
  ownSignals(state).flatMap(({ signal, update: { announcement } }) => {
    if (signal.address !== address) return [];
    const ends = [...announcing(signal, announcement, chain), ...rivalsOf(signal, announcement, chain)];
    return ends.some(tx => depth(tx, chain) >= WATCH_DEPTH) ? [signal.txid] : [];
  });

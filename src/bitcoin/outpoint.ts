import { DUST_SATS } from './fees.ts';

export const MIN_CONFIRMATIONS = 6;
/** A coinbase output can be spent from then on. */
export const COINBASE_CONFIRMATIONS = 101;

export interface Outpoint {
  txid: string;
  vout: number;
}

/** An unspent output of the beacon address, as a chain source shows it. */
export interface Utxo extends Outpoint {
  value_sats: number;
  /** Height of its block; null while unconfirmed. */
  height: number | null;
  coinbase: boolean;
  /** Whether it is the change of one of this beacon's own signals, as the caller's own records and chain say. */
  fromOwnSignal: boolean;
}

export type OutpointProblem = 'pinned_missing' | 'unconfirmed' | 'too_shallow' | 'coinbase_immature' | 'too_small';

export interface UnusableOutpoint {
  /** `txid:vout`. */
  outpoint: string;
  reason: OutpointProblem;
}

export type OutpointChoice =
  | { chosen: Utxo; reasons: UnusableOutpoint[] }
  | { none: true; reasons: UnusableOutpoint[] };

/** `txid:vout`, as people and logs write it. */
export const outpointText = ({ txid, vout }: Outpoint): string => `${txid}:${vout}`;

/** Confirmations that an output has when the chain's tip is at `tipHeight`: 1 in the tip itself, 0 while unconfirmed. */
export const confirmations = (height: number | null, tipHeight: number): number =>
  height === null ? 0 : Math.max(0, tipHeight - height + 1);

function depthProblem(utxo: Utxo, tipHeight: number): OutpointProblem | null {
  const depth = confirmations(utxo.height, tipHeight);
  // Every comparison is written so that NaN fails it.
  if (!(depth >= 1)) return 'unconfirmed';
  if (utxo.coinbase && !(depth >= COINBASE_CONFIRMATIONS)) return 'coinbase_immature';
  return depth >= MIN_CONFIRMATIONS ? null : 'too_shallow';
}

/** Own change before deposits, then the oldest; txid and vout make the order the same for everybody. */
function byPreference(a: Utxo, b: Utxo): number {
  if (a.fromOwnSignal !== b.fromOwnSignal) return a.fromOwnSignal ? -1 : 1;
  if (a.height !== b.height) return (a.height ?? Number.POSITIVE_INFINITY) - (b.height ?? Number.POSITIVE_INFINITY);
  if (a.txid !== b.txid) return a.txid < b.txid ? -1 : 1;
  return a.vout - b.vout;
}

function choosePinned(utxos: readonly Utxo[], tipHeight: number, pinned: Outpoint): OutpointChoice {
  const text = outpointText(pinned);
  const found = utxos.find(utxo => outpointText(utxo) === text);
  const reason = found === undefined ? 'pinned_missing' : depthProblem(found, tipHeight);
  return found === undefined || reason !== null
    ? { none: true, reasons: [{ outpoint: text, reason: reason ?? 'pinned_missing' }] }
    : { chosen: found, reasons: [] };
}

/**
 * Chooses the output that the next signal spends: the `pinned` one of an open session and no other; else our own
 * change; else the oldest deposit. It must be 6 deep (101 for a coinbase) and cover the fee cap and change above dust
 * (satoshis), which an open session has settled already. A stranger's deposit never moves a pinned choice. `reasons`
 * says why others could not be used; the same input in any order gives the same choice.
 */
export function chooseOutpoint({
  utxos,
  tipHeight,
  capSats,
  pinned,
}: {
  utxos: readonly Utxo[];
  tipHeight: number;
  capSats: number;
  pinned?: Outpoint;
}): OutpointChoice {
  if (pinned !== undefined) return choosePinned(utxos, tipHeight, pinned);
  const reasons: UnusableOutpoint[] = [];
  const usable: Utxo[] = [];
  for (const utxo of [...utxos].sort(byPreference)) {
    const reason = depthProblem(utxo, tipHeight) ?? (utxo.value_sats >= capSats + DUST_SATS ? null : 'too_small');
    if (reason === null) usable.push(utxo);
    else reasons.push({ outpoint: outpointText(utxo), reason });
  }
  const chosen = usable[0];
  return chosen === undefined ? { none: true, reasons } : { chosen, reasons };
}

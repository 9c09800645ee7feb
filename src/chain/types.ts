import type { Network } from '../bitcoin/network.ts';

/** The newest block: `mediantime` (BIP-113) and `time` are Unix seconds. */
export interface ChainTip {
  height: number;
  hash: string;
  mediantime: number;
  time: number;
}

/** An output that nothing spends, in a block or in the mempool; `height` is null while it is unconfirmed. */
export interface Utxo {
  txid: string;
  vout: number;
  value_sats: number;
  height: number | null;
  coinbase: boolean;
}

/** A transaction that touches an address. The three block fields are null together, while it waits in the mempool. */
export interface AddressTx {
  txid: string;
  hex: string;
  height: number | null;
  block_hash: string | null;
  mediantime: number | null;
  /** At least one input spends an output of the address: what makes a beacon signal, and nothing else does. */
  spends: boolean;
  /** At least one output pays the address. */
  pays: boolean;
}

/** Where a transaction stands; `confirmations` is 0 in the mempool. */
export interface TxStatus {
  txid: string;
  hex: string;
  height: number | null;
  block_hash: string | null;
  confirmations: number;
  mediantime: number | null;
}

export type SubmitRefusal = 'missing_inputs' | 'conflict' | 'fee_too_low' | 'rejected';

/**
 * What the backend said to a transaction. `already` means that it was in the mempool or a block before.
 * `conflict`: an input is spent by another transaction, which a higher fee may or may not displace.
 */
export type SubmitResult =
  | { accepted: true; already: boolean }
  | { accepted: false; code: SubmitRefusal; reason: string };

/**
 * A view of one Bitcoin chain. Every method throws ChainUnreachable when the backend does not answer and ChainError
 * when it answers something unusable. Answers describe the chain as it is at the call: transactions that were
 * reorganised away, replaced or evicted are gone from them.
 */
export interface Chain {
  readonly kind: 'bitcoind' | 'esplora';
  /** The network, as the backend's own blocks show it. Throws ChainError `unknown_network` for one that has no name. */
  network(): Promise<Network>;
  tip(): Promise<ChainTip>;
  /** Unspent outputs of an address, unconfirmed ones and immature coinbases included, oldest first. */
  utxos(address: string): Promise<Utxo[]>;
  /**
   * Every transaction that pays or spends from an address: confirmed ones in chain order from block `fromHeight` on
   * (0 if left out), then those in the mempool, parents before children.
   */
  history(address: string, fromHeight?: number): Promise<AddressTx[]>;
  /** The part of `history` that spends from the address. */
  spends(address: string, fromHeight?: number): Promise<AddressTx[]>;
  /** What spends this output of `address` now, in the mempool or a block; null if nothing does or the output does not exist. */
  outspend(txid: string, vout: number, address: string): Promise<AddressTx | null>;
  /**
   * Status of a transaction, or null if it is in no block of the best chain and not in the mempool. With `address`,
   * one that the transaction touches, a bitcoind without `txindex` knows it too.
   */
  tx(txid: string, address?: string): Promise<TxStatus | null>;
  /** Broadcasts a raw transaction. ChainUnreachable means that it may or may not have been sent: send the same bytes again. */
  submit(hex: string): Promise<SubmitResult>;
  /** Fee estimate in sat/vB for confirmation within `targetBlocks`; null when the backend has none. */
  feeRate(targetBlocks: number): Promise<number | null>;
  /**
   * Makes the backend know an address from block `birthHeight` on (0 if left out). On a bitcoind this scans the chain
   * from there, which takes hours on mainnet from 0; the other methods do it by themselves, from 0, where it was not done.
   */
  watch(address: string, birthHeight?: number): Promise<void>;
  close(): Promise<void>;
}

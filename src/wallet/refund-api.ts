import type { HeldRefund } from './refund.ts';

/** What a wallet does to get back money that is stranded in a beacon. */
export interface RefundApi {
  /**
   * The refunds that this wallet holds of what lies in a beacon now, by its own view of the chain; with `send` those whose
   * delay has passed are published, which asks nobody and needs no aggregator. They pay the address in the terms.
   * `ask` has all members sign the refund of the largest output that has none, such as a deposit that no round has spent:
   * that takes the aggregator and everybody's answer, between two rounds. It is held some seconds later.
   * Rejects with WalletError `refused` where the chain cannot be seen, where none may be sent yet, and where a node
   * refuses one.
   */
  refunds(request: { cohort: string; send?: boolean; ask?: boolean }): Promise<RefundsResult>;
}

export interface RefundsResult {
  cohort: string;
  advert_id: string;
  /** Where they pay to; null where the terms have none. */
  to: string | null;
  tip_height: number;
  /** Satoshis that lie in the beacon, and of which no refund is held. */
  without_sats: number;
  refunds: (HeldRefund & { sent: boolean })[];
  /** The output (`txid:vout`) whose refund the aggregator was asked for, and took; left out where none was. */
  asked?: string;
}

import { z } from 'zod';
import { bitcoinAddress, count, hash32, psbt, rawTransaction, txid } from './fields.ts';

/**
 * Why a beacon is spent without announcing anything. cancel: back to the beacon, which closes an open session.
 * move: to an address that the members agreed to, as a successor's. refund: to the address in the terms, after their delay.
 */
export const SPEND_PURPOSES = ['cancel', 'move', 'refund'] as const;
export type SpendPurpose = (typeof SPEND_PURPOSES)[number];

/** What stands in a session id in the place of signal bytes, where nothing is announced. */
export const NO_SIGNAL = '00'.repeat(32);

/** A → P: a spend without OP_RETURN to sign, in the same way as a signal. */
export const authorizeSpendRequest = z.strictObject({
  session_id: hash32,
  beacon_address: bitcoinAddress,
  /** Rounds that the cohort has opened so far. */
  round: count,
  /** Counts the cohort's spends of this kind, so that no two have the same session id. */
  attempt: count,
  purpose: z.enum(SPEND_PURPOSES),
  /** Where it goes. */
  to: bitcoinAddress,
  pending_spend: z.array(psbt).length(1),
});
export type AuthorizeSpendRequest = z.infer<typeof authorizeSpendRequest>;

/** A → P: a spend is complete. A refund is kept; anything else is published, by anybody. */
export const spendStatus = z.strictObject({
  session_id: hash32,
  beacon_address: bitcoinAddress,
  purpose: z.enum(SPEND_PURPOSES),
  txid,
  transactions: z.array(rawTransaction).length(1),
  /** The refund of what it leaves at the beacon, for after its delay: to be kept by every member. */
  refunds: z.array(rawTransaction).max(1).optional(),
});
export type SpendStatus = z.infer<typeof spendStatus>;

import { z } from 'zod';
import { bitcoinAddress, blockHeight, count, hash32, rawTransaction, txid } from './fields.ts';

/** A → P: what became of a session. `transactions` holds every complete step; any member may publish them. */
export const signalStatus = z.strictObject({
  session_id: hash32,
  beacon_address: bitcoinAddress,
  status: z.enum(['broadcast', 'confirmed', 'final', 'reorged']),
  txid,
  transactions: z.array(rawTransaction).min(1).max(8),
  /** Refunds of what those transactions leave at the beacon, each for after its delay: to be kept by every member. */
  refunds: z.array(rawTransaction).max(8).optional(),
  block_hash: hash32.nullable(),
  height: blockHeight.nullable(),
  confirmations: count,
});
export type SignalStatus = z.infer<typeof signalStatus>;

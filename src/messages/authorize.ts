import { z } from 'zod';
import { evidence } from './evidence.ts';
import { bitcoinAddress, count, hash32, psbt } from './fields.ts';

/** A → P (seed D4): the transactions to sign, one a fee step, with the member's own proofs or the map. */
export const authorizeBeaconSignalRequest = z.strictObject({
  session_id: hash32,
  beacon_address: bitcoinAddress,
  round: count,
  attempt: count,
  signal_bytes: hash32,
  pending_beacon_signal: z.array(psbt).min(1).max(8),
  evidence,
  /** Where members made the leaves themselves: which of their answers this signal is made of. */
  opportunity_id: hash32.optional(),
});
export type AuthorizeBeaconSignalRequest = z.infer<typeof authorizeBeaconSignalRequest>;

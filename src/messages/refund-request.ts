import { z } from 'zod';
import { bitcoinAddress, count, satoshis, txid } from './fields.ts';

/** P → A: have all members sign the refund of an output that lies at the beacon and has none. */
export const refundRequest = z.strictObject({
  beacon_address: bitcoinAddress,
  outpoint: z.strictObject({ txid, vout: count, value_sats: satoshis }),
});
export type RefundRequest = z.infer<typeof refundRequest>;

import { z } from 'zod';
import { bitcoinAddress, hash32, noncePair, partialSignature, plainText } from './fields.ts';

const session = { session_id: hash32, beacon_address: bitcoinAddress };
/** One a fee step, then one a refund of what each step leaves at the beacon, where the terms have refunds. */
const perStep = z.array(noncePair).min(1).max(16);

/** P → A (seed D5): everything was checked; here are fresh public nonces, one pair for each transaction. */
export const nonce = z.strictObject({ ...session, nonce_points: perStep });
export type Nonce = z.infer<typeof nonce>;

/** P → A: the member refuses this session, and why. */
export const veto = z.strictObject({ session_id: hash32, code: plainText(64), text: plainText(1000) });
export type Veto = z.infer<typeof veto>;

/** P → A: the wallet restarted and its secret nonces are gone; it asks for another attempt. */
export const nonceLost = z.strictObject({ session_id: hash32 });
export type NonceLost = z.infer<typeof nonceLost>;

/** A → P (seed D5): the sum of all nonces. From here on the session is open. */
export const aggregatedNonce = z.strictObject({ ...session, agg_nonce: perStep });
export type AggregatedNonce = z.infer<typeof aggregatedNonce>;

/** P → A (seed D6): partial signatures, and the aggregated nonces they were made under. */
export const signalAuthorization = z.strictObject({
  ...session,
  agg_nonce: perStep,
  sig: z.array(partialSignature).min(1).max(16),
});
export type SignalAuthorization = z.infer<typeof signalAuthorization>;

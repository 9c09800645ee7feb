import { z } from 'zod';
import { bitcoinAddress, hash32, psbt, schnorrSignature, txid } from './fields.ts';

const session = { session_id: hash32, beacon_address: bitcoinAddress };

/**
 * A → P: the key path of an open session missed its deadline, although every member had checked it and sent nonces. The
 * same outpoint and the same signal bytes, to be signed by all members but one in the fallback leaf; one transaction a
 * fee step.
 */
export const fallbackAuthorizationRequest = z.strictObject({
  ...session,
  pending_beacon_signal: z.array(psbt).min(1).max(8),
});
export type FallbackAuthorizationRequest = z.infer<typeof fallbackAuthorizationRequest>;

/** P → A: BIP-340 signatures by the cohort key, one a transaction, each over its sighash in the fallback leaf (BIP-342). */
export const fallbackSignature = z.strictObject({
  ...session,
  /** Ids of the transactions that were signed: with them a wrong signature is provably one. */
  txids: z.array(txid).min(1).max(8),
  sig: z.array(schnorrSignature).min(1).max(8),
});
export type FallbackSignature = z.infer<typeof fallbackSignature>;

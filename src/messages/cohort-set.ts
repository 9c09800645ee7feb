import { z } from 'zod';
import { bitcoinAddress, compressedKey, count, hash32, plainText, schnorrSignature } from './fields.ts';
import { setPolicy } from './policy.ts';

const set = {
  advert_id: plainText(64),
  /** Sorted as BIP-327 KeySort sorts. */
  participant_pubkeys: z.array(compressedKey).min(2).max(1000),
  beacon_address: bitcoinAddress,
  policy: setPolicy,
};

/** A → P (seed B4, B5): the members and the address they make. `attempt` counts the sets proposed so far. */
export const cohortSet = z.strictObject({ ...set, attempt: count });
export type CohortSet = z.infer<typeof cohortSet>;

/** P → A: BIP-340 by the cohort key over `cohortSetStatement`, after the member recomputed the address. */
export const cohortSetAck = z.strictObject({
  beacon_address: bitcoinAddress,
  attempt: count,
  sig: schnorrSignature,
});
export type CohortSetAck = z.infer<typeof cohortSetAck>;

/** A → P: every member has signed the set. Only now may the address be funded or put into a document. */
export const cohortReady = z.strictObject({
  ...set,
  /** One for each of `participant_pubkeys`, in their order. */
  signatures: z.array(schnorrSignature).min(2).max(1000),
  /** To be signed in every proof of control of a DID. */
  challenge: hash32,
});
export type CohortReady = z.infer<typeof cohortReady>;

import { z } from 'zod';
import { signalEvidence, subject } from './evidence.ts';
import { bitcoinAddress, blockHeight, hash32 } from './fields.ts';

/** P → A: the evidence of one DID for every signal from a height on, or for one session. */
export const proofRequest = z.strictObject({
  beacon_address: bitcoinAddress,
  did: subject,
  from_height: blockHeight.optional(),
  session_id: hash32.optional(),
});
export type ProofRequest = z.infer<typeof proofRequest>;

/** A → P: the answer to a proof request, oldest signal first. */
export const proofs = z.strictObject({
  beacon_address: bitcoinAddress,
  did: subject,
  signals: z.array(signalEvidence).max(100_000),
});
export type Proofs = z.infer<typeof proofs>;

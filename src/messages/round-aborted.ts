import { z } from 'zod';
import { compressedKey, count, hash32, plainText } from './fields.ts';
import { seatProof } from './seat-proof.ts';

export const ABORT_REASONS = [
  'not_heard',
  'veto',
  'nonce_lost',
  'invalid_nonce',
  'invalid_signature',
  'outpoint_spent',
  'outpoint_gone',
  'cancelled',
] as const;
export type AbortReason = (typeof ABORT_REASONS)[number];

/** A → P: this attempt is over. Never proof that nothing was or will be signed: once `open`, the chain decides. */
export const roundAborted = z.strictObject({
  session_id: hash32.nullable(),
  round: count,
  attempt: count,
  reason: z.enum(ABORT_REASONS),
  text: plainText(1500),
  /** Whether the aggregated nonce had gone out, so that the transaction may still appear. */
  open: z.boolean(),
  /** Only with a contradiction that the member signed itself. */
  blame: z.array(compressedKey).max(1000),
  /** Silence is reported, not blamed. */
  not_heard: z.array(compressedKey).max(1000),
  /** Signed envelopes that prove the blame. */
  evidence: z.array(z.record(z.string(), z.unknown())).max(8),
  /** That the envelopes' transport keys are the blamed member's. */
  seats: z.array(seatProof).max(8).optional(),
});
export type RoundAborted = z.infer<typeof roundAborted>;

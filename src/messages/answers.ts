import { z } from 'zod';
import { signalEvidence, subject } from './evidence.ts';
import { compressedKey, count, did, hash32, plainText } from './fields.ts';
import { MAX_ENTRIES } from './opportunity.ts';

/** A → P: done and stored; what was done depends on what was asked. */
export const ack = z.discriminatedUnion('accepted', [
  z.strictObject({
    accepted: z.literal('opt_in'),
    participant_pubkey: compressedKey,
    seats: z.strictObject({ taken: count, min: count, max: count }),
  }),
  z.strictObject({
    accepted: z.literal('did_registration'),
    did: subject,
    index: hash32,
    /** False where the DID is held provisionally: a proven claim would displace it. */
    proven: z.boolean(),
    /** Evidence of every earlier and every open signal. */
    signals: z.array(signalEvidence).max(100_000),
  }),
  z.strictObject({
    accepted: z.literal('did_update'),
    did,
    announcement: hash32,
    target_version_id: z.int().min(2),
    /** Whether the aggregator could check proof and hashes against the document it knows. */
    verified: z.boolean(),
    state: z.enum(['queued', 'waiting', 'frozen', 'announced']),
  }),
  z.strictObject({
    accepted: z.literal('update_response'),
    opportunity_id: hash32,
    announcements: z.array(hash32).max(MAX_ENTRIES),
  }),
  z.strictObject({ accepted: z.literal('rebind'), counter: z.int().min(1) }),
  z.strictObject({ accepted: z.literal('leave') }),
  z.strictObject({ accepted: z.literal('key_deleted') }),
  z.strictObject({ accepted: z.literal('refund_request') }),
]);
export type Ack = z.infer<typeof ack>;

/** Every reason for which a request is refused. */
export const REJECTION_CODES = [
  'unsupported_version',
  'unknown_type',
  'invalid_message',
  'wrong_cohort',
  'wrong_session',
  'wrong_phase',
  'wrong_advert',
  'wrong_terms',
  'advert_closed',
  'advert_expired',
  'cohort_full',
  'not_admitted',
  'invalid_key',
  'key_in_use',
  'invalid_proof',
  'already_seated',
  'seat_dropped',
  'not_a_member',
  'wrong_address',
  'wrong_member',
  'invalid_did',
  'did_limit',
  'did_taken',
  'did_not_registered',
  'did_not_yours',
  'control_not_proven',
  'document_unknown',
  'update_invalid',
  'update_too_large',
  'version_taken',
  'version_gap',
  'queue_full',
  'deactivated',
  'invalid_nonce',
  'invalid_signature',
  'equivocation',
  'counter_too_low',
  'rate_limited',
  'not_available',
] as const;
export type RejectionCode = (typeof REJECTION_CODES)[number];

/**
 * A → P: refused, the reason, and the field that caused it. A `did_taken` that answers nothing tells a member that it
 * holds a DID no longer: then `field` is that DID, or index.
 */
export const rejection = z.strictObject({
  code: z.enum(REJECTION_CODES),
  text: plainText(1000),
  field: plainText(200).optional(),
});
export type Rejection = z.infer<typeof rejection>;

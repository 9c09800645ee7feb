import { z } from 'zod';
import { subject } from './evidence.ts';
import { bitcoinAddress, count, hash32, timestamp } from './fields.ts';

/** A → P in the pull flow: the next signal is about to be made; every member answers, with nothing to announce too. */
export const updateOpportunity = z.strictObject({
  beacon_address: bitcoinAddress,
  round: count,
  attempt: count,
  opportunity_id: hash32,
  deadline: timestamp,
});
export type UpdateOpportunity = z.infer<typeof updateOpportunity>;

const entry = z.union([
  /** The signed update. */
  z.strictObject({ did: subject, invocation: z.record(z.string(), z.unknown()) }),
  /** Its hash alone. */
  z.strictObject({ did: subject, announcement: hash32, target_version_id: z.int().min(2) }),
  /** A finished leaf of a blinded tree: nobody can tell whether it holds an update. */
  z.strictObject({ did: subject, leaf: hash32 }),
  z.strictObject({ did: subject, none: z.literal(true) }),
]);
export type OpportunityEntry = z.infer<typeof entry>;

/** Entries of one answer: a member holds no more DIDs where it is asked for all of them. */
export const MAX_ENTRIES = 10_000;

/** P → A: one entry for each DID that the member registered. `wants_signal`: at least one of them holds an update. */
export const updateResponse = z.strictObject({
  beacon_address: bitcoinAddress,
  opportunity_id: hash32,
  wants_signal: z.boolean(),
  entries: z.array(entry).max(MAX_ENTRIES),
});
export type UpdateResponse = z.infer<typeof updateResponse>;

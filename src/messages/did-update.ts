import { z } from 'zod';
import { bitcoinAddress, compressedKey, did, hash32 } from './fields.ts';

/** An update by its hash alone: what it says stays with the member, who answers for its version and its correctness. */
export const bareAnnouncement = z.strictObject({ announcement: hash32, target_version_id: z.int().min(2) });

/** P → A (seed D1): the signed update, whose schema and proof the did room judges; or its hash alone. */
export const didUpdate = z
  .strictObject({
    beacon_address: bitcoinAddress,
    participant_pk: compressedKey,
    did,
    invocation: z.record(z.string(), z.unknown()).optional(),
    announcement: bareAnnouncement.shape.announcement.optional(),
    target_version_id: bareAnnouncement.shape.target_version_id.optional(),
  })
  .refine(body => (body.invocation === undefined) === (body.announcement !== undefined), {
    path: ['invocation'],
    error: 'either the invocation or its announcement is due',
  })
  .refine(body => (body.announcement === undefined) === (body.target_version_id === undefined), {
    path: ['target_version_id'],
    error: 'target_version_id goes with an announcement, and only with it',
  });
export type DidUpdate = z.infer<typeof didUpdate>;

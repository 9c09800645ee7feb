import { z } from 'zod';
import { bitcoinAddress, compressedKey, did } from './fields.ts';

/** P → A (seed D1): the signed update itself. Its schema and proof are judged by the did room, which says the field. */
export const didUpdate = z.strictObject({
  beacon_address: bitcoinAddress,
  participant_pk: compressedKey,
  did,
  invocation: z.record(z.string(), z.unknown()),
});
export type DidUpdate = z.infer<typeof didUpdate>;

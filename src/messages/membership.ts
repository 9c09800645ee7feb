import { z } from 'zod';
import { compressedKey, plainText, schnorrSignature, xOnlyKey } from './fields.ts';

/** P → A, from the new transport key: signed by the cohort key over `rebindStatement`. */
export const rebind = z.strictObject({
  participant_pk: compressedKey,
  transport_key: xOnlyKey,
  counter: z.int().min(1),
  sig: schnorrSignature,
});
export type Rebind = z.infer<typeof rebind>;

/** P → A: gives back a seat before the cohort is formed; afterwards it only says that the member wants to go. */
export const leave = z.strictObject({ participant_pk: compressedKey, reason: plainText(500) });
export type Leave = z.infer<typeof leave>;

import { z } from 'zod';
import { bitcoinAddress, hash32 } from './fields.ts';

/** O → C: a cohort of the companion's ends. Each takes the place of the one before. */
export const companionEnd = z.strictObject({
  cohort: hash32,
  /** Where the money of the beacon may go when it is given up; null: it stays. */
  release: bitcoinAddress.nullable(),
  /** The companion deletes its cohort key by itself, as soon as nothing needs it. */
  delete_key: z.boolean(),
  /** Also with the money, or the open session, that needs it. */
  abandon: z.boolean(),
});
export type CompanionEnd = z.infer<typeof companionEnd>;

import { z } from 'zod';
import { hash32, schnorrSignature, xOnlyKey } from './fields.ts';

/** How a cohort key authorized a transport key: by the proof in its opt-in, or by a later rebind. */
export const seatProof = z.union([
  z.strictObject({ transport_key: xOnlyKey, proof: schnorrSignature }),
  z.strictObject({
    transport_key: xOnlyKey,
    rebind: z.strictObject({ cohort: hash32, counter: z.int().min(1), sig: schnorrSignature }),
  }),
]);
export type SeatProof = z.infer<typeof seatProof>;

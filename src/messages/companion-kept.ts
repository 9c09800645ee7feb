import { z } from 'zod';
import { companionPolicy } from './companion.ts';
import { did, hash32, schnorrSignature } from './fields.ts';

/**
 * C → O: what a companion keeps of an owner that was put back from its words. The policy proves that the two are a pair:
 * the owner's key signed it, and it names the companion's.
 */
export const companionKept = z.strictObject({
  policy: companionPolicy,
  sig: schnorrSignature,
  dids: z
    .array(
      z.strictObject({
        did,
        /** Cohorts in which it is registered. */
        cohorts: z.array(hash32).max(100),
        /** Sidecar data: the genesis document, if it has one, and every update that the companion has not given up. */
        sidecar: z.record(z.string(), z.unknown()),
      }),
    )
    .max(10_000),
});
export type CompanionKept = z.infer<typeof companionKept>;

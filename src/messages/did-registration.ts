import { z } from 'zod';
import { subject } from './evidence.ts';
import { bitcoinAddress, compressedKey, plainText, schnorrSignature } from './fields.ts';

/** P → A (seed B6). `proof` is absent only where the advert takes DIDs unproven, or blinded: then `did` may be an index. */
export const didRegistration = z.strictObject({
  beacon_address: bitcoinAddress,
  participant_pk: compressedKey,
  did: subject,
  proof: z
    .strictObject({
      /** `authentication`, else `capabilityInvocation`, of the DID's current document. */
      verification_method: plainText(300),
      /** BIP-340 over `registrationStatement`. */
      sig: schnorrSignature,
    })
    .optional(),
  /** Sidecar data that it takes to resolve the DID: genesis document, updates, proofs of other beacons. */
  sidecar: z.record(z.string(), z.unknown()).optional(),
});
export type DidRegistration = z.infer<typeof didRegistration>;

import { z } from 'zod';
import { compressedKey, hash32, plainText, schnorrSignature, xOnlyKey } from './fields.ts';

/** P → A (seed B3). `proof` is BIP-340 by the cohort key over `optInStatement`. */
export const optIn = z.strictObject({
  advert_id: plainText(64),
  terms_hash: hash32,
  participant_pubkey: compressedKey,
  /** Where the member is reached, as `nostr:nprofile1…` or free text for other ways. */
  return_interact: plainText(2000),
  proof: schnorrSignature,
  admission: z
    .union([z.strictObject({ invite: plainText(200) }), z.strictObject({ pubkey: xOnlyKey, sig: schnorrSignature })])
    .optional(),
});
export type OptIn = z.infer<typeof optIn>;

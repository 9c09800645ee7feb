import { z } from 'zod';
import { bitcoinAddress, compressedKey, count, hash32, plainText, timestamp } from './fields.ts';

/**
 * How far the end of a cohort is. forming: its successor is not formed yet. updating: DIDs still list its beacon. moving:
 * there is money at its address. deleting: members still have their cohort keys. over: nothing is waited for.
 */
export const SUCCESSION_STAGES = ['forming', 'updating', 'moving', 'deleting', 'over'] as const;
export type SuccessionStage = (typeof SUCCESSION_STAGES)[number];

const members = z.array(compressedKey).max(1000);

/** A → P: which members leave or are gone, and how far the end of the cohort is, if it is to end. */
export const cohortStatus = z.strictObject({
  beacon_address: bitcoinAddress,
  /** Counts what was told so: one with a smaller number that comes late changes nothing. */
  number: count.min(1),
  /** Members that said that they leave; they still sign. */
  leaving: members,
  /** Members that the operator holds for gone: nothing can be signed any more. */
  gone: members,
  succession: z
    .strictObject({
      stage: z.enum(SUCCESSION_STAGES),
      /** When the last signal goes out, also without the updates of those who have sent none. */
      deadline: timestamp,
      /** Null where no cohort follows. */
      successor: z
        .strictObject({
          terms_hash: hash32,
          /** The advert of the successor, or where it is. */
          link: z
            .string()
            .max(8_000)
            .regex(/^nostr\+btcr2:\/\/[A-Za-z0-9_-]+$/, 'a link to an advert begins with nostr+btcr2://'),
          beacon_address: bitcoinAddress.nullable(),
        })
        .nullable(),
    })
    .nullable(),
  text: plainText(1000),
});
export type CohortStatus = z.infer<typeof cohortStatus>;

/** P → A: the member's cohort key is deleted; it signs nothing here any more. */
export const keyDeleted = z.strictObject({ participant_pk: compressedKey, beacon_address: bitcoinAddress });
export type KeyDeleted = z.infer<typeof keyDeleted>;

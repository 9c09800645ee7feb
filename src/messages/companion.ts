import { z } from 'zod';
import { evidence } from './evidence.ts';
import {
  bitcoinAddress,
  compressedKey,
  count,
  did,
  hash32,
  network,
  plainText,
  rawTransaction,
  satoshis,
  schnorrSignature,
  timestamp,
  txid,
  xOnlyKey,
} from './fields.ts';
import { cohortStatus } from './succession.ts';

/** What a companion may do, in its owner's words. Each version takes the place of the one before. */
export const companionPolicy = z.strictObject({
  version: z.int().min(1),
  /** Satoshis that any transaction may pay to miners, on any step of a fee ladder. */
  fee_cap: satoshis,
  /** From then on the companion signs nothing. */
  expires_at: timestamp,
  /** Advert events whose cohorts the companion joins and signs in. */
  adverts: z.array(z.record(z.string(), z.unknown())).max(100),
  /** Whose registrations and updates it takes. */
  dids: z.array(did).max(10_000),
  /** The end: it never signs again, and has no other owner. */
  revoked: z.boolean(),
});
export type CompanionPolicy = z.infer<typeof companionPolicy>;

/** O → C: the owner's key asks to be the only one; signed by the one-time key of the pairing string. */
export const companionPair = z.strictObject({ network, proof: schnorrSignature });
export type CompanionPair = z.infer<typeof companionPair>;

/** O → C: the whole policy, signed by the owner's key, so that it proves itself as long as it is kept. */
export const companionPolicyMessage = z.strictObject({ policy: companionPolicy, sig: schnorrSignature });
export type CompanionPolicyMessage = z.infer<typeof companionPolicyMessage>;

/** O → C: never sign for this update, please, unless that was done already. */
export const companionWithdraw = z.strictObject({ did, announcement: hash32 });
export type CompanionWithdraw = z.infer<typeof companionWithdraw>;

/** O → C: the owner is awake, and knows these sessions. */
export const companionSync = z.strictObject({
  sessions: z
    .array(
      z.strictObject({
        cohort: hash32,
        session_ids: z.array(hash32).max(100_000),
        /** A transport key of the owner's, for the seat of a companion that is lost. */
        heir_key: xOnlyKey.optional(),
      }),
    )
    .max(100),
  /** The owner was put back from its words: it asks for what the companion keeps of it, and for nothing else yet. */
  kept: z.literal(true).optional(),
});
export type CompanionSync = z.infer<typeof companionSync>;

const memberBeacon = z.strictObject({
  participant_pubkeys: z.array(compressedKey).min(1).max(10_000),
  beacon_address: bitcoinAddress,
  /** Of all members over the set, in the order of their keys. */
  signatures: z.array(schnorrSignature).min(1).max(10_000),
  challenge: hash32,
});

/** C → O: how things stand; the answer to every request but registrations, updates and questions for proofs. */
export const companionState = z.strictObject({
  /** 0 before there is one. */
  policy_version: count,
  revoked: z.boolean(),
  /** For people, such as what the companion waits for. */
  text: plainText(1000).nullable(),
  /** One entry for each advert of the policy. */
  cohorts: z
    .array(
      z.strictObject({
        cohort: hash32,
        phase: z.enum(['joining', 'asked', 'seated', 'ready', 'ended']),
        text: plainText(1000).nullable(),
        /** Null before it asked for a seat. */
        participant_pk: compressedKey.nullable(),
        /** Set when it is ready. */
        beacon: memberBeacon.nullable(),
        /** A `rebind` to the owner's key, to be used should the companion be lost. */
        heir: z.strictObject({ transport_key: xOnlyKey, counter: z.int().min(1), sig: schnorrSignature }).optional(),
        /** What the aggregator last said of members that go, and of the cohort's end. */
        status: cohortStatus.optional(),
      }),
    )
    .max(100),
  /** Updates that the companion never signed for and never will. */
  released: z.array(z.strictObject({ did, announcement: hash32, text: plainText(1000) })).max(100_000),
});
export type CompanionState = z.infer<typeof companionState>;

/** C → O: a partial signature left for this session, and this is what the owner's DIDs need of its signal. */
export const companionSigned = z.strictObject({
  cohort: hash32,
  session_id: hash32,
  round: count,
  attempt: count,
  outpoint: z.strictObject({ txid, vout: count, value_sats: satoshis }),
  signal_bytes: hash32,
  /** Unsigned transactions, one a fee step. */
  steps: z
    .array(z.strictObject({ unsigned_hex: rawTransaction, txid, fee_sats: satoshis }))
    .min(1)
    .max(8),
  evidence,
});
export type CompanionSigned = z.infer<typeof companionSigned>;

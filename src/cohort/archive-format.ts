import { z } from 'zod';
import { termsSchema } from '../messages/index.ts';

/** The name and version of the format, in the first record of every file. */
export const ARCHIVE_FORMAT = 'btcr2-archive';

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'is 32 bytes of lowercase hex');
const key = z.string().regex(/^0[23][0-9a-f]{64}$/, 'is a compressed public key');
const hex = z
  .string()
  .max(200_000)
  .regex(/^(?:[0-9a-f]{2})*$/, 'is lowercase hex');
const name = z.string().min(1).max(200);
const whole = z.int().min(0);

/** The first record: what the cohort is. */
const cohort = z.strictObject({
  record: z.literal('cohort'),
  format: z.literal(ARCHIVE_FORMAT),
  v: z.literal(1),
  /** Id of the advert event that it began with. */
  cohort: hash,
  /** The newest event of its advert, whose content are the terms; null where it was not kept. */
  advert_event: z.record(z.string(), z.unknown()).nullable(),
  terms: termsSchema,
  terms_hash: hash,
  /** x-only identity of the aggregator. */
  identity: hash,
  beacon_address: name,
  script_pubkey: hex,
  participant_pubkeys: z.array(key).max(1_000),
  /** Of every member over the set, in the order of the keys. */
  signatures: z.array(hex).max(1_000),
  formed_at: whole,
  made_at: whole,
});

/** A DID, in the order in which they became leaves: a signal's tree holds the first so many of them. In a blinded cohort an index. */
const leaf = z.strictObject({
  record: z.literal('leaf'),
  did: name,
  index: hash,
  member: key.nullable(),
  proven: z.boolean(),
});

/** An update that was sent here. */
const update = z.strictObject({
  record: z.literal('update'),
  did: name,
  version: z.int().min(2),
  announcement: hash,
  /** The signed update; null where only its hash was sent. */
  update: z.record(z.string(), z.unknown()).nullable(),
  state: name,
});

/** A signal, or what an open session may still announce. */
const signal = z.strictObject({
  record: z.literal('signal'),
  round: whole,
  signal_bytes: hash,
  outpoint: z.strictObject({ txid: hash, vout: whole, value_sats: whole }),
  status: z.enum(['completed', 'broadcast', 'confirmed', 'final', 'reorged', 'open']),
  /** The transaction that was sent, or is on chain; null while the session is open. */
  txid: hash.nullable(),
  height: whole.nullable(),
  block_hash: hash.nullable(),
  /** Every complete transaction of it, one a fee step. */
  transactions: z.array(hex).max(64),
  /** How many of the leaves its tree holds; 0 in a blinded cohort. */
  leaf_count: whole,
  /** The nonce of each leaf is HMAC-SHA256(this, index); null in a blinded cohort. */
  nonce_seed: hash.nullable(),
  opportunity_id: hash.nullable(),
  announcements: z.array(z.strictObject({ did: name, version: whole, announcement: hash })).max(1_000_000),
});

/** A finished leaf of a blinded tree, behind its signal. */
const blindedLeaf = z.strictObject({ record: z.literal('blinded_leaf'), round: whole, index: hash, leaf: hash });

/** The last record: how many came before it, and the sha256 of their lines. */
const end = z.strictObject({ record: z.literal('end'), records: whole, sha256: hash });

export const archiveRecord = z.discriminatedUnion('record', [cohort, leaf, update, signal, blindedLeaf, end]);
export type ArchiveRecord = z.infer<typeof archiveRecord>;
export type ArchiveOf<T extends ArchiveRecord['record']> = Extract<ArchiveRecord, { record: T }>;

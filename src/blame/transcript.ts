import { z } from 'zod';
import {
  compressedKey,
  count,
  hash32,
  network,
  plainText,
  rawTransaction,
  txid,
  xOnlyKey,
} from '../messages/fields.ts';
import { seatProof } from '../messages/index.ts';
import { parseJson } from '../messages/json.ts';
import { termsPolicy } from '../messages/policy.ts';

export const TRANSCRIPT_TYPE = 'btcr2-aggregator/transcript';

/** Most UTF-16 units of a transcript file: a cohort of 1,000 keys and a large transaction that paid the beacon fit in. */
export const MAX_TRANSCRIPT = 4_000_000;

/** What a session id is the hash of, with the transactions themselves: nothing in here needs to be believed. */
export const sessionRecord = z.strictObject({
  cohort: hash32,
  round: count,
  attempt: count,
  outpoint: z.strictObject({ txid, vout: z.int().min(0).max(0xffff_ffff) }),
  /** Unsigned: one a fee step, then the refunds of what those leave at the beacon. */
  transactions: z.array(rawTransaction).min(1).max(16),
  /** Unsigned, of the session's fallback, one a fee step. */
  fallback: z.array(rawTransaction).min(1).max(8).optional(),
  participant_pubkeys: z.array(compressedKey).min(2).max(1000),
  /** Left out where the members have no script tree. The output that is spent shows whether it is theirs. */
  policy: termsPolicy.optional(),
  signal_bytes: hash32,
  /**
   * The transaction that paid the outpoint: its txid fixes the value that the signatures commit to. Null where it was
   * not to be had; then no signature can be judged.
   */
  funding: z
    .string()
    .max(2_000_000)
    .regex(/^(?:[0-9a-f]{2})+$/, 'a transaction is lowercase hex')
    .nullable(),
});
export type SessionRecord = z.infer<typeof sessionRecord>;

/**
 * Signed envelopes of one member, with all that it takes to judge them without asking anybody. `reason` is what whoever
 * wrote it down says, and proves nothing.
 */
export const transcript = z.strictObject({
  type: z.literal(TRANSCRIPT_TYPE),
  v: z.literal(1),
  reason: plainText(64),
  participant_pk: compressedKey,
  /** What the member agreed to when it took its seat. */
  advert: z.strictObject({ aggregator: xOnlyKey, network, terms_hash: hash32 }),
  /** One for each transport key that signed the envelopes. */
  seats: z.array(seatProof).min(1).max(8),
  session: sessionRecord.nullable(),
  envelopes: z.array(z.record(z.string(), z.unknown())).min(1).max(8),
});
export type Transcript = z.infer<typeof transcript>;

export type TranscriptRead = { ok: true; transcript: Transcript } | { ok: false; text: string };

/** Reads a transcript from the text of a file. Refuses, naming the field, what is too large, no JSON, or of another form. */
export function readTranscript(text: string): TranscriptRead {
  const json = parseJson(text, MAX_TRANSCRIPT);
  if (!json.ok) return { ok: false, text: `the file is ${WORDS[json.reason]}` };
  const parsed = transcript.safeParse(json.value);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    return { ok: false, text: `this is no transcript: ${path.join('.') || 'the file'}: ${message}` };
  }
  // The envelopes as they came: what a parser makes of them is not what was signed.
  const { envelopes } = json.value as Transcript;
  return { ok: true, transcript: { ...parsed.data, envelopes } };
}

const WORDS = { too_large: 'too large', too_deep: 'nested too deeply', not_json: 'no JSON' } as const;

import { z } from 'zod';
import { isAddress } from '../bitcoin/address.ts';
import { sha256, toHex, utf8 } from '../crypto/index.ts';
import { formerType } from '../did/beacon-service.ts';
import { beaconType, bitOrder, count, did, network, plainText, satoshis, seconds, xOnlyKey } from './fields.ts';
import { parseJson } from './json.ts';
import { MAX_ENTRIES } from './opportunity.ts';
import { policyProblem, termsPolicy } from './policy.ts';

/** How envelopes may travel: NIP-44 in kind 8252, NIP-04 in kind 4, gift wraps of NIP-59. */
const scheme = z.enum(['nip44_v2', 'nip04', 'nip59']);
export type Scheme = z.infer<typeof scheme>;

/** The proof of an advert that stands on its own outside Nostr: by the aggregator's DID, over the rest of the terms. */
const proof = z.strictObject({
  type: z.literal('DataIntegrityProof'),
  cryptosuite: z.literal('bip340-jcs-2025'),
  verificationMethod: z.string().max(250),
  proofPurpose: z.literal('assertionMethod'),
  proofValue: z.string().regex(/^z[1-9A-HJ-NP-Za-km-z]{64,88}$/, 'a proof value is z and 64 bytes of base58'),
});

/**
 * The terms of a beacon: what an advert's content says and an opt-in agrees to (seed B1).
 * Times are seconds, amounts satoshis. They never change: another set of terms is another advert.
 */
export const termsSchema = z
  .strictObject({
    v: z.literal(1),
    /** The advert id of the seed; also the event's `d`. */
    id: z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,64}$/, 'an advert id is 1 to 64 letters, digits, dots, dashes, underscores'),
    type: beaconType,
    cohort_size: z.strictObject({ min: z.int().min(2).max(1000), max: z.int().min(2).max(1000) }),
    btc_network: network,
    /** A signal goes out when `pending_updates` are waiting, or `interval` after the last one if any update waits; never sooner than `min_interval` after it. */
    frequency: z.strictObject({ interval: seconds, min_interval: seconds, pending_updates: count.min(1) }),
    /** How long each phase waits for its answers. */
    latency: z.strictObject({
      cohort_set: seconds.min(1),
      presence: seconds.min(1),
      nonce: seconds.min(1),
      signature: seconds.min(1),
    }),
    /** DIDs that one member may register. */
    dids: z.strictObject({ min: count, max: count.min(1) }),
    financials: z.strictObject({
      enrolment: satoshis,
      per_announcement: satoshis,
      text: plainText(500).optional(),
    }),
    /** Who pays the transaction fees, by sending to the beacon address. */
    funder: z.enum(['operator', 'members', 'anyone']),
    /** Most that one signal may pay to miners. */
    fee_cap: satoshis.min(200).max(1_000_000),
    /**
     * In one ceremony members sign up to `steps` transactions of rising fee, each `factor` times the one before, none
     * above the cap; the next goes out when the last is in no block `blocks` after it was sent. Absent: one step.
     */
    fee_ladder: z
      .strictObject({ steps: z.int().min(1).max(8), factor: z.int().min(2).max(10), blocks: z.int().min(1).max(144) })
      .optional(),
    flow: z.enum(['push', 'pull']),
    privacy: z.enum(['none', 'blinded']),
    bit_order: bitOrder,
    signal_output: z.enum(['last', 'first']),
    policy: termsPolicy,
    /**
     * Where stranded money goes back to, that many blocks after nothing else was done with it: all sign it in advance, for
     * each transaction together with what that leaves at the beacon.
     */
    refund: z
      .strictObject({ address: z.string().min(14).max(100), delay_blocks: z.int().min(144).max(0xffff) })
      .optional(),
    admission: z.enum(['open', 'allowlist', 'invite']),
    /** Whether DIDs are taken without proof of control. */
    unproven_dids: z.boolean(),
    communication: z.array(scheme).min(1).max(3),
    /**
     * Leading zero bits (NIP-13) that the event of an opt-in or a rebind needs; none if left out. Left out and not 0, so
     * that terms from before it keep their hash.
     */
    pow_bits: z.int().min(1).max(20).optional(),
    /** The aggregator's key for this cohort: every directed message goes to it and comes from it. */
    transport_key: xOnlyKey,
    /** Where messages reach the aggregator: `nostr:nprofile1…` of the transport key with its relays. */
    return_address: z
      .string()
      .max(2000)
      .regex(/^nostr:nprofile1/, 'has to start with nostr:nprofile1'),
    /** The `k` identifier of the key that signs the advert event. */
    aggregator_did: did,
    proof: proof.optional(),
  })
  .refine(terms => terms.cohort_size.min <= terms.cohort_size.max, {
    path: ['cohort_size'],
    error: 'cohort_size.min is at most cohort_size.max',
  })
  .refine(terms => terms.dids.min <= terms.dids.max, { path: ['dids'], error: 'dids.min is at most dids.max' })
  .refine(terms => terms.frequency.min_interval <= terms.frequency.interval, {
    path: ['frequency'],
    error: 'frequency.min_interval is at most frequency.interval',
  })
  .refine(terms => terms.privacy === 'none' || (terms.type === 'SMTBeacon' && terms.flow === 'pull'), {
    path: ['privacy'],
    error: 'blinded leaves need an SMTBeacon and the pull flow',
  })
  .refine(terms => terms.flow === 'push' || terms.dids.max <= MAX_ENTRIES, {
    path: ['dids', 'max'],
    error: `an answer to an opportunity holds ${MAX_ENTRIES} DIDs at most`,
  })
  .refine(terms => terms.privacy === 'none' || terms.financials.per_announcement === 0, {
    path: ['financials', 'per_announcement'],
    error: 'nobody can count the announcements of a blinded tree',
  })
  .refine(terms => terms.bit_order === 'spec' || terms.type === 'SMTBeacon', {
    path: ['bit_order'],
    error: 'lsb is about trees: it needs an SMTBeacon',
  })
  .refine(({ refund, btc_network }) => !refund || isAddress(refund.address, btc_network), {
    path: ['refund', 'address'],
    error: 'refund.address is an address on btc_network',
  })
  .refine(
    ({ refund, frequency, latency }) =>
      !refund || refund.delay_blocks * BLOCK_SECONDS > frequency.interval + roundSeconds(latency),
    {
      path: ['refund', 'delay_blocks'],
      error: 'refund.delay_blocks takes longer than frequency.interval and a round, at ten minutes a block',
    },
  )
  .refine(terms => terms.signal_output === 'last' || terms.btc_network !== 'bitcoin', {
    path: ['signal_output'],
    error: 'signal_output first is for demonstration, off mainnet: no resolver sees such a signal',
  })
  .superRefine((terms, context) => {
    const problem = policyProblem(terms);
    if (problem) context.addIssue({ code: 'custom', path: problem.field.split('.'), message: problem.text });
  });

export type Terms = z.infer<typeof termsSchema>;

const BLOCK_SECONDS = 600;

const roundSeconds = ({ presence, nonce, signature }: { presence: number; nonce: number; signature: number }): number =>
  presence + nonce + signature;

const MAX_CONTENT = 16_384;

/** Hash that members agree to: sha256 of the advert's content, byte for byte (hex). */
export const termsHash = (content: string): string => toHex(sha256(utf8(content)));

export type TermsParse = { ok: true; terms: Terms; terms_hash: string } | { ok: false; field: string; text: string };

/** Reads terms from an advert's content. The seed's type name `SMTAggregatorBeacon` is read as `SMTBeacon`. */
export function readTerms(content: string): TermsParse {
  const json = parseJson(content, MAX_CONTENT);
  if (!json.ok) return { ok: false, field: 'content', text: json.reason };
  const parsed = termsSchema.safeParse(fromSeedNames(json.value));
  if (parsed.success) return { ok: true, terms: parsed.data, terms_hash: termsHash(content) };
  const issue = parsed.error.issues[0]!;
  return { ok: false, field: issue.path.join('.') || 'content', text: issue.message };
}

function fromSeedNames(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('type' in value)) return value;
  const type = typeof value.type === 'string' ? formerType(value.type) : undefined;
  return type === undefined ? value : { ...value, type };
}

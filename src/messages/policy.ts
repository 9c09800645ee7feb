import { z } from 'zod';
import { fallbackVsize, MAX_FALLBACK_MEMBERS } from '../bitcoin/leaf-sizes.ts';
import type { Network } from '../bitcoin/network.ts';
import { xOnlyKey } from './fields.ts';

/** Blocks that an output has to lie at least before the operator alone can spend it: about a day. */
export const MIN_RECOVERY_DELAY = 144;

const keypath = z.strictObject({ type: z.literal('keypath') });
const recovery = {
  /** x-only key of the operator, which can spend alone after the delay. */
  recovery_key: xOnlyKey,
  /** Blocks that an output has to lie before (BIP-68 has 16 bits for it). */
  recovery_delay_blocks: z.int().min(MIN_RECOVERY_DELAY).max(0xffff),
};

/**
 * Who can spend from the beacon address. keypath: all members together, and nobody else ever. fallback: also all of them
 * but one; and after a delay the operator alone. How many `n - 1` are is known when the set is.
 */
export const termsPolicy = z.discriminatedUnion('type', [
  keypath,
  z.strictObject({ type: z.literal('fallback'), threshold: z.literal('n-1'), ...recovery }),
]);
export type TermsPolicy = z.infer<typeof termsPolicy>;

/** The policy of one set of members: as the terms have it, and the threshold in numbers. */
export const setPolicy = z.discriminatedUnion('type', [
  keypath,
  z.strictObject({
    type: z.literal('fallback'),
    threshold: z.int().min(2).max(MAX_FALLBACK_MEMBERS),
    ...recovery,
  }),
]);
export type SetPolicy = z.infer<typeof setPolicy>;

/** The policy that the terms make for so many members. */
export const policyFor = (policy: TermsPolicy, members: number): SetPolicy =>
  policy.type === 'keypath' ? policy : { ...policy, threshold: members - 1 };

/** Whether a set's policy is the one that the terms make for so many members. */
export function isPolicyFor(policy: SetPolicy, terms: TermsPolicy, members: number): boolean {
  const due = policyFor(terms, members);
  if (policy.type === 'keypath' || due.type === 'keypath') return policy.type === due.type;
  return (
    policy.threshold === due.threshold &&
    policy.recovery_key === due.recovery_key &&
    policy.recovery_delay_blocks === due.recovery_delay_blocks
  );
}

const BLOCK_SECONDS = 600;
/** Mutinynet's blocks come so often. */
const MUTINYNET_SECONDS = 30;

/** What of the terms bounds a fallback policy. */
export interface PolicyFrame {
  policy: TermsPolicy;
  btc_network: Network;
  cohort_size: { min: number; max: number };
  fee_cap: number;
  latency: { presence: number; nonce: number; signature: number };
}

/**
 * What forbids a fallback policy under these terms: the dotted field and why; null where nothing does. With two members
 * one would be enough; a recovery that is due while a round can still be open could cut it off; and what the cap does
 * not pay for is never relayed.
 */
export function policyProblem(frame: PolicyFrame): { field: string; text: string } | null {
  const { policy, btc_network, cohort_size, fee_cap, latency } = frame;
  if (policy.type === 'keypath') return null;
  if (cohort_size.min < 3)
    return { field: 'cohort_size.min', text: 'a fallback needs 3 members at least: of two, one alone could spend' };
  if (cohort_size.max > MAX_FALLBACK_MEMBERS)
    return {
      field: 'cohort_size.max',
      text: `a fallback is for ${MAX_FALLBACK_MEMBERS} members at most: every signature stands in its transaction`,
    };
  const round = latency.presence + latency.nonce + 2 * latency.signature;
  const seconds = btc_network === 'mutinynet' ? MUTINYNET_SECONDS : BLOCK_SECONDS;
  if (policy.recovery_delay_blocks * seconds <= round)
    return {
      field: 'policy.recovery_delay_blocks',
      text: `the recovery delay has to be longer than the longest round, which is ${Math.ceil(round / seconds)} blocks`,
    };
  const least = fallbackVsize(cohort_size.max, true);
  if (fee_cap < least)
    return {
      field: 'fee_cap',
      text: `a fallback of ${cohort_size.max} members has ${least} vB: the cap has to be ${least} sat at least, or no node relays it`,
    };
  return null;
}

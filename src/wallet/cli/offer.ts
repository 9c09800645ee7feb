import type { Terms } from '../../messages/index.ts';
import type { Advert } from '../../nostr/advert.ts';
import { duration, ladderText, relativeTime, sats, thousands } from '../../operator/terminal.ts';

const YEAR = 31_557_600;
/** A sparse Merkle proof among a thousand leaves, in base64url, as a sidecar holds it. */
const PROOF_BYTES = 700;

/** What a year in a cohort leaves behind. */
export interface YearlyCost {
  /** Signals, if an update waits in every interval. */
  signals: number;
  /** Bytes of proofs that each DID has to keep, for ever. */
  proof_bytes: number;
  /** What miners get at most, every signal at the cap, in satoshis. */
  fees_sats: number;
}

/** The next signal waits until the last one is six blocks deep, in seconds. */
const SIX_BLOCKS = 3_600;

/** An estimate from the advert's interval: a busy beacon signals more often, up to once in six blocks, an idle one not at all. */
export function yearlyCost({ frequency, fee_cap }: Pick<Terms, 'frequency' | 'fee_cap'>): YearlyCost {
  const signals = Math.floor(YEAR / Math.max(SIX_BLOCKS, frequency.interval, frequency.min_interval));
  return { signals, proof_bytes: signals * PROOF_BYTES, fees_sats: signals * fee_cap };
}

/** What everybody has to know who puts a DID behind an n-of-n beacon. */
export const N_OF_N: readonly string[] = [
  'All members sign every signal: one member that is offline blocks all of them.',
  'One lost cohort key freezes the beacon for good: nothing can be announced there ever again, and nobody can help.',
  'So keep a beacon under your own key in every DID document as well, and leave little money at the address.',
];

/** What a fallback policy means, for whoever is about to put DIDs behind it; nothing for other policies. */
export function fallbackWarnings({ policy }: Pick<Terms, 'policy'>): string[] {
  if (policy.type === 'keypath') return [];
  const delay = thousands(policy.recovery_delay_blocks);
  return [
    'Fallback: all members but one can sign a signal without the last. Together they can publish anything under the address, and with that destroy every DID behind it, yours too.',
    `And the operator alone can do that with any output that has lain at the address for ${delay} blocks, by its recovery key.`,
  ];
}

function policyText({ policy }: Pick<Terms, 'policy'>): string {
  if (policy.type === 'keypath') return 'keypath: only all members together can spend from the address';
  const delay = thousands(policy.recovery_delay_blocks);
  return `fallback: all members together, or all but one, or after ${delay} blocks the operator alone (${policy.recovery_key})`;
}

const FUNDER: Readonly<Record<Terms['funder'], string>> = {
  operator: 'the operator pays them',
  members: 'the members pay them, by sending to the beacon address',
  anyone: 'whoever sends to the beacon address pays them',
};

const ADMISSION: Readonly<Record<Terms['admission'], string>> = {
  open: 'anybody',
  allowlist: 'those whom the operator has listed',
  invite: 'those with an invitation code (--invite)',
};

const FLOW: Readonly<Record<Terms['flow'], string>> = {
  push: 'sent when there are any',
  pull: 'asked for before each signal, of every member',
};

const VIEW: Readonly<Record<Terms['privacy'], string>> = {
  none: 'in view of the aggregator, unless their hashes alone are sent (update --bare)',
  blinded: 'blinded: the aggregator sees neither DIDs nor updates',
};

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'];

/** 735000 → `735 kB`. */
function bytes(count: number): string {
  const unit = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, count)) / 3)));
  const amount = count / 1000 ** unit;
  return `${amount >= 100 || unit === 0 ? Math.round(amount) : amount.toFixed(1)} ${UNITS[unit]}`;
}

const range = (min: number, max: number): string => (min === max ? String(min) : `${min} to ${max}`);

/** The terms of an advert as labels and texts, for a person who is about to agree to them; `now` is in Unix seconds. */
export function offerRows({ terms, ...advert }: Advert, now: number): [string, string][] {
  const { frequency, latency, financials, dids, cohort_size } = terms;
  const year = yearlyCost(terms);
  const trigger =
    frequency.pending_updates === 1
      ? 'as soon as an update waits'
      : `once ${frequency.pending_updates} updates wait, or ${duration(frequency.interval)} after the last if any waits`;
  const notSooner =
    frequency.min_interval > 0 ? `; never sooner than ${duration(frequency.min_interval)} after the last` : '';
  return [
    ['advert', `${terms.id}, ${advert.status}; the offer ends ${relativeTime(advert.expires_at, now)}`],
    ['cohort', advert.cohort],
    ['aggregator', terms.aggregator_did],
    ['beacon', `${terms.type} on ${terms.btc_network}, ${range(cohort_size.min, cohort_size.max)} members`],
    ['admission', ADMISSION[terms.admission]],
    ['price', `${sats(financials.enrolment)} to join, ${sats(financials.per_announcement)} for each announcement`],
    ...(financials.text === undefined ? [] : [['', financials.text] satisfies [string, string]]),
    ['fees', `at most ${sats(terms.fee_cap)} a signal; ${FUNDER[terms.funder]}`],
    ...(terms.fee_ladder && terms.fee_ladder.steps > 1
      ? [['', ladderText(terms.fee_ladder)] satisfies [string, string]]
      : []),
    ['signals', `${trigger}${notSooner}`],
    [
      'deadlines',
      `${duration(latency.cohort_set)} to confirm the cohort; in each round ${duration(latency.presence)} to be there, ` +
        `${duration(latency.nonce)} to check, ${duration(latency.signature)} to sign`,
    ],
    ['policy', policyText(terms)],
    ['DIDs', `${range(dids.min, dids.max)} a member${terms.unproven_dids ? ', taken without proof of control' : ''}`],
    ['updates', `${FLOW[terms.flow]}; ${VIEW[terms.privacy]}`],
    ...(terms.bit_order === 'lsb'
      ? [['bit order', 'lsb, as in older software: resolve with --bit-order lsb'] satisfies [string, string]]
      : []),
    ['messages', terms.communication.join(', ')],
    ...(terms.pow_bits === undefined
      ? []
      : [
          [
            'to join',
            `takes a proof of work of ${terms.pow_bits} bits: seconds, in which the program is busy`,
          ] satisfies [string, string],
        ]),
    [
      'a year',
      `about ${thousands(year.signals)} signals, so ${bytes(year.proof_bytes)} of proofs for each DID, to be kept for ever; ` +
        `fees of at most ${sats(year.fees_sats)}`,
    ],
  ];
}

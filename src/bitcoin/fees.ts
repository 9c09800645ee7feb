import { BitcoinFormatError } from './errors.ts';
import { MAX_MONEY_SATS } from './transaction.ts';

/** Smallest P2TR output that nodes relay (Bitcoin Core's dust limit at 3 sat/vB), in satoshis. */
export const DUST_SATS = 330;
/** Least fee rate that nodes relay, and least step between a transaction and its replacement (BIP-125), in sat/vB. */
export const MIN_RATE = 1;

const VSIZE = { withChange: 154, withoutChange: 111 };

/** Virtual bytes of a signed signal: one key-path input, OP_RETURN of 32 bytes, and change or none. */
export const signalVsize = (withChange: boolean): number => (withChange ? VSIZE.withChange : VSIZE.withoutChange);

const isSats = (value: number): boolean => Number.isSafeInteger(value) && value >= 0 && value <= MAX_MONEY_SATS;

/**
 * Splits what an outpoint holds into fee and change (all satoshis): change under dust goes to the fee, so the fee can
 * come out higher than asked for. Throws BitcoinFormatError for a fee that is no amount, or above the value.
 */
export function splitChange({ valueSats, feeSats }: { valueSats: number; feeSats: number }): {
  feeSats: number;
  changeSats: number;
} {
  if (!isSats(valueSats) || !isSats(feeSats)) throw new BitcoinFormatError('fee', 'expected satoshis');
  if (feeSats > valueSats) throw new BitcoinFormatError('fee', 'it is higher than the value of the outpoint');
  const change = valueSats - feeSats;
  return change < DUST_SATS ? { feeSats: valueSats, changeSats: 0 } : { feeSats, changeSats: change };
}

/** Whether a transaction pays more than the cap that the advert promised; both in satoshis a signal. */
export const isOverCap = (feeSats: number, capSats: number): boolean => !(feeSats <= capSats);

export interface ChosenFee {
  feeSats: number;
  /** What `feeSats` comes to, in sat/vB. */
  rate: number;
  /** Why it is not simply the estimate; for the operator. */
  note?: string;
}

/**
 * The fee of a signal from an estimate (sat/vB, from a source that nobody vouches for), between 1 sat/vB and the
 * advert's cap (satoshis a signal). An estimate that is no finite number above 0 counts as 1 sat/vB. Where the cap is
 * under 1 sat/vB the cap holds, since no member signs more. Whatever was not taken as it came is told in `note`. Throws
 * BitcoinFormatError for a cap or size (vB) that is not a positive integer.
 */
export function chooseFee({
  estimate,
  capSats,
  vsize,
}: {
  estimate: unknown;
  capSats: number;
  vsize: number;
}): ChosenFee {
  if (!isSats(capSats) || capSats === 0) throw new BitcoinFormatError('cap', 'expected satoshis');
  if (!isSats(vsize) || vsize === 0) throw new BitcoinFormatError('vsize', 'expected virtual bytes');
  const minimum = Math.ceil(MIN_RATE * vsize);
  const of = (feeSats: number, note?: string): ChosenFee => ({
    feeSats,
    rate: feeSats / vsize,
    ...(note === undefined ? {} : { note }),
  });

  if (capSats < minimum)
    return of(capSats, `the cap of ${capSats} sat is under ${MIN_RATE} sat/vB: it may not be relayed`);
  if (typeof estimate !== 'number' || !Number.isFinite(estimate) || estimate <= 0)
    return of(minimum, `the fee source gave no usable estimate: ${MIN_RATE} sat/vB instead`);
  const wanted = Math.ceil(estimate * vsize);
  if (wanted < minimum) return of(minimum, `the estimate of ${estimate} sat/vB is raised to ${MIN_RATE} sat/vB`);
  if (wanted > capSats) return of(capSats, `the estimate of ${estimate} sat/vB is cut to the cap of ${capSats} sat`);
  return of(wanted);
}

/**
 * The fees (satoshis) of the transactions that one ceremony signs, as the terms have them: the first alone, or a ladder
 * from it (`feeLadder`) for signals of so many virtual bytes, by default those with change by the key path. Member and aggregator compute the same. Throws as `feeLadder`.
 */
export const agreedFees = (
  { fee_cap, fee_ladder }: { fee_cap: number; fee_ladder?: { steps: number; factor: number } | undefined },
  base: number,
  vsize = signalVsize(true),
): number[] =>
  fee_ladder
    ? feeLadder({
        base,
        factor: fee_ladder.factor,
        count: fee_ladder.steps,
        capSats: fee_cap,
        vsize,
      })
    : [base];

/**
 * The fees (satoshis) of a ladder of replacements: from `base`, each `factor` times the one before and at least 1 sat/vB
 * of its size (vB) above it, so that every node takes the replacement (BIP-125, rules 3 and 4); at most `count`, none
 * above the cap, strictly rising. The last step is the cap itself where one more step would pass it. At least one
 * step; a base above the cap becomes the cap. Throws BitcoinFormatError for inputs out of range.
 */
export function feeLadder({
  base,
  factor,
  count,
  capSats,
  vsize,
}: {
  base: number;
  factor: number;
  count: number;
  capSats: number;
  vsize: number;
}): number[] {
  if (!isSats(base) || base === 0 || !isSats(capSats) || capSats === 0)
    throw new BitcoinFormatError('ladder', 'base and cap have to be satoshis above 0');
  if (!isSats(vsize) || vsize === 0) throw new BitcoinFormatError('vsize', 'expected virtual bytes');
  if (!Number.isSafeInteger(count) || count < 1) throw new BitcoinFormatError('ladder', 'count has to be at least 1');
  if (!Number.isFinite(factor) || factor < 1) throw new BitcoinFormatError('ladder', 'factor has to be at least 1');

  const increment = Math.ceil(MIN_RATE * vsize);
  const steps = [Math.min(base, capSats)];
  while (steps.length < count) {
    const last = steps.at(-1)!;
    if (last + increment > capSats) break;
    steps.push(Math.min(Math.max(Math.ceil(last * factor), last + increment), capSats));
  }
  return steps;
}

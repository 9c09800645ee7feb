import { BitcoinFormatError } from './errors.ts';
import { DUST_SATS } from './fees.ts';

/** How many more signals an outpoint pays for. */
export interface Runway {
  /** If every signal costs the whole cap. */
  atCap: number;
  /** If every signal costs the estimate. */
  atEstimate: number;
}

/** Rounds open while the outpoint covers the cap and change above dust; each leaves its fee less. */
const rounds = (valueSats: number, capSats: number, feeSats: number): number =>
  valueSats >= capSats + DUST_SATS ? Math.floor((valueSats - capSats - DUST_SATS) / feeSats) + 1 : 0;

/**
 * How many signals `valueSats` pays for, one after the other on their own change, at the advert's cap and at an
 * estimated fee (all satoshis a signal). An estimate over the cap counts as the cap, one under 1 as 1. Throws
 * BitcoinFormatError for a cap that is not a positive integer.
 */
export function runway(valueSats: number, capSats: number, estimateFee: number): Runway {
  if (!Number.isSafeInteger(capSats) || capSats < 1) throw new BitcoinFormatError('cap', 'expected satoshis');
  const expected = Number.isFinite(estimateFee) ? Math.min(Math.max(estimateFee, 1), capSats) : capSats;
  return { atCap: rounds(valueSats, capSats, capSats), atEstimate: rounds(valueSats, capSats, expected) };
}

import { decodeDid, isOpaqueDid } from '../../did/index.ts';
import type { AdvertView, CohortView, DidView } from '../api.ts';
import { Refused } from './command.ts';

/** Shorter beginnings are more likely a slip than a name. */
const MIN_PREFIX = 4;
const METHOD = 'did:btcr2:';

/** The one that is meant: by a full name first, else by a unique beginning. Throws Refused `unknown` or `ambiguous`. */
function pick<T>(
  what: string,
  reference: string,
  known: readonly T[],
  keys: (item: T) => readonly (string | null)[],
): T {
  const named = known.filter(item => keys(item).includes(reference));
  const found =
    named.length > 0 || reference.length < MIN_PREFIX
      ? named
      : known.filter(item => keys(item).some(key => key?.startsWith(reference)));
  if (found.length === 1) return found[0]!;
  if (found.length === 0) throw new Refused('unknown', `there is no ${what} ${JSON.stringify(reference)}`);
  const spellings = found.map(item => keys(item).find(key => key !== null)).join(', ');
  throw new Refused('ambiguous', `${JSON.stringify(reference)} could be several: ${spellings}`);
}

/** An own DID by its name, by itself, or by a unique beginning with or without `did:btcr2:`. */
export const findDid = (reference: string, dids: readonly DidView[]): DidView =>
  pick('DID', reference, dids, ({ did, name }) => [
    did,
    name,
    did.startsWith(METHOD) ? did.slice(METHOD.length) : null,
  ]);

/** Whether the text is a whole DID, which needs no looking up. */
export function isWholeDid(text: string): boolean {
  if (isOpaqueDid(text)) return true;
  try {
    decodeDid(text);
    return true;
  } catch {
    return false;
  }
}

/** An own cohort by its id, by the id of its advert, or by a unique beginning of either. */
export const findCohort = (reference: string, cohorts: readonly CohortView[]): CohortView =>
  pick('cohort', reference, cohorts, ({ cohort, advert_id }) => [cohort, advert_id]);

/** An advert by the id of its cohort, by its own id or that of its event, or by a unique beginning of either. */
export const findAdvert = (reference: string, adverts: readonly AdvertView[]): AdvertView =>
  pick('advert', reference, adverts, ({ advert }) => [advert.cohort, advert.terms.id, advert.event.id]);

/** The only advert of a link or a file. Throws Refused `unknown` or `ambiguous`. */
export function onlyAdvert(adverts: readonly AdvertView[]): AdvertView {
  if (adverts.length === 1) return adverts[0]!;
  if (adverts.length === 0)
    throw new Refused(
      'unknown',
      "no advert found there for this wallet's network: none that verifies, or no relay has it",
    );
  throw new Refused(
    'ambiguous',
    `several adverts: name one with --file: ${adverts.map(({ advert }) => advert.terms.id).join(', ')}`,
  );
}

/** The only cohort that a command can mean where none was named. Throws Refused `which_cohort`, listing them. */
export function onlyCohort(cohorts: readonly CohortView[]): CohortView {
  if (cohorts.length === 1) return cohorts[0]!;
  const names = cohorts.map(({ advert_id, cohort }) => `${advert_id} (${cohort.slice(0, 12)})`).join(', ');
  throw new Refused(
    'which_cohort',
    cohorts.length === 0 ? 'this wallet is in no cohort that stands' : `name one with --cohort: ${names}`,
  );
}

import { aggregateOf, type CohortState } from '../cohort/index.ts';
import type { Publication } from '../content/index.ts';
import { utf8 } from '../crypto/index.ts';
import { jcs } from '../did/index.ts';

/** The name under which a map's publication is noted. */
export const mapKey = (signalBytes: string): string => `published:${signalBytes}`;

/**
 * The announcement maps that may be published: of CAS beacons, when their signal is final. A map names DIDs, for everybody
 * and for good; before its signal is buried it may never be announced at all, and no resolver asks for it sooner.
 */
export function publishableMaps(states: readonly CohortState[]): Publication[] {
  return states.flatMap(({ advert: { terms }, phase }) => {
    if (terms.type !== 'CASBeacon' || phase.name !== 'formed') return [];
    const { beacon } = phase;
    return beacon.signals
      .filter(({ seen }) => seen.status === 'final')
      .map(({ frozen }) => ({
        key: mapKey(frozen.signal_bytes),
        bytes() {
          const evidence = aggregateOf(terms, beacon, frozen).evidenceFor([]);
          if (!('map' in evidence)) throw new Error('a CAS beacon without a map');
          return utf8(jcs(evidence.map));
        },
      }));
  });
}

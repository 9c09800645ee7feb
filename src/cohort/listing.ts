import { beaconAddresses, type DidDocument } from '../did/index.ts';
import type { Beacon, Registration } from './state.ts';
import { utc } from './utc.ts';

const addresses = new WeakMap<DidDocument, readonly string[]>();

/** Whether a document lists a beacon address. Documents never change, and every message asks of all of them. */
export function listsBeacon(document: DidDocument, address: string): boolean {
  const known = addresses.get(document) ?? beaconAddresses(document);
  addresses.set(document, known);
  return known.includes(address);
}

/**
 * Registrations whose DID lists the beacon in the newest document that is known here. Of a DID whose document is not known,
 * as in a blinded tree, only its controller can say, and it is not among them.
 */
export function listingDids(beacon: Beacon): Registration[] {
  return [...beacon.registry.values()].filter(
    ({ known, deactivated }) => known !== null && !deactivated && listsBeacon(known.document, beacon.address),
  );
}

/** Those that the last signal waits for: whoever leaves, or is gone, has ways of its own. */
export const awaitedDids = (beacon: Beacon): Registration[] =>
  listingDids(beacon).filter(({ member }) => !beacon.departures.has(member));

/** Why nothing can be signed for a beacon any more; null while it can. */
export function nobodySigns({ departures, keys_deleted }: Pick<Beacon, 'departures' | 'keys_deleted'>): string | null {
  if (keys_deleted.size > 0) return 'members have deleted their cohort keys';
  return [...departures.values()].includes('gone') ? 'a member is gone: nothing can be signed' : null;
}

/** Why a cohort that ends, or has lost a member, opens no round; null when it may. */
export function endBlocker(beacon: Beacon, now: number): string | null {
  const { succession } = beacon;
  const over = nobodySigns(beacon);
  if (over !== null || !succession || now >= succession.deadline || beacon.round_requested) return over;
  const missing = awaitedDids(beacon).filter(({ did }) => !beacon.ready.has(did)).length;
  if (missing === 0) return null;
  return `the last signal waits until ${utc(succession.deadline)} for updates of ${missing === 1 ? 'one DID' : `${missing} DIDs`}`;
}

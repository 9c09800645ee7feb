import {
  absoluteUrl,
  type BeaconType,
  beaconAddresses,
  beaconService,
  type DidDocument,
  type Patch,
} from '../did/index.ts';

/**
 * The JSON Patch (RFC 6902) that takes every service with a beacon address out of a document, and puts another beacon in
 * unless it is there already; null where no beacon would be left, since such a DID could never change again.
 */
export function beaconPatch(
  document: DidDocument,
  address: string,
  add: { type: BeaconType; address: string } | null,
): Patch | null {
  const services = document.service ?? [];
  const isOld = services.map(service => beaconAddresses({ ...document, service: [service] }).includes(address));
  const kept = { ...document, service: services.filter((_, i) => !isOld[i]) };
  const isThere = add === null || beaconAddresses(kept).includes(add.address);
  if (isThere && beaconAddresses(kept).length === 0) return null;
  const removals = isOld.flatMap((old, i) => (old ? [{ op: 'remove' as const, path: `/service/${i}` }] : [])).reverse();
  if (isThere) return removals;
  const service = beaconService(freeId(document), add.type, add.address);
  return [...removals, { op: 'add', path: '/service/-', value: service }];
}

/** The first of `#beacon`, `#beacon-2`… that no service has: an id keeps its meaning over all versions of a document. */
function freeId({ id, service = [] }: DidDocument): string {
  const taken = new Set(service.flatMap(each => (each.id === undefined ? [] : [absoluteUrl(each.id, id)])));
  for (let n = 2, name = '#beacon'; ; name = `#beacon-${n++}`) if (!taken.has(absoluteUrl(name, id))) return name;
}

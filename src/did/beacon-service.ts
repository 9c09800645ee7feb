import { absoluteUrl, type DidDocument, type Service } from './document.ts';

export const BEACON_TYPES = ['SingletonBeacon', 'SMTBeacon', 'CASBeacon'] as const;
export type BeaconType = (typeof BEACON_TYPES)[number];

/** What the beacon types were called before, in documents and in adverts. */
const FORMER_TYPES: Readonly<Record<string, BeaconType>> = {
  SMTAggregatorBeacon: 'SMTBeacon',
  CIDAggregatorBeacon: 'CASBeacon',
};

/** A beacon that a document lists. `id` is absolute, or empty where the service has none. */
export interface BeaconService {
  id: string;
  type: BeaconType;
  address: string;
}

/** A service that lists a beacon address, as a document carries it. */
export const beaconService = (id: string, type: BeaconType, address: string) => ({
  id,
  type,
  serviceEndpoint: `bitcoin:${address}`,
});

/**
 * The beacons that a document lists, in its order; services of other types and endpoints that are no `bitcoin:` URI are
 * left out. `legacy` reads the former names of the types too.
 */
export function beaconServices(document: DidDocument, { legacy = false } = {}): BeaconService[] {
  return (document.service ?? []).flatMap(service => {
    const names = [service.type].flat().map(name => (legacy && formerType(name)) || name);
    const type = BEACON_TYPES.find(known => names.includes(known));
    const address = addressOf(service.serviceEndpoint);
    if (type === undefined || address === null) return [];
    return [{ id: service.id === undefined ? '' : absoluteUrl(service.id, document.id), type, address }];
  });
}

/** The addresses of those beacons. A document may write one in capitals (BIP-173), and it is the same address. */
export const beaconAddresses = (document: DidDocument): string[] =>
  beaconServices(document).map(({ address }) => (/^(?:bc|tb|bcrt)1/i.test(address) ? address.toLowerCase() : address));

/** The type that a former name stands for; undefined for any other text. */
export const formerType = (name: string): BeaconType | undefined =>
  Object.hasOwn(FORMER_TYPES, name) ? FORMER_TYPES[name] : undefined;

function addressOf(endpoint: Service['serviceEndpoint']): string | null {
  if (typeof endpoint !== 'string') return null;
  // BIP-321: the scheme is case-insensitive and parameters may follow the address.
  return /^bitcoin:([A-Za-z0-9]+)(?:\?\S*)?$/i.exec(endpoint)?.[1] ?? null;
}

import { confirmations, MIN_CONFIRMATIONS } from '../bitcoin/index.ts';
import type { Decision, Env } from './inputs.ts';
import { beaconOf, type UpdateState, type WalletDid, type WalletState, type WalletUpdate } from './state.ts';

/** A session that announces it may appear without this wallet's doing: no other update of its version may ever be signed. */
export const isCommitted = (state: UpdateState): boolean =>
  state === 'locked' || state === 'broadcast' || state === 'final' || state === 'returned';

/** Every beacon address that this wallet could have signed for: of its cohorts, and that its DIDs name. */
export function signableAddresses(state: WalletState): string[] {
  const addresses = new Set<string>();
  for (const membership of state.cohorts.values()) {
    const beacon = beaconOf(membership);
    if (beacon) addresses.add(beacon.beacon_address);
  }
  for (const { named } of state.dids.values()) for (const address of named) addresses.add(address);
  return [...addresses];
}

/**
 * Why an update must not be signed for by a wallet that was put back from a copy; null if it may. After the copy was made
 * the wallet may have signed another update of this version, and does not know it. What the copy shows as signed for is
 * out of doubt: nothing else of its version can have been signed since.
 */
export function doubtAbout(
  state: WalletState,
  own: WalletDid,
  update: Pick<WalletUpdate, 'version' | 'announcement'>,
): string | null {
  const { doubt } = state;
  if (doubt === null || own.created_at > doubt.since) return null;
  const known = own.updates.find(({ announcement }) => announcement === update.announcement);
  if (known && isCommitted(known.state)) return null;
  const address = addressesOf(state, own).find(each => doubt.addresses.has(each));
  if (address === undefined) return null;
  return (
    `this wallet was put back from a copy, and may have signed another update of version ${update.version} of ${own.did} ` +
    `since: that is settled when all that ${address} held by then is spent, six blocks deep`
  );
}

function addressesOf(state: WalletState, own: WalletDid): string[] {
  const addresses = [...own.named];
  for (const membership of state.cohorts.values()) {
    const beacon = beaconOf(membership);
    if (beacon?.registrations.has(own.did)) addresses.push(beacon.beacon_address);
  }
  return addresses;
}

/**
 * What the chain says of an address in doubt. A signature that the copy does not know of can be for outputs only that
 * were there when the copy was put back; once every one of them is spent, six deep, the chain shows whatever came of it.
 * An output of a controller's own beacon is nobody else's to spend: there only what is on its way counts.
 */
export function decideDoubt(state: WalletState, address: string, { chain }: Env): Decision {
  const height = state.doubt?.addresses.get(address);
  if (!chain || height === undefined) return { events: [], effects: [] };
  if (height === null) return { events: [{ type: 'doubt_dated', address, height: chain.tip.height }], effects: [] };
  const isShared = [...state.cohorts.values()].some(m => beaconOf(m)?.beacon_address === address);
  const isHeld = chain.utxos.some(utxo => isShared && utxo.height !== null && utxo.height <= height);
  const isOnItsWay = chain.history.some(
    tx => tx.spends && confirmations(tx.height, chain.tip.height) < MIN_CONFIRMATIONS,
  );
  return isHeld || isOnItsWay
    ? { events: [], effects: [] }
    : { events: [{ type: 'doubt_settled', address, by: 'chain' }], effects: [] };
}

/** The owner says that nothing was signed after the copy was made: what only a person can know. */
export const trustCopy = (state: WalletState): Decision => ({
  events: [...(state.doubt?.addresses.keys() ?? [])].map(address => ({
    type: 'doubt_settled',
    address,
    by: 'owner',
  })),
  effects: [],
});

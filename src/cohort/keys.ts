import { curve } from '#curve';
import { beaconOutput, createMusig, type KeySet } from '../bitcoin/index.ts';
import type { Network } from '../bitcoin/network.ts';
import { fromHex, toHex } from '../crypto/index.ts';

export const musig = createMusig(curve);

const cache = new WeakMap<readonly string[], KeySet>();

/** The aggregated key of a cohort. Computed once per array of keys: at 1,000 members it costs a quarter of a second. */
export function keySetOf(participantPubkeys: readonly string[]): KeySet {
  const known = cache.get(participantPubkeys);
  if (known) return known;
  const keySet = musig.keySet(participantPubkeys.map(key => fromHex(key, 33)));
  cache.set(participantPubkeys, keySet);
  return keySet;
}

/** Sorted keys, address and output script of a cohort. */
export function beaconOf(participantPubkeys: readonly string[], network: Network) {
  const keySet = keySetOf(participantPubkeys);
  const { address, scriptHex } = beaconOutput(keySet, network);
  return { participant_pubkeys: keySet.publicKeys.map(toHex), beacon_address: address, script_hex: scriptHex };
}

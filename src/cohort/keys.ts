import { curve } from '#curve';
import { beaconOutput, createMusig, type KeySet } from '../bitcoin/index.ts';
import type { Network } from '../bitcoin/network.ts';
import { fromHex, sha256, toHex, utf8 } from '../crypto/index.ts';

export const musig = createMusig(curve);

const byArray = new WeakMap<readonly string[], KeySet>();

/** Key sets that were used last, by a hash of their sorted keys: messages and restarts bring the same keys in new arrays. */
const byKeys = new Map<string, KeySet>();
const KEPT = 32;

/**
 * The aggregated key of a cohort, of its keys in any order. Computed once a cohort: at 1,000 members it costs a quarter
 * of a second. Throws as `makeKeySet` does.
 */
export function keySetOf(participantPubkeys: readonly string[]): KeySet {
  const known = byArray.get(participantPubkeys);
  if (known) return known;
  const name = toHex(sha256(utf8(participantPubkeys.toSorted().join())));
  const keySet = byKeys.get(name) ?? musig.keySet(participantPubkeys.map(key => fromHex(key, 33)));
  byArray.set(participantPubkeys, keySet);
  byKeys.delete(name);
  byKeys.set(name, keySet);
  if (byKeys.size > KEPT) byKeys.delete(byKeys.keys().next().value!);
  return keySet;
}

/** Sorted keys, address and output script of a cohort. */
export function beaconOf(participantPubkeys: readonly string[], network: Network) {
  const keySet = keySetOf(participantPubkeys);
  const { address, scriptHex } = beaconOutput(keySet, network);
  return { participant_pubkeys: keySet.publicKeys.map(toHex), beacon_address: address, script_hex: scriptHex };
}

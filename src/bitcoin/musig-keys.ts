import { type KeyGenContext, type MuSig, MuSigFactory } from '@brandonblack/musig';
import { type Bytes, type Curve, compareBytes, toHex } from '../crypto/index.ts';
import { InvalidContributionError, MusigError } from './errors.ts';
import { rememberKeySums } from './musig-memo.ts';
import { tapTweak } from './taproot.ts';

/** The keys of a cohort and what they aggregate to (BIP-327 over sorted keys, then the BIP-341 tweak). */
export interface KeySet {
  /** 33-byte compressed keys, sorted as BIP-327 KeySort does. Copies: changing them changes nothing that is signed. */
  readonly publicKeys: readonly Bytes[];
  /** 32-byte x-only aggregate, before the tweak. */
  readonly internalKey: Bytes;
  /** 32-byte x-only key of the P2TR output, which the final signature is valid for. */
  readonly outputKey: Bytes;
  /** 32-byte BIP-341 tweak. */
  readonly tweak: Bytes;
  /** 32-byte root of the script tree; absent where nothing but all keys together can spend. */
  readonly merkleRoot?: Bytes;
}

/**
 * What the guard itself works with. The library keys its caches by the identity of the key array, so a changed array
 * would give a stale aggregate: these copies never leave the guard.
 */
export interface GuardedKeys {
  readonly lib: MuSig;
  readonly keys: Bytes[];
  readonly positions: ReadonlyMap<string, number>;
  readonly tweak: Bytes;
  readonly outputKey: Bytes;
}

const guardedKeys = new WeakMap<KeySet, GuardedKeys>();

/** The guarded half of a key set. Throws MusigError for an object that `makeKeySet` did not make. */
export function guarded(keySet: KeySet): GuardedKeys {
  const found = guardedKeys.get(keySet);
  if (found === undefined) throw new MusigError('unknown_key_set', 'key sets are made by keySet() only');
  return found;
}

/** The guard's own copy of a member's key, or undefined for a stranger's. */
export function memberKey(keys: GuardedKeys, publicKey: Bytes): Bytes | undefined {
  const position = keys.positions.get(toHex(publicKey));
  return position === undefined ? undefined : keys.keys[position];
}

function checkKeys(curve: Curve, publicKeys: readonly Bytes[]): void {
  if (publicKeys.length < 2) throw new MusigError('too_few_keys', 'a key set has at least two keys');
  const firstAt = new Map<string, number>();
  publicKeys.forEach((key, position) => {
    if (!curve.isCompressedPoint(key))
      throw new InvalidContributionError(position, 'pubkey', 'not a compressed point on the curve in 33 bytes');
    const earlier = firstAt.get(toHex(key));
    if (earlier !== undefined)
      throw new InvalidContributionError(position, 'pubkey', `the same key as that of signer ${earlier}`);
    firstAt.set(toHex(key), position);
  });
}

/**
 * Sorts and aggregates 33-byte compressed keys, given in any order, and tweaks the result for a P2TR output: for its
 * key path alone, or with the 32-byte `merkleRoot` of a script tree (BIP-327 KeySort and KeyAgg, BIP-341).
 * Throws InvalidContributionError with the position (in the order given) of a key that is off the curve or a
 * duplicate, MusigError for fewer than two keys.
 */
export function makeKeySet(curve: Curve, publicKeys: readonly Bytes[], merkleRoot?: Bytes): KeySet {
  checkKeys(curve, publicKeys);
  const keys = publicKeys.map(key => Uint8Array.from(key)).sort(compareBytes);
  const lib = MuSigFactory(rememberKeySums(curve, keys));
  const aggregate = lib.keyAgg(keys);
  const internalKey = lib.getXOnlyPubkey(aggregate);
  const tweak = tapTweak(internalKey, merkleRoot);
  const outputKey = lib.getXOnlyPubkey(tweaked(curve, lib, aggregate, tweak));

  const keySet: KeySet = Object.freeze({
    publicKeys: Object.freeze(keys.map(key => Uint8Array.from(key))),
    internalKey,
    outputKey,
    tweak,
    ...(merkleRoot === undefined ? {} : { merkleRoot: Uint8Array.from(merkleRoot) }),
  });
  guardedKeys.set(keySet, {
    lib,
    keys,
    positions: new Map(keys.map((key, position) => [toHex(key), position])),
    tweak: Uint8Array.from(tweak),
    outputKey: Uint8Array.from(outputKey),
  });
  return keySet;
}

function tweaked(curve: Curve, lib: MuSig, aggregate: KeyGenContext, tweak: Bytes): KeyGenContext {
  if (!curve.isScalar(tweak)) throw new MusigError('bad_tweak', 'the tweak is not below the group order');
  return lib.addTweaks(aggregate, { tweak, xOnly: true });
}

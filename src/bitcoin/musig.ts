import type { Bytes, Curve } from '../crypto/index.ts';
import { type KeySet, makeKeySet } from './musig-keys.ts';
import { drawNonce, type NonceRequest, type SecretNonce } from './musig-nonce.ts';
import { aggregateNonces } from './musig-nonce-agg.ts';
import { openSession, type SigningSession } from './musig-session.ts';

export type { KeySet } from './musig-keys.ts';
export type { NonceRequest, SecretNonce } from './musig-nonce.ts';
export type { SigningSession } from './musig-session.ts';

/** MuSig2 (BIP-327) for beacons: sorted keys, a P2TR output, one-use nonces, blame by number. */
export interface Musig {
  /** See `makeKeySet`: 33-byte keys in any order to the cohort's key set; refuses bad keys and duplicates by position. */
  keySet(publicKeys: readonly Bytes[], options?: { merkleRoot?: Bytes }): KeySet;
  /** See `aggregateNonces`: 66-byte public nonces to the aggregated one; refuses a bad one by position. */
  nonceAgg(publicNonces: readonly Bytes[]): Bytes;
  /** See `drawNonce`: a secret nonce that signs once. */
  newNonce(request: NonceRequest): SecretNonce;
  /** See `openSession`: what partial signatures are made, verified and aggregated in. */
  session(about: { keySet: KeySet; aggNonce: Bytes; message: Bytes }): SigningSession;
}

/**
 * MuSig2 over an injected curve: a guard around @brandonblack/musig, whose nonce aggregation is wrong, whose errors
 * name nobody, and whose nonces can be armed again. Make one a process: it remembers which nonces have signed.
 */
export function createMusig(curve: Curve): Musig {
  const signedUnder = new Set<string>();
  return Object.freeze({
    keySet: (publicKeys: readonly Bytes[], options: { merkleRoot?: Bytes } = {}) =>
      makeKeySet(curve, publicKeys, options.merkleRoot),
    nonceAgg: (publicNonces: readonly Bytes[]) => aggregateNonces(curve, publicNonces),
    newNonce: (request: NonceRequest) => drawNonce(curve, signedUnder, request),
    session: (about: { keySet: KeySet; aggNonce: Bytes; message: Bytes }) => openSession(curve, about),
  });
}

import type { SessionKey } from '@brandonblack/musig';
import { type Bytes, type Curve, equalBytes } from '../crypto/index.ts';
import { InvalidContributionError, MusigError } from './errors.ts';
import { type GuardedKeys, guarded, type KeySet, memberKey } from './musig-keys.ts';
import { isAggregatedNonce, isPublicNonce } from './musig-nonce-agg.ts';

const SCALAR_LENGTH = 32;
export const MESSAGE_LENGTH = 32;

/** One message, one aggregated nonce, one key set: what partial signatures are made and checked against. */
export interface SigningSession {
  /**
   * Whether `sig` (32 bytes) is the partial signature of the member with `publicKey` (33 bytes) under its
   * `publicNonce` (66 bytes) (BIP-327 PartialSigVerify). False, never a throw, for s ≥ n, zero, other lengths,
   * non-points and strangers' keys: all of these arrive from peers.
   */
  verifyPartial(contribution: { publicKey: Bytes; publicNonce: Bytes; sig: Bytes }): boolean;
  /**
   * The BIP-340 signature (64 bytes) for the output key from one partial signature (32 bytes) of each member, in the
   * order of `keySet.publicKeys` (BIP-327 PartialSigAgg). It is verified before it is returned. Throws
   * InvalidContributionError for a partial signature that is no scalar below n, MusigError `partials_missing` for
   * another number of them and `signature_invalid` where one of them was not valid: `verifyPartial` tells whose.
   */
  aggregate(partials: readonly Bytes[]): Bytes;
}

export interface GuardedSession {
  readonly keys: GuardedKeys;
  readonly sessionKey: SessionKey;
  readonly message: Bytes;
  readonly aggNonce: Bytes;
}

const guardedSessions = new WeakMap<SigningSession, GuardedSession>();

/** The guarded half of a session. Throws MusigError for an object that `openSession` did not make. */
export function guardedSession(session: SigningSession): GuardedSession {
  const found = guardedSessions.get(session);
  if (found === undefined) throw new MusigError('unknown_session', 'sessions are made by session() only');
  return found;
}

/**
 * Opens a session for a 32-byte message (a sighash) under an aggregated nonce of 66 bytes; what depends on the keys
 * alone was computed with the key set. Throws InvalidContributionError (kind `aggnonce`, no signer) for bytes that
 * encode no aggregated nonce: the library would take them for infinity and go on.
 */
export function openSession(
  curve: Curve,
  { keySet, aggNonce, message }: { keySet: KeySet; aggNonce: Bytes; message: Bytes },
): SigningSession {
  const keys = guarded(keySet);
  if (message.length !== MESSAGE_LENGTH) throw new MusigError('bad_length', 'the message has to be a 32-byte hash');
  if (!isAggregatedNonce(curve, aggNonce))
    throw new InvalidContributionError(null, 'aggnonce', 'not two compressed points or infinities in 66 bytes');
  const own = { message: Uint8Array.from(message), aggNonce: Uint8Array.from(aggNonce) };
  const sessionKey = keys.lib.startSigningSession(own.aggNonce, own.message, keys.keys, {
    tweak: keys.tweak,
    xOnly: true,
  });

  const session: SigningSession = Object.freeze({
    verifyPartial: ({ publicKey, publicNonce, sig }) => {
      const member = memberKey(keys, publicKey);
      // isSecret: from 1 to n − 1. The library throws on zero and above, where false is due.
      if (member === undefined || !curve.isSecret(sig) || !isPublicNonce(curve, publicNonce)) return false;
      try {
        return keys.lib.partialVerify({ sig, publicKey: member, publicNonce, sessionKey });
      } catch {
        // Halves chosen to cancel under the nonce coefficient: the library calls that a fault, it is a bad nonce.
        return false;
      }
    },
    aggregate: partials => {
      if (partials.length !== keys.keys.length)
        throw new MusigError('partials_missing', `expected ${keys.keys.length} partial signatures`);
      partials.forEach((sig, signer) => {
        if (sig.length !== SCALAR_LENGTH || !curve.isScalar(sig))
          throw new InvalidContributionError(signer, 'psig', 'not a scalar below the group order in 32 bytes');
      });
      const signature = keys.lib.signAgg([...partials], sessionKey);
      if (!curve.verifySchnorr(own.message, keys.outputKey, signature))
        throw new MusigError('signature_invalid', 'the aggregate is not a valid signature for the output key');
      return signature;
    },
  } satisfies SigningSession);
  guardedSessions.set(session, { keys, sessionKey, ...own });
  return session;
}

/** Whether two key sets sign for the same output with the same keys. */
export const sameKeys = (a: GuardedKeys, b: GuardedKeys): boolean =>
  a === b ||
  (equalBytes(a.outputKey, b.outputKey) &&
    a.keys.length === b.keys.length &&
    a.keys.every((key, i) => equalBytes(key, b.keys[i]!)));

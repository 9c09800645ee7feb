import { type Bytes, type Curve, equalBytes, toHex } from '../crypto/index.ts';
import { MusigError } from './errors.ts';
import { guarded, type KeySet, memberKey } from './musig-keys.ts';
import { guardedSession, MESSAGE_LENGTH, type SigningSession, sameKeys } from './musig-session.ts';

/** A secret nonce that signs once. Its secret half is nowhere to be read, stored or copied. */
export interface SecretNonce {
  /** 66 bytes, to be sent to the aggregator. */
  readonly publicNonce: Bytes;
  /**
   * The 32-byte partial signature of `secretKey` (32 bytes) in a session (BIP-327 Sign), verified before it is
   * returned. The nonce is used up by the first call, also by one that throws. Throws MusigError: `nonce_used`,
   * `not_a_signer`, `bad_secret_key`, `other_session` (other keys, another tweak or message than it was made for).
   */
  sign(session: SigningSession, secretKey: Bytes): Bytes;
  /** Makes the nonce unusable; it can be called at any time, any number of times. */
  destroy(): void;
}

export interface NonceRequest {
  secretKey: Bytes;
  publicKey: Bytes;
  keySet: KeySet;
  /** 32 bytes, where the transaction is known already: then the nonce signs nothing else. */
  message?: Bytes;
  /** 32 fresh random bytes, never used before: the same bytes give the same nonce. */
  random32: Bytes;
}

function checkSecretKey(curve: Curve, secretKey: Bytes, publicKey: Bytes): void {
  if (!curve.isSecretKey(secretKey)) throw new MusigError('bad_secret_key', 'not a secp256k1 secret key');
  if (!equalBytes(curve.publicKey(secretKey), publicKey))
    throw new MusigError('not_a_signer', 'the secret key does not belong to this public key');
}

/**
 * Draws a nonce for a member of a key set (BIP-327 NonceGen). `signedUnder` remembers the public nonces that have
 * signed, so that a repeated `random32` (a broken generator, a virtual machine resumed twice) signs no second time:
 * two signatures under one nonce give the secret key away. Throws MusigError `bad_secret_key`, `not_a_signer`,
 * `bad_length`.
 */
export function drawNonce(curve: Curve, signedUnder: Set<string>, request: NonceRequest): SecretNonce {
  const keys = guarded(request.keySet);
  const member = memberKey(keys, request.publicKey);
  if (member === undefined) throw new MusigError('not_a_signer', 'the public key is not in the key set');
  checkSecretKey(curve, request.secretKey, member);
  if (request.random32.length !== 32 || request.random32.every(byte => byte === 0))
    throw new MusigError('bad_length', 'expected 32 random bytes');
  if (request.message !== undefined && request.message.length !== MESSAGE_LENGTH)
    throw new MusigError('bad_length', 'the message has to be a 32-byte hash');
  const message = request.message === undefined ? undefined : Uint8Array.from(request.message);

  // The library keeps the secret half under this very object. It stays in here, so nobody can arm it again.
  let armed: Bytes | undefined = keys.lib.nonceGen({
    sessionId: Uint8Array.from(request.random32),
    secretKey: request.secretKey,
    publicKey: member,
    xOnlyPublicKey: keys.outputKey,
    ...(message === undefined ? {} : { msg: message }),
  });
  const publicNonce = Uint8Array.from(armed);
  const fingerprint = toHex(armed);

  return Object.freeze({
    publicNonce,
    sign: (session: SigningSession, secretKey: Bytes): Bytes => {
      const nonce = armed;
      armed = undefined;
      if (nonce === undefined || signedUnder.has(fingerprint))
        throw new MusigError('nonce_used', 'a secret nonce signs once');
      const target = guardedSession(session);
      if (!sameKeys(target.keys, keys))
        throw new MusigError('other_session', 'the nonce was made for another key set or tweak');
      if (message !== undefined && !equalBytes(message, target.message))
        throw new MusigError('other_session', 'the nonce was made for another message');
      checkSecretKey(curve, secretKey, member);
      signedUnder.add(fingerprint);
      const sig = target.keys.lib.partialSign({
        secretKey,
        publicNonce: nonce,
        sessionKey: target.sessionKey,
        verify: false,
      });
      if (!session.verifyPartial({ publicKey: member, publicNonce: nonce, sig }))
        throw new MusigError('signature_invalid', 'the own partial signature does not verify');
      return sig;
    },
    destroy: () => {
      armed = undefined;
    },
  });
}

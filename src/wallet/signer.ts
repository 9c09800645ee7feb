import type { KeySet, SecretNonce } from '../bitcoin/index.ts';
import { keySetOf, musig, sessionOf } from '../cohort/keys.ts';
import { type Bytes, concatBytes, fromHex, toHex } from '../crypto/index.ts';
import type { TermsPolicy } from '../messages/index.ts';

type Pair = [string, string];

/**
 * The secret nonces of a running wallet. They exist in this memory only, each signs once, and there is no way to put
 * one in: a restart forgets them all, which is what keeps a restored backup from signing twice with one.
 */
export interface NonceJar {
  /** Draws fresh nonces for a session, one for each message (sighash). Throws if the session has some already. */
  draw(session: string, request: NonceRequest): Pair[];
  has(session: string): boolean;
  /** Signs every message once and forgets the nonces, whatever happens. Throws if there are none. */
  sign(session: string, request: SignRequest): string[];
  forget(session: string): void;
}

export interface NonceRequest {
  secretKey: Bytes;
  participant_pk: string;
  participant_pubkeys: readonly string[];
  /** Keypath if left out. */
  policy?: TermsPolicy;
  messages: readonly Bytes[];
  random: (length: number) => Bytes;
}

export interface SignRequest extends Omit<NonceRequest, 'random'> {
  agg_nonce: readonly Pair[];
}

export function createNonceJar(): NonceJar {
  const jar = new Map<string, SecretNonce[]>();
  const forget = (session: string): void => {
    for (const nonce of jar.get(session) ?? []) nonce.destroy();
    jar.delete(session);
  };
  return {
    has: session => jar.has(session),
    forget,
    draw(session, { secretKey, participant_pk, participant_pubkeys, policy, messages, random }) {
      if (jar.has(session)) throw new Error(`session ${session} has nonces already`);
      const keySet: KeySet = keySetOf(participant_pubkeys, policy);
      const publicKey = fromHex(participant_pk, 33);
      const nonces = messages.map(message =>
        musig.newNonce({ secretKey, publicKey, keySet, message, random32: random(32) }),
      );
      jar.set(session, nonces);
      return nonces.map(
        ({ publicNonce }): Pair => [toHex(publicNonce.subarray(0, 33)), toHex(publicNonce.subarray(33))],
      );
    },
    sign(session, { secretKey, participant_pubkeys, policy, messages, agg_nonce }) {
      const nonces = jar.get(session) ?? [];
      jar.delete(session);
      try {
        if (nonces.length === 0 || nonces.length !== messages.length || agg_nonce.length !== messages.length)
          throw new Error(`session ${session} has no nonces to sign with`);
        const keySet = keySetOf(participant_pubkeys, policy);
        return nonces.map((nonce, i) => {
          const [first, second] = agg_nonce[i]!;
          const aggNonce = concatBytes(fromHex(first, 33), fromHex(second, 33));
          return toHex(nonce.sign(sessionOf(keySet, aggNonce, messages[i]!), secretKey));
        });
      } finally {
        for (const nonce of nonces) nonce.destroy();
      }
    },
  };
}

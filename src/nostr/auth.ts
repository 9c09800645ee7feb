import type { Bytes } from '../crypto/index.ts';
import { type NostrEvent, signEvent } from './event.ts';

/**
 * Answers a relay's challenge: the kind 22242 events to authenticate with (several keys may share a connection), or
 * none to stay unknown. Authenticating links all keys of a connection in the relay's eyes.
 */
export type AuthSigner = (challenge: string, relayUrl: string) => NostrEvent[] | Promise<NostrEvent[]>;

export interface Challenge {
  readonly challenge: string;
  readonly relayUrl: string;
  /** Unix seconds. */
  readonly createdAt: number;
}

/** The event that answers a NIP-42 challenge, signed with a 32-byte secret key. Throws EventError on a bad key. */
export function authEvent({ challenge, relayUrl, createdAt }: Challenge, secretKey: Bytes, aux: Bytes): NostrEvent {
  const tags = [
    ['relay', relayUrl],
    ['challenge', challenge],
  ];
  return signEvent({ kind: 22_242, created_at: createdAt, tags, content: '' }, secretKey, aux);
}

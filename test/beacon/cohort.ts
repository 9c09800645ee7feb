import type { SignalEntry } from '../../src/beacon/index.ts';
import { type Bytes, sha256, toHex, utf8 } from '../../src/crypto/index.ts';
import { leafIndex } from '../../src/smt/index.ts';

/** A fixed stand-in for 32 random bytes. */
export const draw = (label: string): Bytes => sha256(utf8(label));
export const drawHex = (label: string): string => toHex(draw(label));
export const didOf = (name: string): string => `did:example:${name}`;
export const indexOf = (name: string): string => toHex(leafIndex(didOf(name)));

/** A registered DID's entry, with an update or without one. */
export const entry = (name: string, announces: boolean): SignalEntry => ({
  index: indexOf(name),
  did: didOf(name),
  nonce: drawHex(`nonce of ${name}`),
  ...(announces ? { announcement: drawHex(`update of ${name}`) } : {}),
});

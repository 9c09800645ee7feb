import { readFileSync } from 'node:fs';
import { createMusig, type KeySet, type Musig, type SecretNonce } from '../../src/bitcoin/index.ts';
import { curve as noble } from '../../src/crypto/curve-noble.ts';
import { curve as tiny } from '../../src/crypto/curve-tiny.ts';
import { type Bytes, type Curve, fromHex, sha256, utf8 } from '../../src/crypto/index.ts';

export const curves: [string, Curve][] = [
  ['tiny', tiny],
  ['noble', noble],
];

export const readVector = (path: string): string =>
  readFileSync(new URL(`../vectors/${path}`, import.meta.url), 'utf8');
export const readJson = <T>(path: string): T => JSON.parse(readVector(path)) as T;

/** Published vectors write upper-case hex. */
export const unhex = (text: string): Bytes => fromHex(text.toLowerCase());

/** Bytes that look random and are the same in every run. */
export const draw = (...label: (string | number)[]): Bytes => sha256(utf8(label.join('/')));

export interface Party {
  secretKey: Bytes;
  publicKey: Bytes;
}

export const party = (curve: Curve, ...label: (string | number)[]): Party => {
  const secretKey = draw('key', ...label);
  return { secretKey, publicKey: curve.publicKey(secretKey) };
};

/** Parties in the order of their keys, with their key set. */
export function cohort(
  curve: Curve,
  size: number,
  merkleRoot?: Bytes,
): { musig: Musig; keySet: KeySet; parties: Party[] } {
  const musig = createMusig(curve);
  const unsorted = Array.from({ length: size }, (_, i) => party(curve, size, i));
  const keySet = musig.keySet(
    unsorted.map(({ publicKey }) => publicKey),
    merkleRoot === undefined ? {} : { merkleRoot },
  );
  const parties = keySet.publicKeys.map(
    key => unsorted.find(({ publicKey }) => publicKey.every((b, i) => b === key[i]))!,
  );
  return { musig, keySet, parties };
}

export const drawNonces = (musig: Musig, keySet: KeySet, parties: Party[], label: string): SecretNonce[] =>
  parties.map((each, i) => musig.newNonce({ ...each, keySet, random32: draw('nonce', label, i) }));

/** The thrown error, so that its fields can be looked at. */
export function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

import { type Bytes, sha256 } from '../crypto/index.ts';

/**
 * SHA-256 of many pairs at once: `input` holds n pairs of 32-byte hashes (n · 64 bytes), `output` takes the n hashes
 * (n · 32 bytes). The two never overlap. Native batched hashers are tens of times faster and fit behind this.
 */
export type PairHasher = (input: Bytes, output: Bytes) => void;

/** The pair hasher that runs everywhere; the fallback where no native one is injected. */
export const portableHasher: PairHasher = (input, output) => {
  for (let i = 0; i * 64 < input.length; i++) output.set(sha256(input.subarray(i * 64, i * 64 + 64)), i * 32);
};

import type { SeedKind } from '../shell/keystore-content.ts';
import type { SeedKeyStore } from '../shell/keystore-core.ts';

/** Keys that were used are looked for this far behind the last one that was found. */
const GAP = 20;

/**
 * Scans a kind's counters forward until `gap` keys in a row were never used, and puts every key up to the last used one
 * into the store, so that new ones begin behind it. `isUsed` knows by a backup, the chain or the relays. Returns the
 * public keys (33-byte compressed hex) that are there now. Throws KeyFileError `no_seed`.
 */
export async function restoreKeys(
  keys: SeedKeyStore,
  kind: SeedKind,
  isUsed: (publicKey: string) => boolean | Promise<boolean>,
  gap: number = GAP,
): Promise<string[]> {
  let count = 0;
  for (let counter = 0; counter < count + gap; counter++) {
    if (await isUsed(keys.peek(kind, counter))) count = counter + 1;
  }
  return keys.restore(kind, count);
}

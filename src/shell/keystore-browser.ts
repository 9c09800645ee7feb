import { type Bytes, equalBytes } from '../crypto/index.ts';
import type { RowStore } from '../store/wallet-store.ts';
import { type Cipher, newCipher, openCipher } from './keystore-cipher.ts';
import {
  checkAll,
  FIRST_COUNTERS,
  type KeyFileContent,
  keyFileText,
  NO_KEYS,
  parseKeyFile,
  rootOf,
  sealedAnew,
  sealRoot,
} from './keystore-content.ts';
import { createKeyStore, type Derive, type SeedKeyStore } from './keystore-core.ts';
import { KeyFileError } from './keystore-types.ts';

export interface BrowserKeyOptions {
  /** Opens locked keys. Plain ones are locked with it there and then. */
  passphrase?: string | undefined;
  /** Makes keys of a seed. */
  derive?: Derive;
  /** 32-byte root of the seed of a new wallet; the caller wipes it. A wallet that has another, or none, refuses it. */
  root?: Bytes | undefined;
  random: (length: number) => Bytes;
  /** Unix seconds. */
  now: () => number;
}

const ROW = 'file';
const NAME = "this wallet's keys";

/**
 * Opens the keys of a browser's wallet: what would be its key file is a row beside its log, written before anything that
 * is signed by a key of it, so that `whenStored` of the wallet's store waits for both. What that protects, plainly:
 *
 * - With a `passphrase` every secret is sealed as in a locked key file (scrypt, XChaCha20-Poly1305, NIP-49): a copied
 *   profile, a backup or a stolen disk gives nothing away. Opening takes about a second of the page's thread. The browser
 *   may keep bytes on the disk that were written before there was a passphrase.
 * - Without one they lie in the browser's profile as they are. A non-extractable WebCrypto key would change little: it lies
 *   in the same profile, and every script that can read the row can use it.
 * - Neither helps against a script of the same origin, or an extension, while the wallet is open. Serve it from an origin
 *   of its own, with a strict Content-Security-Policy.
 *
 * Throws KeyFileError: `locked`, `wrong_passphrase`, `format`, `damaged`, `no_seed` for another `root` than the keys come from.
 */
export function openBrowserKeys(rows: RowStore, options: BrowserKeyOptions): SeedKeyStore {
  const { passphrase, derive, root, random, now } = options;
  const row = rows.take('keys').find(({ key }) => key === ROW);
  const found = row ? parseKeyFile(String(row.value), NAME) : NO_KEYS;
  const { content, cipher } = unlock(found, passphrase, random);
  checkAll(content, cipher);
  if (root && row && !isFrom(root, content, cipher))
    throw new KeyFileError(`${NAME} do not come from that seed, and cannot be given one`, 'no_seed');
  const save = (next: KeyFileContent): void => {
    rows.write([{ table: 'keys', key: ROW, value: keyFileText(next) }]);
  };
  const first =
    root && !content.seed ? { ...content, seed: { root: sealRoot(root, cipher), next: FIRST_COUNTERS } } : content;
  if (first !== found) save(first);
  return createKeyStore({ content: first, cipher, random, now, save, ...(derive ? { derive } : {}) });
}

function isFrom(root: Bytes, { seed }: KeyFileContent, cipher: Cipher | null): boolean {
  if (seed === null) return false;
  const own = rootOf(seed.root, cipher);
  const same = equalBytes(own, root);
  own.fill(0);
  return same;
}

function unlock(
  content: KeyFileContent,
  passphrase: string | undefined,
  random: (length: number) => Bytes,
): { content: KeyFileContent; cipher: Cipher | null } {
  if (content.lock !== null) {
    if (passphrase === undefined) throw new KeyFileError(`${NAME} are locked: they need their passphrase`, 'locked');
    return { content, cipher: openCipher(content.lock, passphrase, random) };
  }
  if (passphrase === undefined) return { content, cipher: null };
  if (passphrase === '') throw new KeyFileError('an empty passphrase locks nothing', 'wrong_passphrase');
  const cipher = newCipher(passphrase, random);
  return { content: sealedAnew(content, null, cipher), cipher };
}

import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { createPrivate } from '../store/files.ts';
import { KeyFileError } from './keystore.ts';
import { parseKeyFile } from './keystore-content.ts';

/** Where the copy of a key file stands beside a backup. */
export const keysBeside = (backup: string): string => `${backup}.keys.json`;

/** Copies a key file, as it is, locked or not, to a new file of mode 0600. Throws KeyFileError where one is already. */
export function copyKeys(from: string, to: string): void {
  if (!createPrivate(to)) throw new KeyFileError(`${to} exists already`);
  copyFileSync(from, to);
}

/**
 * Puts the copy of a key file back, unless the present one holds all of its keys: that one is newer, and keys made since are
 * nowhere else. Throws KeyFileError where each has keys that the other lacks, and where there is neither.
 */
export function restoreKeys(present: string, copy: string): 'kept' | 'restored' {
  const isThere = existsSync(present);
  if (!existsSync(copy)) {
    if (isThere) return 'kept';
    throw new KeyFileError(`there is neither ${present} nor ${copy}: without its keys the database is no use`);
  }
  const wanted = Object.keys(parseKeyFile(readFileSync(copy, 'utf8'), copy).keys);
  if (isThere) {
    const { keys, seed } = parseKeyFile(readFileSync(present, 'utf8'), present);
    if (wanted.every(key => keys[key])) return 'kept';
    if (Object.keys(keys).length > 0 || seed !== null)
      throw new KeyFileError(
        `${present} lacks keys of ${copy}, and has others: move it to a safe place first, it may be the only one of its kind`,
      );
    copyFileSync(copy, present);
    return 'restored';
  }
  createPrivate(present);
  copyFileSync(copy, present);
  return 'restored';
}

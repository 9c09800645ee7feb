import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { shellWord } from '../../config/files.ts';
import { configPath } from '../config.ts';
import { Refused } from './command.ts';

/** The key store of a wallet that has no key yet. */
const NO_KEYS = JSON.stringify({ version: 1, keys: {} }, null, 1);

/** Where the keys of a wallet are. */
export const keysPath = (home: string): string => join(home, 'keys.json');

const filesOf = (home: string) => ({ config: configPath(home), keys: keysPath(home) });

/** Throws Refused `exists` if the folder holds a wallet, or a part of one: nothing is ever overwritten. */
export function refuseUsedHome(home: string): void {
  const { config, keys } = filesOf(home);
  const found = [config, keys, join(home, 'wallet.db')].find(path => existsSync(path));
  if (found !== undefined) throw new Refused('exists', `${found} is there already; choose another --home`);
}

/**
 * Makes the folder (0700), wallet.toml and keys.json (both 0600), empty unless its text is given; returns their paths. Throws Refused `exists`
 * rather than overwrite, and `open_folder` for a folder with files in it that others can enter.
 */
export function createHome(home: string, config: string, keys: string = NO_KEYS): { config: string; keys: string } {
  refuseUsedHome(home);
  const files = filesOf(home);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  if (statSync(home).mode & 0o077) {
    if (readdirSync(home).length > 0)
      throw new Refused('open_folder', `others can enter ${home}; first: chmod 700 ${shellWord(home)}`);
    chmodSync(home, 0o700);
  }
  writeNew(files.keys, keys);
  writeNew(files.config, config);
  return files;
}

/** Writes a file (0600) that must not be there yet. */
export function writeNew(path: string, text: string): void {
  const handle = openSync(path, 'wx', 0o600);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

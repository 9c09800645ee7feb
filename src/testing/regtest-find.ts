import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { canUnpack, unpackBitcoind, unpackedBitcoind } from './regtest-debian.ts';

const run = promisify(execFile);

/** Path of a program in one of the folders of PATH, or null. */
export function onPath(program: string): string | null {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(folder => folder !== '');
  return folders.map(folder => join(folder, program)).find(file => existsSync(file)) ?? null;
}

/** Where unpacked programs are kept: BTCR2_CACHE, else ~/.cache/btcr2-aggregator. */
export const cacheFolder = (): string =>
  process.env.BTCR2_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'btcr2-aggregator');

const advice = (): string =>
  process.platform === 'darwin'
    ? 'install it with: brew install bitcoin'
    : 'install Bitcoin Core 24 or newer (on Ubuntu: sudo snap install bitcoin-core; on Fedora: sudo dnf install bitcoin-core; on Arch: sudo pacman -S bitcoin-daemon)';

/** There is no bitcoind; the message tells what to do. */
export class BitcoindNotFound extends Error {
  constructor(reason: string) {
    super(`no bitcoind: ${reason}; ${advice()}, or set BTCR2_BITCOIND to the path of one`);
    this.name = 'BitcoindNotFound';
  }
}

/** Whether the program starts; a file of another machine or without its libraries does not. */
const starts = (file: string): Promise<boolean> =>
  run(file, ['-version']).then(
    () => true,
    () => false,
  );

/**
 * Path of a bitcoind: BTCR2_BITCOIND, else the first on PATH, else on Debian one that is unpacked (once) into the cache
 * folder from the distribution's own packages. Throws BitcoindNotFound with the command that installs one.
 */
export async function findBitcoind(log: (line: string) => void = () => {}): Promise<string> {
  const named = process.env.BTCR2_BITCOIND;
  if (named !== undefined && named !== '') {
    if (await starts(named)) return named;
    throw new BitcoindNotFound(`BTCR2_BITCOIND names ${named}, which does not start`);
  }
  const found = onPath('bitcoind') ?? (await unpackedBitcoind(cacheFolder()));
  if (found !== null) return found;
  if (!(await canUnpack())) throw new BitcoindNotFound('there is none on PATH');
  try {
    return await unpackBitcoind(cacheFolder(), log);
  } catch (fault) {
    throw new BitcoindNotFound(fault instanceof Error ? fault.message : 'unpacking failed');
  }
}

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Network } from '../../bitcoin/network.ts';
import { readSecretFile } from '../../config/files.ts';
import { newKeyFile, openKeyFile, SEED_KINDS } from '../../shell/keystore.ts';
import { WalletConfigError } from '../config.ts';
import { deriveSecret, isMnemonic, newMnemonic, rootOfMnemonic } from '../seed.ts';
import { type Invocation, isSet, numberFlag, Refused, textFlag, UsageError } from './command.ts';
import { writeNew } from './new-home.ts';

/** Keys of each kind that `init --restore` puts back unless told otherwise. */
const RESTORED = 20;
const MAX_RESTORED = 10_000;

const random = (length: number): Uint8Array => Uint8Array.from(randomBytes(length));

/** What `init` was asked to do about a seed. */
export interface SeedChoice {
  mnemonic: string;
  isNew: boolean;
  /** File that the words of a new seed go to; null: they are shown. */
  wordsFile: string | null;
  /** How many keys of each kind are put back. */
  count: number;
}

/**
 * The seed of a new wallet: drawn (--seed), or typed or read from a file (--restore); null for a wallet without one.
 * Throws UsageError for options that exclude each other, Refused `bad_words` for words that are none.
 */
export async function seedChoice(invocation: Invocation): Promise<SeedChoice | null> {
  const [isNew, isOld] = [isSet(invocation, 'seed'), isSet(invocation, 'restore')];
  const file = textFlag(invocation, 'words-file');
  const count = numberFlag(invocation, 'keys', 1);
  if (isNew && isOld) throw new UsageError('--seed makes a new seed, --restore takes an old one', 'init');
  if (!isNew && !isOld && file !== undefined) throw new UsageError('--words-file needs --seed or --restore', 'init');
  if (!isOld && count !== undefined) throw new UsageError('--keys needs --restore', 'init');
  if (count !== undefined && count > MAX_RESTORED) throw new UsageError(`--keys is at most ${MAX_RESTORED}`, 'init');
  const wordsFile = file === undefined ? null : resolve(invocation.io.cwd, file);
  if (isNew) {
    if (wordsFile !== null && existsSync(wordsFile)) throw new Refused('exists', `${wordsFile} is there already`);
    return { mnemonic: newMnemonic(random), isNew, wordsFile, count: 0 };
  }
  if (!isOld) return null;
  const mnemonic = wordsFile === null ? await typedWords(invocation) : wordsOf(wordsFile);
  if (!isMnemonic(mnemonic))
    throw new Refused('bad_words', 'these are no 12 to 24 words of a seed (BIP-39, English): one may be misspelt');
  return { mnemonic, isNew, wordsFile, count: count ?? RESTORED };
}

async function typedWords({ io }: Invocation): Promise<string> {
  if (!io.askSecret) throw new UsageError('give --words-file where nobody can be asked', 'init');
  return io.askSecret('the words of the seed (they are not shown): ');
}

function wordsOf(path: string): string {
  const read = readSecretFile('--words-file', path);
  if (!read.ok) throw new WalletConfigError(read.problems);
  return read.value;
}

/** The text of a key file that has this seed. */
export function seededKeyFile(choice: SeedChoice, network: Network, passphrase: string | undefined): string {
  const root = rootOfMnemonic(choice.mnemonic, network);
  try {
    return newKeyFile({ root, passphrase, random });
  } finally {
    root.fill(0);
  }
}

/** Puts back the keys that the wallet of this seed may have used; new ones begin behind them. */
export function putBack(path: string, { count }: SeedChoice, passphrase: string | undefined, now: () => number): void {
  if (count === 0) return;
  const keys = openKeyFile(path, random, now, { passphrase, derive: deriveSecret });
  for (const kind of SEED_KINDS) keys.restore(kind, kind === 'nonces' ? 1 : count);
}

/** Writes the words of a new seed where they were asked for; true if they still have to be shown. */
export function keepWords({ mnemonic, isNew, wordsFile }: SeedChoice): boolean {
  if (isNew && wordsFile !== null) writeNew(wordsFile, `${mnemonic}\n`);
  return isNew && wordsFile === null;
}

import { resolve } from 'node:path';
import { readSecretFile } from '../../config/files.ts';
import { WalletConfigError } from '../config.ts';
import { PASSPHRASE_VARIABLES } from '../config-layers.ts';
import { type Invocation, Refused, textFlag } from './command.ts';

type Asking = Pick<Invocation, 'flags' | 'io'>;

/** Where a passphrase can come from. Never from the command line itself, which every process of the machine can read. */
interface Source {
  flag: string;
  variable: string;
  question: string;
}

const PRESENT: Source = {
  flag: 'passphrase-file',
  variable: PASSPHRASE_VARIABLES.present,
  question: 'passphrase of the keys: ',
};
const NEW: Source = {
  flag: 'new-passphrase-file',
  variable: PASSPHRASE_VARIABLES.next,
  question: 'new passphrase for the keys: ',
};

/**
 * The passphrase that is given by a file (--passphrase-file, BTCR2_WALLET_PASSPHRASE_FILE, both mode 0600) or by
 * BTCR2_WALLET_PASSPHRASE; undefined if none is. Throws WalletConfigError for a file that cannot be used.
 */
export const givenPassphrase = (invocation: Asking): string | undefined => given(PRESENT, invocation);

/** The same, else what a person types unseen. Throws Refused `no_passphrase` where nobody can be asked. */
export const presentPassphrase = async (invocation: Asking): Promise<string> =>
  given(PRESENT, invocation) ?? (await asked(PRESENT, invocation));

/** A passphrase to come: given by --new-passphrase-file or BTCR2_WALLET_NEW_PASSPHRASE(_FILE), or typed twice, unseen. */
export const newPassphrase = async (invocation: Asking): Promise<string> =>
  given(NEW, invocation) ?? (await askedTwice(NEW, invocation));

/** The passphrase of a wallet that is made just now: given, or with `wanted` typed twice; undefined for plain keys. */
export async function firstPassphrase(invocation: Asking, wanted: boolean): Promise<string | undefined> {
  return (
    given(PRESENT, invocation) ?? (wanted ? askedTwice({ ...PRESENT, question: NEW.question }, invocation) : undefined)
  );
}

function given({ flag, variable }: Source, { flags, io }: Asking): string | undefined {
  const fileVariable = `${variable}_FILE`;
  const path = textFlag({ flags }, flag) ?? (io.env[fileVariable] || undefined);
  if (path === undefined) return io.env[variable] || undefined;
  const key = textFlag({ flags }, flag) === undefined ? fileVariable : `--${flag}`;
  const read = readSecretFile(key, resolve(io.cwd, path));
  if (!read.ok) throw new WalletConfigError(read.problems);
  return read.value;
}

async function asked({ flag, variable, question }: Source, { io }: Asking): Promise<string> {
  const ask = io.askSecret;
  if (!ask)
    throw new Refused('no_passphrase', `the keys need their passphrase: give --${flag} FILE, or ${variable}_FILE`);
  const typed = await ask(question);
  if (typed === '') throw new Refused('no_passphrase', 'no passphrase was typed');
  return typed;
}

async function askedTwice(source: Source, invocation: Asking): Promise<string> {
  const typed = await asked(source, invocation);
  if ((await asked({ ...source, question: 'the same again: ' }, invocation)) !== typed)
    throw new Refused('no_passphrase', 'these were two different passphrases; nothing was changed');
  return typed;
}

import type { ParseArgsConfig } from 'node:util';
import type { Log } from '../../nostr/log.ts';
import { readDuration } from '../../operator/command-line.ts';
import type { LogLevel } from '../../operator/logger.ts';
import type { Io } from './io.ts';
import type { OpenWallet } from './open.ts';

/** Exit codes, as `help` documents them. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The command line cannot be understood; exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly command: string | null;

  constructor(text: string, command: string | null = null) {
    super(text);
    this.command = command;
  }
}

/** The request was understood, and the answer is no; exit code 1. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly code: string;

  constructor(code: string, text: string) {
    super(text);
    this.code = code;
  }
}

/** One option of a command, as help and parser need it. */
export interface Option {
  type: 'string' | 'boolean';
  multiple?: boolean;
  short?: string;
  /** What the value is called in help, such as `FILE`. */
  value?: string;
  help: string;
}

export type Options = Record<string, Option>;

/** Values of a parsed command line. */
export type Flags = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

/** One call of a command, with all that it may touch. */
export interface Invocation {
  flags: Flags;
  positionals: readonly string[];
  /** Whether a program reads the answer: one JSON value, or one a line. */
  json: boolean;
  io: Io;
  openWallet: OpenWallet;
  log: (level: LogLevel) => Log;
}

/** One command of the program. */
export interface Command {
  /** One word, or two such as `did create`. */
  name: string;
  /** What stands behind the name, without options: `DID`; the last may be repeated if it ends in …. */
  arguments: readonly string[];
  summary: string;
  /** Paragraphs for `--help`. */
  details?: string;
  options: Options;
  run(invocation: Invocation): Promise<ExitCode>;
}

/** Options of every command. */
export const COMMON = {
  home: { type: 'string', value: 'DIR', help: "the wallet's folder (BTCR2_WALLET_HOME, else ~/.btcr2-wallet)" },
  'passphrase-file': { type: 'string', value: 'FILE', help: 'file (mode 0600) that holds the passphrase of the keys' },
  json: { type: 'boolean', help: 'answer as JSON' },
  help: { type: 'boolean', short: 'h', help: 'explain the command' },
} as const satisfies Options;

/** Options that say where the chain is. */
export const CHAIN = {
  bitcoind: { type: 'string', value: 'URL', help: 'RPC address of a Bitcoin node' },
  cookie: { type: 'string', value: 'FILE', help: "the node's cookie file" },
  user: { type: 'string', value: 'NAME', help: 'RPC user, with --password-file' },
  'password-file': { type: 'string', value: 'FILE', help: 'file (mode 0600) that holds the RPC password' },
  esplora: { type: 'string', value: 'URL', help: 'address of an Esplora API' },
} as const satisfies Options;

/** Options that override the configuration of a wallet. */
export const NETWORKING = {
  relay: { type: 'string', multiple: true, value: 'URL', help: 'relay to use; may be given more than once' },
  ...CHAIN,
  'log-level': { type: 'string', value: 'LEVEL', help: 'debug, info, warn or error' },
} as const satisfies Options;

/** `parseArgs` wants its own spelling of the options. */
export const toParseArgs = (options: Options): NonNullable<ParseArgsConfig['options']> =>
  Object.fromEntries(
    Object.entries(options).map(([name, { type, multiple = false, short }]) => [
      name,
      short === undefined ? { type, multiple } : { type, multiple, short },
    ]),
  );

/** The value of a text option, or undefined. */
export function textFlag({ flags }: Pick<Invocation, 'flags'>, name: string): string | undefined {
  const value = flags[name];
  return typeof value === 'string' ? value : undefined;
}

/** The values of an option that may be repeated; undefined if it was not given. */
export function listFlag({ flags }: Pick<Invocation, 'flags'>, name: string): string[] | undefined {
  const value = flags[name];
  return Array.isArray(value) ? value.filter(item => typeof item === 'string') : undefined;
}

/** Whether a switch was given. */
export const isSet = ({ flags }: Pick<Invocation, 'flags'>, name: string): boolean => flags[name] === true;

/** A whole number of an option from `min` on; undefined if it was not given. Throws UsageError for anything else. */
export function numberFlag(invocation: Pick<Invocation, 'flags'>, name: string, min: number): number | undefined {
  const text = textFlag(invocation, name);
  if (text === undefined) return undefined;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(value) || value < min) throw new UsageError(`--${name} takes a whole number from ${min} on`);
  return value;
}

/** A time of an option, such as `30d`, in seconds; undefined if it was not given. Throws UsageError for anything else. */
export function timeFlag(invocation: Pick<Invocation, 'flags'>, name: string, command: string): number | undefined {
  const text = textFlag(invocation, name);
  if (text === undefined) return undefined;
  const seconds = readDuration(text);
  if (seconds === null || seconds < 1)
    throw new UsageError(`--${name} takes a time such as 30d, 12h or 10min`, command);
  return seconds;
}

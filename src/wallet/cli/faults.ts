import { ChainError, ChainUnreachable } from '../../chain/index.ts';
import { DidError } from '../../did/index.ts';
import { ControlError } from '../../operator/control.ts';
import { HandFileError } from '../../operator/hand-files.ts';
import { safeText } from '../../operator/terminal.ts';
import { KeyFileError } from '../../shell/keystore.ts';
import { StoreCorrupt, StoreFailed, StoreFull, StoreLocked, StoreVersionError } from '../../store/errors.ts';
import { WalletError } from '../api.ts';
import { WalletConfigError } from '../config.ts';
import { EXIT, type ExitCode, Refused, UsageError } from './command.ts';

/** A failure as a program reads it. */
export interface Fault {
  code: string;
  message: string;
  detail?: unknown;
}

/** A failure and the exit code that it ends in. */
export interface Complaint {
  fault: Fault;
  exit: ExitCode;
}

const PROGRAM = 'btcr2-wallet';
const failed = (code: string, message: string, detail?: unknown): Complaint => ({
  fault: detail === undefined ? { code, message } : { code, message, detail },
  exit: EXIT.failed,
});
const misused = (code: string, message: string, detail?: unknown): Complaint => ({
  ...failed(code, message, detail),
  exit: EXIT.usage,
});

/** What went wrong, in the words of the specification where it has some, and the exit code that it means. */
export function complaintOf(error: unknown): Complaint {
  if (error instanceof UsageError) {
    const about = error.command === null ? `${PROGRAM} help` : `${PROGRAM} ${error.command} --help`;
    return misused('usage', `${error.message}; see ${about}`);
  }
  if (error instanceof WalletConfigError) return misused('configuration', error.message, error.problems);
  if (error instanceof KeyFileError) return misused('key_file', error.message);
  if (error instanceof DidError) return failed(error.code, error.reason, error.detail);
  if (error instanceof ControlError && error.code === 'bad_path') return misused(error.code, error.message);
  if (error instanceof HandFileError) return failed(error.code, error.message);
  if (error instanceof WalletError || error instanceof Refused || error instanceof ControlError)
    return failed(error.code, error.message);
  if (error instanceof ChainUnreachable) return failed('chain_unreachable', error.message);
  if (error instanceof ChainError)
    return error.code === 'wrong_network' || error.code === 'unknown_network'
      ? misused(error.code, error.message)
      : failed(`chain_${error.code}`, error.message);
  if (error instanceof StoreLocked) return failed('in_use', `another ${PROGRAM} process has this wallet open`);
  if (
    error instanceof StoreFull ||
    error instanceof StoreFailed ||
    error instanceof StoreCorrupt ||
    error instanceof StoreVersionError
  )
    return failed('store', error.message);
  return failed('fault', error instanceof Error ? error.message : 'something that is no error was thrown');
}

/** A failure in lines for a person; words that came from elsewhere cannot steer the terminal. */
export function complaintLines({ code, message, detail }: Fault): string[] {
  const [first = '', ...rest] = message.split('\n').map(safeText);
  const head = rest.length === 0 ? first : `${rest.length + 1} problems`;
  const lines = [`${PROGRAM}: ${isSpecified(code) ? `${code}: ` : ''}${head}`];
  if (rest.length > 0) lines.push(...[first, ...rest].map(line => `  ${line}`));
  if (isSpecified(code)) lines.push(...detailLines(detail));
  return lines;
}

/** Codes of the did:btcr2 specification are shown as they are; ours are for programs. */
const isSpecified = (code: string): boolean => /^[A-Z_]+$/.test(code);

function detailLines(detail: unknown): string[] {
  if (typeof detail !== 'object' || detail === null) return [];
  return Object.entries(detail).flatMap(([key, value]) =>
    Array.isArray(value)
      ? [`  ${key}:`, ...value.map(item => `    ${safeText(JSON.stringify(item))}`)]
      : [`  ${key}: ${safeText(String(value))}`],
  );
}

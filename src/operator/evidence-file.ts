import { readFileSync, statSync, writeFileSync } from 'node:fs';
import {
  judgeTranscript,
  MAX_TRANSCRIPT,
  readTranscript,
  type Transcript,
  type Verdict,
  verdictWords,
} from '../blame/index.ts';
import { OperatorError } from './api.ts';
import { safeText } from './terminal.ts';

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown fault';

/** Judges the transcript in a file, offline. Throws OperatorError `bad_file`, which names it, for what is none. */
export function judgeFile(path: string): { reason: string; verdict: Verdict } {
  const no = (text: string): OperatorError => new OperatorError('bad_file', `${path}: ${text}`);
  let text: string;
  try {
    // Characters are at most three bytes of UTF-8: what is larger is not even read.
    if (statSync(path).size > 3 * MAX_TRANSCRIPT) throw no('the file is too large');
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw error instanceof OperatorError ? error : no(`cannot be read (${codeOf(error)})`);
  }
  const read = readTranscript(text);
  if (!read.ok) throw no(read.text);
  return { reason: read.transcript.reason, verdict: judgeTranscript(read.transcript) };
}

/** A verdict for a person at a terminal. */
export const verdictText = (verdict: Verdict): string =>
  verdictWords(verdict)
    .map(line => `${safeText(line)}\n`)
    .join('');

/** Writes a transcript to a new file, mode 0600. Throws OperatorError `cannot_write`, also for a file that is there. */
export function saveTranscript(path: string, transcript: Transcript): void {
  try {
    writeFileSync(path, `${JSON.stringify(transcript, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new OperatorError('cannot_write', `${path} cannot be written (${codeOf(error)})`);
  }
}

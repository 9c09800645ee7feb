import { readFileSync, statSync } from 'node:fs';
import { writeWholeFile } from '../../operator/whole-file.ts';
import { Refused } from './command.ts';

/** A sidecar of a thousand DIDs over years is smaller. */
const MAX_BYTES = 268_435_456;

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown fault';

/** The text of a file that a person named. Throws Refused `bad_file` if it cannot be read or is too large to be meant. */
export function readFileText(path: string): string {
  try {
    if (statSync(path).size > MAX_BYTES) throw new Refused('bad_file', `${path} is larger than ${MAX_BYTES} bytes`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw new Refused('bad_file', `${path} cannot be read (${codeOf(error)})`);
  }
}

/** The value of a JSON text, or that it is none: a parser's message would quote the text. */
export function parseJson(text: string): { ok: true; value: unknown } | { ok: false } {
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return { ok: false };
  }
}

/** The JSON value in a file. Throws Refused `bad_file`. */
export function readJsonFile(path: string): unknown {
  const parsed = parseJson(readFileText(path));
  if (!parsed.ok) throw new Refused('bad_file', `${path} is not JSON`);
  return parsed.value;
}

/** Writes a file (mode 0600) as a whole or not at all, over one that is there. Throws Refused `cannot_write`. */
export function replaceFile(path: string, text: string): void {
  try {
    writeWholeFile(path, text);
  } catch (error) {
    throw new Refused('cannot_write', `${path} cannot be written (${codeOf(error)})`);
  }
}

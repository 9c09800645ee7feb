import { type Out, type Paint, painter, wantsColour, withProgress } from '../../operator/terminal.ts';

/** What a command can touch of the process that it runs in. */
export interface Io {
  /** Standard output, which carries answers only. */
  out: Out;
  /** Standard error: progress, hints and complaints. */
  err: Out;
  /** Asks a person one line; null where nobody sits at the terminal. */
  ask: ((question: string) => Promise<string>) | null;
  /** The same for a passphrase or the words of a seed: what is typed is not shown. */
  askSecret?: ((question: string) => Promise<string>) | null;
  /** All of the standard input, for `-`. */
  stdin?: () => Promise<string>;
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  /** Unix seconds. */
  now(): number;
  /** Aborted by the first SIGINT or SIGTERM. */
  signal: AbortSignal;
}

/** Who reads the answer: a person, or with `json` a program. */
export interface Reader {
  io: Io;
  json: boolean;
}

/** The painter for answers. */
export const paintOf = ({ io }: Pick<Reader, 'io'>): Paint => painter(wantsColour(io.out, io.env));

/** Writes one JSON value and a line end. */
export const writeJson = ({ io }: Pick<Reader, 'io'>, value: unknown): void =>
  void io.out.write(`${JSON.stringify(value)}\n`);

/** Writes lines of an answer. */
export const writeLines = ({ io }: Pick<Reader, 'io'>, lines: readonly string[]): void =>
  void io.out.write(lines.map(line => `${line}\n`).join(''));

/** Tells a person something beside the answer; a program is not told. */
export function hint({ io, json }: Reader, text: string): void {
  if (!json) io.err.write(`${text}\n`);
}

/** Shows a person what is waited for while the work goes on. */
export const waiting = <T>({ io, json }: Reader, text: string, work: Promise<T>): Promise<T> =>
  json ? work : withProgress(io.err, text, work);

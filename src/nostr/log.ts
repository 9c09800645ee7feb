/** Where the edges report to: `data` carries plain values only, never content, never a secret. */
export type Log = (
  level: 'debug' | 'info' | 'warn' | 'error',
  message: string,
  data?: Readonly<Record<string, unknown>>,
) => void;

/** A log that keeps nothing. */
export const silent: Log = () => {};

/** Foreign text made safe for a log line: no control characters, at most 200 characters. */
export const printable = (text: string): string => text.slice(0, 200).replace(/[\p{Cc}\p{Cs}\p{Cf}]/gu, '?');

/** What was thrown, in its own words: not for what a peer may have put secrets into. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The name of what was thrown, and nothing of what it says. */
export const nameOf = (error: unknown): string => (error instanceof Error ? error.name : 'unknown');

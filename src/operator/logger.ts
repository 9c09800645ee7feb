import type { Log } from '../nostr/log.ts';
import { type Out, type Paint, painter, type Style, safeText, wantsColour } from './terminal.ts';

export type LogLevel = Parameters<Log>[0];

export interface LoggerOptions {
  /** What is less important than this is left out. */
  level: LogLevel;
  /** `text` for people, `json` for programs: one object a line. */
  format: 'text' | 'json';
  stream: Out;
  env?: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since 1970; the system's clock if left out. */
  now?: () => number;
}

const LEVELS: Readonly<Record<LogLevel, { rank: number; style: Style }>> = {
  debug: { rank: 0, style: 'dim' },
  info: { rank: 1, style: 'green' },
  warn: { rank: 2, style: 'yellow' },
  error: { rank: 3, style: 'red' },
};

/** Bytes may be a key: a log shows how many there are, and never which. */
function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  return value;
}

function toJson(value: unknown): string {
  try {
    return JSON.stringify(value, plain) ?? 'null';
  } catch {
    return '"unprintable"';
  }
}

/** JSON escapes the old control characters; those above 0x7e, and what reorders letters, reach a terminal just as well. */
const escaped = (json: string): string =>
  json.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, found =>
    Array.from({ length: found.length }, (_, i) => `\\u${found.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
  );

/** A word stands for itself, everything else in quotes, so that a value cannot look like the next key. */
function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : toJson(value);
  return /^[\w.:/@+,-]+$/.test(text) ? text : safeText(typeof value === 'string' ? JSON.stringify(text) : text);
}

function textLine(
  level: LogLevel,
  message: string,
  data: Readonly<Record<string, unknown>>,
  time: Date,
  isTty: boolean,
  paint: Paint,
): string {
  const iso = time.toISOString();
  const clock = isTty ? time.toTimeString().slice(0, 8) : iso;
  const pairs = Object.entries(data)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${paint('dim', `${safeText(key)}=`)}${shown(value)}`);
  return `${paint('dim', clock)} ${paint(LEVELS[level].style, level.toUpperCase().padEnd(5))} ${safeText(message)}${pairs.join('')}\n`;
}

/**
 * A log that writes lines: time, level, message, data. Text has the time of day and colours on a terminal, ISO times
 * elsewhere; JSON has `time`, `level`, `message` and the data beside them. No control character of foreign text gets
 * through. Never throws: a log that fails must not take the daemon along.
 */
export function createLogger({ level: least, format, stream, env = {}, now = Date.now }: LoggerOptions): Log {
  const paint = painter(wantsColour(stream, env));
  return (level, message, data = {}) => {
    if (LEVELS[level].rank < LEVELS[least].rank) return;
    const time = new Date(now());
    // First for the reader, and last so that no data can pose as them.
    const own = { time: time.toISOString(), level, message };
    try {
      stream.write(
        format === 'json'
          ? `${escaped(toJson({ ...own, ...data, ...own }))}\n`
          : textLine(level, message, data, time, stream.isTTY === true, paint),
      );
    } catch {
      // Nobody is left to tell.
    }
  };
}

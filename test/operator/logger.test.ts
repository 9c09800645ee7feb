import { describe, expect, test } from 'vitest';
import { createLogger, type LoggerOptions } from '../../src/operator/logger.ts';

const ESCAPE = String.fromCharCode(27);
const AT = Date.UTC(2026, 10, 22, 12, 34, 56);

function logTo(options: Partial<LoggerOptions> & { tty?: boolean }) {
  const lines: string[] = [];
  const stream = { write: (text: string) => lines.push(text), isTTY: options.tty ?? false };
  return { lines, log: createLogger({ level: 'debug', format: 'text', stream, now: () => AT, ...options }) };
}

/** Cursor moves, colours, and letters that reverse the line. */
const HOSTILE = `a${ESCAPE}[2J\r\nINFO b\u009b31m\u202egnp.\u{e0001}\u2028`;

describe('text for people', () => {
  test('has time, level, message and data', () => {
    const { lines, log } = logTo({});
    log('info', 'round opened', { round: 3, cohort: 'abc', why: 'two words', left: undefined, ok: true, none: null });
    expect(lines).toEqual([
      '2026-11-22T12:34:56.000Z INFO  round opened round=3 cohort=abc why="two words" ok=true none=null\n',
    ]);
  });

  test('has colours on a terminal, and none where NO_COLOR is set', () => {
    const coloured = logTo({ tty: true });
    coloured.log('error', 'x');
    expect(coloured.lines[0]).toContain(`${ESCAPE}[31m`);
    const plain = logTo({ tty: true, env: { NO_COLOR: '1' } });
    plain.log('error', 'x', { a: 1 });
    expect(plain.lines[0]).not.toContain(ESCAPE);
  });

  test('lets no control character of foreign text through, nor a second line', () => {
    const { lines, log } = logTo({});
    log('warn', HOSTILE, { value: HOSTILE, [HOSTILE]: 1, nested: { deep: HOSTILE } });
    expect(lines).toHaveLength(1);
    expect(lines[0]!.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Cf}\u2028]/u);
  });

  test('quotes values that look like other keys', () => {
    const { lines, log } = logTo({});
    log('info', 'x', { relay: 'a level=error' });
    expect(lines[0]).toContain('relay="a level=error"');
  });
});

describe('JSON for programs', () => {
  const one = (data: Record<string, unknown>): Record<string, unknown> => {
    const { lines, log } = logTo({ format: 'json' });
    log('info', 'm', data);
    expect(lines).toHaveLength(1);
    expect(lines[0]!.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Cf}\u2028]/u);
    return JSON.parse(lines[0]!);
  };

  test('is one object a line, that says what it was given', () => {
    expect(one({ text: HOSTILE, n: 1 })).toEqual({
      time: '2026-11-22T12:34:56.000Z',
      level: 'info',
      message: 'm',
      text: HOSTILE,
      n: 1,
    });
  });

  test('data cannot pose as level, message or time', () => {
    expect(one({ level: 'error', message: 'forged', time: 0 })).toMatchObject({ level: 'info', message: 'm' });
  });

  test('takes what JSON cannot say, and never shows bytes', () => {
    const key = new Uint8Array(32).fill(0xab);
    expect(one({ big: 1n, key, fault: new TypeError('t') })).toMatchObject({
      big: '1',
      key: '32 bytes',
      fault: 'TypeError: t',
    });
  });

  test('a circle does not throw', () => {
    const { lines, log } = logTo({ format: 'json' });
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    log('info', 'm', circle);
    expect(lines).toHaveLength(1);
  });
});

test('what is less important than the level is left out', () => {
  const { lines, log } = logTo({ level: 'warn' });
  for (const level of ['debug', 'info', 'warn', 'error'] as const) log(level, level);
  expect(lines.map(line => line.split(' ')[1])).toEqual(['WARN', 'ERROR']);
});

test('a stream that fails takes nothing along', () => {
  const stream = {
    write() {
      throw new Error('EPIPE');
    },
  };
  expect(() => createLogger({ level: 'info', format: 'text', stream })('info', 'x')).not.toThrow();
});

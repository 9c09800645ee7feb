import { NotStorable } from './errors.ts';

const LONE_SURROGATE = /\p{Surrogate}/u;

/** Refuses text that SQLite would not give back as it went in: it cuts at a NUL and turns lone surrogates into U+FFFD. */
export function checkText(text: string, place: string): void {
  if (text.includes('\0')) throw new NotStorable(place, 'text with a NUL');
  checkSurrogates(text, place);
}

function checkSurrogates(text: string, place: string): void {
  if (LONE_SURROGATE.test(text)) throw new NotStorable(place, 'text with a lone surrogate');
}

/** Makes any text storable, for words of a stranger that are kept for display only. */
export const displayable = (text: string, length: number): string =>
  text.slice(0, length).replace(/[\p{Surrogate}\p{Cc}]/gu, '\uFFFD');

/** Deeper than any message is allowed to be, and far from the depth at which recursion runs out of stack. */
const DEPTH = 200;
const NAME_LENGTH = 40;

/**
 * JSON text of a value that reads back equal. Throws NotStorable for what JSON.stringify would change silently:
 * NaN and infinities, undefined (but an undefined property is left out), bigints, functions, bytes, dates and other
 * objects that are not plain, and lone surrogates in strings and names; also for more than 200 levels, or a cycle.
 */
export function toJson(value: unknown, place: string): string {
  checkJson(value, place, DEPTH);
  return JSON.stringify(value);
}

function checkJson(value: unknown, place: string, depth: number): void {
  if (value === null || typeof value === 'boolean') return;
  if (depth === 0) throw new NotStorable('JSON', 'nested too deep');
  if (typeof value === 'string') checkSurrogates(value, place);
  else if (typeof value === 'number') checkNumber(value, place);
  else if (typeof value !== 'object') throw new NotStorable(place, `${typeof value} is not JSON`);
  // Not forEach, which passes over the holes of a sparse list.
  else if (Array.isArray(value))
    for (let i = 0; i < value.length; i++) checkJson(value[i], `${place}[${i}]`, depth - 1);
  else checkObject(value, place, depth);
}

function checkNumber(value: number, place: string): void {
  if (!Number.isFinite(value)) throw new NotStorable(place, 'a number that JSON has no name for');
}

function checkObject(value: object, place: string, depth: number): void {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) throw new NotStorable(place, 'not a plain object');
  for (const [name, member] of Object.entries(value)) {
    checkSurrogates(name, place);
    if (member !== undefined) checkJson(member, `${place}.${displayable(name, NAME_LENGTH)}`, depth - 1);
  }
}

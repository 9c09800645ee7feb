import type { Bytes } from '../crypto/index.ts';
import { EventError, eventId, type UnsignedEvent, xOnlyOf } from './event.ts';

/** Proof of work in an event id, in leading zero bits (NIP-13). */
export function powOf(id: string): number {
  let bits = 0;
  for (const digit of id) {
    const nibble = Number.parseInt(digit, 16);
    if (nibble !== 0) return bits + Math.clz32(nibble) - 28;
    bits += 4;
  }
  return bits;
}

/**
 * Adds the `nonce` tag that gives an event `bits` of proof of work (NIP-13): every bit doubles the time, about 2 µs to
 * 10 µs a try, in which the thread does nothing else. Null after `maxTries`. The result is to be signed as it is.
 */
export function minePow(event: UnsignedEvent, bits: number, maxTries = 2 ** 26): UnsignedEvent | null {
  const tags = event.tags.filter(tag => tag[0] !== 'nonce');
  for (let tried = 0; tried < maxTries; tried++) {
    const candidate = { ...event, tags: [...tags, ['nonce', String(tried), String(bits)]] };
    if (powOf(eventId(candidate)) >= bits) return candidate;
  }
  return null;
}

/** Bytes that are hashed between two pauses: some milliseconds. */
const SLICE = 1_000_000;

/**
 * As `minePow`, for large events, of which every try hashes all: `pause` is awaited every few milliseconds, so that the
 * thread does other things meanwhile. Throws EventError where nothing was found.
 */
export async function minePowInSlices(
  event: UnsignedEvent,
  bits: number,
  pause: () => Promise<void>,
  maxTries = 2 ** 24,
): Promise<UnsignedEvent> {
  const tags = event.tags.filter(tag => tag[0] !== 'nonce');
  const perSlice = Math.max(1, Math.floor(SLICE / (event.content.length + 500)));
  for (let tried = 0; tried < maxTries; tried++) {
    if (tried % perSlice === perSlice - 1) await pause();
    const candidate = { ...event, tags: [...tags, ['nonce', String(tried), String(bits)]] };
    if (powOf(eventId(candidate)) >= bits) return candidate;
  }
  throw new EventError(`no proof of work of ${bits} bits was found`);
}

/** Whether an event's id has so many leading zero bits. A `nonce` tag that promises less is luck, and counts all the same. */
export const hasWork = (id: string, bits: number): boolean => bits === 0 || powOf(id) >= bits;

/**
 * An event of `secret`'s key that carries `bits` of work, to be signed as it is; itself for none. Throws EventError where
 * it could not be found, which is next to impossible for 20 bits or less.
 */
export function withWork(event: Omit<UnsignedEvent, 'pubkey'>, secret: Bytes, bits = 0): Omit<UnsignedEvent, 'pubkey'> {
  if (bits === 0) return event;
  const mined = minePow({ ...event, pubkey: xOnlyOf(secret) }, bits);
  if (mined === null) throw new EventError(`no proof of work of ${bits} bits was found`);
  const { pubkey: _, ...rest } = mined;
  return rest;
}

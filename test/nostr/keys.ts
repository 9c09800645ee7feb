import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type NostrEvent, signEvent, xOnlyOf } from '../../src/nostr/event.ts';

export const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
export const seconds = (): number => Math.floor(Date.now() / 1_000);

export const alice = new Uint8Array(32).fill(1);
export const bob = new Uint8Array(32).fill(2);
export const carol = new Uint8Array(32).fill(3);
export const bobKey = xOnlyOf(bob);

/** A signed event to bob. */
export const mail = (text: string, createdAt = seconds(), more: Partial<{ from: Uint8Array; tags: string[][] }> = {}) =>
  signEvent(
    { kind: 8252, created_at: createdAt, content: text, tags: [['p', bobKey], ...(more.tags ?? [])] },
    more.from ?? alice,
    random(32),
  );

/** Waits until the condition holds; fails through the test's own timeout if it never does. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

export const texts = (events: readonly NostrEvent[]): string[] => events.map(({ content }) => content);

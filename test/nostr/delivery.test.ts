import { expect, test } from 'vitest';
import { type Job, serialDelivery } from '../../src/nostr/delivery.ts';

const busy = (ms: number): void => {
  for (const end = Date.now() + ms; Date.now() < end; );
};
const job = (run: () => void, bytes = 1): Job => ({
  bytes,
  async run() {
    run();
  },
});

test('lanes have their turns, each in its order, and a full one is told so', async () => {
  const done: string[] = [];
  const delivery = serialDelivery(2);
  for (const name of ['a1', 'a2', 'a3'])
    expect(
      delivery.add(
        'a',
        job(() => done.push(name)),
      ),
    ).toBe(name !== 'a3');
  delivery.add(
    'b',
    job(() => done.push('b1')),
  );
  await delivery.idle();
  expect(done).toEqual(['a1', 'b1', 'a2']);
});

test('a long burst lets others have their turn, and leaves nothing undone behind it', async () => {
  const told: string[] = [];
  const delivery = serialDelivery(1_000, () => told.push('rest'));
  const slow = job(() => {
    busy(15);
    told.push('job');
  });
  for (let i = 0; i < 10; i++) delivery.add('a', slow);
  setImmediate(() => told.push('other'));
  await delivery.idle();
  const other = told.indexOf('other');
  expect(other).toBeGreaterThan(0);
  expect(told[other - 1]).toBe('rest');
  expect(told.slice(other).filter(what => what === 'job').length).toBeGreaterThan(5);
  expect(told.at(-1)).toBe('rest');
});

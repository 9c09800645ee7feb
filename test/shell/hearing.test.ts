import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { keepHearing } from '../../src/shell/hearing.ts';
import { openStore, type Store, StoreFull } from '../../src/store/index.ts';
import { removeDir, tempDir } from '../e2e/harness.ts';

let dir: string;
let store: Store;
let time = 1_000;

beforeEach(() => {
  dir = tempDir();
  time = 1_000;
  store = openStore(join(dir, 'a.db'), { application: 'aggregator' });
});
afterEach(() => {
  vi.useRealTimers();
  store.close();
  removeDir(dir);
});

const now = (): number => time;

function listening(over: Pick<Store, 'meta' | 'commit'> = store) {
  const missed: number[] = [];
  const logged: string[] = [];
  const hearing = keepHearing({
    store: { ...store, ...over },
    now,
    log: (level, message) => logged.push(`${level}: ${message}`),
    onHearing: seconds => missed.push(seconds),
  });
  return { hearing, missed, logged };
}

test('every second without a relay is credited, also where it is one at a time', () => {
  const { hearing, missed } = listening();
  hearing.update(true);
  for (let i = 0; i < 3; i++) {
    time += 10;
    hearing.update(false);
    time += 1;
    hearing.update(true);
  }
  hearing.stop();
  expect(missed).toEqual([0, 1, 1, 1]);
});

test('the time that the daemon was down is credited from its last beat on', () => {
  vi.useFakeTimers();
  const first = listening();
  first.hearing.update(true);
  time += 5;
  vi.advanceTimersByTime(5_000);
  time += 3;
  // It ends here without a word; the next one starts a minute later.
  time += 60;
  const second = listening();
  second.hearing.update(true);
  expect(second.missed).toEqual([63]);
  first.hearing.stop();
  second.hearing.stop();
});

test('a disk that is full does not end the process out of a timer: that is for whoever lent the store', () => {
  vi.useFakeTimers();
  const commit = (): void => {
    throw new StoreFull();
  };
  const { hearing, logged } = listening({ meta: store.meta, commit });
  hearing.update(true);
  expect(() => vi.advanceTimersByTime(5_000)).not.toThrow();
  expect(logged.some(line => line.startsWith('error: '))).toBe(true);
  expect(hearing.isHearing()).toBe(true);
  hearing.stop();
});

import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openStore, StoreFailed } from '../../src/store/index.ts';
import { countSteps, step } from './steps.ts';
import { tempFolder, tempStore } from './support.ts';

const bulk = (n: number) => ({ stream: 'bulk', key: `${n}`, bytes: new Uint8Array(1_000_000).fill(n) });

test('a copy that is taken while commits go on holds whole commits up to one moment', async () => {
  const folder = tempFolder();
  const store = tempStore(join(folder, 'a.db'));
  for (let n = 0; n < 20; n++) store.commit({ artifacts: [bulk(n)] });
  let next = 0;
  for (; next < 5; next++) store.commit(step(next));

  let running = true;
  const copy = store.backup(join(folder, 'copy.db')).finally(() => {
    running = false;
  });
  while (running) {
    store.commit(step(next++));
    await new Promise(setImmediate);
  }
  await copy;
  expect(next).toBeGreaterThan(6);
  expect(countSteps(store)).toBe(next);

  const restored = tempStore(join(folder, 'copy.db'), { check: true });
  const count = countSteps(restored);
  expect(count).toBeGreaterThanOrEqual(5);
  expect(count).toBeLessThanOrEqual(next);
  expect([...restored.artifacts('bulk')].length).toBe(20);
  restored.commit(step(count));
  expect(countSteps(restored)).toBe(count + 1);
});

test('the lock is still held after a copy was taken', async () => {
  const folder = tempFolder();
  const path = join(folder, 'a.db');
  const store = tempStore(path);
  await store.backup(join(folder, 'copy.db'));
  expect(() => openStore(path, { application: 'aggregator' })).toThrow(/in use/);
  store.commit(step(0));
  expect(countSteps(store)).toBe(1);
});

test('a copy is a private file, never takes the place of another, and leaves no pieces', async () => {
  const folder = tempFolder();
  const path = join(folder, 'a.db');
  const store = tempStore(path);
  store.commit(step(0));
  const target = join(folder, 'copy.db');
  await store.backup(target);
  expect(statSync(target).mode & 0o777).toBe(0o600);
  await expect(store.backup(target)).rejects.toThrow(StoreFailed);
  await expect(store.backup(path)).rejects.toThrow(StoreFailed);
  expect(readdirSync(folder).filter(name => name.includes('unfinished'))).toEqual([]);
  await expect(store.backup(join(folder, 'no such folder', 'copy.db'))).rejects.toThrow();
  expect(existsSync(join(folder, 'no such folder'))).toBe(false);
  expect(countSteps(store)).toBe(1);
});

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { openStore, StoreLocked } from '../../src/store/index.ts';
import { compile } from '../compile.ts';
import { countSteps, step } from './steps.ts';
import { tempFolder, tempStore } from './support.ts';

let child: ReturnType<typeof compile>;
beforeAll(() => {
  child = compile('test/store/child.ts');
});
afterAll(() => child.remove());

/** Starts child.ts; `firstLine` is what it says first, `lines` everything so far. */
function start(...args: string[]) {
  const running = spawn(process.execPath, ['--expose-gc', child.script, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    running.kill('SIGKILL');
  });
  const lines: string[] = [];
  const reader = createInterface({ input: running.stdout });
  reader.on('line', line => lines.push(line));
  const said = async (count: number) => {
    while (lines.length < count && running.exitCode === null) await once(reader, 'line');
  };
  return { running, lines, said };
}

async function kill(running: ChildProcess): Promise<void> {
  const closed = once(running, 'close');
  running.kill('SIGKILL');
  await closed;
}

// fault 44
test('twenty kills in a loop of commits lose nothing that was acknowledged and leave nothing partial', async () => {
  const path = join(tempFolder(), 'a.db');
  let stored = 0;
  for (let round = 0; round < 20; round++) {
    const { running, lines, said } = start('commit', path, `${stored}`);
    // The kill falls at another point of the loop each time.
    await said(1 + ((round * 7) % 23));
    await new Promise(resolve => setTimeout(resolve, (round % 5) * 0.3));
    await kill(running);
    const acknowledged = Number(lines.at(-1)) + 1;

    const store = openStore(path, { application: 'aggregator', check: true });
    stored = countSteps(store);
    store.close();
    // At most the one commit whose acknowledgement the kill cut off may be there besides.
    expect([acknowledged, acknowledged + 1]).toContain(stored);
  }
  expect(stored).toBeGreaterThan(20);
}, 60_000);

// faults 22, 46
test('a second process is refused at once, and the database stays untouched', async () => {
  const path = join(tempFolder(), 'a.db');
  const holder = start('hold', path);
  await holder.said(1);
  expect(holder.lines).toEqual(['open']);
  const before = [readFileSync(path), readFileSync(`${path}-wal`)];
  expect(() => openStore(path, { application: 'aggregator' })).toThrow(StoreLocked);
  // The lock comes before the question whose database it is.
  expect(() => openStore(path, { application: 'wallet' })).toThrow(StoreLocked);
  expect([readFileSync(path), readFileSync(`${path}-wal`)]).toEqual(before);
});

test('a process is refused while this one holds the database', async () => {
  const path = join(tempFolder(), 'a.db');
  const store = tempStore(path);
  store.commit(step(0));
  const other = start('hold', path);
  await once(other.running, 'close');
  expect(other.lines).toEqual(['StoreLocked']);
  store.commit(step(1));
  expect(countSteps(store)).toBe(2);
});

test('the lock of a killed process is free again', async () => {
  const path = join(tempFolder(), 'a.db');
  const holder = start('hold', path);
  await holder.said(1);
  await kill(holder.running);
  expect(() => tempStore(path)).not.toThrow();
});

test('a process that closes its store in order frees the lock for the next one', async () => {
  const path = join(tempFolder(), 'a.db');
  const holder = start('hold', path);
  await holder.said(1);
  const closed = once(holder.running, 'close');
  holder.running.stdin.end();
  expect((await closed)[0]).toBe(0);
  expect(() => tempStore(path)).not.toThrow();
});

test('a store that nothing refers to any more still holds its lock', async () => {
  const path = join(tempFolder(), 'a.db');
  const holder = start('forget', path);
  await holder.said(1);
  expect(holder.lines).toEqual(['open']);
  expect(() => openStore(path, { application: 'aggregator' })).toThrow(StoreLocked);
});

test('a reader works beside a writing process', async () => {
  const path = join(tempFolder(), 'a.db');
  const writer = start('commit', path);
  await writer.said(5);
  const reader = tempStore(path, { readonly: true });
  const seen = [...reader.read('cohort')].length;
  expect(seen).toBeGreaterThanOrEqual(10);
  expect(() => reader.commit({ meta: [{ key: 'last', value: 'mine' }] })).toThrow(/readonly/);
  await kill(writer.running);
});

test('a crash between the lock file and the database leaves nothing in the way', () => {
  const path = join(tempFolder(), 'a.db');
  writeFileSync(`${path}.lock`, '');
  writeFileSync(path, '');
  const store = tempStore(path);
  store.commit(step(0));
  expect(countSteps(store)).toBe(1);
});

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { SavedView } from '../../../src/wallet/saved/api.ts';
import { AUTOSAVE_TIMING, createAutosave } from '../../../src/wallet/saved/autosave.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const { quietMs, patienceMs, retry, tickMs, lastMs } = AUTOSAVE_TIMING;

/** A saver of which it is told what is due; saves take `takes` milliseconds and fail while it says so. */
function saving() {
  const saver = { due: null as 'save' | 'audit' | null, fails: false, takes: 0, saves: [] as boolean[] };
  const log: string[] = [];
  const autosave = createAutosave(
    {
      due: () => saver.due,
      async save({ audit = false } = {}) {
        saver.saves.push(audit);
        if (saver.takes > 0) await new Promise(resolve => setTimeout(resolve, saver.takes));
        if (saver.fails) throw new Error('no relay answered');
        saver.due = null;
        return {} as SavedView;
      },
    },
    (level, message) => void log.push(`${level} ${message}`),
  );
  return { saver, log, autosave };
}
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe('a wallet that saves by itself', () => {
  test('saves once after many changes, and waits no longer than its patience while they go on', async () => {
    const { saver, autosave } = saving();
    autosave.start();
    saver.due = 'save';
    for (let waited = 0; waited < patienceMs - quietMs; waited += quietMs / 2) {
      autosave.note();
      await pass(quietMs / 2);
      expect(saver.saves).toEqual([]);
    }
    for (let waited = 0; waited < quietMs; waited += quietMs / 2) {
      autosave.note();
      await pass(quietMs / 2);
    }
    expect(saver.saves).toEqual([false]);
    await pass(tickMs / 2);
    expect(saver.saves).toEqual([false]);
  });

  test('does nothing before its start, or where nothing is due', async () => {
    const { saver, autosave } = saving();
    saver.due = 'save';
    autosave.note();
    await pass(tickMs);
    expect(saver.saves).toEqual([]);
    saver.due = null;
    autosave.start();
    autosave.note();
    await pass(tickMs);
    expect(saver.saves).toEqual([]);
  });

  test('finds at its start what an earlier process left, and once a day asks for every piece', async () => {
    const { saver, autosave } = saving();
    saver.due = 'save';
    autosave.start();
    await pass(quietMs);
    saver.due = 'audit';
    await pass(tickMs);
    expect(saver.saves).toEqual([false, true]);
  });

  test('tries again ever more slowly while relays do not take it, whatever changes meanwhile', async () => {
    const { saver, log, autosave } = saving();
    Object.assign(saver, { due: 'save', fails: true });
    autosave.start();
    await pass(quietMs);
    for (let i = 0; i < 100; i++) autosave.note();
    await pass(retry.base / 2 - 1);
    expect(saver.saves).toHaveLength(1);
    await pass(retry.max * 10);
    expect(saver.saves.length).toBeGreaterThan(10);
    expect(saver.saves.length).toBeLessThan(30);
    expect(log[0]).toBe('warn the state is not saved on relays');
    saver.fails = false;
    await pass(retry.max);
    expect(saver.due).toBeNull();
  });

  test('saves the last change before it ends, and waits for relays only so long', async () => {
    const { saver, autosave } = saving();
    autosave.start();
    await pass(quietMs);
    Object.assign(saver, { due: 'save', takes: 10 * lastMs });
    let hasEnded = false;
    const ending = autosave.stop().then(() => {
      hasEnded = true;
    });
    await pass(lastMs - 1);
    expect([saver.saves, hasEnded]).toEqual([[false], false]);
    await pass(1);
    await ending;
    expect(hasEnded).toBe(true);
  });
});

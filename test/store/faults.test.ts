import { expect, test } from 'vitest';
import { AlreadySeen, type Batch, StoreFailed, StoreFull, tellingFaults } from '../../src/store/index.ts';

test.each([new StoreFull(), new StoreFailed('disk I/O error', 10)])(
  'a commit that failed is told, also if its caller swallows it: %s',
  fault => {
    const told: unknown[] = [];
    const store = {
      commit: (_: Batch): void => {
        throw fault;
      },
      meta: () => 'as before',
    };
    const telling = tellingFaults(store, error => told.push(error));
    expect(() => telling.commit({})).toThrow(fault);
    expect(told).toEqual([fault]);
    expect(telling.meta()).toBe('as before');
  },
);

test('a batch that was refused for what it says is no fault of the store', () => {
  const told: unknown[] = [];
  const commit = (_: Batch): void => {
    throw new AlreadySeen('an event');
  };
  expect(() => tellingFaults({ commit }, error => told.push(error)).commit({})).toThrow(AlreadySeen);
  expect(told).toEqual([]);
});

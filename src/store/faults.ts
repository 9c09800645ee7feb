import { isStoreFault } from './errors.ts';
import type { Batch } from './types.ts';

/**
 * The same store, which also tells of every commit that it could not make: whoever made it may take the error for one of
 * its own, as a broken connection to a node, and go on. `tell` may be called more than once.
 */
export const tellingFaults = <S extends { commit(batch: Batch): void }>(
  store: S,
  tell: (error: unknown) => void,
): S => ({
  ...store,
  commit(batch) {
    try {
      store.commit(batch);
    } catch (error) {
      if (isStoreFault(error)) tell(error);
      throw error;
    }
  },
});

import { copyFileSync, existsSync, constants as fs, renameSync, rmSync } from 'node:fs';
import { StoreFailed } from './errors.ts';
import { makePrivate } from './files.ts';
import { openStore } from './open.ts';
import type { Application, Batch, Store } from './types.ts';

/**
 * Puts a copy of a database where there is none: checked whole, marked as restored by `mark`, and only then given its name,
 * so that no program ever finds it unmarked. Throws StoreFailed where a database is already, and as `openStore` for a copy
 * that is damaged, newer, or of another application; then nothing was changed.
 */
export function restoreTo(
  target: string,
  copy: string,
  { application, mark }: { application: Application; mark: (store: Store) => Batch },
): void {
  if (!existsSync(copy)) throw new StoreFailed(`there is no ${copy}`);
  for (const path of [target, `${target}-wal`])
    if (existsSync(path)) throw new StoreFailed(`${path} exists already: nothing is overwritten; move it away first`);
  const unfinished = `${target}.restoring`;
  discard(unfinished);
  try {
    copyFileSync(copy, unfinished, fs.COPYFILE_EXCL);
    makePrivate(unfinished);
    const store = openStore(unfinished, { application, check: true });
    try {
      store.commit(mark(store));
    } finally {
      store.close();
    }
    renameSync(unfinished, target);
  } finally {
    discard(unfinished);
  }
}

const discard = (path: string): void => {
  for (const suffix of ['', '-wal', '-shm', '-journal', '.lock']) rmSync(path + suffix, { force: true });
};

import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/**
 * Writes a file (mode 0600) as a whole or not at all, over one that is there; on the disk when this returns. Throws what
 * the system throws, and leaves nothing half-written behind.
 */
export function writeWholeFile(path: string, text: string): void {
  const next = `${path}.${process.pid}.new`;
  const handle = openSync(next, 'wx', 0o600);
  try {
    try {
      writeFileSync(handle, text);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(next, path);
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  }
}

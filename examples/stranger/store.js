// One file holds all that must not be lost; one process at a time may hold it.
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/** Opens a wallet's folder: `state` is plain data, `save()` returns when it is on the disk. Throws if it is in use. */
export async function openStore(home, fresh) {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const [file, lock] = [join(home, 'wallet.json'), join(home, 'lock')];
  await exclude(lock);
  const state = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : fresh;
  const save = () => {
    write(`${file}.new`, JSON.stringify(state));
    renameSync(`${file}.new`, file);
    const folder = openSync(home, 'r');
    fsyncSync(folder);
    closeSync(folder);
  };
  save();
  return { state, save, close: () => rmSync(lock, { force: true }) };
}

function write(path, text) {
  const fd = openSync(path, 'w', 0o600);
  writeSync(fd, text);
  fsyncSync(fd);
  closeSync(fd);
}

// Two processes on one wallet could sign twice. A lock that a dead process left is taken over, and looked at again
// a moment later: of two that take it over at once, only the last goes on.
async function exclude(lock) {
  if (existsSync(lock) && alive(Number(readFileSync(lock, 'utf8')))) throw new Error(`another process holds ${lock}`);
  write(lock, String(process.pid));
  await new Promise(done => setTimeout(done, 200));
  if (readFileSync(lock, 'utf8') !== String(process.pid)) throw new Error(`another process holds ${lock}`);
}

function alive(pid) {
  if (pid === process.pid || !(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

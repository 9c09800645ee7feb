import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/**
 * How a power failure leaves the bytes that were being written: `cut` at the end of what was synced, `frame` after the
 * first page, `half` in the middle of the last page, `zeros` where data blocks never came, `flip` where one came wrong,
 * `whole` if all came.
 */
export const TEARS = ['cut', 'frame', 'half', 'zeros', 'flip', 'whole'] as const;
export type Tear = (typeof TEARS)[number];

const WAL_HEADER = 32;
const FRAME_HEADER = 24;

/**
 * The bytes of the last transaction in a write-ahead log (SQLite's file format, "WAL"): frames after the last but one
 * commit frame, of this log's salts. Null for a log without a transaction.
 */
export function lastTransaction(wal: Uint8Array): { start: number; end: number; frame: number } | null {
  if (wal.length < WAL_HEADER) return null;
  const view = new DataView(wal.buffer, wal.byteOffset, wal.length);
  const frame = FRAME_HEADER + view.getUint32(8);
  const salts = [view.getUint32(16), view.getUint32(20)];
  const commits: number[] = [];
  for (let at = WAL_HEADER; at + frame <= wal.length; at += frame) {
    if (view.getUint32(at + 8) !== salts[0] || view.getUint32(at + 12) !== salts[1]) break;
    if (view.getUint32(at + 4) !== 0) commits.push(at + frame);
  }
  const end = commits.at(-1);
  return end === undefined ? null : { start: commits.at(-2) ?? WAL_HEADER, end, frame };
}

/**
 * Tears the last transaction of a log, which the caller knows not to have been synced: with synchronous=FULL a commit
 * returns only after its frames are, so only one that had not returned may be torn, and nothing before it. (A log that
 * begins anew syncs its header before its frames.)
 */
export function tearLog(path: string, tear: Tear): void {
  if (!existsSync(path) || tear === 'whole') return;
  const wal = new Uint8Array(readFileSync(path));
  const last = lastTransaction(wal);
  if (last === null) return;
  const { start, end, frame } = last;
  const middle = end - Math.floor(frame / 2);
  switch (tear) {
    case 'cut':
      writeFileSync(path, wal.subarray(0, start));
      return;
    case 'frame':
      writeFileSync(path, wal.subarray(0, end - start > frame ? start + frame : start + 100));
      return;
    case 'half':
      writeFileSync(path, wal.subarray(0, middle));
      return;
    case 'zeros':
      wal.fill(0, end - start > frame ? start + frame : middle, end);
      break;
    case 'flip':
      wal[middle]! ^= 0x40;
      break;
  }
  writeFileSync(path, wal);
}

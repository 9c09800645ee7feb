import { type Bytes, concatBytes, sha256, utf8 } from '../../src/crypto/index.ts';
import { seeded } from '../torture/processes.ts';

/** Numbers and bytes of one seed: the same seed tells the same story again. */
export interface Luck {
  /** 0 to below 1. */
  next(): number;
  /** A whole number below `n`. */
  below(n: number): number;
  chance(p: number): boolean;
  pick<T>(list: readonly T[]): T;
  bytes(length: number): Bytes;
  /** A source of its own for a part of the world, so that what one part draws does not change the others. */
  fork(name: string): Luck;
}

/** Bytes come from SHA-256 over a counter: they never repeat, as nonces must not, whatever the seed. */
export function luckOf(seed: string): Luck {
  const key = sha256(utf8(seed));
  const next = seeded(new DataView(key.buffer, key.byteOffset).getUint32(0) || 1);
  let counter = 0;
  return {
    next,
    below: n => Math.floor(next() * n),
    chance: p => next() < p,
    pick: list => list[Math.floor(next() * list.length)]!,
    bytes(length) {
      const blocks: Bytes[] = [];
      for (let have = 0; have < length; have += 32) blocks.push(sha256(concatBytes(key, utf8(`${counter++}`))));
      return concatBytes(...blocks).slice(0, length);
    },
    fork: name => luckOf(`${seed}/${name}`),
  };
}

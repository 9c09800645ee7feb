import { createHash } from 'node:crypto';

/**
 * did:btcr2's tree the slow and obvious way, straight from the definition and sharing no code with src: split the leaves
 * by one bit after the other, hash every one of the 256 levels. Hashes are lowercase hex.
 */
const sha = (...parts: string[]): string =>
  createHash('sha256')
    .update(Buffer.from(parts.join(''), 'hex'))
    .digest('hex');

const zero: string[] = [sha('00'.repeat(64))];
for (let n = 1; n <= 256; n++) zero.push(sha(zero[n - 1]!, zero[n - 1]!));

export type WitnessLeaf = { index: string; value: string };

const written = new Map<string, string>();

function specBit(index: string, i: number): string {
  const bits = written.get(index) ?? BigInt(`0x${index}`).toString(2).padStart(256, '0');
  written.set(index, bits);
  return bits[i]!;
}

/** The bit that decides at a level: `spec` uses bitAt(255 − level), `lsb` bitAt(level). */
const bitNumber = (order: 'spec' | 'lsb', level: number): number => (order === 'spec' ? 255 - level : level);

function split(leaves: WitnessLeaf[], order: 'spec' | 'lsb', level: number): [WitnessLeaf[], WitnessLeaf[]] {
  const bit = bitNumber(order, level);
  return [leaves.filter(l => specBit(l.index, bit) === '0'), leaves.filter(l => specBit(l.index, bit) === '1')];
}

export function witnessRoot(leaves: WitnessLeaf[], order: 'spec' | 'lsb', height = 256): string {
  if (leaves.length === 0) return zero[height]!;
  if (height === 0) return leaves[0]!.value;
  const [left, right] = split(leaves, order, height - 1);
  return sha(witnessRoot(left, order, height - 1), witnessRoot(right, order, height - 1));
}

export function witnessBranch(leaves: WitnessLeaf[], order: 'spec' | 'lsb', index: string) {
  const hashes: string[] = [];
  const collapsed: string[] = Array(256).fill('1');
  let here = leaves;
  for (let level = 255; level >= 0; level--) {
    const bit = bitNumber(order, level);
    const [left, right] = split(here, order, level);
    const goesRight = specBit(index, bit) === '1';
    const sibling = witnessRoot(goesRight ? left : right, order, level);
    if (sibling !== zero[level]) {
      collapsed[bit] = '0';
      hashes.unshift(sibling);
    }
    here = goesRight ? right : left;
  }
  return {
    collapsed: BigInt(`0b${collapsed.join('')}`)
      .toString(16)
      .padStart(64, '0'),
    hashes,
  };
}

import { signalVsize } from './fees.ts';
import type { FallbackTree } from './leaves.ts';

/** Every signature of a fallback stands in its transaction: more members would make it too large for a message. */
export const MAX_FALLBACK_MEMBERS = 50;

const SIGNATURE_LENGTH = 64;
const varint = (length: number): number => (length < 0xfd ? 1 : 3);
const itemSize = (length: number): number => varint(length) + length;
const CONTROL_LENGTH = 65;

/** Virtual bytes that a witness of these bytes makes in the place of a key-path signature, which has 66. */
const grown = (vsizeByKey: number, witness: number): number => {
  const stripped = (vsizeByKey * 4 - 68) >> 2;
  return stripped + Math.ceil((2 + witness) / 4);
};

/** Virtual bytes of a signal that is signed by the fallback leaf of so many members, k = n − 1 of them. */
export function fallbackVsize(members: number, withChange: boolean): number {
  const k = members - 1;
  const scriptLength = members * 34 + (k <= 16 ? 1 : 2) + 1;
  const witness = varint(members + 2) + k * itemSize(SIGNATURE_LENGTH) + 1 + itemSize(scriptLength);
  return grown(signalVsize(withChange), witness + itemSize(CONTROL_LENGTH));
}

/** Virtual bytes of a recovery spend: one input by the recovery leaf, one P2TR output. */
export function recoveryVsize(tree: FallbackTree, spendVsize: number): number {
  const items = [SIGNATURE_LENGTH, tree.recovery.script.length, CONTROL_LENGTH].map(itemSize);
  return grown(spendVsize, 1 + items.reduce((sum, size) => sum + size, 0));
}

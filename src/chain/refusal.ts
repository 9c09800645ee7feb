import type { SubmitRefusal } from './types.ts';

const ALREADY = ['txn-already-in-mempool', 'txn-already-known', 'already in block chain', 'already in utxo set'];
const MISSING = ['missingorspent', 'missing inputs', 'missing-inputs'];
const CONFLICT = [
  'txn-mempool-conflict',
  // Outbid by what already spends the input: "insufficient fee, rejecting replacement".
  'insufficient fee',
  'replacement',
  'conflicting-tx',
];
const CHEAP = ['min relay fee not met', 'mempool min fee not met', 'min fee not met', 'mempool full'];

/** What a node's words for not taking a transaction mean; Bitcoin Core and its relatives share them. */
export function refusalOf(message: string): SubmitRefusal | 'already' {
  const text = message.toLowerCase();
  const says = (phrases: readonly string[]) => phrases.some(phrase => text.includes(phrase));
  if (says(ALREADY)) return 'already';
  if (says(MISSING)) return 'missing_inputs';
  if (says(CONFLICT)) return 'conflict';
  return says(CHEAP) ? 'fee_too_low' : 'rejected';
}

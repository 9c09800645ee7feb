import { addressToScript } from './address.ts';
import { DUST_SATS } from './fees.ts';
import type { Network } from './network.ts';
import { buildSpend } from './spend.ts';
import { parseTx } from './transaction.ts';

/** A transaction that gives back what another one leaves at the beacon, unless a round uses that first. */
export interface Refund {
  unsigned_hex: string;
  txid: string;
  fee_sats: number;
  /** What the output that it spends holds; its signature commits to it. */
  value_sats: number;
}

export interface RefundTerms {
  refund?: { address: string; delay_blocks: number } | undefined;
  fee_cap: number;
  btc_network: Network;
}

/**
 * The refunds that are signed together with transactions (unsigned hex) of a beacon, in their order: for each one that
 * leaves something at the beacon's script (hex), all of it to the address in the terms, after their delay (BIP-68). They
 * follow from terms and transactions alone, so nobody is told them and nobody can lie about them. Each pays the cap,
 * since nobody can raise it later; what is too little for that, and terms without a refund, have none.
 */
export function refundsOf(terms: RefundTerms, scriptHex: string, transactions: readonly string[]): Refund[] {
  const { refund, fee_cap: feeSats, btc_network } = terms;
  if (!refund) return [];
  const toHex = addressToScript(refund.address, btc_network);
  return transactions.flatMap((hex): Refund[] => {
    const { txid, outputs } = parseTx(hex);
    const vout = outputs.findIndex(output => output.script_hex === scriptHex);
    const value_sats = outputs[vout]?.value_sats ?? 0;
    if (value_sats - feeSats < DUST_SATS) return [];
    const prevout = { txid, vout, value_sats };
    const built = buildSpend({ prevout, scriptHex, toHex, feeSats, delayBlocks: refund.delay_blocks });
    return [{ unsigned_hex: built.unsignedHex, txid: built.txid, fee_sats: feeSats, value_sats }];
  });
}

/** All that is signed in one session, with the value that each signature commits to: its steps, then their refunds. */
export const signedTogether = ({
  outpoint,
  steps,
  refunds = [],
}: {
  outpoint: { value_sats: number };
  steps: readonly { unsigned_hex: string; txid: string }[];
  refunds?: readonly Refund[] | undefined;
}): { unsigned_hex: string; txid: string; value_sats: number }[] => [
  ...steps.map(({ unsigned_hex, txid }) => ({ unsigned_hex, txid, value_sats: outpoint.value_sats })),
  ...refunds,
];

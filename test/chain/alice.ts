import { z } from 'zod';
import type { Regtest } from '../../src/testing/regtest.ts';

/** Somebody with keys in a wallet of the node, who signs exactly the transactions that a test asks for. */
export interface Alice {
  address(): Promise<string>;
  /** A signed transaction from these coins to these outputs (satoshis by address); what is left is the fee. */
  sign(coins: { txid: string; vout: number }[], outputs: Record<string, number>): Promise<string>;
}

export async function alice(node: Regtest, name = 'alice'): Promise<Alice> {
  await node.rpc('createwallet', [name]);
  return {
    address: async () => z.string().parse(await node.rpc('getnewaddress', ['', 'bech32m'], name)),
    async sign(coins, outputs) {
      const paid = Object.entries(outputs).map(([address, sats]) => ({ [address]: (sats / 1e8).toFixed(8) }));
      const inputs = coins.map(coin => ({ ...coin, sequence: 0xfffffffd }));
      const raw = await node.rpc('createrawtransaction', [inputs, paid]);
      const signed = await node.rpc('signrawtransactionwithwallet', [raw], name);
      return z.object({ complete: z.literal(true), hex: z.string() }).parse(signed).hex;
    },
  };
}

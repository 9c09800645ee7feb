import { z } from 'zod';
import type { Regtest } from '../../../src/testing/regtest.ts';

/** Nobody's coins: coinbases of orphaned blocks must not be what a deposit was paid from. */
const NOBODY = 'bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202';

const mempoolSchema = z.record(z.string(), z.object({ ancestorcount: z.number(), depends: z.array(z.string()) }));
const txSchema = z.object({ confirmations: z.number().optional(), blockhash: z.string().optional() });

/** What a reorganization takes and gives, over a real node. */
export function minerOf(node: Regtest) {
  const height = async (): Promise<number> => z.number().parse(await node.rpc('getblockcount'));

  async function empty(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await node.rpc('generateblock', [NOBODY, []]);
  }

  /** A block of all that waits, save these transactions and whatever spends from them. */
  async function mineWithout(left: ReadonlySet<string>): Promise<void> {
    const pool = mempoolSchema.parse(await node.rpc('getrawmempool', [true]));
    const out = new Set(left);
    const chosen: string[] = [];
    for (const [txid, { depends }] of Object.entries(pool).sort(([, a], [, b]) => a.ancestorcount - b.ancestorcount))
      if (out.has(txid) || depends.some(parent => out.has(parent))) out.add(txid);
      else chosen.push(txid);
    await node.rpc('generateblock', [NOBODY, chosen]);
  }

  return {
    height,
    empty,
    mineWithout,
    mine: (count: number) => node.mine(count, NOBODY),
    /** Takes the last `depth` blocks away; what was in them waits in the mempool again. */
    async takeBack(depth: number): Promise<void> {
      const hash = z.string().parse(await node.rpc('getblockhash', [(await height()) - depth + 1]));
      await node.invalidateBlock(hash);
    },
    send: (hex: string) => node.rpc('sendrawtransaction', [hex]),
    /** 0 while it waits in the mempool; null where the node has no such transaction. */
    async confirmations(txid: string): Promise<number | null> {
      const found = await node.rpc('getrawtransaction', [txid, 1]).then(
        tx => txSchema.parse(tx),
        () => null,
      );
      return found && Math.max(0, found.confirmations ?? 0);
    },
  };
}

export type Miner = ReturnType<typeof minerOf>;

import { z } from 'zod';
import type { Regtest } from './regtest.ts';

/** Esplora's JSON of one transaction, as far as clients here read it. */
export interface IndexedTx {
  txid: string;
  version: number;
  locktime: number;
  vin: IndexedInput[];
  vout: IndexedOutput[];
  fee: number;
  status: IndexedStatus;
}
export interface IndexedOutput {
  scriptpubkey: string;
  scriptpubkey_address?: string;
  value: number;
}
export interface IndexedInput {
  txid: string;
  vout: number;
  prevout: IndexedOutput | null;
  is_coinbase: boolean;
  sequence: number;
}
export type IndexedStatus =
  | { confirmed: false }
  | { confirmed: true; block_height: number; block_hash: string; block_time: number };

export interface IndexedBlock {
  hash: string;
  previous: string | null;
  height: number;
  time: number;
  mediantime: number;
  txs: IndexedTx[];
}

/** The whole chain and mempool at one moment, in memory: a regtest chain is small. */
export interface ChainIndex {
  blocks: IndexedBlock[];
  mempool: IndexedTx[];
  hexes: Map<string, string>;
}

const SAT_PER_BTC = 1e8;
const PREVOUTS_AND_HEX = 3;
const sats = (btc: number): number => Math.round(btc * SAT_PER_BTC);

const outputSchema = z.object({
  value: z.number(),
  scriptPubKey: z.object({ hex: z.string(), address: z.string().optional() }),
});
const txSchema = z.object({
  txid: z.string(),
  hex: z.string(),
  version: z.number(),
  locktime: z.number(),
  fee: z.number().optional(),
  vin: z.array(
    z.object({
      coinbase: z.string().optional(),
      txid: z.string().optional(),
      vout: z.number().optional(),
      sequence: z.number(),
      prevout: outputSchema.optional(),
    }),
  ),
  vout: z.array(outputSchema),
});
const blockSchema = z.object({
  hash: z.string(),
  previousblockhash: z.string().optional(),
  height: z.number(),
  time: z.number(),
  mediantime: z.number(),
  tx: z.array(txSchema),
});

function toOutput(output: z.infer<typeof outputSchema>): IndexedOutput {
  const { hex, address } = output.scriptPubKey;
  return {
    scriptpubkey: hex,
    ...(address === undefined ? {} : { scriptpubkey_address: address }),
    value: sats(output.value),
  };
}

function toTx(tx: z.infer<typeof txSchema>, status: IndexedStatus): IndexedTx {
  const vin = tx.vin.map(input => ({
    txid: input.txid ?? '0'.repeat(64),
    vout: input.vout ?? 0xffffffff,
    prevout: input.prevout === undefined ? null : toOutput(input.prevout),
    is_coinbase: input.coinbase !== undefined,
    sequence: input.sequence,
  }));
  const { txid, version, locktime } = tx;
  return { txid, version, locktime, vin, vout: tx.vout.map(toOutput), fee: sats(tx.fee ?? 0), status };
}

/** The node tells spent outputs for blocks only. */
function withPrevouts(unconfirmed: readonly IndexedTx[], blocks: readonly IndexedBlock[]): IndexedTx[] {
  const known = new Map([...blocks.flatMap(block => block.txs), ...unconfirmed].map(tx => [tx.txid, tx.vout]));
  return unconfirmed.map(tx => ({
    ...tx,
    vin: tx.vin.map(input => ({ ...input, prevout: known.get(input.txid)?.[input.vout] ?? null })),
  }));
}

/**
 * An index of a regtest chain that each call brings up to date, reorganisations included. It reads blocks, and no
 * wallet, so that it is a witness of its own against the wallet-based backend.
 */
export function chainIndex(node: Pick<Regtest, 'rpc'>): () => Promise<ChainIndex> {
  const blocks: IndexedBlock[] = [];
  const hexes = new Map<string, string>();
  let waiting = new Map<string, IndexedTx>();
  let last: { key: string; index: ChainIndex } | null = null;
  let queue: Promise<unknown> = Promise.resolve();

  async function readBlock(hash: string): Promise<IndexedBlock> {
    const block = blockSchema.parse(await node.rpc('getblock', [hash, PREVOUTS_AND_HEX]));
    const { height, time, mediantime, previousblockhash } = block;
    for (const tx of block.tx) hexes.set(tx.txid, tx.hex);
    const status = { confirmed: true as const, block_height: height, block_hash: hash, block_time: time };
    const txs = block.tx.map(tx => toTx(tx, status));
    return { hash, previous: previousblockhash ?? null, height, time, mediantime, txs };
  }

  async function followChain(best: string): Promise<void> {
    const fresh: IndexedBlock[] = [];
    let hash: string | null = best;
    while (hash !== null && !blocks.some(block => block.hash === hash)) {
      const block: IndexedBlock = await readBlock(hash);
      fresh.push(block);
      hash = block.previous;
    }
    const fork = blocks.findIndex(block => block.hash === hash);
    blocks.splice(fork + 1, blocks.length, ...fresh.reverse());
  }

  async function readMempool(txids: readonly string[]): Promise<IndexedTx[]> {
    const found: IndexedTx[] = [];
    for (const txid of txids) {
      // One that was replaced since the list was made is unknown by now.
      const tx = waiting.get(txid) ?? (await readWaiting(txid).catch(() => null));
      if (tx !== null) found.push(tx);
    }
    waiting = new Map(found.map(tx => [tx.txid, tx]));
    return withPrevouts(found, blocks);
  }

  async function readWaiting(txid: string): Promise<IndexedTx> {
    const raw = txSchema.parse(await node.rpc('getrawtransaction', [txid, 1]));
    hexes.set(txid, raw.hex);
    return toTx(raw, { confirmed: false });
  }

  const bestHash = async () => z.string().parse(await node.rpc('getbestblockhash'));

  const refresh = async (): Promise<ChainIndex> => {
    for (;;) {
      const best = await bestHash();
      const txids = z.array(z.string()).parse(await node.rpc('getrawmempool'));
      const key = [best, ...txids.toSorted()].join();
      if (last?.key === key) return last.index;
      await followChain(best);
      const mempool = await readMempool(txids);
      if ((await bestHash()) !== best) continue;
      last = { key, index: { blocks: [...blocks], mempool, hexes } };
      return last.index;
    }
  };
  return () => {
    const mine = queue.then(refresh);
    queue = mine.catch(() => undefined);
    return mine;
  };
}

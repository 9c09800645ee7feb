import { z } from 'zod';
import { type DecodedTx, decodeTx, mempoolOrder, outPointKey } from './decode.ts';
import { ChainError } from './errors.ts';
import { parseAnswer, type Rpc } from './rpc.ts';
import type { Utxo } from './types.ts';
import type { WatchWallet } from './wallet.ts';

const METHOD_NOT_FOUND = -32601;
const INVALID_ADDRESS_OR_KEY = -5;
/** Blocks under the tip that are read again at every call; an entry below them is kept while its block stays in the chain. */
const SETTLED_DEPTH = 144;
const ATTEMPTS = 10;

/** A wallet transaction that is in the best chain or the mempool. */
export interface WalletTx {
  txid: string;
  hex: string;
  decoded: DecodedTx;
  height: number | null;
  block_hash: string | null;
}

/** What happened on one output script, in chain order, and what is left. */
export interface ScriptView {
  txs: (WalletTx & { spends: boolean; pays: boolean })[];
  utxos: Utxo[];
  /** Spending transaction by output key, over all inputs of `txs`. */
  spenders: Map<string, WalletTx>;
}

const entrySchema = z.object({
  txid: z.string(),
  confirmations: z.number(),
  blockhash: z.string().optional(),
  blockheight: z.number().optional(),
  blockindex: z.number().optional(),
});
const listSchema = z.object({ transactions: z.array(entrySchema), lastblock: z.string() });

interface Placed {
  txid: string;
  height: number;
  block_hash: string;
  index: number;
}

interface Listing {
  tip: string;
  confirmed: Placed[];
  unconfirmed: string[];
}

const sameIds = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && new Set([...a, ...b]).size === a.length;

/**
 * A reader of the active transactions of a wallet. The wallet lists the transactions of all its addresses, and also
 * those that a reorganisation, a replacement or an eviction took away; only ones in the best chain or the mempool
 * count as active.
 */
export function walletReader(rpc: Rpc, wallet: WatchWallet): () => Promise<WalletTx[]> {
  const bodies = new Map<string, { hex: string; decoded: DecodedTx }>();
  let settled: { generation: number; anchor: string; height: number; placed: Placed[] } | null = null;

  const bestBlock = () => rpc.call(z.string(), { method: 'getbestblockhash' });

  /** Wallets hear of the mempool through a queue; without this an answer could miss a transaction of a moment ago. */
  async function drainQueue(): Promise<void> {
    try {
      await rpc.call(z.null(), { method: 'syncwithvalidationinterfacequeue' });
    } catch (fault) {
      if (!(fault instanceof ChainError && fault.rpcCode === METHOD_NOT_FOUND)) throw fault;
    }
  }

  async function usableAnchor(generation: number): Promise<typeof settled> {
    if (settled === null || settled.generation !== generation) return null;
    const header = z.object({ confirmations: z.number() });
    const [reply] = await rpc.batch([{ method: 'getblockheader', params: [settled.anchor] }]);
    if (!reply?.ok) return null;
    const parsed = header.safeParse(reply.result);
    return parsed.success && parsed.data.confirmations > 0 ? settled : null;
  }

  async function list(base: typeof settled): Promise<Listing> {
    const params = [base?.anchor ?? '', 1, true, false, true];
    const answer = await wallet.call(listSchema, { method: 'listsinceblock', params });
    const confirmed = new Map<string, Placed>((base?.placed ?? []).map(placed => [placed.txid, placed]));
    const unconfirmed = new Set<string>();
    for (const entry of answer.transactions) {
      if (entry.confirmations === 0) unconfirmed.add(entry.txid);
      if (entry.confirmations <= 0 || entry.blockhash === undefined || entry.blockheight === undefined) continue;
      confirmed.set(entry.txid, {
        txid: entry.txid,
        height: entry.blockheight,
        block_hash: entry.blockhash,
        index: entry.blockindex ?? 0,
      });
    }
    return { tip: answer.lastblock, confirmed: [...confirmed.values()], unconfirmed: [...unconfirmed] };
  }

  async function inMempool(txids: readonly string[]): Promise<string[]> {
    const replies = await rpc.batch(txids.map(txid => ({ method: 'getmempoolentry', params: [txid] })));
    return txids.filter((_, i) => replies[i]!.ok);
  }

  /** One moment's view: the tip did not move meanwhile, and no transaction took another's place in the mempool. */
  async function stableListing(base: typeof settled): Promise<Listing & { waiting: string[] }> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      await drainQueue();
      const listing = await list(base);
      const waiting = await inMempool(listing.unconfirmed);
      if (waiting.length < listing.unconfirmed.length) {
        await drainQueue();
        if (!sameIds((await list(base)).unconfirmed, listing.unconfirmed)) continue;
      }
      if ((await bestBlock()) === listing.tip) return { ...listing, waiting };
    }
    throw new ChainError('unsettled', 'the chain moved during every attempt to read it');
  }

  async function fetchBodies(txids: readonly string[]): Promise<void> {
    const wanted = txids.filter(txid => !bodies.has(txid));
    const replies = await wallet.batch(wanted.map(txid => ({ method: 'gettransaction', params: [txid, true] })));
    for (const [i, reply] of replies.entries()) {
      const txid = wanted[i]!;
      if (!reply.ok) throw new ChainError('rpc', `gettransaction: ${reply.message}`, reply.code);
      const { hex } = parseAnswer(z.object({ hex: z.string() }), reply.result, 'gettransaction');
      bodies.set(txid, { hex, decoded: decodeTx(hex) });
    }
  }

  async function remember(listing: Listing, generation: number): Promise<void> {
    const { height } = await rpc.call(z.object({ height: z.number() }), {
      method: 'getblockheader',
      params: [listing.tip],
    });
    const anchorHeight = height - SETTLED_DEPTH;
    if (anchorHeight <= (settled?.generation === generation ? settled.height : 0)) return;
    const anchor = await rpc.call(z.string(), { method: 'getblockhash', params: [anchorHeight] });
    const placed = listing.confirmed.filter(entry => entry.height <= anchorHeight);
    // A deep reorganisation between the two calls would pair an anchor with another chain's entries.
    if ((await bestBlock()) === listing.tip) settled = { generation, anchor, height: anchorHeight, placed };
  }

  return async () => {
    const generation = wallet.generation();
    const base = await usableAnchor(generation);
    if (base === null) settled = null;
    const listing = await stableListing(base);
    await fetchBodies([...listing.confirmed.map(entry => entry.txid), ...listing.waiting]);
    await remember(listing, generation);
    const body = (txid: string) => ({ txid, ...bodies.get(txid)! });
    const ordered = listing.confirmed.toSorted((a, b) => a.height - b.height || a.index - b.index);
    const mined = ordered.map(({ txid, height, block_hash }) => ({ ...body(txid), height, block_hash }));
    const waiting = mempoolOrder(listing.waiting.map(body)).map(tx => ({ ...tx, height: null, block_hash: null }));
    return [...mined, ...waiting];
  };
}

const NOTHING: ScriptView = { txs: [], utxos: [], spenders: new Map() };
const views = new WeakMap<readonly WalletTx[], Map<string, ScriptView>>();

/** What the active transactions of a wallet, in chain order, mean for one output script (hex). */
export function viewOf(txs: readonly WalletTx[], script: string): ScriptView {
  const known = views.get(txs) ?? viewsOf(txs);
  views.set(txs, known);
  return known.get(script) ?? NOTHING;
}

/** The same for every script that they pay: all of them cost hardly more than one. */
function viewsOf(txs: readonly WalletTx[]): Map<string, ScriptView> {
  const byScript = new Map<string, ScriptView>();
  const coins = new Map<string, { utxo: Utxo; view: ScriptView }>();
  for (const { txid, decoded, height } of txs)
    for (const [vout, { script, value_sats }] of decoded.outputs.entries()) {
      const view = byScript.get(script) ?? { txs: [], utxos: [], spenders: new Map() };
      byScript.set(script, view);
      coins.set(outPointKey(txid, vout), {
        utxo: { txid, vout, value_sats, height, coinbase: decoded.coinbase },
        view,
      });
    }
  for (const tx of txs) {
    const spending = new Set<ScriptView>();
    for (const { txid, vout } of tx.decoded.inputs) {
      const key = outPointKey(txid, vout);
      const view = coins.get(key)?.view;
      view?.spenders.set(key, tx);
      if (view) spending.add(view);
    }
    const paid = new Set(tx.decoded.outputs.map(({ script }) => byScript.get(script)!));
    for (const view of new Set([...spending, ...paid]))
      view.txs.push({ ...tx, spends: spending.has(view), pays: paid.has(view) });
  }
  for (const [key, { utxo, view }] of coins) if (!view.spenders.has(key)) view.utxos.push(utxo);
  return byScript;
}

/** Whether the wallet's answer says that it does not know the transaction. */
export const isUnknownTx = (code: number): boolean => code === INVALID_ADDRESS_OR_KEY;

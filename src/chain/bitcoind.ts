import { z } from 'zod';
import { type DecodedTx, outPointKey, tryDecodeTx } from './decode.ts';
import { ChainError } from './errors.ts';
import { isSignetGenesis, networkOf } from './network.ts';
import { refusalOf } from './refusal.ts';
import { parseAnswer as parse, type RpcAuth, rpcClient } from './rpc.ts';
import { together } from './turns.ts';
import type { AddressTx, Chain, SubmitResult, TxStatus } from './types.ts';
import { watchWallet } from './wallet.ts';
import { isUnknownTx, type ScriptView, viewOf, walletReader } from './wallet-view.ts';

export interface BitcoindOptions {
  /** http(s) URL of the node's RPC port, without credentials. */
  url: string;
  auth: RpcAuth;
  /** Name of the watch-only wallet to create and use; two processes on one node take two names. */
  wallet: string;
  /** Milliseconds until a call counts as unanswered; 30,000 if left out. Scans of the chain have no limit. */
  timeoutMs?: number;
}

const MAX_TARGET = 1008;
const SAT_PER_BTC = 1e8;
const VB_PER_KVB = 1e3;

const headerSchema = z.object({ height: z.number(), mediantime: z.number(), confirmations: z.number() });
const walletTxSchema = z.object({ hex: z.string(), confirmations: z.number(), blockhash: z.string().optional() });
const rawTxSchema = z.object({
  hex: z.string(),
  blockhash: z.string().optional(),
  confirmations: z.number().optional(),
});
const infoSchema = z.object({
  blocks: z.number(),
  bestblockhash: z.string(),
  mediantime: z.number(),
  time: z.number(),
});

/**
 * The chain as a bitcoind (Bitcoin Core 24 or newer, Knots) sees it, through a watch-only descriptor wallet of its own.
 * Needs neither `txindex` nor a block filter index; a pruned node serves addresses born after its oldest block.
 */
export function bitcoindChain(options: BitcoindOptions): Chain {
  const rpc = rpcClient(options);
  const wallet = watchWallet(rpc, options.wallet);
  // A wallet's whole list is read at once, whichever address is asked about: many that ask share it.
  const readWallet = together(walletReader(rpc, wallet));
  const mediantimes = new Map<string, number>();

  const call = <T>(schema: z.ZodType<T>, method: string, ...params: unknown[]) => rpc.call(schema, { method, params });

  /** Median times by block hash; a block's never changes. */
  async function learnTimes(hashes: readonly (string | null)[]): Promise<void> {
    const wanted = [...new Set(hashes)].filter(hash => hash !== null && !mediantimes.has(hash));
    const replies = await rpc.batch(wanted.map(hash => ({ method: 'getblockheader', params: [hash] })));
    for (const [i, reply] of replies.entries()) {
      if (!reply.ok) throw new ChainError('rpc', `getblockheader: ${reply.message}`, reply.code);
      mediantimes.set(wanted[i]!, parse(headerSchema, reply.result, 'getblockheader').mediantime);
    }
  }

  async function view(address: string): Promise<ScriptView> {
    const script = await wallet.script(address);
    for (;;) {
      await wallet.ensure(address);
      const generation = wallet.generation();
      const txs = await readWallet();
      if (wallet.generation() === generation) return viewOf(txs, script);
    }
  }

  async function toAddressTxs(txs: readonly ScriptView['txs'][number][]): Promise<AddressTx[]> {
    await learnTimes(txs.map(tx => tx.block_hash));
    return txs.map(({ txid, hex, height, block_hash, spends, pays }) => {
      const mediantime = block_hash === null ? null : mediantimes.get(block_hash)!;
      return { txid, hex, height, block_hash, mediantime, spends, pays };
    });
  }

  async function history(address: string, fromHeight = 0): Promise<AddressTx[]> {
    const { txs } = await view(address);
    return toAddressTxs(txs.filter(tx => tx.height === null || tx.height >= fromHeight));
  }

  const inMempool = async (txid: string): Promise<boolean> =>
    (await rpc.batch([{ method: 'getmempoolentry', params: [txid] }]))[0]!.ok;

  async function mined(hex: string, txid: string, blockHash: string): Promise<TxStatus | null> {
    const { height, mediantime, confirmations } = await call(headerSchema, 'getblockheader', blockHash);
    if (confirmations <= 0) return null;
    return { txid, hex, height, block_hash: blockHash, confirmations, mediantime };
  }

  async function waiting(hex: string, txid: string): Promise<TxStatus | null> {
    if (!(await inMempool(txid))) return null;
    return { txid, hex, height: null, block_hash: null, confirmations: 0, mediantime: null };
  }

  async function walletStatus(txid: string): Promise<TxStatus | null> {
    const [reply] = await wallet.batch([{ method: 'gettransaction', params: [txid, true] }]);
    if (!reply!.ok) {
      if (isUnknownTx(reply!.code)) return null;
      throw new ChainError('rpc', `gettransaction: ${reply!.message}`, reply!.code);
    }
    const { hex, confirmations, blockhash } = parse(walletTxSchema, reply!.result, 'gettransaction');
    if (confirmations > 0 && blockhash !== undefined) return mined(hex, txid, blockhash);
    return confirmations === 0 ? waiting(hex, txid) : null;
  }

  /** Finds what is in the mempool, and everything on a node with `txindex`. */
  async function nodeStatus(txid: string): Promise<TxStatus | null> {
    const [reply] = await rpc.batch([{ method: 'getrawtransaction', params: [txid, 1] }]);
    if (!reply!.ok) return null;
    const { hex, blockhash } = parse(rawTxSchema, reply!.result, 'getrawtransaction');
    return blockhash === undefined ? waiting(hex, txid) : mined(hex, txid, blockhash);
  }

  async function tx(txid: string, address?: string): Promise<TxStatus | null> {
    if (address !== undefined) await wallet.ensure(address);
    return (await walletStatus(txid)) ?? (await nodeStatus(txid));
  }

  /** Nodes say "missing or spent" in one breath: tell them apart, and recognise our own transaction in a block. */
  async function missing(decoded: DecodedTx, reason: string): Promise<SubmitResult> {
    if ((await tx(decoded.txid)) !== null) return { accepted: true, already: true };
    for (const input of decoded.inputs) {
      const unspent = await call(z.unknown(), 'gettxout', input.txid, input.vout, false);
      if (unspent === null && (await tx(input.txid)) !== null) return { accepted: false, code: 'conflict', reason };
    }
    return { accepted: false, code: 'missing_inputs', reason };
  }

  return {
    kind: 'bitcoind',
    async network() {
      const genesis = await call(z.string(), 'getblockhash', 0);
      if (!isSignetGenesis(genesis)) return networkOf(genesis, null);
      const [first] = await rpc.batch([{ method: 'getblockhash', params: [1] }]);
      return networkOf(genesis, first!.ok ? parse(z.string(), first!.result, 'getblockhash') : null);
    },
    async tip() {
      const { blocks, bestblockhash, mediantime, time } = await call(infoSchema, 'getblockchaininfo');
      return { height: blocks, hash: bestblockhash, mediantime, time };
    },
    utxos: async address => (await view(address)).utxos,
    history,
    spends: async (address, fromHeight) => (await history(address, fromHeight)).filter(found => found.spends),
    async outspend(txid, vout, address) {
      const { spenders, txs } = await view(address);
      const spender = spenders.get(outPointKey(txid, vout));
      const [found] = await toAddressTxs(txs.filter(candidate => candidate.txid === spender?.txid));
      return found ?? null;
    },
    tx,
    async submit(hex) {
      const decoded = tryDecodeTx(hex);
      if (decoded === null) return { accepted: false, code: 'rejected', reason: 'not a transaction' };
      const already = await inMempool(decoded.txid);
      try {
        // Sent in any case: the node announces what it already holds to its peers again.
        await call(z.string(), 'sendrawtransaction', hex);
        return { accepted: true, already };
      } catch (fault) {
        if (!(fault instanceof ChainError && fault.code === 'rpc')) throw fault;
        const reason = fault.message.replace(/^sendrawtransaction: /, '');
        const code = refusalOf(reason);
        if (code === 'already') return { accepted: true, already: true };
        return code === 'missing_inputs' ? missing(decoded, reason) : { accepted: false, code, reason };
      }
    },
    async feeRate(targetBlocks) {
      const target = Math.min(MAX_TARGET, Math.max(1, Math.ceil(targetBlocks)));
      const estimate = await call(
        z.object({ feerate: z.number().optional() }),
        'estimatesmartfee',
        target,
        'economical',
      );
      return estimate.feerate === undefined ? null : Math.round(estimate.feerate * SAT_PER_BTC) / VB_PER_KVB;
    },
    watch: (address, birthHeight = 0) => wallet.watch(address, birthHeight),
    close: async () => rpc.close(),
  };
}

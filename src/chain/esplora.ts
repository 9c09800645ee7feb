import { z } from 'zod';
import { type DecodedTx, mempoolOrder, outPointKey, tryDecodeTx } from './decode.ts';
import { ChainError } from './errors.ts';
import { AT_ONCE, type EsploraOptions, esploraHttp } from './esplora-http.ts';
import { isSignetGenesis, networkOf } from './network.ts';
import { refusalOf } from './refusal.ts';
import type { AddressTx, Chain, SubmitResult, TxStatus, Utxo } from './types.ts';

export type { EsploraOptions } from './esplora-http.ts';

const ATTEMPTS = 10;
/** Servers list no more mempool transactions of an address than this, without saying that there are more. */
const MEMPOOL_PAGE = 50;

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const height = z.number().int().nonnegative();
const statusSchema = z.object({
  confirmed: z.boolean(),
  block_height: height.nullish(),
  block_hash: hash.nullish(),
});
const paidSchema = z.object({ scriptpubkey_address: z.string().nullish() });
const txSchema = z.object({
  txid: hash,
  vin: z.array(z.object({ prevout: paidSchema.nullish(), is_coinbase: z.boolean().nullish() })),
  vout: z.array(paidSchema),
  status: statusSchema,
});
type EsploraTx = z.infer<typeof txSchema>;

const utxoSchema = z.object({ txid: hash, vout: height, status: statusSchema, value: z.number().int().nonnegative() });
const blockSchema = z.object({ height, timestamp: z.number(), mediantime: z.number() });
const outspendSchema = z.object({ spent: z.boolean(), txid: hash.nullish() });

/** After a failure nothing more is asked. */
async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let start = 0; start < items.length; start += AT_ONCE)
    done.push(...(await Promise.all(items.slice(start, start + AT_ONCE).map(work))));
  return done;
}

/** The block of a status, or null in the mempool. */
function placeOf(status: z.infer<typeof statusSchema>): { height: number; block_hash: string } | null {
  if (!status.confirmed) return null;
  if (status.block_height == null || status.block_hash == null)
    throw new ChainError('bad_answer', 'a confirmed transaction has no block');
  return { height: status.block_height, block_hash: status.block_hash };
}

/**
 * The chain as an Esplora server tells it, over `fetch` only, so that it works in browsers. The server is believed
 * about what it lists and leaves out; raw transactions are checked against their txid.
 */
export function esploraChain(options: EsploraOptions): Chain {
  const http = esploraHttp(options);
  const bodies = new Map<string, { hex: string; decoded: DecodedTx }>();
  const mediantimes = new Map<string, number>();

  async function body(txid: string) {
    const known = bodies.get(txid);
    if (known !== undefined) return known;
    const hex = await http.text(`/tx/${txid}/hex`);
    const decoded = tryDecodeTx(hex);
    if (decoded?.txid !== txid) throw new ChainError('bad_answer', `/tx/${txid}/hex is another transaction`);
    bodies.set(txid, { hex, decoded });
    return { hex, decoded };
  }

  async function mediantime(blockHash: string): Promise<number> {
    const known = mediantimes.get(blockHash);
    if (known !== undefined) return known;
    const block = await http.json(blockSchema, `/block/${blockHash}`);
    mediantimes.set(blockHash, block.mediantime);
    return block.mediantime;
  }

  const tipHash = () => http.text('/blocks/tip/hash');

  /** Runs a read of several requests again until no block came or went meanwhile. */
  async function atOneTip<T>(read: () => Promise<T>): Promise<T> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const before = await tipHash();
      let answer: T;
      try {
        answer = await read();
      } catch (fault) {
        if (!(fault instanceof ChainError) || (await tipHash()) === before) throw fault;
        continue;
      }
      if ((await tipHash()) === before) return answer;
    }
    throw new ChainError('unsettled', 'the chain moved during every attempt to read it');
  }

  const path = (address: string): string => {
    if (!/^[0-9a-zA-Z]+$/.test(address))
      throw new ChainError('bad_address', `${JSON.stringify(address)} is no address`);
    return `/address/${address}`;
  };

  async function confirmedTxs(address: string, fromHeight: number): Promise<EsploraTx[]> {
    const found = new Map<string, EsploraTx>();
    for (let last = ''; ; ) {
      const page = await http.json(z.array(txSchema), `${path(address)}/txs/chain${last}`);
      const fresh = page.filter(tx => !found.has(tx.txid));
      for (const tx of fresh) found.set(tx.txid, tx);
      const oldest = fresh.at(-1);
      if (oldest === undefined || placeOf(oldest.status)!.height < fromHeight) break;
      last = `/${oldest.txid}`;
    }
    return [...found.values()].filter(tx => placeOf(tx.status)!.height >= fromHeight);
  }

  /** Servers order by block, but not always inside a block: there the Merkle proof tells the place. */
  async function chainOrder(txs: readonly EsploraTx[]): Promise<EsploraTx[]> {
    const heights = txs.map(tx => placeOf(tx.status)!.height);
    const placed = await inTurns(txs, async tx => {
      const { height: at } = placeOf(tx.status)!;
      const shared = heights.indexOf(at) !== heights.lastIndexOf(at);
      const pos = shared ? (await http.json(z.object({ pos: height }), `/tx/${tx.txid}/merkle-proof`)).pos : 0;
      return { tx, height: at, pos };
    });
    return placed.sort((a, b) => a.height - b.height || a.pos - b.pos).map(entry => entry.tx);
  }

  const spendsFrom = (tx: EsploraTx, address: string): boolean =>
    tx.vin.some(input => input.prevout?.scriptpubkey_address === address);

  async function toAddressTx(tx: EsploraTx, address: string): Promise<AddressTx> {
    const place = placeOf(tx.status);
    return {
      txid: tx.txid,
      hex: (await body(tx.txid)).hex,
      height: place?.height ?? null,
      block_hash: place?.block_hash ?? null,
      mediantime: place === null ? null : await mediantime(place.block_hash),
      spends: spendsFrom(tx, address),
      pays: tx.vout.some(output => output.scriptpubkey_address === address),
    };
  }

  async function spenderOf(txid: string, vout: number): Promise<EsploraTx | null> {
    const outspend = await http.find(outspendSchema, `/tx/${txid}/outspend/${vout}`);
    if (!outspend?.spent || outspend.txid == null) return null;
    return http.find(txSchema, `/tx/${outspend.txid}`);
  }

  /** Whoever floods an address with unconfirmed payments must not push a spend of its coins off the list. */
  async function hiddenSpends(address: string, listed: readonly EsploraTx[]): Promise<EsploraTx[]> {
    const paid = [...(await confirmedTxs(address, 0)), ...listed].flatMap(tx =>
      tx.vout.flatMap((output, vout) => (output.scriptpubkey_address === address ? [{ txid: tx.txid, vout }] : [])),
    );
    const spenders = await inTurns(paid, ({ txid, vout }) => spenderOf(txid, vout));
    return spenders.flatMap(spender => (spender === null || spender.status.confirmed ? [] : [spender]));
  }

  async function mempoolTxs(address: string): Promise<EsploraTx[]> {
    const listed = await http.json(z.array(txSchema), `${path(address)}/txs/mempool`);
    const hidden = listed.length < MEMPOOL_PAGE ? [] : await hiddenSpends(address, listed);
    const waiting = new Map([...listed, ...hidden].filter(tx => !tx.status.confirmed).map(tx => [tx.txid, tx]));
    return [...waiting.values()];
  }

  async function waitingHistory(address: string): Promise<AddressTx[]> {
    return mempoolOrder(await inTurns(await mempoolTxs(address), tx => toAddressTx(tx, address)));
  }

  const history = (address: string, fromHeight = 0): Promise<AddressTx[]> =>
    atOneTip(async () => {
      const mined = await chainOrder(await confirmedTxs(address, fromHeight));
      const confirmed = await inTurns(mined, tx => toAddressTx(tx, address));
      return [...confirmed, ...(await waitingHistory(address))];
    });

  async function coins(address: string): Promise<Utxo[]> {
    const listed = await http.json(z.array(utxoSchema), `${path(address)}/utxo`);
    return inTurns(listed, async ({ txid, vout, status }) => {
      const { decoded } = await body(txid);
      const output = decoded.outputs[vout];
      if (output === undefined) throw new ChainError('bad_answer', `${outPointKey(txid, vout)} does not exist`);
      const at = placeOf(status)?.height ?? null;
      return { txid, vout, value_sats: output.value_sats, height: at, coinbase: decoded.coinbase };
    });
  }

  /** The order of the history, which a server's list of coins does not keep. */
  async function oldestFirst(address: string, unordered: readonly Utxo[]): Promise<Utxo[]> {
    if (unordered.length < 2) return [...unordered];
    const rank = new Map<string, number>();
    const heights = unordered.flatMap(coin => coin.height ?? []);
    const from = heights.length === 0 ? Number.MAX_SAFE_INTEGER : Math.min(...heights);
    const txs = [
      ...(await chainOrder(await confirmedTxs(address, from))).map(tx => tx.txid),
      ...(await waitingHistory(address)).map(tx => tx.txid),
    ];
    for (const [i, txid] of txs.entries()) rank.set(txid, i);
    const place = (coin: Utxo) => rank.get(coin.txid) ?? Number.MAX_SAFE_INTEGER;
    return unordered.toSorted((a, b) => place(a) - place(b) || a.vout - b.vout);
  }

  async function tx(txid: string): Promise<TxStatus | null> {
    return atOneTip(async () => {
      const found = await http.find(txSchema, `/tx/${txid}`);
      if (found === null) return null;
      const { hex } = await body(txid);
      const place = placeOf(found.status);
      if (place === null) return { txid, hex, height: null, block_hash: null, confirmations: 0, mediantime: null };
      const tipHeight = z.coerce.number().parse(await http.text('/blocks/tip/height'));
      const confirmations = tipHeight - place.height + 1;
      return { txid, hex, ...place, confirmations, mediantime: await mediantime(place.block_hash) };
    });
  }

  /** Nodes say "missing or spent" in one breath: tell them apart, and recognise our own transaction. */
  async function missing(decoded: DecodedTx, reason: string): Promise<SubmitResult> {
    if ((await tx(decoded.txid)) !== null) return { accepted: true, already: true };
    for (const input of decoded.inputs)
      if ((await spenderOf(input.txid, input.vout)) !== null) return { accepted: false, code: 'conflict', reason };
    return { accepted: false, code: 'missing_inputs', reason };
  }

  return {
    kind: 'esplora',
    async network() {
      const genesis = await http.text('/block-height/0');
      return networkOf(genesis, isSignetGenesis(genesis) ? await http.findText('/block-height/1') : null);
    },
    async tip() {
      const best = await tipHash();
      const block = await http.json(blockSchema, `/block/${best}`);
      return { height: block.height, hash: best, mediantime: block.mediantime, time: block.timestamp };
    },
    utxos: address => atOneTip(async () => oldestFirst(address, await coins(address))),
    history,
    spends: async (address, fromHeight) => (await history(address, fromHeight)).filter(found => found.spends),
    async outspend(txid, vout, address) {
      return atOneTip(async () => {
        const spender = await spenderOf(txid, vout);
        return spender === null || !spendsFrom(spender, address) ? null : toAddressTx(spender, address);
      });
    },
    tx,
    async submit(hex) {
      const decoded = tryDecodeTx(hex);
      if (decoded === null) return { accepted: false, code: 'rejected', reason: 'not a transaction' };
      const already = (await http.find(txSchema, `/tx/${decoded.txid}`)) !== null;
      const { ok, text } = await http.post('/tx', hex);
      if (ok) return { accepted: true, already };
      const reason = /"message":\s*"([^"]*)"/.exec(text)?.[1] ?? text.slice(0, 200);
      const code = refusalOf(reason);
      if (code === 'already') return { accepted: true, already: true };
      return code === 'missing_inputs' ? missing(decoded, reason) : { accepted: false, code, reason };
    },
    async feeRate(targetBlocks) {
      const estimates = await http.json(z.record(z.string(), z.number()), '/fee-estimates');
      const usable = Object.entries(estimates)
        .map(([target, rate]) => ({ target: Number(target), rate }))
        .filter(({ target, rate }) => target > 0 && Number.isFinite(rate) && rate > 0)
        .sort((a, b) => a.target - b.target);
      return (usable.findLast(({ target }) => target <= targetBlocks) ?? usable[0])?.rate ?? null;
    },
    // The server indexes every address: there is nothing to prepare, only a spelling to refuse.
    async watch(address) {
      path(address);
    },
    async close() {},
  };
}

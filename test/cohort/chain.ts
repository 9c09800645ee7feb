import { Transaction } from 'bitcoinjs-lib';
import { parseTx, signalBytesOf } from '../../src/bitcoin/index.ts';
import type { ChainTx, ChainView } from '../../src/cohort/index.ts';
import { fromHex, sha256, toHex, utf8 } from '../../src/crypto/index.ts';

interface SimTx {
  txid: string;
  hex: string;
  inputs: string[];
  /** Outputs by number; what they pay to as a script (hex). */
  outputs: { script_hex: string; value_sats: number }[];
  signal: string | null;
  coinbase: boolean;
}

interface Block {
  height: number;
  hash: string;
  txids: string[];
}

/** A chain as plain data: blocks, a mempool, and how one address looks in them. */
export interface FakeChain {
  readonly tip: number;
  feeRate: number | null;
  /** Pays a script; returns the txid. Waits in the mempool until `mine`. */
  deposit(script: string, value_sats: number, options?: { signal?: string; coinbase?: boolean }): string;
  /** A spend that no session explains, such as an n-of-n cancel. */
  spend(outpoint: { txid: string; vout: number }, options?: { signal?: string }): string;
  /** As a node takes a transaction: refused when an input is unknown, or spent by what does not pay less. */
  submit(hex: string): boolean;
  mine(blocks?: number): void;
  /** Takes the newest blocks away; their transactions go back to the mempool, or vanish. */
  undo(blocks: number, transactions: 'mempool' | 'gone'): void;
  /** Throws an unconfirmed transaction out of the mempool. */
  evict(txid: string): void;
  has(txid: string): boolean;
  view(script: string): ChainView;
}

const id = (label: string): string => toHex(sha256(utf8(label)));

/** `real`: deposits are bytes that hash to their txid. Without it they have the names that the protocol's vectors have. */
export function fakeChain({ deposits }: { deposits?: 'real' } = {}): FakeChain {
  const known = new Map<string, SimTx>();
  const blocks: Block[] = [{ height: 500, hash: id('block 500'), txids: [] }];
  let mempool: string[] = [];
  let fork = 0;
  let drawn = 0;

  const tip = () => blocks.at(-1)!;
  const active = () => [...blocks.flatMap(block => block.txids), ...mempool];
  const spentBy = (outpoint: string) => active().find(txid => known.get(txid)!.inputs.includes(outpoint));

  function add(tx: SimTx): string {
    known.set(tx.txid, tx);
    mempool.push(tx.txid);
    return tx.txid;
  }

  return {
    feeRate: 2,
    get tip() {
      return tip().height;
    },
    deposit(script_hex, value_sats, { signal, coinbase = false } = {}) {
      const outputs = [
        { script_hex, value_sats },
        ...(signal === undefined ? [] : [{ script_hex: `6a20${signal}`, value_sats: 0 }]),
      ];
      const label = `deposit ${drawn++}`;
      if (deposits !== 'real')
        return add({ txid: id(label), hex: '00', inputs: [], outputs, signal: signal ?? null, coinbase });
      const tx = new Transaction();
      tx.addInput(sha256(utf8(label)), 0);
      for (const output of outputs) tx.addOutput(fromHex(output.script_hex), BigInt(output.value_sats));
      return add({ txid: tx.getId(), hex: tx.toHex(), inputs: [], outputs, signal: signal ?? null, coinbase });
    },
    spend({ txid, vout }, { signal } = {}) {
      const inputs = [`${txid}:${vout}`];
      return add({
        txid: id(`spend ${drawn++}`),
        hex: '00',
        inputs,
        outputs: [],
        signal: signal ?? null,
        coinbase: false,
      });
    },
    submit(hex) {
      const { txid, inputs, outputs } = parseTx(hex);
      if (active().includes(txid)) return true;
      const outpoints = inputs.map(input => `${input.txid}:${input.vout}`);
      const parents = active();
      if (inputs.some(input => !parents.includes(input.txid))) return false;
      const total = (tx: Pick<SimTx, 'outputs'>) => tx.outputs.reduce((sum, output) => sum + output.value_sats, 0);
      const rivals = new Set(outpoints.flatMap(outpoint => spentBy(outpoint) ?? []));
      // A higher fee displaces what no block holds (BIP-125).
      if ([...rivals].some(rival => !mempool.includes(rival) || total({ outputs }) >= total(known.get(rival)!)))
        return false;
      mempool = mempool.filter(each => !rivals.has(each));
      const signal = signalBytesOf(hex);
      add({ txid, hex, inputs: outpoints, outputs, signal: signal ? toHex(signal) : null, coinbase: false });
      return true;
    },
    mine(count = 1) {
      for (let i = 0; i < count; i++) {
        const height = tip().height + 1;
        blocks.push({ height, hash: id(`block ${height} fork ${fork}`), txids: mempool });
        mempool = [];
      }
    },
    undo(count, transactions) {
      const undone = blocks.splice(blocks.length - count, count).flatMap(block => block.txids);
      mempool = transactions === 'mempool' ? [...undone, ...mempool] : mempool;
      fork++;
    },
    evict(txid) {
      mempool = mempool.filter(each => each !== txid);
    },
    has: txid => active().includes(txid),
    view(script) {
      const own = new Map<string, { txid: string; vout: number; value_sats: number }>();
      for (const txid of active())
        for (const [vout, output] of known.get(txid)!.outputs.entries())
          if (output.script_hex === script) own.set(`${txid}:${vout}`, { txid, vout, value_sats: output.value_sats });
      const history: ChainTx[] = [];
      const heights = new Map<string, number | null>();
      const place = (txid: string, block: Block | null) => {
        const tx = known.get(txid)!;
        const spends = tx.inputs.some(input => own.has(input));
        heights.set(txid, block?.height ?? null);
        if (!spends && !tx.outputs.some(output => output.script_hex === script)) return;
        const { hex, inputs, signal } = tx;
        history.push({
          txid,
          hex,
          height: block?.height ?? null,
          block_hash: block?.hash ?? null,
          spends,
          inputs,
          signal,
        });
      };
      for (const block of blocks) for (const txid of block.txids) place(txid, block);
      for (const txid of mempool) place(txid, null);
      return {
        tip: { height: tip().height, hash: tip().hash, mediantime: tip().height * 600 },
        utxos: [...own]
          .filter(([outpoint]) => !spentBy(outpoint))
          .map(([, utxo]) => ({
            ...utxo,
            height: heights.get(utxo.txid) ?? null,
            coinbase: known.get(utxo.txid)!.coinbase,
          })),
        history,
        fee_rate: this.feeRate,
      };
    },
  };
}

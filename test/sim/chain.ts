import { Transaction } from 'bitcoinjs-lib';
import { addressToScript, parseTx, type TxView } from '../../src/bitcoin/index.ts';
import { type AddressTx, type Chain, ChainUnreachable, type SubmitResult } from '../../src/chain/index.ts';
import { fromHex, sha256, toHex, utf8 } from '../../src/crypto/index.ts';
import { blocksDue, taprootProblem } from './tapscript.ts';

const MEDIAN_OF = 11;
const FIRST_HEIGHT = 500;

interface Known {
  view: TxView;
  hex: string;
  /** Scripts that it pays or spends. */
  scripts: Set<string>;
  /** Satoshis; null for a deposit, which comes out of nothing. */
  fee: number | null;
  order: number;
}

interface Block {
  height: number;
  hash: string;
  time: number;
  txids: string[];
}

/**
 * A chain of its own: blocks and a mempool of real transactions, which are verified as a node does: signatures of the key
 * path, scripts of leaves, and that an output is as old as its spender's sequence says (BIP-68).
 */
export interface SimChain {
  /** The view of one program. `gate` runs every call, and may stop it. */
  open(gate: <T>(call: string, run: () => T) => T): Chain;
  /** A view without faults. */
  readonly truth: Chain;
  /** The node answers nobody. */
  isDown: boolean;
  feeRate: number | null;
  height(): number;
  /** Pays an address from nowhere; in the mempool until a block. */
  deposit(address: string, sats: number): string;
  mine(blocks?: number): void;
  /** A block without any transaction that spends. */
  mineEmpty(): void;
  /**
   * Takes the newest blocks away and makes as many and one more in their place, empty at first. What was in them goes
   * back to the mempool; with `rivals`, another transaction that spends the same output takes the place of each that has
   * one.
   */
  reorg(depth: number, options?: { rivals?: boolean }): void;
  /** Throws what is unconfirmed out of the mempool. */
  evictAll(): void;
  /** Every transaction that was ever found valid. */
  everValid(): { txid: string; hex: string }[];
  mempool(): string[];
  isMined(txid: string): boolean;
  /** Transactions that somebody submitted before the outputs that they spend were old enough. */
  premature(): string[];
}

const outpoint = ({ txid, vout }: { txid: string; vout: number }): string => `${txid}:${vout}`;

export function createChain(network: 'regtest', now: () => number): SimChain {
  const known = new Map<string, Known>();
  const byScript = new Map<string, Set<string>>();
  const spenders = new Map<string, Set<string>>();
  const blocks: Block[] = [];
  const placed = new Map<string, { block: Block; index: number }>();
  const premature = new Set<string>();
  let mempool = new Set<string>();
  let made = 0;

  const tip = (): Block => blocks.at(-1)!;
  const isActive = (txid: string): boolean => placed.has(txid) || mempool.has(txid);
  const activeSpender = (output: string): string | undefined => [...(spenders.get(output) ?? [])].find(isActive);

  function add(view: TxView, hex: string, fee: number | null): Known {
    const scripts = new Set(view.outputs.map(({ script_hex }) => script_hex));
    for (const input of view.inputs) {
      const script = known.get(input.txid)?.view.outputs[input.vout]?.script_hex;
      if (script !== undefined) scripts.add(script);
      const key = outpoint(input);
      spenders.set(key, (spenders.get(key) ?? new Set()).add(view.txid));
    }
    const tx = { view, hex, scripts, fee, order: known.size };
    known.set(view.txid, tx);
    for (const script of scripts) byScript.set(script, (byScript.get(script) ?? new Set()).add(view.txid));
    return tx;
  }

  function pushBlock(txids: string[]): void {
    const height = (blocks.at(-1)?.height ?? FIRST_HEIGHT - 1) + 1;
    const hash = toHex(sha256(utf8(`block ${height} ${made++}`)));
    const block = { height, hash, time: Math.max(now(), (blocks.at(-1)?.time ?? 0) + 1), txids };
    blocks.push(block);
    for (const [index, txid] of txids.entries()) {
      placed.set(txid, { block, index });
      mempool.delete(txid);
    }
  }
  for (let i = 0; i < MEDIAN_OF; i++) pushBlock([]);

  /** Whether the next block may hold it, as far as its sequence goes (BIP-68). */
  const isRipe = ({ version, inputs }: TxView): boolean =>
    inputs.every(({ txid, sequence }) => {
      const parent = placed.get(txid)?.block.height;
      const age = parent === undefined ? 0 : tip().height + 1 - parent;
      return !known.has(txid) || age >= blocksDue({ version, sequence });
    });

  /** Whether all that it spends is there, old enough, and free but for the mempool's own; parents first. */
  function isSpendable(txid: string): boolean {
    if (!isRipe(known.get(txid)!.view)) return false;
    return known.get(txid)!.view.inputs.every(input => {
      const parent = known.get(input.txid);
      if (parent === undefined) return known.get(txid)!.fee === null;
      const rivals = [...(spenders.get(outpoint(input)) ?? [])].filter(other => other !== txid && isActive(other));
      return isActive(input.txid) && rivals.length === 0;
    });
  }

  function mediantime(height: number): number {
    const upto = height - blocks[0]!.height + 1;
    const times = blocks.slice(Math.max(0, upto - MEDIAN_OF), upto).map(({ time }) => time);
    return times.sort((a, b) => a - b)[times.length >> 1]!;
  }

  function evict(txid: string): void {
    mempool.delete(txid);
    for (const [vout] of known.get(txid)!.view.outputs.entries())
      for (const child of spenders.get(outpoint({ txid, vout })) ?? []) if (mempool.has(child)) evict(child);
  }

  function submit(hex: string): SubmitResult {
    let view: TxView;
    try {
      view = parseTx(hex);
    } catch {
      return { accepted: false, code: 'rejected', reason: 'TX decode failed' };
    }
    const { txid, inputs, outputs, vsize } = view;
    if (isActive(txid)) return { accepted: true, already: true };
    const spent = inputs.map(input => known.get(input.txid)?.view.outputs[input.vout]);
    if (inputs.some((input, i) => !spent[i] || !isActive(input.txid)))
      return { accepted: false, code: 'missing_inputs', reason: 'bad-txns-inputs-missingorspent' };
    const rivals = inputs.flatMap(input => activeSpender(outpoint(input)) ?? []);
    if (rivals.some(rival => placed.has(rival)))
      return { accepted: false, code: 'missing_inputs', reason: 'bad-txns-inputs-missingorspent' };
    const [output] = spent;
    const problem = taprootProblem(hex, output!);
    if (problem !== null)
      return { accepted: false, code: 'rejected', reason: `mandatory-script-verify-flag-failed (${problem})` };
    if (!isRipe(view)) {
      premature.add(txid);
      return { accepted: false, code: 'rejected', reason: 'non-BIP68-final' };
    }
    const fee = output!.value_sats - outputs.reduce((sum, { value_sats }) => sum + value_sats, 0);
    if (fee < 0) return { accepted: false, code: 'rejected', reason: 'bad-txns-in-belowout' };
    if (!known.has(txid)) add(view, hex, fee);
    if (fee < vsize) return { accepted: false, code: 'fee_too_low', reason: 'min relay fee not met' };
    for (const rival of rivals)
      if (fee < known.get(rival)!.fee! + vsize)
        return { accepted: false, code: 'conflict', reason: 'insufficient fee, rejecting replacement' };
    for (const rival of rivals) evict(rival);
    mempool.add(txid);
    return { accepted: true, already: false };
  }

  function addressTx(txid: string, script: string): AddressTx {
    const { view, hex } = known.get(txid)!;
    const at = placed.get(txid);
    return {
      txid,
      hex,
      height: at?.block.height ?? null,
      block_hash: at?.block.hash ?? null,
      mediantime: at ? mediantime(at.block.height) : null,
      spends: view.inputs.some(input => known.get(input.txid)?.view.outputs[input.vout]?.script_hex === script),
      pays: view.outputs.some(({ script_hex }) => script_hex === script),
    };
  }

  function history(script: string, fromHeight = 0): AddressTx[] {
    const txids = [...(byScript.get(script) ?? [])];
    const mined = txids
      .filter(txid => (placed.get(txid)?.block.height ?? -1) >= fromHeight)
      .sort((a, b) => {
        const [x, y] = [placed.get(a)!, placed.get(b)!];
        return x.block.height - y.block.height || x.index - y.index;
      });
    const waiting = txids.filter(txid => mempool.has(txid)).sort((a, b) => known.get(a)!.order - known.get(b)!.order);
    return [...mined, ...waiting].map(txid => addressTx(txid, script));
  }

  function utxos(script: string) {
    return history(script).flatMap(({ txid, height }) =>
      known
        .get(txid)!
        .view.outputs.flatMap(({ script_hex, value_sats }, vout) =>
          script_hex === script && activeSpender(outpoint({ txid, vout })) === undefined
            ? [{ txid, vout, value_sats, height, coinbase: false }]
            : [],
        ),
    );
  }

  const scriptOf = (address: string): string => addressToScript(address, network);

  function open(gate: <T>(call: string, run: () => T) => T): Chain {
    const ask = async <T>(call: string, run: () => T): Promise<T> =>
      gate(call, () => {
        if (sim.isDown) throw new ChainUnreachable('the simulated node is down');
        return run();
      });
    return {
      kind: 'bitcoind',
      network: () => ask('network', () => network),
      tip: () =>
        ask('tip', () => {
          const { height, hash, time } = tip();
          return { height, hash, time, mediantime: mediantime(height) };
        }),
      utxos: address => ask('utxos', () => utxos(scriptOf(address))),
      history: (address, from) => ask('history', () => history(scriptOf(address), from)),
      spends: (address, from) => ask('spends', () => history(scriptOf(address), from).filter(({ spends }) => spends)),
      outspend: (txid, vout, address) =>
        ask('outspend', () => {
          const spender = activeSpender(outpoint({ txid, vout }));
          return spender === undefined ? null : addressTx(spender, scriptOf(address));
        }),
      tx: txid =>
        ask('tx', () => {
          if (!isActive(txid)) return null;
          const at = placed.get(txid);
          return {
            txid,
            hex: known.get(txid)!.hex,
            height: at?.block.height ?? null,
            block_hash: at?.block.hash ?? null,
            confirmations: at ? tip().height - at.block.height + 1 : 0,
            mediantime: at ? mediantime(at.block.height) : null,
          };
        }),
      submit: hex => ask('submit', () => submit(hex)),
      feeRate: () => ask('feeRate', () => sim.feeRate),
      watch: () => ask('watch', () => undefined),
      close: async () => {},
    };
  }

  const sim: SimChain = {
    open,
    truth: open((_, run) => run()),
    isDown: false,
    feeRate: 2,
    height: () => tip().height,
    deposit(address, sats) {
      const tx = new Transaction();
      tx.version = 2;
      tx.addInput(sha256(utf8(`coin ${made++}`)), 0);
      tx.addOutput(fromHex(scriptOf(address)), BigInt(sats));
      const hex = tx.toHex();
      const view = parseTx(hex);
      add(view, hex, null);
      mempool.add(view.txid);
      return view.txid;
    },
    mine(count = 1) {
      for (let i = 0; i < count; i++) pushBlock([...mempool].filter(isSpendable));
    },
    mineEmpty: () => pushBlock([...mempool].filter(txid => known.get(txid)!.fee === null)),
    reorg(depth, { rivals = false } = {}) {
      const undone = blocks.splice(blocks.length - depth, depth).flatMap(block => block.txids);
      for (const txid of undone) placed.delete(txid);
      const waiting = [...mempool];
      mempool = new Set();
      const rivalOf = (txid: string): string | undefined =>
        known
          .get(txid)!
          .view.inputs.flatMap(input => [...(spenders.get(outpoint(input)) ?? [])])
          .find(other => other !== txid);
      for (const txid of [...undone, ...waiting]) {
        const chosen = (rivals ? rivalOf(txid) : undefined) ?? txid;
        mempool.add(chosen);
        if (!isSpendable(chosen)) mempool.delete(chosen);
      }
      for (let i = 0; i < depth + 1; i++) pushBlock(rivals && i === 0 ? [...mempool].filter(isSpendable) : []);
    },
    evictAll() {
      for (const txid of mempool) if (known.get(txid)!.fee !== null) mempool.delete(txid);
    },
    everValid: () => [...known].filter(([, { fee }]) => fee !== null).map(([txid, { hex }]) => ({ txid, hex })),
    mempool: () => [...mempool],
    isMined: txid => placed.has(txid),
    premature: () => [...premature],
  };
  return sim;
}

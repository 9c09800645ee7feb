import { Transaction } from 'bitcoinjs-lib';
import { z } from 'zod';
import { fromHex } from '../../src/crypto/index.ts';
import type { Regtest } from '../../src/testing/regtest.ts';

const OUTPUTS = 2_000;
const OUTPUT_SATS = 330n;
/** A P2WPKH output that nobody can spend. */
const NOBODY = `0014${'00'.repeat(20)}`;
/** One P2WPKH input, and outputs of 31 bytes. */
const VSIZE = 11 + 68 + OUTPUTS * 31;
/** More than 5 MB of them, which is the least that a node can be told to hold. */
const COUNT = 85;
const MINER = 'miner';

const text = z.string();
const decoded = z.object({ vout: z.array(z.object({ n: z.number(), value: z.number() })) });
const signed = z.object({ hex: z.string() });

/**
 * Fills the mempool of a node that was started with `-maxmempool=5` with large transactions of `rate` sat/vB and rising,
 * until it evicts what pays less. Mines a block first, of the coins that they spend alone.
 */
export async function fillMempool(node: Regtest, rate: number): Promise<void> {
  const floor = z.object({ mempoolminfee: z.number() });
  for (let tries = 0; tries < 3; tries++) {
    await fillOnce(node, rate);
    const { mempoolminfee } = floor.parse(await node.rpc('getmempoolinfo'));
    if (mempoolminfee * 1e5 > rate) return;
  }
  throw new Error('the mempool does not fill');
}

async function fillOnce(node: Regtest, rate: number): Promise<void> {
  const feeOf = (i: number): number => Math.ceil(VSIZE * (rate + i / COUNT / 4));
  const coin = Number(OUTPUT_SATS) * OUTPUTS + feeOf(COUNT);
  const amounts: Record<string, string> = {};
  for (let i = 0; i < COUNT; i++)
    amounts[text.parse(await node.rpc('getnewaddress', ['', 'bech32'], MINER))] = (coin / 1e8).toFixed(8);
  const split = text.parse(await node.rpc('sendmany', { dummy: '', amounts, fee_rate: 5 }, MINER));
  const address = text.parse(await node.rpc('getnewaddress', ['', 'bech32'], MINER));
  await node.rpc('generateblock', [address, [split]]);
  const { vout } = decoded.parse(await node.rpc('getrawtransaction', [split, 1]));
  const coins = vout.filter(({ value }) => Math.round(value * 1e8) === coin);
  for (const [i, { n }] of coins.entries()) {
    const tx = new Transaction();
    tx.version = 2;
    tx.addInput(fromHex(split, 32).toReversed(), n);
    for (let at = 1; at < OUTPUTS; at++) tx.addOutput(fromHex(NOBODY), OUTPUT_SATS);
    tx.addOutput(fromHex(NOBODY), OUTPUT_SATS + BigInt(feeOf(COUNT) - feeOf(i)));
    const { hex } = signed.parse(await node.rpc('signrawtransactionwithwallet', [tx.toHex()], MINER));
    await node.rpc('sendrawtransaction', [hex, 0]).catch((refused: Error) => {
      // Once it is full, even these may pay too little.
      if (!/mempool (min fee not met|full)/.test(refused.message)) throw refused;
    });
  }
}

import { Transaction } from 'bitcoinjs-lib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { bitcoindChain, type Chain, ChainUnreachable, esploraChain, requireNetwork } from '../../src/chain/index.ts';
import { type EsploraFacade, startEsplora } from '../../src/testing/esplora.ts';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { type Alice, alice } from './alice.ts';

const ELSEWHERE = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080';
const idOf = (hex: string): string => Transaction.fromHex(hex).getId();
const START_MS = 180_000;

let node: Regtest;
let facade: EsploraFacade;
let owner: Alice;

beforeAll(async () => {
  node = await startRegtest();
  facade = await startEsplora(node);
  owner = await alice(node);
  await node.mine(5);
}, START_MS);

afterAll(async () => {
  await facade?.stop();
  await node?.stop();
});

/** The same wallet for all tests, so that it watches many addresses at once. */
const backends: [string, () => Chain][] = [
  ['bitcoind', () => node.chain('shared')],
  ['esplora', () => esploraChain({ url: facade.url })],
];

const headerOf = async (hash: string) =>
  z.object({ height: z.number(), mediantime: z.number() }).parse(await node.rpc('getblockheader', [hash]));

/** Mines one block with exactly these transactions. */
async function mineWith(hexes: string[]): Promise<string> {
  const block = await node.rpc('generateblock', [ELSEWHERE, hexes]);
  return z.object({ hash: z.string() }).parse(block).hash;
}

const brief = (txs: { txid: string; height: number | null; spends: boolean; pays: boolean }[]) =>
  txs.map(({ txid, height, spends, pays }) => ({ txid, height, spends, pays }));

describe.each(backends)('%s', (kind, open) => {
  test('tells its network and tip', async () => {
    const chain = open();
    expect(chain.kind).toBe(kind);
    expect(await chain.network()).toBe('regtest');
    const [hash] = await node.mine(1);
    const { height, mediantime } = await headerOf(hash!);
    expect(await chain.tip()).toMatchObject({ height, hash, mediantime });
  });

  // fault 33
  test('refuses to serve another network than the configured one', async () => {
    await expect(requireNetwork(open(), 'bitcoin')).rejects.toMatchObject({ code: 'wrong_network' });
    await requireNetwork(open(), 'regtest');
  });

  test.each(['bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt081', '../block'])(
    'refuses %s as an address',
    async address => {
      await expect(open().utxos(address)).rejects.toMatchObject({ code: 'bad_address' });
      await expect(open().history(address)).rejects.toMatchObject({ code: 'bad_address' });
    },
  );

  test('follows a coin from the mempool through a spend with change', async () => {
    const chain = open();
    const address = await owner.address();
    const paid = await node.fund(address, 50_000);
    expect(await chain.utxos(address)).toEqual([{ ...paid, value_sats: 50_000, height: null, coinbase: false }]);
    expect(await chain.tx(paid.txid, address)).toMatchObject({ confirmations: 0, height: null, block_hash: null });

    const [block] = await node.mine(1);
    const { height, mediantime } = await headerOf(block!);
    const confirmed = { txid: paid.txid, height, block_hash: block, mediantime, spends: false, pays: true };
    expect(await chain.history(address)).toMatchObject([confirmed]);
    expect(await chain.outspend(paid.txid, paid.vout, address)).toBeNull();

    const hex = await owner.sign([paid], { [address]: 40_000, [ELSEWHERE]: 9_000 });
    expect(await chain.submit(hex)).toEqual({ accepted: true, already: false });
    const txid = idOf(hex);
    const waiting = { txid, hex, height: null, block_hash: null, mediantime: null, spends: true, pays: true };
    expect(await chain.history(address)).toMatchObject([confirmed, waiting]);
    expect(await chain.spends(address)).toEqual([waiting]);
    expect(await chain.outspend(paid.txid, paid.vout, address)).toEqual(waiting);
    expect(await chain.utxos(address)).toEqual([{ txid, vout: 0, value_sats: 40_000, height: null, coinbase: false }]);

    await node.mine(3);
    const spend = { ...waiting, height: height + 1 };
    expect(brief(await chain.spends(address))).toEqual(brief([spend]));
    expect(brief(await chain.history(address, height + 1))).toEqual(brief([spend]));
    expect(await chain.history(address, height + 2)).toEqual([]);
    expect(await chain.tx(txid, address)).toMatchObject({ hex, confirmations: 3, height: height + 1 });
    expect(await chain.utxos(address)).toMatchObject([{ txid, vout: 0, height: height + 1 }]);
  });

  test('lists a spend that pays the address nothing', async () => {
    const chain = open();
    const address = await owner.address();
    const paid = await node.fund(address, 30_000);
    await node.mine(1);
    const hex = await owner.sign([paid], { [ELSEWHERE]: 29_000 });
    await chain.submit(hex);
    expect(await chain.spends(address)).toMatchObject([{ txid: idOf(hex), spends: true, pays: false }]);
    expect(await chain.utxos(address)).toEqual([]);
  });

  test('keeps addresses of one wallet apart, in a transaction that touches both', async () => {
    const chain = open();
    const [from, to] = [await owner.address(), await owner.address()];
    const paid = await node.fund(from, 30_000);
    await node.mine(1);
    const hex = await owner.sign([paid], { [to]: 29_000 });
    await chain.submit(hex);
    expect(await chain.history(to)).toMatchObject([{ txid: idOf(hex), spends: false, pays: true }]);
    expect(await chain.spends(from)).toMatchObject([{ txid: idOf(hex), spends: true, pays: false }]);
    expect(await chain.outspend(paid.txid, paid.vout, to)).toBeNull();
  });

  test('marks a coinbase', async () => {
    const chain = open();
    const address = await owner.address();
    await node.mine(1, address);
    expect(await chain.utxos(address)).toMatchObject([{ coinbase: true }]);
  });

  test('orders transactions of one block as the block does, and parents before children in the mempool', async () => {
    const chain = open();
    const address = await owner.address();
    const paid = await node.fund(address, 100_000);
    await node.mine(1);
    const family: string[] = [];
    for (let coin = paid, sats = 99_000; sats > 93_000; sats -= 1_000) {
      const hex = await owner.sign([coin], { [address]: sats });
      await chain.submit(hex);
      coin = { txid: idOf(hex), vout: 0 };
      family.push(coin.txid);
    }
    expect((await chain.spends(address)).map(tx => tx.txid)).toEqual(family);
    await node.mine(1);
    expect((await chain.spends(address)).map(tx => tx.txid)).toEqual(family);
    expect(await chain.utxos(address)).toMatchObject([{ txid: family.at(-1) }]);
  });

  test('forgets a transaction that another one replaced', async () => {
    const chain = open();
    const address = await owner.address();
    const paid = await node.fund(address, 60_000);
    await node.mine(1);
    const low = await owner.sign([paid], { [address]: 59_500 });
    const high = await owner.sign([paid], { [address]: 50_000 });
    await chain.submit(low);
    expect(await chain.spends(address)).toMatchObject([{ txid: idOf(low) }]);
    expect(await chain.submit(high)).toEqual({ accepted: true, already: false });
    expect(await chain.spends(address)).toMatchObject([{ txid: idOf(high) }]);
    expect(await chain.utxos(address)).toMatchObject([{ txid: idOf(high), value_sats: 50_000 }]);
    expect(await chain.tx(idOf(low), address)).toBeNull();
    expect(await chain.submit(low)).toMatchObject({ accepted: false, code: 'conflict' });
    await node.mine(1);
    expect(await chain.submit(low)).toMatchObject({ accepted: false, code: 'conflict' });
    expect(await chain.outspend(paid.txid, paid.vout, address)).toMatchObject({ txid: idOf(high) });
  });

  test('a reorganisation takes a spend back to the mempool, and a double spend takes it away', async () => {
    const chain = open();
    const address = await owner.address();
    const paid = await node.fund(address, 60_000);
    await node.mine(1);
    const first = await owner.sign([paid], { [address]: 50_000 });
    const second = await owner.sign([paid], { [address]: 58_000 });
    await chain.submit(first);
    const [block] = await node.mine(1);
    const { height } = await headerOf(block!);
    expect(await chain.tx(idOf(first), address)).toMatchObject({ height, block_hash: block, confirmations: 1 });

    await node.invalidateBlock(block!);
    expect(await chain.tx(idOf(first), address)).toMatchObject({ height: null, confirmations: 0 });
    expect(await chain.spends(address)).toMatchObject([{ txid: idOf(first), height: null, block_hash: null }]);

    const other = await mineWith([second]);
    expect(await chain.spends(address)).toMatchObject([{ txid: idOf(second), height, block_hash: other }]);
    expect(await chain.utxos(address)).toMatchObject([{ txid: idOf(second), value_sats: 58_000, height }]);
    expect(await chain.outspend(paid.txid, paid.vout, address)).toMatchObject({ txid: idOf(second) });
    expect(await chain.tx(idOf(first), address)).toBeNull();

    // The chain that was left grows longer: what was gone is back, and the double spend is gone.
    await node.invalidateBlock(other);
    await node.reconsiderBlock(block!);
    await node.mine(1);
    expect(await chain.spends(address)).toMatchObject([{ txid: idOf(first), height, block_hash: block }]);
    expect(await chain.tx(idOf(second), address)).toBeNull();
    expect(await chain.utxos(address)).toMatchObject([{ txid: idOf(first), value_sats: 50_000, height }]);
  });

  // fault 26
  test('a deposit that a reorganisation undid for good is gone with everything built on it', async () => {
    const chain = open();
    const [source, address] = [await owner.address(), await owner.address()];
    const coin = await node.fund(source, 80_000);
    await node.mine(1);
    const deposit = await owner.sign([coin], { [address]: 70_000 });
    const spend = await owner.sign([coin], { [ELSEWHERE]: 79_000 });
    const block = await mineWith([deposit]);
    const child = await (async () => {
      const hex = await owner.sign([{ txid: idOf(deposit), vout: 0 }], { [address]: 60_000 });
      await chain.submit(hex);
      return hex;
    })();
    expect(await chain.history(address)).toHaveLength(2);
    await node.invalidateBlock(block);
    await mineWith([spend]);
    await node.mine(1);
    expect(await chain.history(address)).toEqual([]);
    expect(await chain.utxos(address)).toEqual([]);
    expect(await chain.tx(idOf(deposit), address)).toBeNull();
    expect(await chain.submit(child)).toMatchObject({ accepted: false, code: 'missing_inputs' });
  });

  // faults 32, 34
  test('takes a transaction twice, in the mempool and in a block, also when its outputs are spent', async () => {
    const chain = open();
    const address = await owner.address();
    const paid = await node.fund(address, 60_000);
    await node.mine(1);
    const hex = await owner.sign([paid], { [address]: 50_000 });
    await chain.history(address);
    expect(await chain.submit(hex)).toEqual({ accepted: true, already: false });
    expect(await chain.submit(hex)).toEqual({ accepted: true, already: true });
    await node.mine(1);
    expect(await chain.submit(hex)).toEqual({ accepted: true, already: true });
    await chain.submit(await owner.sign([{ txid: idOf(hex), vout: 0 }], { [ELSEWHERE]: 49_000 }));
    await node.mine(1);
    expect(await chain.submit(hex)).toEqual({ accepted: true, already: true });
  });

  test('says why a transaction is refused', async () => {
    const chain = open();
    const address = await owner.address();
    const paid = await node.fund(address, 60_000);
    await node.mine(1);
    const parent = await owner.sign([paid], { [address]: 50_000 });
    const raw = Transaction.fromHex(parent);
    raw.ins[0]!.hash = new Uint8Array(32).fill(7);
    expect(await chain.submit(raw.toHex())).toMatchObject({ accepted: false, code: 'missing_inputs' });
    const free = await owner.sign([paid], { [address]: 60_000 });
    expect(await chain.submit(free)).toMatchObject({ accepted: false, code: 'fee_too_low' });
    const forged = Transaction.fromHex(parent);
    forged.ins[0]!.witness = [new Uint8Array(64).fill(1)];
    expect(await chain.submit(forged.toHex())).toMatchObject({ accepted: false, code: 'rejected' });
    for (const junk of ['', 'zz', '00', `${parent}00`])
      expect(await chain.submit(junk)).toMatchObject({ accepted: false, code: 'rejected' });
  });

  test('pages through a long history', async () => {
    const chain = open();
    const address = await owner.address();
    const funded: string[] = [];
    for (let i = 0; i < 60; i++) {
      funded.push((await node.fund(address, 10_000 + i)).txid);
      if (i % 20 === 19) await node.mine(1);
    }
    const history = await chain.history(address);
    expect(new Set(history.map(tx => tx.txid))).toEqual(new Set(funded));
    const heights = history.map(tx => tx.height ?? 0);
    expect(heights).toEqual(heights.toSorted((a, b) => a - b));
    const coins = await chain.utxos(address);
    expect(coins.map(coin => coin.txid)).toEqual(history.map(tx => tx.txid));
  });

  test('finds a spend under a flood of unconfirmed payments', async () => {
    const chain = open();
    const address = await owner.address();
    const paid = await node.fund(address, 60_000);
    await node.mine(1);
    const source = await owner.address();
    const coins = [];
    for (let i = 0; i < 3; i++) coins.push(await node.fund(source, 200_000));
    await node.mine(1);
    for (let i = 0; i < 3; i++) {
      const coin = coins[i]!;
      for (let left = 198_000, from = coin; left > 140_000; left -= 3_000) {
        const hex = await owner.sign([from], { [source]: left, [address]: 1_000 });
        expect(await chain.submit(hex)).toMatchObject({ accepted: true });
        from = { txid: idOf(hex), vout: 0 };
      }
    }
    const hex = await owner.sign([paid], { [address]: 50_000 });
    await chain.submit(hex);
    expect((await chain.spends(address)).map(tx => tx.txid)).toContain(idOf(hex));
    expect(await chain.outspend(paid.txid, paid.vout, address)).toMatchObject({ txid: idOf(hex) });
    expect((await chain.utxos(address)).map(coin => coin.txid)).not.toContain(paid.txid);
    await node.mine(1);
  });

  test('is unreachable, not wrong, when nothing listens', async () => {
    const nowhere = 'http://127.0.0.1:9';
    const auth = { user: 'u', password: 'p' };
    const chain =
      kind === 'bitcoind' ? bitcoindChain({ url: nowhere, auth, wallet: 'w' }) : esploraChain({ url: nowhere });
    await expect(chain.tip()).rejects.toBeInstanceOf(ChainUnreachable);
    const hex = await owner.sign([await node.fund(await owner.address(), 9_000)], { [ELSEWHERE]: 8_000 });
    await expect(chain.submit(hex)).rejects.toBeInstanceOf(ChainUnreachable);
  });
});

test('both backends tell the same story', async () => {
  const address = await owner.address();
  const [bitcoind, esplora] = [node.chain('story'), esploraChain({ url: facade.url })];
  let coin = await node.fund(address, 90_000);
  await node.fund(address, 5_000);
  await node.mine(2);
  for (const sats of [80_000, 70_000]) {
    const hex = await owner.sign([coin], { [address]: sats, [ELSEWHERE]: 8_000 });
    await bitcoind.submit(hex);
    coin = { txid: idOf(hex), vout: 0 };
  }
  for (const confirm of [0, 1, 6]) {
    if (confirm > 0) await node.mine(confirm);
    expect(await esplora.history(address)).toEqual(await bitcoind.history(address));
    expect(await esplora.spends(address)).toEqual(await bitcoind.spends(address));
    expect(await esplora.utxos(address)).toEqual(await bitcoind.utxos(address));
    expect(await esplora.tip()).toEqual(await bitcoind.tip());
    expect(await esplora.feeRate(6)).toEqual(await bitcoind.feeRate(6));
    expect(await esplora.tx(coin.txid, address)).toEqual(await bitcoind.tx(coin.txid, address));
    for (const tx of await bitcoind.history(address))
      for (const vout of [0, 1])
        expect(await esplora.outspend(tx.txid, vout, address)).toEqual(await bitcoind.outspend(tx.txid, vout, address));
  }
  expect(await bitcoind.history(address)).toHaveLength(4);
});

import { Transaction } from 'bitcoinjs-lib';
import { describe, expect, test } from 'vitest';
import { decodeTx, mempoolOrder } from '../../src/chain/decode.ts';
import { networkOf } from '../../src/chain/network.ts';
import { refusalOf } from '../../src/chain/refusal.ts';
import { viewOf, type WalletTx } from '../../src/chain/wallet-view.ts';
import { fromHex } from '../../src/crypto/index.ts';

const SCRIPT = '5120'.padEnd(68, 'a');
const OTHER = '5120'.padEnd(68, 'b');

function txOf(parents: { txid: string; vout: number }[], scripts: string[], salt = 0): WalletTx {
  const tx = new Transaction();
  tx.version = 2;
  tx.locktime = salt;
  for (const { txid, vout } of parents) tx.addInput(fromHex(txid).toReversed(), vout);
  for (const script of scripts) tx.addOutput(fromHex(script), 1_000n);
  const hex = tx.toHex();
  return { txid: tx.getId(), hex, decoded: decodeTx(hex), height: null, block_hash: null };
}

const outside = { txid: 'cd'.repeat(32), vout: 0 };

test('decodes txids in the order in which they are written', () => {
  const { decoded, txid } = txOf([outside], [SCRIPT]);
  expect(decoded).toEqual({
    txid,
    coinbase: false,
    inputs: [outside],
    outputs: [{ script: SCRIPT, value_sats: 1000 }],
  });
});

test('puts parents before children whatever their txids, each once', () => {
  const a = txOf([outside], [SCRIPT, SCRIPT]);
  const b = txOf([{ txid: a.txid, vout: 0 }], [SCRIPT]);
  const c = txOf(
    [
      { txid: a.txid, vout: 1 },
      { txid: b.txid, vout: 0 },
    ],
    [OTHER],
  );
  const alone = [1, 2, 3].map(salt => txOf([outside], [OTHER], salt));
  for (const given of [
    [c, b, a, ...alone],
    [...alone, a, b, c],
    [b, alone[2]!, c, alone[0]!, a, alone[1]!],
  ]) {
    const order = mempoolOrder(given).map(tx => tx.txid);
    expect(new Set(order).size).toBe(6);
    expect(order.indexOf(a.txid)).toBeLessThan(order.indexOf(b.txid));
    expect(order.indexOf(b.txid)).toBeLessThan(order.indexOf(c.txid));
    expect(order).toEqual(mempoolOrder([a, b, c, ...alone]).map(tx => tx.txid));
  }
});

describe('what a wallet means for one script', () => {
  const deposit = txOf([outside], [OTHER, SCRIPT]);
  const toOthers = txOf([{ txid: deposit.txid, vout: 0 }], [OTHER]);
  const signal = txOf([{ txid: deposit.txid, vout: 1 }], [SCRIPT, OTHER]);

  test('a spend of another output of the same transaction is none of its business', () => {
    const view = viewOf([deposit, toOthers], SCRIPT);
    expect(view.txs.map(({ txid, spends, pays }) => ({ txid, spends, pays }))).toEqual([
      { txid: deposit.txid, spends: false, pays: true },
    ]);
    expect(view.utxos).toMatchObject([{ txid: deposit.txid, vout: 1 }]);
  });

  test('a spend with change both spends and pays', () => {
    const view = viewOf([deposit, toOthers, signal], SCRIPT);
    expect(view.txs.at(-1)).toMatchObject({ txid: signal.txid, spends: true, pays: true });
    expect(view.utxos).toMatchObject([{ txid: signal.txid, vout: 0 }]);
    expect(view.spenders.get(`${deposit.txid}:1`)?.txid).toBe(signal.txid);
  });
});

test.each([
  ['000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f', 'bitcoin'],
  ['000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943', 'testnet3'],
  ['00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043', 'testnet4'],
  ['0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206', 'regtest'],
])('a chain that starts with %s is %s', (hash, network) => {
  expect(networkOf(hash, null)).toBe(network);
});

test('a chain without a name, or a signet of one’s own, is refused', () => {
  const signet = '00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6';
  for (const [genesis, first] of [
    ['00'.repeat(32), null],
    [signet, null],
    [signet, '11'.repeat(32)],
  ] as const)
    expect(() => networkOf(genesis, first)).toThrow(expect.objectContaining({ code: 'unknown_network' }));
});

test.each([
  ['Transaction outputs already in utxo set', 'already'],
  ['Transaction already in block chain', 'already'],
  ['txn-already-in-mempool', 'already'],
  ['bad-txns-inputs-missingorspent', 'missing_inputs'],
  ['txn-mempool-conflict', 'conflict'],
  ['insufficient fee, rejecting replacement ab; new feerate 0.1 <= old feerate 0.2', 'conflict'],
  ['min relay fee not met, 0 < 110', 'fee_too_low'],
  ['mempool min fee not met, 100 < 200', 'fee_too_low'],
  ['mandatory-script-verify-flag-failed (Invalid Schnorr signature)', 'rejected'],
  ['dust', 'rejected'],
  ['Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)', 'rejected'],
])('"%s" means %s', (message, meaning) => {
  expect(refusalOf(message)).toBe(meaning);
});

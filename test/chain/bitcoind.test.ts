import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transaction } from 'bitcoinjs-lib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { bitcoindChain, ChainUnreachable } from '../../src/chain/index.ts';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { type Alice, alice } from './alice.ts';

const ELSEWHERE = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080';
const idOf = (hex: string): string => Transaction.fromHex(hex).getId();
const START_MS = 180_000;

let node: Regtest;
let owner: Alice;

beforeAll(async () => {
  node = await startRegtest();
  owner = await alice(node);
}, START_MS);
afterAll(() => node?.stop());

/** An address that was paid, then spent from with change, then paid again without a block. */
async function addressWithPast() {
  return pastOn(node, owner);
}

async function pastOn(node: Regtest, owner: Alice): Promise<{ address: string; txids: string[]; spentAt: number }> {
  const address = await owner.address();
  const paid = await node.fund(address, 50_000);
  await node.mine(3);
  const hex = await owner.sign([paid], { [address]: 40_000 });
  await node.rpc('sendrawtransaction', [hex]);
  await node.mine(3);
  const spentAt = z.number().parse(await node.rpc('getblockcount')) - 2;
  const waiting = await node.fund(address, 7_000);
  return { address, txids: [paid.txid, idOf(hex), waiting.txid], spentAt };
}

test('has no fee estimate on a chain without traffic', async () => {
  expect(await node.chain('fees').feeRate(6)).toBeNull();
});

test('a wallet made long after the transactions has all of them, the mempool included', async () => {
  const { address, txids } = await addressWithPast();
  const chain = node.chain('late');
  expect((await chain.history(address)).map(tx => tx.txid)).toEqual(txids);
  expect(await chain.spends(address)).toMatchObject([{ txid: txids[1], spends: true, pays: true }]);
});

test('an import that never finished its scan is scanned again', async () => {
  const { address, txids } = await addressWithPast();
  const name = 'interrupted';
  await node.rpc('createwallet', { wallet_name: name, disable_private_keys: true, blank: true });
  const info = z.object({ descriptor: z.string() });
  const { descriptor: desc } = info.parse(await node.rpc('getdescriptorinfo', [`addr(${address})`]));
  // What a kill in the middle leaves: the descriptor is there, nothing was found for it.
  await node.rpc('importdescriptors', [[{ desc, timestamp: 4_000_000_000, label: 'btcr2 scanning' }]], name);
  expect((await node.chain(name).history(address)).map(tx => tx.txid)).toEqual(txids);
});

test('many at once, in one wallet and in two, get whole answers', async () => {
  const pasts = [await addressWithPast(), await addressWithPast(), await addressWithPast()];
  const chains = [node.chain('one'), node.chain('two'), node.chain('two')];
  const asked = chains.flatMap(chain => pasts.map(past => ({ chain, past })));
  const answers = await Promise.all(asked.map(({ chain, past }) => chain.history(past.address)));
  for (const [i, answer] of answers.entries()) expect(answer.map(tx => tx.txid)).toEqual(asked[i]!.past.txids);
});

test('keeps up over more blocks than it reads again each time', { timeout: 90_000 }, async () => {
  const { address, txids } = await addressWithPast();
  const chain = node.chain('long');
  await chain.history(address);
  await node.mine(200);
  expect((await chain.history(address)).map(tx => tx.txid)).toEqual(txids);
  const late = await node.fund(address, 8_000);
  const [block] = await node.mine(1);
  expect((await chain.history(address)).map(tx => tx.txid)).toEqual([...txids, late.txid]);
  await node.invalidateBlock(block!);
  expect((await chain.history(address)).at(-1)).toMatchObject({ txid: late.txid, height: null });

  // Deeper than anything settled: the whole list is read again. The late payment spends a coinbase that is too young
  // on this shorter chain, so the node drops it.
  const buried = z.string().parse(await node.rpc('getblockhash', [(await chain.tip()).height - 190]));
  await node.invalidateBlock(buried);
  expect((await chain.history(address)).map(tx => tx.txid)).toEqual(txids);
  await node.reconsiderBlock(buried);
  await node.mine(1);
  expect((await chain.utxos(address)).every(coin => coin.height !== null)).toBe(true);
});

test('an output without anything but data is no coin, and a spend into it is a spend', async () => {
  const address = await owner.address();
  const paid = await node.fund(address, 2_000);
  await node.mine(1);
  const raw = await node.rpc('createrawtransaction', [[paid], [{ data: 'ab'.repeat(32) }]]);
  const signed = z.object({ hex: z.string() }).parse(await node.rpc('signrawtransactionwithwallet', [raw], 'alice'));
  const chain = node.chain('bare');
  await chain.watch(address);
  await node.rpc('generateblock', [ELSEWHERE, [signed.hex]]);
  expect(await chain.spends(address)).toMatchObject([{ txid: idOf(signed.hex), spends: true, pays: false }]);
  expect(await chain.utxos(address)).toEqual([]);
});

test('logs in again after a restart of the node, and says unreachable while it is down', async () => {
  const { address, txids } = await addressWithPast();
  const chain = node.chain('restarted');
  await chain.history(address);
  await node.halt();
  await expect(chain.tip()).rejects.toBeInstanceOf(ChainUnreachable);
  await expect(chain.utxos(address)).rejects.toBeInstanceOf(ChainUnreachable);
  await node.restart();
  await node.rpc('loadwallet', ['alice']);
  expect((await chain.history(address)).map(tx => tx.txid)).toEqual(txids);
});

test('watches again when the node came back without the wallet', async () => {
  const { address, txids } = await addressWithPast();
  const chain = node.chain('lost');
  await chain.history(address);
  await node.rpc('unloadwallet', ['lost']);
  await rm(join(node.dir, 'regtest', 'wallets', 'lost'), { recursive: true });
  expect((await chain.history(address)).map(tx => tx.txid)).toEqual(txids);
});

test('a wrong password is refused without being repeated', async () => {
  const auth = { user: 'somebody', password: 'hunter2-secret' };
  const fault = await bitcoindChain({ url: node.rpcUrl, auth, wallet: 'w' }).tip().catch(String);
  expect(fault).toContain('refuses the RPC login');
  expect(fault).not.toContain('hunter2');
  expect(() => bitcoindChain({ url: 'http://somebody:hunter2-secret@127.0.0.1/', auth, wallet: 'w' })).toThrow(
    /^the RPC URL must not contain credentials$/,
  );
});

test('reads the cookie again when it is refused, and gives up when the new one is refused too', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'btcr2-cookie-'));
  const cookieFile = join(dir, '.cookie');
  await writeFile(cookieFile, '__cookie__:first');
  let right = 'first';
  const server = createServer((request, response) => {
    const login = Buffer.from((request.headers.authorization ?? '').slice('Basic '.length), 'base64').toString();
    if (login !== `__cookie__:${right}`) return void response.writeHead(401).end();
    const info = { blocks: 1, bestblockhash: 'aa', mediantime: 2, time: 3 };
    let body = '';
    request.on('data', chunk => {
      body += chunk;
    });
    request.on('end', () => response.end(JSON.stringify({ id: JSON.parse(body).id, result: info, error: null })));
  }).listen(0, '127.0.0.1');
  await new Promise(resolve => server.once('listening', resolve));
  const { port } = z.object({ port: z.number() }).parse(server.address());
  const chain = bitcoindChain({ url: `http://127.0.0.1:${port}`, auth: { cookieFile }, wallet: 'w' });
  expect((await chain.tip()).height).toBe(1);
  right = 'second';
  await writeFile(cookieFile, '__cookie__:second');
  expect((await chain.tip()).height).toBe(1);
  right = 'third';
  await expect(chain.tip()).rejects.toMatchObject({ code: 'unauthorized' });
  await chain.close();
  server.closeAllConnections();
  server.close();
  await rm(dir, { recursive: true });
});

// fault 34
test('a node that never answers is unreachable after the timeout', async () => {
  const server = createServer(() => {}).listen(0, '127.0.0.1');
  await new Promise(resolve => server.once('listening', resolve));
  const { port } = z.object({ port: z.number() }).parse(server.address());
  const auth = { user: 'u', password: 'p' };
  const chain = bitcoindChain({ url: `http://127.0.0.1:${port}`, auth, wallet: 'w', timeoutMs: 100 });
  await expect(chain.tip()).rejects.toBeInstanceOf(ChainUnreachable);
  server.closeAllConnections();
  server.close();
});

test(
  'a lower birth height scans again, and a later one is no reason to',
  async () => {
    const node = await startRegtest();
    const { address, txids, spentAt } = await pastOn(node, await alice(node));
    await node.mine(1);
    // Blocks of a regtest chain are seconds apart, and a scan begins two hours early: put the past further away.
    const now = Math.floor(Date.now() / 1000) + 86_400;
    await node.setMockTime(now);
    await node.mine(12);
    const tip = z.number().parse(await node.rpc('getblockcount'));
    const chain = node.chain('births');
    await chain.watch(address, tip);
    expect(await chain.history(address)).toEqual([]);
    await chain.watch(address, spentAt - 1);
    expect((await chain.history(address)).map(tx => tx.txid)).toEqual(txids);
    await chain.watch(address, tip + 1000);
    expect((await chain.history(address)).map(tx => tx.txid)).toEqual(txids);
    await node.stop();
  },
  START_MS,
);

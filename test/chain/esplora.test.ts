import { createServer } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { ChainUnreachable, esploraChain } from '../../src/chain/index.ts';

/** The one transaction of the genesis block. */
const COINBASE =
  '01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000';
const COINBASE_ID = '4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b';
const ADDRESS = '1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa';

type Reply = { status: number; body: string };
let paths: Record<string, Reply>;
let url: string;
let server: ReturnType<typeof createServer>;

const json = (value: unknown): Reply => ({ status: 200, body: JSON.stringify(value) });
const text = (body: string, status = 200): Reply => ({ status, body });

beforeEach(async () => {
  paths = { '/blocks/tip/hash': text('ab'.repeat(32)) };
  server = createServer((request, response) => {
    const reply = paths[request.url ?? ''] ?? text('not found', 404);
    response.writeHead(reply.status).end(reply.body);
  }).listen(0, '127.0.0.1');
  await new Promise(resolve => server.once('listening', resolve));
  url = `http://127.0.0.1:${z.object({ port: z.number() }).parse(server.address()).port}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const mined = { confirmed: true, block_height: 0, block_hash: 'ab'.repeat(32) };
const coin = { txid: COINBASE_ID, vout: 0, value: 1, status: mined };

test('takes the value of a coin from the transaction, not from the list', async () => {
  paths[`/address/${ADDRESS}/utxo`] = json([coin]);
  paths[`/tx/${COINBASE_ID}/hex`] = text(COINBASE);
  const [found] = await esploraChain({ url }).utxos(ADDRESS);
  expect(found).toEqual({ txid: COINBASE_ID, vout: 0, value_sats: 5_000_000_000, height: 0, coinbase: true });
});

test.each([
  ['another transaction', `${COINBASE.slice(0, -8)}01000000`],
  ['no transaction', 'zz'],
])('refuses %s under the asked txid', async (_, hex) => {
  paths[`/address/${ADDRESS}/utxo`] = json([coin]);
  paths[`/tx/${COINBASE_ID}/hex`] = text(hex);
  await expect(esploraChain({ url }).utxos(ADDRESS)).rejects.toMatchObject({ code: 'bad_answer' });
});

test('refuses a coin that its transaction does not have', async () => {
  paths[`/address/${ADDRESS}/utxo`] = json([{ ...coin, vout: 1 }]);
  paths[`/tx/${COINBASE_ID}/hex`] = text(COINBASE);
  await expect(esploraChain({ url }).utxos(ADDRESS)).rejects.toMatchObject({ code: 'bad_answer' });
});

test.each([
  ['no JSON', text('<html>')],
  ['another shape', json([{ txid: 1 }])],
  ['another status', text('what?', 418)],
])('refuses %s', async (_, reply) => {
  paths[`/address/${ADDRESS}/utxo`] = reply;
  await expect(esploraChain({ url }).utxos(ADDRESS)).rejects.toMatchObject({ code: 'bad_answer' });
});

// fault 34
test.each([429, 500, 502, 503])(
  'HTTP %i is unreachable, so that a submitted transaction is sent again',
  async status => {
    paths['/tx'] = text('busy', status);
    await expect(esploraChain({ url }).submit(COINBASE)).rejects.toBeInstanceOf(ChainUnreachable);
  },
);

test('gives up on a chain that moves at every look', async () => {
  let looks = 0;
  paths[`/address/${ADDRESS}/utxo`] = json([]);
  Object.defineProperty(paths, '/blocks/tip/hash', { get: () => text((looks++).toString(16).padStart(64, '0')) });
  await expect(esploraChain({ url }).utxos(ADDRESS)).rejects.toMatchObject({ code: 'unsettled' });
});

test('takes the fee estimate of the nearest target that is soon enough, and no nonsense', async () => {
  const chain = esploraChain({ url });
  paths['/fee-estimates'] = json({ '2': 20, '6': 8.5, '144': 1.2, '3': -1 });
  expect(await chain.feeRate(6)).toBe(8.5);
  expect(await chain.feeRate(10)).toBe(8.5);
  expect(await chain.feeRate(1)).toBe(20);
  expect(await chain.feeRate(1008)).toBe(1.2);
  paths['/fee-estimates'] = json({ '2': 0 });
  expect(await chain.feeRate(2)).toBeNull();
});

test('tells signets apart by their first signed block', async () => {
  const chain = esploraChain({ url });
  paths['/block-height/0'] = text('00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6');
  await expect(chain.network()).rejects.toMatchObject({ code: 'unknown_network' });
  paths['/block-height/1'] = text('00000086d6b2636cb2a392d45edc4ec544a10024d30141c9adf4bfd9de533b53');
  expect(await chain.network()).toBe('signet');
  paths['/block-height/1'] = text('000002855893a0a9b24eaffc5efc770558a326fee4fc10c9da22fc19cd2954f9');
  expect(await chain.network()).toBe('mutinynet');
});

test('never shows the base URL, which may carry a token', async () => {
  const secret = `${url}/secret-token`;
  const fault = await esploraChain({ url: secret }).tip().catch(String);
  expect(fault).toContain('/blocks/tip/hash');
  expect(fault).not.toContain('secret-token');
  expect(() => esploraChain({ url: 'http://u:p-secret@127.0.0.1/' })).toThrow(/^the Esplora URL must not contain/);
});

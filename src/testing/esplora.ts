import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { ChainError } from '../chain/errors.ts';
import { type ChainIndex, chainIndex, type IndexedBlock, type IndexedTx } from './esplora-index.ts';
import type { Regtest } from './regtest.ts';

/** A running facade; `url` is the base URL for an Esplora client. */
export interface EsploraFacade {
  url: string;
  stop(): Promise<void>;
}

interface Answer {
  status: number;
  body: unknown;
}

const PAGE = 25;
const MEMPOOL_PAGE = 50;
const MAX_BODY_BYTES = 8_000_000;
const TARGETS = [1, 2, 3, 4, 5, 6, 10, 20, 25, 144, 504, 1008];
const SAT_PER_BTC = 1e8;
const VB_PER_KVB = 1e3;

const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, POST, OPTIONS',
  'access-control-allow-headers': '*',
};

const ok = (body: unknown): Answer => ({ status: 200, body });
const notFound = (what: string): Answer => ({ status: 404, body: `${what} not found` });

const allTxs = (index: ChainIndex): IndexedTx[] => [...index.blocks.flatMap(block => block.txs), ...index.mempool];
const touches = (tx: IndexedTx, address: string): boolean =>
  tx.vout.some(output => output.scriptpubkey_address === address) ||
  tx.vin.some(input => input.prevout?.scriptpubkey_address === address);

function spenderOf(index: ChainIndex, txid: string, vout: number) {
  for (const tx of allTxs(index)) {
    const vin = tx.vin.findIndex(input => input.txid === txid && input.vout === vout);
    if (vin >= 0) return { spent: true, txid: tx.txid, vin, status: tx.status };
  }
  return { spent: false };
}

function utxosOf(index: ChainIndex, address: string) {
  return allTxs(index).flatMap(tx =>
    tx.vout.flatMap((output, vout) =>
      output.scriptpubkey_address === address && !spenderOf(index, tx.txid, vout).spent
        ? [{ txid: tx.txid, vout, status: tx.status, value: output.value }]
        : [],
    ),
  );
}

/** Newest block first and, like real servers, in no useful order inside a block. */
function chainPage(index: ChainIndex, address: string, last: string | undefined): IndexedTx[] {
  const listed = index.blocks
    .toReversed()
    .flatMap(block => block.txs.filter(tx => touches(tx, address)).sort((a, b) => (a.txid < b.txid ? -1 : 1)));
  const start = last === undefined ? 0 : listed.findIndex(tx => tx.txid === last) + 1;
  return listed.slice(start, start + PAGE);
}

function addressAnswer(index: ChainIndex, address: string, rest: string[]): Answer | null {
  switch (rest.join('/')) {
    case 'utxo':
      return ok(utxosOf(index, address));
    case 'txs/mempool':
      return ok(index.mempool.filter(tx => touches(tx, address)).slice(0, MEMPOOL_PAGE));
    case 'txs/chain':
      return ok(chainPage(index, address, undefined));
  }
  return rest.length === 3 && rest[1] === 'chain' ? ok(chainPage(index, address, rest[2])) : null;
}

function txAnswer(index: ChainIndex, txid: string, rest: string[]): Answer | null {
  const tx = allTxs(index).find(candidate => candidate.txid === txid);
  const what = rest[0] ?? '';
  if (tx === undefined) return what === 'outspend' ? ok({ spent: false }) : notFound('Transaction');
  switch (what) {
    case '':
      return ok(tx);
    case 'hex':
      return ok(index.hexes.get(txid));
    case 'status':
      return ok(tx.status);
    case 'outspend':
      return ok(spenderOf(index, txid, Number(rest[1])));
    case 'outspends':
      return ok(tx.vout.map((_, vout) => spenderOf(index, txid, vout)));
    case 'merkle-proof': {
      const { status } = tx;
      if (!status.confirmed) return notFound('Merkle proof');
      const block = index.blocks[status.block_height]!;
      return ok({ block_height: block.height, merkle: [], pos: block.txs.indexOf(tx) });
    }
  }
  return null;
}

const blockJson = (block: IndexedBlock) => ({
  id: block.hash,
  height: block.height,
  timestamp: block.time,
  mediantime: block.mediantime,
  tx_count: block.txs.length,
  previousblockhash: block.previous,
});

function blockAnswer(index: ChainIndex, kind: string, rest: string[]): Answer | null {
  const tip = index.blocks.at(-1)!;
  if (kind === 'blocks') {
    if (rest.join('/') === 'tip/hash') return ok(tip.hash);
    return rest.join('/') === 'tip/height' ? ok(String(tip.height)) : null;
  }
  if (rest.length !== 1) return null;
  const block =
    kind === 'block' ? index.blocks.find(candidate => candidate.hash === rest[0]) : index.blocks[Number(rest[0])];
  if (block === undefined) return notFound('Block');
  return ok(kind === 'block' ? blockJson(block) : block.hash);
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY_BYTES) throw new Error('body too large');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * Serves the part of Esplora's HTTP API that `esploraChain` reads over a regtest node, with CORS headers for browsers,
 * on 127.0.0.1 and a free port unless told. For tests and demonstrations: every request looks through the whole chain.
 */
export async function startEsplora(
  node: Pick<Regtest, 'rpc'>,
  options: { port?: number } = {},
): Promise<EsploraFacade> {
  const current = chainIndex(node);

  async function feeEstimates(): Promise<Answer> {
    const schema = z.object({ feerate: z.number().optional() });
    const estimates: Record<string, number> = {};
    for (const target of TARGETS) {
      const { feerate } = schema.parse(await node.rpc('estimatesmartfee', [target, 'economical']));
      if (feerate !== undefined) estimates[target] = Math.round(feerate * SAT_PER_BTC) / VB_PER_KVB;
    }
    return ok(estimates);
  }

  async function broadcast(hex: string): Promise<Answer> {
    try {
      return ok(await node.rpc('sendrawtransaction', [hex.trim()]));
    } catch (fault) {
      if (!(fault instanceof ChainError)) throw fault;
      const message = fault.message.replace(/^sendrawtransaction: /, '');
      return { status: 400, body: `sendrawtransaction RPC error: ${JSON.stringify({ code: fault.rpcCode, message })}` };
    }
  }

  async function isAddress(text: string): Promise<boolean> {
    return z.object({ isvalid: z.boolean() }).parse(await node.rpc('validateaddress', [text])).isvalid;
  }

  async function answer(request: IncomingMessage): Promise<Answer> {
    const [kind = '', first = '', ...rest] = new URL(request.url ?? '/', 'http://facade').pathname.slice(1).split('/');
    if (request.method === 'POST') return kind === 'tx' ? broadcast(await readBody(request)) : notFound('Path');
    if (request.method !== 'GET') return { status: 405, body: 'method not allowed' };
    if (kind === 'fee-estimates') return feeEstimates();
    if (kind === 'address' && !(await isAddress(first))) return { status: 400, body: 'Invalid Bitcoin address' };
    const index = await current();
    const found =
      kind === 'address'
        ? addressAnswer(index, first, rest)
        : kind === 'tx'
          ? txAnswer(index, first, rest)
          : kind === 'blocks' || kind === 'block' || kind === 'block-height'
            ? blockAnswer(index, kind, [first, ...rest])
            : null;
    return found ?? notFound('Path');
  }

  function reply(response: ServerResponse, { status, body }: Answer): void {
    const text = typeof body === 'string';
    response.writeHead(status, { ...CORS, 'content-type': text ? 'text/plain' : 'application/json' });
    response.end(text ? body : JSON.stringify(body));
  }

  const server = createServer((request, response) => {
    if (request.method === 'OPTIONS') return void response.writeHead(204, CORS).end();
    answer(request).then(
      found => reply(response, found),
      () => reply(response, { status: 503, body: 'the node does not answer' }),
    );
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the facade has no port');

  return {
    url: `http://127.0.0.1:${address.port}`,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

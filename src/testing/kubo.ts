import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Bytes, sha256 } from '../crypto/index.ts';
import { cidV1 } from '../did/index.ts';

/** A stand-in for the part of an IPFS node that stores blocks: `POST /api/v0/block/put`. */
export interface TestKubo {
  url: string;
  /** What was stored, by CID. */
  blocks: ReadonlyMap<string, Bytes>;
  /** Requests so far, the refused ones too. */
  requests(): number;
  /** How the next requests are answered: as Kubo does, with status 500, with another block's key, or not at all. */
  behave(how: 'well' | 'refuse' | 'lie' | 'hang'): void;
  stop(): Promise<void>;
}

const MAX_BODY = 4 * 1_048_576;

/** Starts it on a free port of this machine. It checks method, arguments and multipart body as Kubo does. */
export async function startTestKubo(): Promise<TestKubo> {
  const blocks = new Map<string, Bytes>();
  let requests = 0;
  let mode: Parameters<TestKubo['behave']>[0] = 'well';
  const server = createServer((request, response) => {
    requests++;
    void serve(request, response).catch(() => refuse(response, 500, 'broken'));
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    if (mode === 'hang') return;
    if (mode === 'refuse') return refuse(response, 500, 'disk full');
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://kubo');
    if (pathname !== '/api/v0/block/put') return refuse(response, 404, 'no such command');
    if (request.method !== 'POST') return refuse(response, 405, 'only POST is allowed');
    const [codec, hash, pin] = ['cid-codec', 'mhtype', 'pin'].map(name => searchParams.get(name));
    if ((codec ?? 'raw') !== 'raw' || (hash ?? 'sha2-256') !== 'sha2-256' || pin !== 'true')
      return refuse(response, 400, 'not a pinned raw sha2-256 block');
    const block = body === null ? null : fileOf(request.headers['content-type'] ?? '', body);
    if (block === null) return refuse(response, 400, "file argument 'data' is required");
    if (block.length > 1_048_576) return refuse(response, 500, 'produced block is over 1MiB');
    const cid = cidV1(sha256(block));
    blocks.set(cid, Uint8Array.from(block));
    const told = mode === 'lie' ? cidV1(sha256(sha256(block))) : cid;
    response.setHeader('content-type', 'application/json');
    response.end(`${JSON.stringify({ Key: told, Size: block.length })}\n`);
  }

  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    blocks,
    requests: () => requests,
    behave(how) {
      mode = how;
    },
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.statusCode = status;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ Message: message, Code: 0, Type: 'error' }));
}

async function bodyOf(request: IncomingMessage): Promise<Buffer | null> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request) {
    parts.push(part as Buffer);
    length += (part as Buffer).length;
    if (length > MAX_BODY) return null;
  }
  return Buffer.concat(parts);
}

/** The one file of a multipart/form-data body (RFC 7578); null for anything else. */
function fileOf(contentType: string, body: Buffer): Buffer | null {
  const boundary = /^multipart\/form-data;.*\bboundary="?([^";]+)"?/i.exec(contentType)?.[1];
  if (boundary === undefined) return null;
  const open = Buffer.from(`--${boundary}\r\n`);
  const close = Buffer.from(`\r\n--${boundary}--`);
  const headEnd = body.indexOf('\r\n\r\n');
  const end = body.lastIndexOf(close);
  if (!body.subarray(0, open.length).equals(open) || headEnd < 0 || end < headEnd) return null;
  const head = body.subarray(open.length, headEnd).toString('latin1');
  if (!/content-disposition: form-data;.*filename="/i.test(head)) return null;
  return body.subarray(headEnd + 4, end);
}

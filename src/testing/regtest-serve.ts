import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { z } from 'zod';
import type { Regtest } from './regtest.ts';

const command = z.discriminatedUnion('cmd', [
  z.strictObject({ cmd: z.literal('mine'), n: z.int().min(1).max(10_000), address: z.string().optional() }),
  z.strictObject({ cmd: z.literal('fund'), address: z.string(), sats: z.int().positive() }),
  z.strictObject({ cmd: z.literal('tip') }),
]);

async function obey(node: Regtest, line: string): Promise<unknown> {
  const asked = command.parse(JSON.parse(line));
  switch (asked.cmd) {
    case 'mine': {
      const blocks = await node.mine(asked.n, asked.address);
      return { blocks, height: await node.rpc('getblockcount') };
    }
    case 'fund':
      return node.fund(asked.address, asked.sats);
    case 'tip':
      return { height: await node.rpc('getblockcount'), hash: await node.rpc('getbestblockhash') };
  }
}

/**
 * Drives a node by JSON lines, one answer a line, in order, until the input ends: `{"cmd":"mine","n":1}` (with
 * `address` to mine to it), `{"cmd":"fund","address":…,"sats":…}`, `{"cmd":"tip"}`. What cannot be done is answered
 * with `{"error":…}`.
 */
export async function serveRegtest(node: Regtest, input: Readable, output: Writable): Promise<void> {
  for await (const line of createInterface({ input })) {
    if (line.trim() === '') continue;
    const answer = await obey(node, line).catch(fault => ({
      error: fault instanceof z.ZodError || fault instanceof SyntaxError ? 'unknown command' : String(fault),
    }));
    output.write(`${JSON.stringify(answer)}\n`);
  }
}

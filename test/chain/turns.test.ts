import { createServer } from 'node:http';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { bitcoindChain, esploraChain } from '../../src/chain/index.ts';
import { together, turns } from '../../src/chain/turns.ts';

/** A server that answers slowly, and how many it had to serve at once at most. */
async function slowServer(answer: (body: string) => string) {
  let now = 0;
  let most = 0;
  const server = createServer((request, response) => {
    most = Math.max(most, ++now);
    let body = '';
    request.on('data', chunk => {
      body += chunk;
    });
    request.on('end', () =>
      setTimeout(() => {
        now--;
        response.end(answer(body));
      }, 5),
    );
  }).listen(0, '127.0.0.1');
  await new Promise(resolve => server.once('listening', resolve));
  const { port } = z.object({ port: z.number() }).parse(server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    most: () => most,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

test('work waits for its turn, in its order, and a failure gives its turn away', async () => {
  const inTurn = turns(2);
  const begun: number[] = [];
  const work = (i: number) =>
    inTurn(async () => {
      begun.push(i);
      await new Promise(resolve => setTimeout(resolve, 1));
      if (i === 0) throw new Error('failed');
      return i;
    });
  const all = await Promise.allSettled([0, 1, 2, 3, 4].map(work));
  expect(all.map(({ status }) => status)).toEqual(['rejected', ...Array(4).fill('fulfilled')]);
  expect(begun).toEqual([0, 1, 2, 3, 4]);
  expect(await work(5)).toBe(5);
});

test('hundreds of cohorts that look at once do not overload a node or a server', async () => {
  const info = { blocks: 1, bestblockhash: 'aa', mediantime: 2, time: 3 };
  const node = await slowServer(body => JSON.stringify({ id: JSON.parse(body).id, result: info, error: null }));
  const chain = bitcoindChain({ url: node.url, auth: { user: 'u', password: 'p' }, wallet: 'w' });
  const tips = await Promise.all(Array.from({ length: 200 }, () => chain.tip()));
  expect(tips).toHaveLength(200);
  expect(node.most()).toBe(8);
  await chain.close();
  node.close();

  const server = await slowServer(() => 'no JSON');
  const esplora = esploraChain({ url: server.url });
  const answers = await Promise.allSettled(Array.from({ length: 50 }, () => esplora.tip()));
  expect(answers).toHaveLength(50);
  expect(server.most()).toBe(6);
  await esplora.close();
  server.close();
});

test('calls that come while one is under way share the next, and a failure is of those who shared it alone', async () => {
  let runs = 0;
  const read = together(async () => {
    const run = ++runs;
    await new Promise(resolve => setTimeout(resolve, 5));
    if (run === 2) throw new Error('down');
    return run;
  });
  const first = Promise.all([read(), read()]);
  await new Promise(resolve => setTimeout(resolve, 1));
  const second = Promise.allSettled([read(), read(), read()]);
  expect(await first).toEqual([1, 1]);
  expect((await second).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  expect(await read()).toBe(3);
});

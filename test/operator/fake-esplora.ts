import { createServer } from 'node:http';

const REGTEST_GENESIS = '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206';
const TIP = 'ab'.repeat(32);

/** The few answers of an Esplora server that make a chain of a height, with no transactions in it. */
export async function startFakeEsplora({
  genesis = REGTEST_GENESIS,
  time = () => Math.floor(Date.now() / 1000),
}: {
  genesis?: string;
  time?: () => number;
} = {}): Promise<{ url: string; stop(): Promise<void> }> {
  const answers: Record<string, () => string> = {
    '/block-height/0': () => genesis,
    '/blocks/tip/hash': () => TIP,
    '/blocks/tip/height': () => '105',
    [`/block/${TIP}`]: () => JSON.stringify({ id: TIP, height: 105, timestamp: time(), mediantime: time() - 60 }),
    '/fee-estimates': () => '{"6": 2.5}',
  };
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    const answer = answers[path] ?? (path.startsWith('/address/') ? () => '[]' : undefined);
    response.writeHead(answer === undefined ? 404 : 200);
    response.end(answer === undefined ? 'not found' : answer());
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

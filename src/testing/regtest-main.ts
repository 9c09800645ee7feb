import { startEsplora } from './esplora.ts';
import { startRegtest } from './regtest.ts';
import { serveRegtest } from './regtest-serve.ts';

// A regtest node as a process: one JSON line tells where it is, then it obeys JSON lines until SIGTERM or their end.
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const USAGE = `A regtest node of its own, with a miner, and an Esplora view of it. It takes no options.

Usage: npm run node

Prints one JSON line: where it is, and the cookie file that lets one in. Then it obeys JSON lines on its input, one answer
a line, until SIGTERM or their end:
  {"cmd":"fund","address":"…","sats":100000}   pay an address
  {"cmd":"mine","n":6}                          mine blocks
  {"cmd":"tip"}                                 say how high the chain is
`;
const [word] = process.argv.slice(2);
if (word !== undefined) {
  const isHelp = word === '--help' || word === '-h';
  (isHelp ? process.stdout : process.stderr).write(isHelp ? USAGE : `there is no option ${word}\n\n${USAGE}`);
  process.exit(isHelp ? 0 : 2);
}
const node = await startRegtest({ log: say }).catch(fault => {
  // What to do about it is all that a person needs, not where in the code it was found.
  say(fault instanceof Error ? fault.message : String(fault));
  process.exit(1);
});
const esplora = await startEsplora(node);

let ending: Promise<void> | null = null;
function end(): Promise<void> {
  ending ??= esplora
    .stop()
    .then(() => node.stop())
    .then(() => process.exit(0));
  return ending;
}
process.on('SIGTERM', end);
process.on('SIGINT', end);

const where = { rpcUrl: node.rpcUrl, cookieFile: node.cookieFile, dir: node.dir, esploraUrl: esplora.url };
process.stdout.write(`${JSON.stringify(where)}\n`);
await serveRegtest(node, process.stdin, process.stdout);
await end();

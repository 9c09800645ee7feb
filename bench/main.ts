import { printTable } from './report.ts';

const BENCHES: Record<string, () => Promise<{ run(args: readonly string[]): Promise<void> }>> = {
  tree: () => import('./tree.ts'),
  musig: () => import('./musig.ts'),
  round: () => import('./round.ts'),
  many: () => import('./many.ts'),
  store: () => import('./store.ts'),
  inbox: () => import('./inbox.ts'),
};

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const [name = '', ...args] = process.argv.slice(2);
const chosen = name === 'all' ? Object.keys(BENCHES) : [name];
if (!chosen.every(one => Object.hasOwn(BENCHES, one))) {
  process.stderr.write(`usage: npm run bench -- <${Object.keys(BENCHES).join('|')}|all> [sizes, such as 20,100]\n`);
  process.exit(2);
}
for (const one of chosen) await (await BENCHES[one]!()).run(args);
printTable();

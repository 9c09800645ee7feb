import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The demo's output folder. What an earlier demo left in it is removed first; nothing else is touched. */
export function outputFolder(path: string): (name: string, value: unknown) => void {
  for (const name of ['advert.json', 'cohort.json', 'chain.json', 'rounds', 'wallets'])
    rmSync(join(path, name), { recursive: true, force: true });
  return (name, value) => {
    const file = join(path, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
  };
}

export const didFile = (wallet: string, did: string): string =>
  join('wallets', wallet, `${did.replaceAll(':', '_')}.json`);

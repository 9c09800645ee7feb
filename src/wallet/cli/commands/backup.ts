import { resolve } from 'node:path';
import { type Command, EXIT } from '../command.ts';
import { hint, waiting, writeJson, writeLines } from '../io.ts';
import { homeOf } from '../open.ts';

export const backup: Command = {
  name: 'backup',
  arguments: ['FILE'],
  summary: 'copy the wallet, while it runs or not',
  details: [
    'Writes the database to FILE and the keys to FILE.keys.json, both new, of mode 0600, and checked. The keys are locked in',
    'the copy if they are locked in the wallet. wallet.toml is not in it.',
    '',
    'A copy grows old with the next signature. Put back, it is safe all the same (see btcr2-wallet put-back --help), but what',
    'was updated in between is not in it: updates that only this wallet knows are lost with the disk. So copy often.',
  ].join('\n'),
  options: {},
  async run(invocation) {
    const home = homeOf(invocation);
    const { backupWallet } = await import('../../client.ts');
    const file = resolve(invocation.io.cwd, invocation.positionals[0]!);
    const made = await waiting(invocation, 'copying', backupWallet(home, file));
    if (invocation.json) writeJson(invocation, made);
    else writeLines(invocation, [`copied to ${made.database} and ${made.keys}`]);
    hint(invocation, 'whoever has both files has the wallet, unless its keys are locked (btcr2-wallet passwd)');
    return EXIT.ok;
  },
};

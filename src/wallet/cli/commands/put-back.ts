import { resolve } from 'node:path';
import { type Command, EXIT } from '../command.ts';
import { hint, writeJson, writeLines } from '../io.ts';
import { homeOf } from '../open.ts';

export const putBack: Command = {
  name: 'put-back',
  arguments: ['FILE'],
  summary: 'put a copy of the wallet back',
  details: [
    'Takes what backup wrote, into a folder without a wallet.db. Newer keys that are there are kept.',
    '',
    'The wallet then knows that it does not know what it signed after the copy was made. For the DIDs of the copy it signs and',
    'announces nothing but what the copy shows as signed for, until the chain has settled the rest: until all that the beacon',
    'held when the copy was put back is spent, six blocks deep. It goes on signing signals that say nothing new of these DIDs,',
    'so that this comes about. Drafts of the copy are given up. btcr2-wallet trust-copy ends the doubt, if you know better.',
    '',
    'Never let two copies of one wallet run: this replaces a wallet that is gone. One that has only its words left is for',
    'btcr2-wallet restore.',
  ].join('\n'),
  options: {},
  async run(invocation) {
    const home = homeOf(invocation);
    const { restoreWallet } = await import('../../client.ts');
    const { keys } = restoreWallet(home, resolve(invocation.io.cwd, invocation.positionals[0]!));
    if (invocation.json) writeJson(invocation, { home, keys });
    else writeLines(invocation, [`put back into ${home}; the keys were ${keys}`]);
    hint(
      invocation,
      'nothing new is signed for its DIDs until the chain has settled what may have been signed since the copy',
    );
    return EXIT.ok;
  },
};
